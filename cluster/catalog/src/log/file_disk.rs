//! A real directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile};
use crate::{Error, Result};

/// A directory that this process alone has open: its `lock` file is locked as long as this value lives.
pub struct FileDisk {
    root: PathBuf,
    _lock: File,
}

const LOCK: &str = "lock";

impl FileDisk {
    /// Opens the directory, making it where it is missing.
    pub fn open(root: &Path) -> Result<FileDisk> {
        let shown = root.display().to_string();
        std::fs::create_dir_all(root).map_err(|e| Error::io("make", &shown, e))?;
        // A new directory lasts only once the one around it does.
        if let Some(parent) = root.canonicalize().map_err(|e| Error::io("open", &shown, e))?.parent() {
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(|e| Error::io("sync", &shown, e))?;
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(root.join(LOCK))
            .map_err(|e| Error::io("open", LOCK, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Bounded: the file is ours, but its content is whatever is on the disk.
                Read::by_ref(&mut lock).take(64).read_to_string(&mut holder).map_err(|e| Error::io("read", LOCK, e))?;
                let holder =
                    if holder.trim().is_empty() { "unknown".to_owned() } else { format!("process {}", holder.trim()) };
                return Err(Error::Locked { holder });
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", LOCK, e)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .map_err(|e| Error::io("write", LOCK, e))?;
        Ok(FileDisk { root: root.to_owned(), _lock: lock })
    }
}

impl Disk for FileDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.root)?
            .map(|entry| {
                entry.and_then(|e| {
                    e.file_name().into_string().map_err(|name| io::Error::other(format!("{name:?} is not UTF-8")))
                })
            })
            .collect()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let path = self.root.join(name);
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_size(&mut self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
