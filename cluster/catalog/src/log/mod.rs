//! The log: an append-only file in pieces, ours from the first byte (R-3).
//!
//! ```text
//!   log-00000000000000000001      records 1..    (preallocated; zeros behind the last record)
//!   log-00000000000000004711      records 4711..
//!   snapshot-00000000000000004000 the state after record 4000
//!   slots                         two alternating slots: term, vote, floor
//! ```
//!
//! A record is acknowledged after its bytes have been synced. Records that wait for the disk at the same time are a group:
//! one write, one sync, in one file, the next group only after it. So a crash can leave bad records in one group, the last:
//! that is a torn tail and is cut at its first bad record. A bad record with a valid one of a later group behind it, or a log
//! that ends below the floor (an index known to have been acknowledged), is not what a crash leaves: that is corruption, and
//! the store does not open. A write or sync that fails poisons the store: what the disk then holds is known only by reading it
//! again.

mod disk;
mod file_disk;
mod record;
mod slots;
mod snapshot_file;
mod store;

pub use disk::{Disk, DiskFile};
pub use file_disk::FileDisk;
pub use record::{HEADER_BYTES, Record};
pub use slots::Slot;
pub use store::{Log, LogOptions, Opened, SnapshotJob};
