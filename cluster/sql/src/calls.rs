//! Scalar functions in DataFusion's plans: by name while SQL is planned, bound after the analyzer.
//!
//! ```text
//!   SQL ──▶ NamedCall (a function of the registry, an operator, a cast) ──analyzer──▶ BoundCall (an `Expr` template)
//! ```
//! A [`BoundCall`] runs our own evaluator, so that a function means the same above and below the leaves.

use crate::error::{Result, SqlError, external};
use crate::plan::Profile;
use crate::rewrite;
use crate::typing::{field, scalar_of, type_of};
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType as ArrowType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use shard_plan::eval::BoundExpr;
use shard_plan::{Expr, Registry, Scalar, ScalarFn, Type};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// What a call by name stands for.
#[derive(Debug, Clone)]
pub enum Named {
    Function(Arc<dyn ScalarFn>),
    Arithmetic(Arithmetic),
    Compare(shard_plan::CompareOp),
    /// `gamay_cast(x, 'LONG')`.
    Cast {
        lenient: bool,
    },
    /// `gamay_decimal('1.5')`.
    Decimal,
    /// `gamay_param(ordinal, '+', literal)`.
    Param,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Concat,
    BitAnd,
    BitOr,
    BitXor,
}

/// A call before the analyzer has seen it.
#[derive(Debug)]
pub struct NamedCall {
    name: String,
    pub named: Named,
    registry: Arc<Registry>,
    profile: Profile,
    signature: Signature,
}

impl NamedCall {
    pub fn udf(name: &str, named: Named, registry: &Arc<Registry>, profile: Profile) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(NamedCall {
            name: name.to_owned(),
            named,
            registry: registry.clone(),
            profile,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    }

    /// The call that `name` means, if it means one.
    pub fn find(name: &str, registry: &Arc<Registry>, profile: Profile) -> Option<Arc<ScalarUDF>> {
        let named = match name {
            rewrite::CAST => Named::Cast { lenient: false },
            rewrite::TRY_CAST => Named::Cast { lenient: true },
            rewrite::DECIMAL => Named::Decimal,
            rewrite::PARAM => Named::Param,
            _ => Named::Function(registry.scalar(name)?.clone()),
        };
        Some(NamedCall::udf(name, named, registry, profile))
    }

    fn result(&self, args: &[Option<Type>], constants: &[Option<Scalar>]) -> Result<Type> {
        match &self.named {
            Named::Compare(_) => Ok(Type::BOOLEAN),
            Named::Decimal => Ok(Type::BIG_DECIMAL),
            Named::Param => Ok(args.get(2).copied().flatten().unwrap_or(Type::STRING)),
            Named::Cast { .. } => cast_target(constants.get(1).and_then(Option::as_ref)),
            Named::Function(function) => {
                let args: Vec<Type> = args.iter().map(|a| a.unwrap_or(Type::STRING)).collect();
                Ok(function.resolve(&args, constants)?.result)
            }
            Named::Arithmetic(op) => {
                let args: Vec<Type> = args.iter().map(|a| operand(*op, a.unwrap_or(Type::INT))).collect();
                let function = op.function(&self.registry, &args, self.profile)?;
                Ok(function.resolve(&args, constants)?.result)
            }
        }
    }
}

/// TIMESTAMP counts as its milliseconds in arithmetic.
pub fn operand(op: Arithmetic, ty: Type) -> Type {
    if op != Arithmetic::Concat && ty == Type::TIMESTAMP { Type::LONG } else { ty }
}

/// The type that a cast's second argument names.
pub fn cast_target(constant: Option<&Scalar>) -> Result<Type> {
    match constant {
        Some(Scalar::String(name)) => segfmt::DataType::from_pinot_name(name)
            .map(Type::single)
            .ok_or_else(|| SqlError::validation(format!("{name} is not a type"))),
        _ => Err(SqlError::planning("a cast without a type")),
    }
}

impl Arithmetic {
    /// Integers divide to an integer in `mse`, to a DOUBLE in `sse` (E-2).
    pub fn function<'r>(
        self,
        registry: &'r Registry,
        args: &[Type],
        profile: Profile,
    ) -> Result<&'r Arc<dyn ScalarFn>> {
        let name = match self {
            Arithmetic::Plus => "plus",
            Arithmetic::Minus => "minus",
            Arithmetic::Times => "times",
            Arithmetic::Divide if profile == Profile::Mse && args.iter().all(|a| a.is_integer()) => "intdiv",
            Arithmetic::Divide => "divide",
            Arithmetic::Modulo => "mod",
            Arithmetic::Concat => "concat",
            Arithmetic::BitAnd => "bitand",
            Arithmetic::BitOr => "bitor",
            Arithmetic::BitXor => "bitxor",
        };
        registry.scalar(name).ok_or_else(|| SqlError::planning(format!("function {name} is missing")))
    }
}

