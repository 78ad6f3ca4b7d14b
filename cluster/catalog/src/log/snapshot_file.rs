//! A snapshot in a file: written aside, synced, then renamed, so that a name stands for a whole file.
//!
//! ```text
//!    0  magic          4   "GCN\xff"
//!    4  crc32c         4   of bytes 8..80
//!    8  version        4
//!   12  chunks         4
//!   16  cluster id    16
//!   32  recovery epoch 8
//!   40  term           8   of the last record that the state holds
//!   48  index          8   of that record
//!   56  chain         16   hash of that record
//!   72  zero           8
//!   80  each chunk: length 4, crc32c 4 (of its bytes), bytes
//! ```

use cluster_types::ClusterId;

use super::disk::Disk;
use crate::snapshot::{CHUNK_BYTES_MAX, Decoder};
use crate::{Error, Result, State};

const MAGIC: [u8; 4] = [b'G', b'C', b'N', 0xff];
const VERSION: u32 = 1;
const HEADER: usize = 80;
const PREFIX: &str = "snapshot-";
const NEW_FILE: &str = "snapshot.new";

/// The most chunks of a snapshot: 16 M of up to a thousand rows.
const CHUNKS_MAX: u32 = 16 * 1024 * 1024;

/// Which record a snapshot ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHead {
    pub cluster: ClusterId,
    pub recovery_epoch: u64,
    pub term: u64,
    pub index: u64,
    pub chain: u128,
}

pub(super) fn file_name(index: u64) -> String {
    format!("{PREFIX}{index:020}")
}

/// Indexes of the snapshots that are there, newest first.
pub(super) fn indexes(names: &[String]) -> Vec<u64> {
    let mut found: Vec<u64> =
        names.iter().filter_map(|n| n.strip_prefix(PREFIX)).filter_map(|digits| digits.parse().ok()).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// Writes a snapshot. A failure leaves the store as it was.
pub(super) fn write(disk: &dyn Disk, head: &SnapshotHead, state: &State) -> Result<String> {
    let failed = |action: &'static str| move |e| Error::io(action, NEW_FILE, e);
    let mut file = disk.open(NEW_FILE, true).map_err(failed("make"))?;
    file.set_size(0).map_err(failed("write"))?;
    let mut at = HEADER as u64;
    let mut chunks = 0u32;
    for chunk in state.encode() {
        assert!(chunk.len() <= CHUNK_BYTES_MAX, "the state machine bounds the rows of a chunk");
        let mut bytes = Vec::with_capacity(chunk.len() + 8);
        bytes.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&chunk).to_le_bytes());
        bytes.extend_from_slice(&chunk);
        file.write_at(at, &bytes).map_err(failed("write"))?;
        at += bytes.len() as u64;
        chunks += 1;
    }
    file.write_at(0, &encode_head(head, chunks)).map_err(failed("write"))?;
    file.sync().map_err(failed("sync"))?;
    drop(file);
    let name = file_name(head.index);
    disk.rename(NEW_FILE, &name).map_err(|e| Error::io("rename", NEW_FILE, e))?;
    disk.sync_dir().map_err(|e| Error::io("sync the directory of", &name, e))?;
    Ok(name)
}

/// A snapshot that was read.
pub(super) struct Found {
    pub head: SnapshotHead,
    pub state: State,
    pub bytes: u64,
}

/// Reads a snapshot, a chunk at a time.
pub(super) fn read(disk: &dyn Disk, name: &str) -> Result<Found> {
    let mut decoder = Decoder::default();
    let damaged = |reason| Error::corrupt(name, HEADER as u64, reason);
    let (head, bytes) = chunks(disk, name, |chunk| decoder.add(chunk).map_err(damaged))?;
    let state = decoder.finish().map_err(damaged)?;
    if state.applied_index() != head.index || state.cluster() != head.cluster {
        return Err(Error::corrupt(name, 0, "header and state disagree"));
    }
    Ok(Found { head, state, bytes })
}

/// Checks that what was written can be read back, length and checksum of each chunk, and returns its bytes.
pub(super) fn check(disk: &dyn Disk, name: &str) -> Result<u64> {
    chunks(disk, name, |_| Ok(())).map(|(_, bytes)| bytes)
}

/// Reads the chunks of a snapshot against their checksums.
fn chunks(disk: &dyn Disk, name: &str, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<(SnapshotHead, u64)> {
    let failed = |e| Error::io("read", name, e);
    let file = disk.open(name, false).map_err(failed)?;
    let size = file.size().map_err(failed)?;
    let short = |at: u64| Error::corrupt(name, at, "the file ends early");
    if size < HEADER as u64 {
        return Err(short(size));
    }
    let mut header = [0; HEADER];
    file.read_at(0, &mut header).map_err(failed)?;
    let (head, count) = decode_head(&header).map_err(|reason| Error::corrupt(name, 0, reason))?;
    let mut at = HEADER as u64;
    for _ in 0..count {
        if size - at < 8 {
            return Err(short(at));
        }
        let mut prefix = [0; 8];
        file.read_at(at, &mut prefix).map_err(failed)?;
        let length = u32::from_le_bytes(prefix[..4].try_into().expect("4 bytes")) as usize;
        let crc = u32::from_le_bytes(prefix[4..].try_into().expect("4 bytes"));
        if length > CHUNK_BYTES_MAX || (length as u64) > size - at - 8 {
            return Err(Error::corrupt(name, at, "a chunk is longer than it may be"));
        }
        let mut chunk = vec![0; length];
        file.read_at(at + 8, &mut chunk).map_err(failed)?;
        if crc32c::crc32c(&chunk) != crc {
            return Err(Error::corrupt(name, at, "the checksum of a chunk does not fit"));
        }
        at += 8 + length as u64;
        take(&chunk)?;
    }
    if at != size {
        return Err(Error::corrupt(name, at, "bytes stand behind the last chunk"));
    }
    Ok((head, size))
}

/// Removes what a crash left of a snapshot that was never finished.
pub(super) fn remove_unfinished(disk: &dyn Disk, names: &[String]) -> Result<()> {
    if names.iter().any(|n| n == NEW_FILE) {
        disk.remove(NEW_FILE).map_err(|e| Error::io("remove", NEW_FILE, e))?;
    }
    Ok(())
}

fn encode_head(head: &SnapshotHead, chunks: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&chunks.to_le_bytes());
    bytes[16..32].copy_from_slice(&head.cluster.0);
    bytes[32..40].copy_from_slice(&head.recovery_epoch.to_le_bytes());
    bytes[40..48].copy_from_slice(&head.term.to_le_bytes());
    bytes[48..56].copy_from_slice(&head.index.to_le_bytes());
    bytes[56..72].copy_from_slice(&head.chain.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode_head(bytes: &[u8; HEADER]) -> Result<(SnapshotHead, u32), &'static str> {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    if bytes[..4] != MAGIC {
        return Err("it does not begin with a snapshot's magic number");
    }
    if half(4) != crc32c::crc32c(&bytes[8..]) {
        return Err("the checksum of its header does not fit");
    }
    if half(8) != VERSION {
        return Err("it has a version that this build does not read");
    }
    let chunks = half(12);
    if chunks > CHUNKS_MAX {
        return Err("it has more chunks than a snapshot may have");
    }
    let head = SnapshotHead {
        cluster: ClusterId(bytes[16..32].try_into().expect("16 bytes")),
        recovery_epoch: number(32),
        term: number(40),
        index: number(48),
        chain: u128::from_le_bytes(bytes[56..72].try_into().expect("16 bytes")),
    };
    Ok((head, chunks))
}
