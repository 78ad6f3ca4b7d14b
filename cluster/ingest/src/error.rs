//! What can go wrong between a file and its segments, and where in the file it went wrong.
//!
//! A person reads these messages with the file open beside them: every one names the file, and the physical line (or the
//! row, where the format has no lines), the column and the value wherever they are known.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A place in an input file. `line` counts physical lines from 1, the header included; `row` counts rows from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: Option<u64>,
    pub row: Option<u64>,
    pub column: Option<String>,
}

impl Place {
    pub fn file(name: &str) -> Self {
        Self { file: name.to_owned(), ..Self::default() }
    }

    pub fn line(name: &str, line: u64) -> Self {
        Self { file: name.to_owned(), line: Some(line), ..Self::default() }
    }

    pub fn column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        } else if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {}", Shown(column.as_bytes()))?;
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data of one row (or one column) is not what the format or the schema asks for.
    #[error("{place}: {reason}")]
    Data { place: Box<Place>, reason: String },
    /// The file as a whole cannot be used.
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error(
        "{file}: not supported yet: {format} (supported: .parquet, .csv, .tsv, .json, .jsonl, .ndjson, the text ones also as .gz and .zst)"
    )]
    Format { file: String, format: String },
    #[error("{what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("schema: {0}")]
    Schema(String),
    #[error("option {option}: {reason}")]
    Option { option: &'static str, reason: String },
    #[error("spill folder would grow past its limit of {limit} bytes; raise the limit, or sort less data at once")]
    SpillLimit { limit: u64 },
    #[error("segment {segment}, column {column}: could not be built")]
    Segment {
        segment: String,
        column: String,
        #[source]
        source: Box<segfmt::Error>,
    },
    #[error("segment {segment}: could not be built")]
    SegmentFile {
        segment: String,
        #[source]
        source: Box<segfmt::Error>,
    },
    #[error("cancelled")]
    Cancelled,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn data(place: Place, reason: impl Into<String>) -> Self {
        Error::Data { place: Box::new(place), reason: reason.into() }
    }

    pub(crate) fn file(file: &str, reason: impl Into<String>) -> Self {
        Error::File { file: file.to_owned(), reason: reason.into() }
    }

    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }
}

/// Bytes from a file shown in a message: at most 60 of them, quoted, with controls and broken UTF-8 escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

/// Longest part of a value that a message repeats.
const SHOWN_BYTES_MAX: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.len() > SHOWN_BYTES_MAX;
        let mut part = &self.0[..self.0.len().min(SHOWN_BYTES_MAX)];
        if cut {
            // Do not cut inside a character.
            while let Some(&last) = part.last() {
                if last & 0xC0 == 0x80 || last >= 0xC0 {
                    part = &part[..part.len() - 1];
                    if last >= 0xC0 {
                        break;
                    }
                } else {
                    break;
                }
            }
        }
        f.write_str("'")?;
        for chunk in part.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02X}")?;
            }
        }
        f.write_str("'")?;
        if cut {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// `known`'s nearest name to `name`, if one is near enough to be a likely slip.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (name.chars().count() / 3).max(1);
    let best = known
        .into_iter()
        .map(|k| (edit_distance(&name.to_lowercase(), &k.to_lowercase()), k))
        .min_by_key(|&(distance, k)| (distance, k));
    match best {
        Some((distance, k)) if distance <= limit => format!("; did you mean '{k}'?"),
        _ => String::new(),
    }
}

fn edit_distance(a: &str, b: &str) -> usize {
    // Names longer than this are compared by their beginnings: a suggestion is not worth quadratic time.
    let a: Vec<char> = a.chars().take(128).collect();
    let b: Vec<char> = b.chars().take(128).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let swap = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_need_nearness() {
        assert_eq!(did_you_mean("arr_dely", ["arr_delay", "dep_delay"]), "; did you mean 'arr_delay'?");
        assert_eq!(did_you_mean("Carrier", ["carrier"]), "; did you mean 'carrier'?");
        assert_eq!(did_you_mean("zzz", ["carrier"]), "");
    }

    #[test]
    fn shown_values_are_short_and_safe() {
        assert_eq!(Shown(b"cr\xE8me\n").to_string(), "'cr\\xE8me\\n'");
        let long = "é".repeat(100);
        let shown = Shown(long.as_bytes()).to_string();
        assert!(shown.contains("(200 bytes)") && !shown.contains("\\x"), "{shown}");
    }
}
