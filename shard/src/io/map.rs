//! A mapped segment file.
//!
//! Touching a mapping past the end of its file raises SIGBUS, which ends the process. Segment files are immutable by
//! contract: they are replaced by rename, never cut. The mapping is populated before the first scan and
//! [`FileMap::intact`] looks at the file's length again at every bind, so that a file that was cut is an error of the
//! query (I-8); what is cut between that look and the scan is outside what this process can catch without a signal
//! handler, which is why this residency is chosen by profile only (E-18).

use crate::io::Advice;
use std::fs::File;
use std::io;
use std::path::Path;

/// A read-only shared mapping of a whole file.
#[derive(Debug)]
pub struct FileMap {
    map: memmap2::Mmap,
    file: File,
}

impl FileMap {
    pub fn open(path: &Path, advice: Advice) -> io::Result<FileMap> {
        let file = File::open(path)?;
        // SAFETY: the file is immutable by contract (see the module's text); bytes are checked by checksum before use.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        map.advise(match advice {
            Advice::Normal => memmap2::Advice::Normal,
            Advice::Random => memmap2::Advice::Random,
            Advice::Sequential => memmap2::Advice::Sequential,
            Advice::HugePages => memmap2::Advice::HugePage,
        })
        // Advice is a hint: a file system without huge pages serves small ones.
        .or_else(|e| if e.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(e) })?;
        map.advise(memmap2::Advice::WillNeed)?;
        Ok(FileMap { map, file })
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.map
    }

    /// Fails when the file became shorter than its mapping.
    pub fn intact(&self) -> io::Result<()> {
        let now = self.file.metadata()?.len();
        if now >= self.map.len() as u64 {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the mapped file was cut to {now} of {} bytes", self.map.len()),
        ))
    }
}
