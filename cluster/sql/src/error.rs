//! Why a query was refused or failed: Pinot's error code, a message, and where in the text.

use cluster_types::ErrorCode;
use datafusion::error::DataFusionError;
use std::fmt;

/// Where in the SQL text: both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// A query that cannot be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlError {
    pub code: ErrorCode,
    pub message: String,
    pub position: Option<Position>,
}

pub type Result<T, E = SqlError> = std::result::Result<T, E>;

impl SqlError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> SqlError {
        SqlError { code, message: message.into(), position: None }
    }

    pub fn at(mut self, line: u64, column: u64) -> SqlError {
        if line > 0 && self.position.is_none() {
            self.position = Some(Position { line, column });
        }
        self
    }

    /// The text is not SQL.
    pub fn parsing(message: impl Into<String>) -> SqlError {
        SqlError::new(ErrorCode::SqlParsing, message)
    }

    /// The SQL is well formed and cannot be meant.
    pub fn validation(message: impl Into<String>) -> SqlError {
        SqlError::new(ErrorCode::QueryValidation, message)
    }

    /// The planner cannot do this.
    pub fn planning(message: impl Into<String>) -> SqlError {
        SqlError::new(ErrorCode::QueryPlanning, message)
    }

    /// The data does not allow it, or running it failed.
    pub fn execution(message: impl Into<String>) -> SqlError {
        SqlError::new(ErrorCode::QueryExecution, message)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.position {
            Some(at) => write!(f, " at line {}, column {}", at.line, at.column),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

impl From<shard_plan::Error> for SqlError {
    fn from(error: shard_plan::Error) -> SqlError {
        let code = match &error {
            shard_plan::Error::Evaluation { .. } => ErrorCode::QueryExecution,
            shard_plan::Error::Signature(_) => ErrorCode::QueryValidation,
            shard_plan::Error::Plan(_) => ErrorCode::QueryPlanning,
            shard_plan::Error::Memory(_) => ErrorCode::ServerResourceLimitExceeded,
            shard_plan::Error::Stopped(_) => ErrorCode::QueryCancellation,
            _ => ErrorCode::QueryExecution,
        };
        SqlError::new(code, error.to_string())
    }
}

/// Carries one of our errors through DataFusion.
pub(crate) fn external(error: impl Into<SqlError>) -> DataFusionError {
    DataFusionError::External(Box::new(error.into()))
}

/// Finds our error inside DataFusion's, or turns DataFusion's own into one with `code`.
pub(crate) fn from_datafusion(error: DataFusionError, code: ErrorCode) -> SqlError {
    let mut current: &DataFusionError = &error;
    loop {
        match current {
            DataFusionError::External(inner) => {
                if let Some(ours) = inner.downcast_ref::<SqlError>() {
                    return ours.clone();
                }
                if let Some(ours) = inner.downcast_ref::<shard_plan::Error>() {
                    return ours.clone().into();
                }
                match inner.downcast_ref::<DataFusionError>() {
                    Some(inner) => current = inner,
                    None => break,
                }
            }
            DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
                datafusion::arrow::error::ArrowError::ExternalError(inner) => {
                    if let Some(ours) = inner.downcast_ref::<SqlError>() {
                        return ours.clone();
                    }
                    match inner.downcast_ref::<DataFusionError>() {
                        Some(inner) => current = inner,
                        None => break,
                    }
                }
                _ => break,
            },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => current = inner,
            DataFusionError::Shared(inner) => current = inner,
            _ => break,
        }
    }
    let code = match current {
        DataFusionError::ResourcesExhausted(_) => ErrorCode::ServerResourceLimitExceeded,
        DataFusionError::SQL(..) => ErrorCode::SqlParsing,
        DataFusionError::SchemaError(..) => ErrorCode::QueryValidation,
        _ => code,
    };
    SqlError::new(code, first_paragraph(&current.to_string()))
}

/// DataFusion appends advice for its own developers after a blank line or "This issue was likely caused by".
fn first_paragraph(text: &str) -> String {
    let end = text.find("\n\nbacktrace").or_else(|| text.find(".\nThis issue was likely")).unwrap_or(text.len());
    let text = &text[..end];
    if text.contains("does not support logical expression") || text.contains("Correlated scalar subquery can only") {
        return "this subquery cannot be joined to the query around it: a correlated scalar subquery has to aggregate, to compare \
                with the outer columns by = alone, and to stand in SELECT, WHERE or HAVING"
            .to_owned();
    }
    let text =
        ["Error during planning: ", "This feature is not implemented: ", "Internal error: ", "Execution error: "]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(text);
    text.trim().to_owned()
}
