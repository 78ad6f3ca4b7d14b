//! Input files: which format and compression they have, and their bytes as one stream.
//!
//! A format is told by the name's ending, or given. Compression is told by the ending too; a text file without such an
//! ending that starts with gzip's or zstd's magic is unpacked all the same. All members (gzip) or frames (zstd) of a file
//! are one stream, and one that ends early is an error that names the file: rows before the cut are never enough.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Rows of cells; the first row names the columns.
    Csv {
        delimiter: u8,
    },
    /// One JSON array of objects, or objects one after the other, with white space anywhere.
    Json,
    /// One JSON object on each physical line.
    JsonLines,
    Parquet,
}

impl Format {
    pub const CSV: Format = Format::Csv { delimiter: b',' };
    pub const TSV: Format = Format::Csv { delimiter: b'\t' };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// One input file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where the bytes are.
    pub path: PathBuf,
    /// What messages call it (an uploaded file has a name of its own).
    pub name: String,
    pub format: Format,
    pub compression: Compression,
}

impl Source {
    /// A file whose format and compression its name tells.
    pub fn from_path(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        Self::named(path, &name, None)
    }

    /// A file that messages call `name`; `format` overrules what the name's ending says.
    pub fn named(path: impl Into<PathBuf>, name: &str, format: Option<Format>) -> Result<Self> {
        let path = path.into();
        // Each file is read several times: looked at for its types, hashed, then built.
        if let Ok(meta) = std::fs::metadata(&path)
            && !meta.is_file()
        {
            let what =
                if meta.is_dir() { "is a folder, not a file" } else { "is a pipe or a device, not a regular file" };
            return Err(Error::file(name, what));
        }
        let (stem, mut compression) = split_compression(name);
        let format = match format {
            Some(format) => format,
            None => format_of(stem, name)?,
        };
        if compression == Compression::None && format != Format::Parquet {
            compression = sniff(&path)?;
        }
        if compression != Compression::None && format == Format::Parquet {
            return Err(Error::file(
                name,
                "a packed Parquet file is not supported (Parquet compresses its own pages); unpack it first",
            ));
        }
        Ok(Self { path, name: name.to_owned(), format, compression })
    }

    pub fn file_bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path).map_err(Error::io("cannot read", &self.path))?.len())
    }

    /// Opens the unpacked bytes. `consumed` counts the bytes read from the file, for progress.
    pub(crate) fn open(&self, consumed: &Arc<AtomicU64>) -> Result<Input> {
        let file = File::open(&self.path).map_err(Error::io("cannot open", &self.path))?;
        let meta = file.metadata().map_err(Error::io("cannot read", &self.path))?;
        if meta.len() == 0 {
            return Err(Error::file(&self.name, "the file is empty (0 bytes)"));
        }
        let raw = Counted { inner: file, consumed: Arc::clone(consumed) };
        let inner: Box<dyn Read + Send> = match self.compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => {
                Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(256 << 10, raw)))
            }
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::new(raw).map_err(Error::io("cannot unpack", &self.path))?)
            }
        };
        Ok(Input { inner, name: self.name.clone(), compression: self.compression })
    }
}

fn split_compression(name: &str) -> (&str, Compression) {
    let lower = name.to_ascii_lowercase();
    for (ending, compression) in [
        (".gz", Compression::Gzip),
        (".gzip", Compression::Gzip),
        (".zst", Compression::Zstd),
        (".zstd", Compression::Zstd),
    ] {
        if lower.ends_with(ending) {
            return (&name[..name.len() - ending.len()], compression);
        }
    }
    (name, Compression::None)
}

fn format_of(stem: &str, name: &str) -> Result<Format> {
    let ending = Path::new(stem).extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv") => Ok(Format::CSV),
        Some("tsv") => Ok(Format::TSV),
        Some("json") => Ok(Format::Json),
        Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
        Some("parquet") => Ok(Format::Parquet),
        Some(other) => Err(Error::Format { file: name.to_owned(), format: format!(".{other}") }),
        None => Err(Error::Format {
            file: name.to_owned(),
            format: "a file name without an ending that tells its format".to_owned(),
        }),
    }
}

