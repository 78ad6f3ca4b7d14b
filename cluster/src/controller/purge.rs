//! Deleting what a tombstone allows, once its window has passed. Nothing else is ever deleted.

use super::{Controller, Error, Result};
use cluster_catalog::Body;
use cluster_catalog::command::{PurgeTombstones, ROWS_MAX};
use std::time::{SystemTime, UNIX_EPOCH};

impl Controller {
    /// Deletes the files of tombstones whose window has passed and then the tombstones. Returns how many tombstones went.
    pub fn purge(&self) -> Result<usize> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let state = self.state();
        let due: Vec<_> = state.deletable(now.max(state.log_time_ms())).take(ROWS_MAX).cloned().collect();
        for tombstone in &due {
            for key in tombstone.keys() {
                self.deep_store().delete(&key)?;
            }
            self.server()
                .drop_files(tombstone)
                .map_err(Error::io("delete the local files of", &tombstone.table_name))?;
        }
        if due.is_empty() {
            return Ok(0);
        }
        self.propose(Body::PurgeTombstones(PurgeTombstones { ids: due.iter().map(|t| t.id).collect() }))?;
        Ok(due.len())
    }
}
