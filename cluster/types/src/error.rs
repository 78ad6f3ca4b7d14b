//! What can be wrong with a name, a schema, a table config or a value in one of them.
//!
//! Every message names the key, the value that was found there and, where there is a likely one, the name that was
//! probably meant. A caller at the edge prints it as it is.

use std::fmt;

/// Why a document or a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON, or a key has a value of another type than Pinot's.
    #[error("{document} is not valid: {reason}{}", At(path))]
    Json { document: &'static str, path: String, reason: String },

    /// The document is larger than the catalog takes.
    #[error("{document} has {bytes} bytes, and {limit} is the most that is accepted")]
    TooLarge { document: &'static str, bytes: usize, limit: usize },

    /// A key holds something that cannot be used.
    #[error("{key}: {reason}")]
    Invalid { key: String, reason: String },

    /// A key names a column that the schema does not have.
    #[error("{key}: schema `{schema}` has no column `{column}`{}", suggest::Hint(hint))]
    UnknownColumn { key: String, column: String, schema: String, hint: Option<String> },

    /// A table name that cannot be a table name.
    #[error("`{name}` is not a table name: {reason}")]
    TableName { name: String, reason: String },

    /// Several things are wrong with one document.
    #[error("{}", Many(problems))]
    Many { problems: Vec<Error> },
}

use crate::suggest;

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Invalid { key: key.into(), reason: reason.into() }
    }

    /// One error out of a list: nothing, the only one, or all of them together.
    pub(crate) fn collect(mut problems: Vec<Error>) -> Result<()> {
        match problems.len() {
            0 => Ok(()),
            1 => Err(problems.remove(0)),
            _ => Err(Error::Many { problems }),
        }
    }
}

struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0 == "." { Ok(()) } else { write!(f, " (at `{}`)", self.0) }
    }
}

struct Many<'a>(&'a [Error]);

impl fmt::Display for Many<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
