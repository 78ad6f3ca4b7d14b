//! How a scalar function is written down: name, what it takes, what it returns, and a kernel.
//!
//! ```text
//! Function::new("substr", "STRING, INT[, INT]", Type::STRING, |_| kernel(|args, rows| ...))
//! ```
//!
//! The text of what it takes is both the check and the error message: `substr takes (STRING, INT[, INT]), got (INT)`.

use crate::error::{Error, Result};
use crate::function::{Datum, FunctionFlags, Kernel, ScalarFn, Signature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::ArrayRef;
use segfmt::DataType;
use std::fmt;
use std::sync::Arc;

/// One call while it is resolved or bound: argument types and the constant arguments.
pub struct Site<'a> {
    pub name: &'static str,
    pub args: &'a [Type],
    pub constants: &'a [Option<Scalar>],
}

impl Site<'_> {
    /// Argument `i`, when it is a text literal.
    pub fn text(&self, i: usize) -> Option<&str> {
        match self.constants.get(i) {
            Some(Some(Scalar::String(text) | Scalar::Json(text))) => Some(text),
            _ => None,
        }
    }

    /// Argument `i`, which must be a text literal. `what` says what it is: `a unit`.
    pub fn literal(&self, i: usize, what: &str) -> Result<&str> {
        self.text(i).ok_or_else(|| {
            Error::Signature(format!("{} takes {what} as argument {}, which must be a text literal", self.name, i + 1))
        })
    }

    /// Argument `i`, when it is an integer literal.
    pub fn integer(&self, i: usize) -> Option<i64> {
        match self.constants.get(i) {
            Some(Some(Scalar::Int(v))) => Some(i64::from(*v)),
            Some(Some(Scalar::Long(v))) => Some(*v),
            _ => None,
        }
    }

    /// Argument `i` is a NULL literal: the strict function is never called.
    pub fn is_null(&self, i: usize) -> bool {
        matches!(self.constants.get(i), Some(Some(Scalar::Null(_))))
    }

    pub fn any_null(&self) -> bool {
        (0..self.args.len()).any(|i| self.is_null(i))
    }

    pub fn mismatch(&self, takes: &str) -> Error {
        Error::Signature(format!("{} takes ({takes}), got ({})", self.name, type_list(self.args)))
    }
}

fn type_list(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ")
}

type Bind = fn(&Site) -> Result<Arc<dyn Kernel>>;
type Resolve = fn(&Site) -> Result<Signature>;

enum Takes {
    Text(&'static str, Type),
    Custom(Resolve),
}

/// A scalar function by its parts.
pub struct Function {
    name: &'static str,
    aliases: &'static [&'static str],
    takes: Takes,
    bind: Bind,
    flags: FunctionFlags,
}

impl Function {
    /// `takes` lists kinds of arguments: a type's name, `NUMBER`, `INSTANT`, `ANY`, `ARRAY`; `[, X]` is optional, `X...`
    /// is one or more.
    pub fn new(name: &'static str, takes: &'static str, result: Type, bind: Bind) -> Function {
        Function::with(name, Takes::Text(takes, result), bind)
    }

    /// A function whose result depends on its arguments' types.
    pub fn typed(name: &'static str, resolve: Resolve, bind: Bind) -> Function {
        Function::with(name, Takes::Custom(resolve), bind)
    }

    fn with(name: &'static str, takes: Takes, bind: Bind) -> Function {
        let flags = FunctionFlags { deterministic: true, strict: true, monotone: false };
        Function { name, aliases: &[], takes, bind, flags }
    }

    pub fn aliases(mut self, aliases: &'static [&'static str]) -> Function {
        self.aliases = aliases;
        self
    }

    /// NULL arguments reach the kernel.
    pub fn sees_nulls(mut self) -> Function {
        self.flags.strict = false;
        self
    }

    pub fn monotone(mut self) -> Function {
        self.flags.monotone = true;
        self
    }

    pub fn volatile(mut self) -> Function {
        self.flags.deterministic = false;
        self
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl ScalarFn for Function {
    fn name(&self) -> &'static str {
        self.name
    }
    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }
    fn flags(&self) -> FunctionFlags {
        self.flags
    }
    fn resolve(&self, args: &[Type], constants: &[Option<Scalar>]) -> Result<Signature> {
        let site = Site { name: self.name, args, constants };
        match self.takes {
            Takes::Text(takes, result) => Ok(Signature { args: coerce(&site, takes)?, result }),
            Takes::Custom(resolve) => resolve(&site),
        }
    }
    fn bind(&self, args: &[Type], constants: &[Option<Scalar>]) -> Result<Arc<dyn Kernel>> {
        (self.bind)(&Site { name: self.name, args, constants })
    }
}

struct Closure<F>(F);

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kernel")
    }
}

impl<F: Fn(&[Datum], usize) -> Result<ArrayRef> + Send + Sync> Kernel for Closure<F> {
    fn call(&self, args: &[Datum], rows: usize) -> Result<ArrayRef> {
        (self.0)(args, rows)
    }
}

