//! The data directory: one process owns it, and everything in it has its place.
//!
//! ```text
//! <data>/lock         held (flock) while a node runs; names its process
//! <data>/catalog/     the catalog's log and snapshots
//! <data>/deepstore/   <cluster>/<incarnation>/<ordinal>/<generation>-<attempt>: segments, written once
//! <data>/segments/    what this server serves: links to local deep-store objects
//! <data>/work/        uploads, builds, spill; emptied at start
//! ```

use crate::net::holder;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("data directory {path} is in use by {holder}; stop it, or start with another --data-dir")]
    Locked { path: PathBuf, holder: String },
    #[error("{action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// A data directory that this process owns until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the lock, makes what is missing and empties `work/`.
    pub fn open(root: &Path) -> Result<DataDir, Error> {
        fs::create_dir_all(root).map_err(io_error("create data directory", root))?;
        let root = root.canonicalize().map_err(io_error("find data directory", root))?;
        let lock = lock(&root)?;
        for part in ["catalog", "deepstore", "segments"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        }
        let work = root.join("work");
        if work.exists() {
            fs::remove_dir_all(&work).map_err(io_error("empty", &work))?;
        }
        fs::create_dir(&work).map_err(io_error("create", &work))?;
        sync_dir(&root).map_err(io_error("sync", &root))?;
        Ok(DataDir { root, _lock: lock })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog")
    }

    pub fn deep_store(&self) -> PathBuf {
        self.root.join("deepstore")
    }

    pub fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }
}

fn lock(root: &Path) -> Result<File, Error> {
    let path = root.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder is a courtesy to the reader: a lock file that says nothing still refuses.
            let _ = file.take(64).read_to_string(&mut text);
            let holder = text.trim().parse().map_or_else(|_| "another process".to_owned(), holder::describe_process);
            return Err(Error::Locked { path: root.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(Error::Io { action: "lock", path, source }),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(io_error("write", &path))?;
    Ok(file)
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn work_is_emptied_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        fs::write(first.work().join("left-over"), "x").unwrap();
        fs::write(first.segments().join("kept"), "x").unwrap();
        drop(first);
        let second = DataDir::open(dir.path()).unwrap();
        assert_eq!(fs::read_dir(second.work()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(second.segments()).unwrap().count(), 1);
    }
}
