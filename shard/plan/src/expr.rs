//! Scalar expressions of a plan, after name resolution and coercion: every node has one known type.

use crate::scalar::Scalar;
use crate::types::Type;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

/// An expression over the columns of its plan (a leaf's [`crate::LeafPlan::columns`], or a reduce's input row).
///
/// Boolean nodes follow SQL's three-valued logic. Both sides of a comparison have the same [`Type`].
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Column `index` of the plan's input.
    Column {
        index: u32,
        ty: Type,
    },
    Literal(Scalar),
    /// Value `index` of the parameters bound with the request (E-3). An IN list is one `List` parameter.
    Param {
        index: u32,
        ty: Type,
    },
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `expr IN (list)`: `list` is a Literal or Param of list type, elements of the type of `expr`. NULL elements count
    /// as in SQL: no match and a NULL element give NULL.
    In {
        expr: Box<Expr>,
        list: Box<Expr>,
        negated: bool,
    },
    /// SQL LIKE with `escape` (a character, or none). Case sensitive unless `insensitive`.
    Like {
        expr: Box<Expr>,
        pattern: String,
        escape: Option<char>,
        insensitive: bool,
        negated: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`: NULL equals NULL.
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    /// `any` (or `all`) of the elements of a multi-value `list` satisfy `predicate`, in which [`Expr::Element`] stands for
    /// the element (E-4).
    Quantified {
        all: bool,
        list: Box<Expr>,
        predicate: Box<Expr>,
    },
    Element {
        ty: Type,
    },
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        ty: Type,
    },
    /// A checked conversion: what does not fit is an error. `lenient` makes it NULL instead (TRY_CAST).
    Cast {
        expr: Box<Expr>,
        to: Type,
        lenient: bool,
    },
    /// A registered scalar function, named as the registry names it, at a version of its results.
    Call {
        function: String,
        version: u32,
        args: Vec<Expr>,
        ty: Type,
    },
}

impl Expr {
    pub fn ty(&self) -> Type {
        match self {
            Expr::Column { ty, .. } | Expr::Param { ty, .. } | Expr::Element { ty } => *ty,
            Expr::Case { ty, .. } | Expr::Call { ty, .. } => *ty,
            Expr::Literal(value) => value.ty(),
            Expr::Cast { to, .. } => *to,
            Expr::Compare { .. }
            | Expr::In { .. }
            | Expr::Like { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::IsDistinct { .. }
            | Expr::Quantified { .. } => Type::BOOLEAN,
        }
    }

    /// The direct operands, in order.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal(_) | Expr::Param { .. } | Expr::Element { .. } => vec![],
            Expr::Compare { left, right, .. } | Expr::IsDistinct { left, right, .. } => vec![left, right],
            Expr::In { expr, list, .. } => vec![expr, list],
            Expr::Like { expr, .. } | Expr::IsNull { expr, .. } | Expr::Cast { expr, .. } | Expr::Not(expr) => {
                vec![expr]
            }
            Expr::And(parts) | Expr::Or(parts) => parts.iter().collect(),
            Expr::Quantified { list, predicate, .. } => vec![list, predicate],
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()).collect()
            }
            Expr::Call { args, .. } => args.iter().collect(),
        }
    }

    /// Calls `visit` on this node and all below it, parents first.
    pub fn walk<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        // An explicit stack: a plan off the wire may be nested deeper than this thread's stack allows.
        let mut open = vec![self];
        while let Some(expr) = open.pop() {
            visit(expr);
            open.extend(expr.children().into_iter().rev());
        }
    }

    /// The distinct input columns that the expression reads, ascending.
    pub fn columns(&self) -> Vec<u32> {
        let mut found = Vec::new();
        self.walk(&mut |e| {
            if let Expr::Column { index, .. } = e {
                found.push(*index);
            }
        });
        found.sort_unstable();
        found.dedup();
        found
    }
}
