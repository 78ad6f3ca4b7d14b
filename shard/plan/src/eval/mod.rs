//! Vectorised evaluation of [`Expr`]: bind once, evaluate over columns many times.
//!
//! Binding puts the request's parameters in, flattens AND and OR, compiles patterns and IN lists, prepares functions and
//! folds what is constant. Evaluation works on whole Arrow columns and follows SQL's three-valued logic.

mod bind;
pub mod compare;
pub mod in_set;
pub mod like;
pub mod logic;
mod node;
pub mod text;
pub mod value;

pub use compare::compare_scalars;
pub use text::{expr_text, scalar_text};
pub use value::{repeat, scalar_at};

use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::function::Registry;
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{ArrayRef, BooleanArray};
use node::{Context, Kind, Node};

/// An expression that is ready to run.
#[derive(Debug)]
pub struct BoundExpr {
    root: Node,
}

impl BoundExpr {
    /// Prepares `expr`. Errors call columns `#index`; [`BoundExpr::bind_named`] calls them by name.
    pub fn bind(expr: &Expr, registry: &Registry, params: &[Scalar]) -> Result<BoundExpr> {
        BoundExpr::bind_named(expr, registry, params, &[])
    }

    /// Prepares `expr`; `column_names[i]` is column `i` in error messages.
    ///
    /// # Errors
    /// When a function or parameter is missing or of the wrong type, or the expression is nested too deeply.
    pub fn bind_named(
        expr: &Expr,
        registry: &Registry,
        params: &[Scalar],
        column_names: &[String],
    ) -> Result<BoundExpr> {
        bind::check_depth(expr)?;
        Ok(BoundExpr { root: bind::Binder { registry, params, names: column_names }.bind(expr)? })
    }

    /// The values of the expression for `rows` rows. `columns[i]` is column `i`; those it does not read may be anything.
    pub fn eval(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let cx = Context { columns, element: None, rows };
        value::into_array(self.root.eval(&cx)?, rows)
    }

    /// The rows where the condition is true; false and NULL are both false here.
    ///
    /// # Errors
    /// When the expression is not a condition, or fails on a row that the result depends on.
    pub fn eval_filter(&self, columns: &[ArrayRef], rows: usize) -> Result<BooleanArray> {
        if self.root.ty != Type::BOOLEAN {
            return Err(Error::Plan(format!("a filter is a {}, it must be BOOLEAN", self.root.ty)));
        }
        let cx = Context { columns, element: None, rows };
        Ok(BooleanArray::new(self.root.eval_filter(&cx)?, None))
    }

    pub fn ty(&self) -> Type {
        self.root.ty
    }

    /// The value, when it is the same for every row.
    pub fn constant(&self) -> Option<&Scalar> {
        match &self.root.kind {
            Kind::Const(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The input columns that are read, ascending.
    pub fn columns(&self) -> &[u32] {
        &self.root.columns
    }

    /// The only column read: such an expression, when deterministic, may run once per dictionary entry (E-1).
    pub fn single_column(&self) -> Option<u32> {
        match self.root.columns.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Same input, same output.
    pub fn is_deterministic(&self) -> bool {
        self.root.deterministic
    }

    /// May fail for some input. What cannot may be evaluated for rows that are not asked for.
    pub fn is_fallible(&self) -> bool {
        self.root.fallible
    }
}
