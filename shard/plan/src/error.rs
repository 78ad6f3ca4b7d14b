//! Errors of planning and evaluating an expression or aggregate.

/// What went wrong while a plan was bound or evaluated.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value does not fit its type. `expression` is the SQL-like text of the failing expression.
    #[error("{what}{}{expression}", if expression.is_empty() { "" } else { " in " })]
    Evaluation { what: String, expression: String },
    /// No function of this name takes these argument types.
    #[error("{0}")]
    Signature(String),
    /// The plan itself is inconsistent: an index out of range, a type that cannot be.
    #[error("invalid plan: {0}")]
    Plan(String),
    /// The query is past its memory budget.
    #[error("{0}")]
    Memory(String),
    /// The query was cancelled or is past its deadline.
    #[error("{0}")]
    Stopped(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failed evaluation whose expression is not known yet; [`Error::in_expression`] adds it on the way up.
    pub fn evaluation(what: impl Into<String>) -> Error {
        Error::Evaluation { what: what.into(), expression: String::new() }
    }

    /// Names the innermost expression that failed, once.
    pub fn in_expression(self, text: impl FnOnce() -> String) -> Error {
        match self {
            Error::Evaluation { what, expression } if expression.is_empty() => {
                Error::Evaluation { what, expression: text() }
            }
            other => other,
        }
    }
}