fn sniff(path: &Path) -> Result<Compression> {
    let mut head = [0u8; 4];
    let mut file = File::open(path).map_err(Error::io("cannot open", path))?;
    if file.metadata().map_err(Error::io("cannot read", path))?.is_dir() {
        return Ok(Compression::None);
    }
    let mut have = 0;
    while have < head.len() {
        let n = file.read(&mut head[have..]).map_err(Error::io("cannot read", path))?;
        if n == 0 {
            break;
        }
        have += n;
    }
    Ok(match head {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD] => Compression::Zstd,
        _ => Compression::None,
    })
}

struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.consumed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The unpacked bytes of a source.
pub(crate) struct Input {
    inner: Box<dyn Read + Send>,
    name: String,
    compression: Compression,
}

impl Input {
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            match self.inner.read(buf) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.explain(&e)),
            }
        }
    }

    fn explain(&self, e: &io::Error) -> Error {
        let packing = match self.compression {
            Compression::None => return Error::file(&self.name, format!("cannot read: {e}")),
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        // Both decoders say by this kind that the input ended inside a member or frame.
        if e.kind() == io::ErrorKind::UnexpectedEof {
            Error::file(&self.name, format!("{packing} data is truncated: unexpected end of the compressed data"))
        } else {
            Error::file(&self.name, format!("{packing} data is corrupt: {e}"))
        }
    }
}

/// A growing window over the unpacked bytes: what a text reader parses is contiguous, and never longer than a limit.
pub(crate) struct Window {
    input: Input,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    eof: bool,
    /// Physical line on which `start` lies.
    pub(crate) line: u64,
    limit: usize,
}

/// What one read asks for; also the first size of the buffer.
const WINDOW_BYTES: usize = 1 << 20;

impl Window {
    pub(crate) fn new(input: Input, record_bytes_max: usize) -> Self {
        Self { input, buf: vec![0; WINDOW_BYTES], start: 0, end: 0, eof: false, line: 1, limit: record_bytes_max }
    }

    /// Skips a UTF-8 mark and refuses UTF-16, before anything else is read.
    pub(crate) fn skip_mark(&mut self) -> Result<()> {
        while self.end - self.start < 4 && !self.eof {
            self.fill()?;
        }
        let head = self.bytes();
        if head.starts_with(b"\xEF\xBB\xBF") {
            self.start += 3;
        } else if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
            return Err(Error::file(&self.input.name, "line 1: the text is UTF-16; convert it to UTF-8"));
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.input.name
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    pub(crate) fn at_eof(&self) -> bool {
        self.eof
    }

    /// Drops `n` bytes from the front, of which `newlines` end a physical line.
    pub(crate) fn consume(&mut self, n: usize, newlines: u64) {
        debug_assert!(n <= self.end - self.start);
        self.start += n;
        self.line += newlines;
    }

    /// Reads more behind what is there. Fails when one record is longer than the limit.
    pub(crate) fn fill(&mut self) -> Result<()> {
        if self.eof {
            return Ok(());
        }
        let have = self.end - self.start;
        if have >= self.limit {
            let reason = format!(
                "the record that starts here is longer than the limit of {} bytes (an unclosed quote?)",
                self.limit
            );
            return Err(Error::data(crate::error::Place::line(&self.input.name, self.line), reason));
        }
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = have;
        }
        // At least as much again as is there, so that re-reading a long record from its start stays linear.
        let want = (have + have.max(WINDOW_BYTES / 2)).min(self.limit + WINDOW_BYTES);
        if self.buf.len() < want {
            self.buf.resize(want, 0);
        }
        while self.end < want && !self.eof {
            let n = self.input.read(&mut self.buf[self.end..])?;
            self.end += n;
            self.eof = n == 0;
        }
        Ok(())
    }
}
