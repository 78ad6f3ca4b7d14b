//! The file of rows that were set aside.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::batch::BadRow;
use crate::error::{Error, Result};
use crate::source::Source;

/// What happens to a row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnError {
    /// It fails the job.
    #[default]
    Fail,
    /// It goes to this file, one JSON object a line with the reason, and is counted. The file is made with its first row.
    Reject { file: PathBuf },
}

/// Making the reject file empties what is there: it must not be a file that is being read.
pub(crate) fn check_is_not(file: &Path, source: &Source) -> Result<()> {
    let same = match (std::fs::metadata(file), std::fs::metadata(&source.path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    if same {
        Err(Error::file(&source.name, "would be overwritten by the rejected rows; name another file for them"))
    } else {
        Ok(())
    }
}

/// Longest part of a bad row that is kept.
const ROW_BYTES_MAX: usize = 1 << 20;

#[derive(Serialize)]
struct Line<'a> {
    reason: String,
    /// The row as it is in the file; bytes that are not UTF-8 appear as U+FFFD.
    row: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

pub(crate) struct Rejects<'a> {
    on_error: &'a OnError,
    out: Option<BufWriter<File>>,
    pub(crate) count: u64,
}

impl<'a> Rejects<'a> {
    pub(crate) fn new(on_error: &'a OnError) -> Self {
        Self { on_error, out: None, count: 0 }
    }

    pub(crate) fn take(&mut self, bad: BadRow) -> Result<()> {
        let OnError::Reject { file } = self.on_error else { return Err(bad.error) };
        if self.out.is_none() {
            self.out =
                Some(BufWriter::new(File::create(file).map_err(Error::io("cannot make the reject file", file))?));
        }
        let out = self.out.as_mut().expect("made above");
        self.count += 1;
        let kept = &bad.text[..bad.text.len().min(ROW_BYTES_MAX)];
        let kept = kept.strip_suffix(b"\n").unwrap_or(kept);
        let kept = kept.strip_suffix(b"\r").unwrap_or(kept);
        let line = Line {
            reason: bad.error.to_string(),
            row: String::from_utf8_lossy(kept),
            cut: bad.text.len() > ROW_BYTES_MAX,
        };
        let written =
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from).and_then(|()| out.write_all(b"\n"));
        written.map_err(Error::io("cannot write the reject file", file))
    }

    /// Ends the file; gives its path if there is one.
    pub(crate) fn finish(self) -> Result<Option<&'a Path>> {
        let (Some(mut out), OnError::Reject { file }) = (self.out, self.on_error) else { return Ok(None) };
        out.flush().map_err(Error::io("cannot write the reject file", file))?;
        Ok(Some(file))
    }
}
