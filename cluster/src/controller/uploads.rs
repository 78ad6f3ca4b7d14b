//! Pushes of several segments that are sent one by one and become visible together.
//!
//! A client opens an upload, reserves numbers for the segments that it builds, sends each file, and commits. Until then
//! nothing is in the catalog or the deep store; an upload that its client forgets is dropped after an hour without a call,
//! or with the process.

use super::{Error, Result};
use cluster_catalog::PushMode;
use cluster_types::TableIncarnation;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Uploads that may be open at once.
const OPEN_MAX: usize = 64;

/// Segments of one upload.
const SEGMENTS_MAX: usize = 100_000;

/// An upload without a call for so long is dropped.
const IDLE: Duration = Duration::from_secs(3600);

/// What an upload is for.
#[derive(Debug, Clone)]
pub struct Upload {
    pub table: TableIncarnation,
    pub mode: PushMode,
    folder: PathBuf,
    files: BTreeMap<String, PathBuf>,
    next_file: u64,
    last_call: Instant,
}

impl Upload {
    /// Names and files of the segments that were sent, in the order of the names.
    pub fn segments(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }
}

/// All open uploads.
#[derive(Debug)]
pub struct Uploads {
    work: PathBuf,
    open: Mutex<HashMap<String, Upload>>,
}

impl Uploads {
    pub fn new(work: PathBuf) -> Uploads {
        Uploads { work, open: Mutex::default() }
    }

    pub fn begin(&self, id: String, table: TableIncarnation, mode: PushMode) -> Result<()> {
        let mut open = self.lock();
        open.retain(|_, upload| {
            let keep = upload.last_call.elapsed() < IDLE;
            if !keep {
                discard(&upload.folder);
            }
            keep
        });
        if open.len() >= OPEN_MAX {
            return Err(Error::Busy(format!("{OPEN_MAX} pushes are open already; commit or cancel one of them")));
        }
        let folder = self.work.join(format!("push-{id}"));
        fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        let upload = Upload { table, mode, folder, files: BTreeMap::new(), next_file: 0, last_call: Instant::now() };
        open.insert(id, upload);
        Ok(())
    }

    /// What the upload is for. Counts as a call.
    pub fn get(&self, id: &str) -> Result<Upload> {
        self.with(id, |upload| Ok(upload.clone()))
    }

    /// A fresh file in the upload's folder for the next segment to be received into.
    pub fn receive(&self, id: &str) -> Result<PathBuf> {
        self.with(id, |upload| {
            if upload.files.len() >= SEGMENTS_MAX {
                return Err(Error::Invalid(format!("a push takes {SEGMENTS_MAX} segments at most")));
            }
            upload.next_file += 1;
            Ok(upload.folder.join(format!("{}.seg", upload.next_file)))
        })
    }

    /// A file from [`Uploads::receive`] is complete. Sending a name again replaces its file.
    pub fn received(&self, id: &str, name: String, file: PathBuf) -> Result<()> {
        self.with(id, |upload| {
            if let Some(previous) = upload.files.insert(name, file) {
                fs::remove_file(&previous).map_err(Error::io("remove", previous))?;
            }
            Ok(())
        })
    }

    /// Takes the upload out, to be committed.
    pub fn take(&self, id: &str) -> Result<Upload> {
        self.lock().remove(id).ok_or_else(|| unknown(id))
    }

    /// Drops an upload and its files.
    pub fn cancel(&self, id: &str) -> Result<()> {
        let upload = self.take(id)?;
        discard(&upload.folder);
        Ok(())
    }

    /// Removes what a taken upload left.
    pub fn finish(&self, upload: &Upload) {
        discard(&upload.folder);
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Upload) -> Result<T>) -> Result<T> {
        let mut open = self.lock();
        let upload = open.get_mut(id).ok_or_else(|| unknown(id))?;
        upload.last_call = Instant::now();
        act(upload)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        // Each change is one insert or remove, so that the map is whole after a panic elsewhere.
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn unknown(id: &str) -> Error {
    Error::not_found("push", id, None)
}

/// The work folder is emptied at start, so that what cannot be removed now goes then.
fn discard(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(%error, folder = %folder.display(), "remove the files of a push");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_lives_from_begin_to_take() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        uploads.begin("a".into(), TableIncarnation(1), PushMode::Append).unwrap();
        for text in ["one", "two"] {
            let file = uploads.receive("a").unwrap();
            fs::write(&file, text).unwrap();
            uploads.received("a", "s".into(), file).unwrap();
        }
        let upload = uploads.take("a").unwrap();
        let segments: Vec<_> =
            upload.segments().map(|(name, file)| (name, fs::read_to_string(file).unwrap())).collect();
        assert_eq!(segments, [("s", "two".to_owned())]);
        uploads.finish(&upload);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(uploads.get("a"), Err(Error::NotFound { .. })));
        assert!(uploads.cancel("a").is_err());
    }

    #[test]
    fn open_uploads_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        for i in 0..OPEN_MAX {
            uploads.begin(i.to_string(), TableIncarnation(1), PushMode::Append).unwrap();
        }
        assert!(matches!(uploads.begin("x".into(), TableIncarnation(1), PushMode::Append), Err(Error::Busy(_))));
        uploads.cancel("3").unwrap();
        uploads.begin("x".into(), TableIncarnation(1), PushMode::Append).unwrap();
    }
}
