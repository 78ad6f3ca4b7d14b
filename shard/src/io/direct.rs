//! A file on disk, read past the page cache where the file system can.

use crate::io::memory::Block;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Direct reads start and end on multiples of this.
pub(crate) const SECTOR: u64 = 4096;

/// An open, immutable segment file.
#[derive(Debug)]
pub struct DataFile {
    id: u64,
    path: PathBuf,
    file: File,
    direct: bool,
    len: u64,
}

impl DataFile {
    /// Opens for direct reads; for buffered ones where O_DIRECT is refused (tmpfs, some network file systems).
    pub fn open(path: &Path) -> io::Result<DataFile> {
        let (file, direct) = match OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path) {
            Ok(file) => (file, true),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => (File::open(path)?, false),
            Err(e) => return Err(e),
        };
        let len = file.metadata()?.len();
        Ok(DataFile { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), path: path.to_owned(), file, direct, len })
    }

    /// Distinct for every opened file of this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn direct(&self) -> bool {
        self.direct
    }

    /// Reads `offset .. offset + len`, which lies inside the file. `offset` is a multiple of [`SECTOR`] for direct files.
    pub fn read(&self, offset: u64, len: usize) -> io::Result<Block> {
        let mut block = Block::zeroed(len)?;
        let buffer = block.as_mut_sectors();
        let mut at = 0;
        while at < len {
            let end = if self.direct { buffer.len() } else { len };
            match self.file.read_at(&mut buffer[at..end], offset + at as u64) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("the file ends {} bytes early; it was cut after it was opened", len - at),
                    ));
                }
                Ok(n) => at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(block)
    }
}
