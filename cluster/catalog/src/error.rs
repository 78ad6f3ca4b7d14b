//! What can go wrong between a proposal and its place in the log.

use std::io;

use crate::command::Rejection;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command does not fit the state. Nothing was logged and nothing changed.
    #[error("{0}")]
    Rejected(#[from] Rejection),

    /// A read or write of the store failed.
    #[error("cannot {action} `{file}` of the catalog")]
    Io {
        action: &'static str,
        file: String,
        #[source]
        source: io::Error,
    },

    /// The store holds bytes that were acknowledged and are not what was written.
    #[error(
        "the catalog is damaged: `{file}` at byte {offset}: {reason}; restore the file or recover from a backup, the node does not start on a part of it"
    )]
    Corrupt { file: String, offset: u64, reason: String },

    /// An earlier write failed; what is on the disk is unknown until the store is opened again.
    #[error(
        "the catalog takes no more changes since an earlier write failed ({reason}); restart the node so that it reads back what is on the disk"
    )]
    Poisoned { reason: String },

    /// The store belongs to another cluster.
    #[error("the directory holds the catalog of cluster {found}, not of {expected}")]
    OtherCluster { found: String, expected: String },

    /// There is no catalog, and none was to be made.
    #[error("there is no catalog here; `gamay cluster init` makes one")]
    Missing,

    /// Another process has the store open.
    #[error("the catalog is in use by another process ({holder})")]
    Locked { holder: String },

    /// The command is larger than a log entry may be.
    #[error("the command has {bytes} bytes and a log entry takes {limit}; send it in several parts")]
    TooLarge { bytes: usize, limit: usize },

    /// The log leads to another state than it led to when it was written.
    #[error(
        "the log led to another state when it was written: after entry {index} its digest is {found} here and was {logged}; \
         start the version that wrote it, and report this"
    )]
    Diverged { index: u64, found: String, logged: String },

    /// A command in the log is of a type, or has a field, that this version does not know (R-4: it is never skipped).
    #[error(
        "log entry {index} cannot be understood by this version: {reason}; start the version that wrote it, or a newer one"
    )]
    UnknownCommand { index: u64, reason: String },
}

impl Error {
    pub(crate) fn io(action: &'static str, file: &str, source: io::Error) -> Error {
        Error::Io { action, file: file.to_owned(), source }
    }

    pub(crate) fn corrupt(file: &str, offset: u64, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: file.to_owned(), offset, reason: reason.into() }
    }

    /// The error with its sources in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}
