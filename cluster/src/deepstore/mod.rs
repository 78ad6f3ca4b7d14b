//! The deep store: where segments are kept for good. Here: a folder of the data directory.
//!
//! An object is written once under `<cluster>/<incarnation>/<ordinal>/<generation>-<attempt>` and is durable, with its name,
//! before the command that makes it visible is proposed (I-1, R-10). Nothing here deletes by itself: an object goes when a
//! tombstone of the catalog says so, or when the push that wrote it fails before it was proposed.

use crate::data_dir::sync_dir;
use cluster_types::{ClusterId, Generation, SegmentOrdinal, TableIncarnation};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{action} deep-store object {key}")]
    Io {
        action: &'static str,
        key: String,
        #[source]
        source: io::Error,
    },
    #[error("deep-store key `{0}` leads out of the store")]
    Key(String),
}

/// Where an object is in the store.
pub fn key(
    cluster: ClusterId,
    table: TableIncarnation,
    ordinal: SegmentOrdinal,
    generation: Generation,
    attempt: &str,
) -> String {
    format!("{cluster}/{}/{}/{}-{attempt}", table.0, ordinal.0, generation.0)
}

/// A deep store in a local folder.
#[derive(Debug, Clone)]
pub struct DeepStore {
    root: PathBuf,
}

impl DeepStore {
    pub fn local(root: PathBuf) -> DeepStore {
        DeepStore { root }
    }

    /// The file behind a key.
    pub fn path(&self, key: &str) -> Result<PathBuf, Error> {
        let relative = Path::new(key);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if plain && !key.is_empty() { Ok(self.root.join(relative)) } else { Err(Error::Key(key.to_owned())) }
    }

    /// Moves a finished file of the same file system into the store and makes it durable. The key must be free.
    pub fn put(&self, file: &Path, key: &str) -> Result<(), Error> {
        let failed = |action| move |source| Error::Io { action, key: key.to_owned(), source };
        let target = self.path(key)?;
        let folder = target.parent().expect("a key has folders");
        fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        File::open(file).and_then(|file| file.sync_all()).map_err(failed("sync"))?;
        // A link fails where a name is taken, a rename would replace what is there.
        fs::hard_link(file, &target).map_err(failed("write"))?;
        let mut parent = Some(folder);
        while let Some(folder) = parent.filter(|folder| folder.starts_with(&self.root)) {
            sync_dir(folder).map_err(failed("sync the folder of"))?;
            parent = folder.parent();
        }
        fs::remove_file(file).map_err(failed("take the staged file of"))
    }

    /// Deletes an object. One that is not there is gone already.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        match fs::remove_file(self.path(key)?) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io { action: "delete", key: key.to_owned(), source })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_written_once_and_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        fs::create_dir(&root).unwrap();
        let store = DeepStore::local(root);
        let staged = dir.path().join("staged");
        let key = key(ClusterId([7; 16]), TableIncarnation(1), SegmentOrdinal(2), Generation(3), "a");
        fs::write(&staged, "one").unwrap();
        store.put(&staged, &key).unwrap();
        assert_eq!(fs::read_to_string(store.path(&key).unwrap()).unwrap(), "one");
        assert!(key.ends_with("/1/2/3-a") && !staged.exists());
        fs::write(&staged, "two").unwrap();
        assert!(store.put(&staged, &key).is_err());
        assert_eq!(fs::read_to_string(store.path(&key).unwrap()).unwrap(), "one");
        for bad in ["../x", "/etc/x", "", "a/../../x"] {
            assert!(matches!(store.path(bad), Err(Error::Key(_))), "{bad}");
        }
        store.delete(&key).unwrap();
        store.delete(&key).unwrap();
    }
}
