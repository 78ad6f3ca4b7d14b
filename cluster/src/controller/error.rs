//! Why a change was not made.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{what} `{name}` does not exist{hint}")]
    NotFound { what: &'static str, name: String, hint: String },
    #[error("{what} `{name}` exists already{advice}")]
    Exists { what: &'static str, name: String, advice: &'static str },
    /// The request cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// Pinot has it, this version does not.
    #[error("{0}")]
    Unsupported(String),
    #[error("{what} is larger than the {limit} bytes that are taken")]
    TooLarge { what: String, limit: u64 },
    /// The cluster's configs forbid it.
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Busy(String),
    #[error(transparent)]
    Document(#[from] cluster_types::Error),
    #[error(transparent)]
    Catalog(#[from] cluster_catalog::Error),
    #[error(transparent)]
    DeepStore(#[from] crate::deepstore::Error),
    #[error("read the rows")]
    Ingest(#[from] cluster_ingest::Error),
    #[error("segment `{name}` cannot be taken")]
    Segment {
        name: String,
        #[source]
        source: segfmt::Error,
    },
    #[error("segment `{name}` cannot be opened")]
    Open {
        name: String,
        #[source]
        source: shard::Error,
    },
    #[error("{action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl From<&cluster_types::Error> for Error {
    /// The catalog keeps what it read of a document, errors too, and lends it.
    fn from(error: &cluster_types::Error) -> Error {
        Error::Document(error.clone())
    }
}

impl Error {
    pub fn not_found(what: &'static str, name: &str, hint: Option<&str>) -> Error {
        let hint = hint.map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default();
        Error::NotFound { what, name: name.to_owned(), hint }
    }

    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