impl PartialEq for NamedCall {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for NamedCall {}

impl Hash for NamedCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for NamedCall {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[ArrowType]) -> DfResult<ArrowType> {
        Err(external(SqlError::planning(format!("{} was asked for its type without its arguments", self.name))))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let types = args.arg_fields.iter().map(|f| type_of(f)).collect::<Result<Vec<_>>>().map_err(external)?;
        let constants: Vec<Option<Scalar>> =
            args.scalar_arguments.iter().map(|v| v.and_then(|v| scalar_of(v).map(narrow))).collect();
        // An integer literal counts as INT when it fits.
        let types: Vec<Option<Type>> = types
            .into_iter()
            .zip(&constants)
            .map(|(ty, constant)| match constant {
                Some(Scalar::Int(_)) => Some(Type::INT),
                _ => ty,
            })
            .collect();
        let ty = self.result(&types, &constants).map_err(external)?;
        Ok(Arc::new(field(&self.name, ty)))
    }

    fn coerce_types(&self, args: &[ArrowType]) -> DfResult<Vec<ArrowType>> {
        Ok(args.to_vec())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(external(SqlError::planning(format!("{} was not bound by the analyzer", self.name))))
    }
}

impl BoundCall {
    /// The error again, with the arguments called what the query calls them.
    fn named(
        &self,
        error: shard_plan::Error,
        fields: &[FieldRef],
        columns: &[ArrayRef],
        rows: usize,
    ) -> shard_plan::Error {
        let names: Vec<String> = fields.iter().map(|f| f.name().clone()).collect();
        match BoundExpr::bind_named(&self.template, &self.registry, &[], &names) {
            Ok(bound) => bound.eval(columns, rows).err().unwrap_or(error),
            Err(_) => error,
        }
    }
}

/// The literal `1` is an INT.
pub fn narrow(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Long(v) => i32::try_from(v).map_or(Scalar::Long(v), Scalar::Int),
        other => other,
    }
}

/// A call after the analyzer: an expression of ours over the arguments.
pub struct BoundCall {
    name: String,
    /// `Column { index }` is argument `index`.
    pub template: Expr,
    pub ty: Type,
    registry: Arc<Registry>,
    signature: Signature,
    /// Equal templates, equal keys.
    key: String,
    bound: OnceLock<Result<BoundExpr, shard_plan::Error>>,
}

impl std::fmt::Debug for BoundCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundCall").field("template", &self.template).finish_non_exhaustive()
    }
}

impl BoundCall {
    pub fn udf(name: &str, template: Expr, deterministic: bool, registry: &Arc<Registry>) -> Arc<ScalarUDF> {
        let volatility = if deterministic { Volatility::Immutable } else { Volatility::Volatile };
        Arc::new(ScalarUDF::new_from_impl(BoundCall {
            name: name.to_owned(),
            ty: template.ty(),
            key: format!("{template:?}"),
            template,
            registry: registry.clone(),
            signature: Signature::user_defined(volatility),
            bound: OnceLock::new(),
        }))
    }
}

impl PartialEq for BoundCall {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for BoundCall {}

impl Hash for BoundCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl ScalarUDFImpl for BoundCall {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[ArrowType]) -> DfResult<ArrowType> {
        Ok(self.ty.arrow())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(field(&self.name, self.ty)))
    }

    fn coerce_types(&self, args: &[ArrowType]) -> DfResult<Vec<ArrowType>> {
        Ok(args.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let bound = self.bound.get_or_init(|| BoundExpr::bind(&self.template, &self.registry, &[]));
        let bound = bound.as_ref().map_err(|e| external(e.clone()))?;
        let constant = self.signature.volatility == Volatility::Immutable
            && args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|a| a.to_array(rows)).collect::<DfResult<Vec<ArrayRef>>>()?;
        let values =
            bound.eval(&columns, rows).map_err(|e| external(self.named(e, &args.arg_fields, &columns, rows)))?;
        Ok(if constant {
            ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&values, 0)?)
        } else {
            ColumnarValue::Array(values)
        })
    }
}

/// A group key that is taken apart into the elements of a multi-value expression; only leaves can do it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Expand {
    element: Type,
    signature: Signature,
}

impl Expand {
    pub fn of(list: datafusion::logical_expr::Expr, element: Type) -> datafusion::logical_expr::Expr {
        let expand = Expand { element, signature: Signature::user_defined(Volatility::Immutable) };
        let udf = Arc::new(ScalarUDF::new_from_impl(expand));
        datafusion::logical_expr::Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(
            udf,
            vec![list],
        ))
    }
}

impl ScalarUDFImpl for Expand {
    fn name(&self) -> &str {
        "expand"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[ArrowType]) -> DfResult<ArrowType> {
        Ok(self.element.arrow())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(field("expand", self.element)))
    }

    fn coerce_types(&self, args: &[ArrowType]) -> DfResult<Vec<ArrowType>> {
        Ok(args.to_vec())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(external(SqlError::validation(
            "GROUP BY a multi-value column works on a table, not on the result of a join or subquery",
        )))
    }
}
