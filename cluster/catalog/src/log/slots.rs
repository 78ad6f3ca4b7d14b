//! Term, vote and floor, in two slots that are written in turn: while one is written the other holds.
//!
//! ```text
//!   each slot, 4096 bytes apart: magic 4, crc32c 4 (of bytes 8..80), sequence 8, cluster id 16, recovery epoch 8,
//!   term 8, vote 8 (plus one; 0 is none), floor 8, zeros to 80
//! ```

use cluster_types::ClusterId;

use super::disk::{Disk, DiskFile};
use crate::{Error, Result};

pub(super) const FILE: &str = "slots";
const NEW_FILE: &str = "slots.new";
const MAGIC: [u8; 4] = [b'G', b'C', b'S', 0xff];
const SLOT_BYTES: u64 = 4096;
const USED: usize = 80;

/// What one slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub sequence: u64,
    pub cluster: ClusterId,
    pub recovery_epoch: u64,
    pub term: u64,
    pub vote: Option<u64>,
    /// The highest index that is known to have been acknowledged.
    pub floor: u64,
}

impl Slot {
    fn encode(&self) -> [u8; USED] {
        let mut bytes = [0; USED];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.cluster.0);
        bytes[32..40].copy_from_slice(&self.recovery_epoch.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.term.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.vote.map_or(0, |v| v + 1).to_le_bytes());
        bytes[56..64].copy_from_slice(&self.floor.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; USED]) -> Option<Slot> {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let crc = u32::from_le_bytes(bytes[4..8].try_into().expect("4 bytes"));
        if bytes[..4] != MAGIC || crc != crc32c::crc32c(&bytes[8..]) || bytes[64..].iter().any(|b| *b != 0) {
            return None;
        }
        Some(Slot {
            sequence: number(8),
            cluster: ClusterId(bytes[16..32].try_into().expect("16 bytes")),
            recovery_epoch: number(32),
            term: number(40),
            vote: number(48).checked_sub(1),
            floor: number(56),
        })
    }
}

/// The open file with both slots.
pub(super) struct Slots {
    file: Box<dyn DiskFile>,
    current: Slot,
}

impl Slots {
    /// Makes the file with both slots filled, in a way that a crash leaves none or a whole one.
    pub fn create(disk: &dyn Disk, slot: Slot) -> Result<Slots> {
        let mut file = disk.open(NEW_FILE, true).map_err(|e| Error::io("make", NEW_FILE, e))?;
        let write = |file: &mut Box<dyn DiskFile>| {
            file.set_size(2 * SLOT_BYTES)?;
            file.write_at(0, &slot.encode())?;
            file.write_at(SLOT_BYTES, &slot.encode())?;
            file.sync()
        };
        write(&mut file).map_err(|e| Error::io("write", NEW_FILE, e))?;
        disk.rename(NEW_FILE, FILE).map_err(|e| Error::io("rename", NEW_FILE, e))?;
        disk.sync_dir().map_err(|e| Error::io("sync the directory of", FILE, e))?;
        Ok(Slots { file, current: slot })
    }

    /// Reads the file. One bad slot is what a crash during its write leaves; two are damage.
    pub fn open(disk: &dyn Disk) -> Result<Slots> {
        let file = disk.open(FILE, false).map_err(|e| Error::io("open", FILE, e))?;
        let size = file.size().map_err(|e| Error::io("read", FILE, e))?;
        if size != 2 * SLOT_BYTES {
            return Err(Error::corrupt(FILE, 0, format!("it has {size} bytes, not {}", 2 * SLOT_BYTES)));
        }
        let mut slots = Vec::new();
        for at in [0, SLOT_BYTES] {
            let mut bytes = [0; USED];
            file.read_at(at, &mut bytes).map_err(|e| Error::io("read", FILE, e))?;
            slots.extend(Slot::decode(&bytes));
        }
        match slots.into_iter().max_by_key(|slot| slot.sequence) {
            Some(current) => Ok(Slots { file, current }),
            None => Err(Error::corrupt(FILE, 0, "the checksums of both slots do not fit")),
        }
    }

    pub fn current(&self) -> Slot {
        self.current
    }

    /// Writes the other slot and makes it last.
    pub fn write(&mut self, mut slot: Slot) -> Result<()> {
        slot.sequence = self.current.sequence + 1;
        let at = (slot.sequence % 2) * SLOT_BYTES;
        self.file.write_at(at, &slot.encode()).map_err(|e| Error::io("write", FILE, e))?;
        self.file.sync().map_err(|e| Error::io("sync", FILE, e))?;
        self.current = slot;
        Ok(())
    }
}
