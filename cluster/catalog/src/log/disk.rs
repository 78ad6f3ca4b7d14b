//! The seam to a directory on a disk: all that the log and the snapshots do to files. The real one is
//! [`super::FileDisk`]; tests put one behind it that crashes, tears and forgets.

use std::io;

/// A flat directory. Names are plain file names.
pub trait Disk: Send + Sync {
    /// Names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens a file for reading and writing, which must exist unless `create` is set.
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Puts a file in the place of another.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes created, renamed and removed names last.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send {
    fn size(&self) -> io::Result<u64>;
    /// Fills the whole buffer or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts, or extends with zeros.
    fn set_size(&mut self, size: u64) -> io::Result<()>;
    /// Makes bytes and size last.
    fn sync(&mut self) -> io::Result<()>;
}