/// A kernel from a closure over whole columns.
pub fn kernel(f: impl Fn(&[Datum], usize) -> Result<ArrayRef> + Send + Sync + 'static) -> Result<Arc<dyn Kernel>> {
    Ok(Arc::new(Closure(f)))
}

/// The types that the arguments are coerced to, by a text such as `STRING, INT[, INT]`.
pub fn coerce(site: &Site, takes: &str) -> Result<Vec<Type>> {
    let mut kinds: Vec<&str> = Vec::new();
    let mut required = 0;
    let mut optional = false;
    let mut variadic = false;
    for part in takes.split(',') {
        let mut part = part.trim().trim_end_matches(']');
        if let Some(rest) = part.strip_prefix('[') {
            optional = true;
            part = rest;
        }
        let (kind, opens) = match part.strip_suffix('[') {
            Some(kind) => (kind.trim(), true),
            None => (part, false),
        };
        if let Some(kind) = kind.strip_suffix("...") {
            variadic = true;
            kinds.push(kind);
        } else if !kind.is_empty() {
            kinds.push(kind);
        }
        required += usize::from(!optional && !kind.is_empty());
        optional |= opens;
    }
    let n = site.args.len();
    if n < required || (n > kinds.len() && !variadic) {
        return Err(site.mismatch(takes));
    }
    (0..n)
        .map(|i| {
            let kind = kinds[i.min(kinds.len() - 1)];
            fit(kind, site.args[i], site.constants.get(i).and_then(Option::as_ref)).ok_or_else(|| site.mismatch(takes))
        })
        .collect()
}

/// The type that an argument of type `ty` is coerced to so as to be of a kind.
fn fit(kind: &str, ty: Type, constant: Option<&Scalar>) -> Option<Type> {
    use DataType::{Json, Long, String, Timestamp};
    let null = constant.is_some_and(Scalar::is_null);
    let literal_text = matches!(constant, Some(Scalar::String(_)));
    let instant = |ty: Type| !ty.multi && (ty.is_integer() || ty.data == Timestamp);
    match kind {
        "ANY" => Some(ty),
        "SINGLE" => (!ty.multi).then_some(ty),
        "ARRAY" => ty.multi.then_some(ty),
        "TEXT" => (!ty.multi).then_some(Type::STRING),
        "NUMBER" if null => Some(Type::DOUBLE),
        "NUMBER" => ty.is_numeric().then_some(ty),
        "INSTANT" if null || literal_text => Some(Type::TIMESTAMP),
        "INSTANT" if instant(ty) => Some(if ty.data == Timestamp { ty } else { Type::single(Long) }),
        "JSON" if null || ty == Type::STRING || ty == Type::JSON => Some(Type::STRING),
        "STRING_ARRAY" => (ty == Type::multi(String)).then_some(ty),
        _ => {
            let want = Type::single(DataType::from_pinot_name(kind)?);
            let fits = null
                || ty == want
                || match want.data {
                    String => ty == Type::single(Json),
                    DataType::Int => ty.is_integer(),
                    Long => instant(ty),
                    DataType::Double | DataType::BigDecimal => ty.is_numeric(),
                    Timestamp => instant(ty) || literal_text,
                    _ => false,
                };
            fits.then_some(want)
        }
    }
}

/// The type that two numbers meet in: INT, LONG, then DOUBLE, then BIG_DECIMAL.
///
/// LONG with DOUBLE is DOUBLE; any number with BIG_DECIMAL is BIG_DECIMAL. `None` when one is no number.
pub fn promote(a: Type, b: Type) -> Option<Type> {
    if !a.is_numeric() || !b.is_numeric() {
        return None;
    }
    if a == b {
        return Some(a);
    }
    let either = |data| a.data == data || b.data == data;
    Some(if either(DataType::BigDecimal) {
        Type::BIG_DECIMAL
    } else if either(DataType::Double) || either(DataType::Float) {
        Type::DOUBLE
    } else {
        Type::LONG
    })
}

/// The type that values of two types meet in, for CASE, COALESCE, GREATEST, IN and comparisons. Beyond numbers: TIMESTAMP
/// with an integer is TIMESTAMP, JSON with STRING is STRING. `None` when they need an explicit conversion.
pub fn common_type(a: Type, b: Type) -> Option<Type> {
    if a == b {
        return Some(a);
    }
    if a.multi != b.multi {
        return None;
    }
    if a.multi {
        return common_type(a.element(), b.element()).map(|t| Type::multi(t.data));
    }
    let pair = |x: Type, y: Type| (a == x && b == y) || (a == y && b == x);
    if (a == Type::TIMESTAMP && b.is_integer()) || (b == Type::TIMESTAMP && a.is_integer()) {
        Some(Type::TIMESTAMP)
    } else if pair(Type::STRING, Type::JSON) {
        Some(Type::STRING)
    } else {
        promote(a, b)
    }
}
