//! One record of the log.
//!
//! ```text
//!    0  magic          4   "GCL1"
//!    4  crc32c         4   of bytes 8 to the end of the payload
//!    8  length         4   of the payload
//!   12  place          4   records written before it and synced together with it: 0 for the first of a group
//!   16  cluster id    16
//!   32  recovery epoch 8
//!   40  term           8
//!   48  index          8
//!   56  chain         16   hash of the record before: its header and payload; zeros before the first
//!   72  payload, then zeros to a multiple of 8
//! ```
//!
//! Numbers are little-endian. A payload is UTF-8, so none holds the magic, whose last byte UTF-8 never has.

use cluster_types::ClusterId;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 72;

/// UTF-8 never holds the last byte.
const MAGIC: [u8; 4] = [b'G', b'C', b'L', 0xff];

/// Records begin at multiples of this.
pub(super) const ALIGN: usize = 8;

/// The largest payload: an entry of the catalog.
pub(super) const PAYLOAD_MAX: usize = crate::command::ENTRY_BYTES_MAX;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub cluster: ClusterId,
    pub recovery_epoch: u64,
    pub term: u64,
    pub index: u64,
    /// How many records of its group stand before it. A group is written and synced as one.
    pub place: u32,
    pub chain: u128,
    pub payload: Vec<u8>,
}

/// Why bytes are not a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// Zeros: nothing was written here.
    Empty,
    /// The file ends inside the record.
    Short,
    Reason(&'static str),
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.payload.len() <= PAYLOAD_MAX, "payloads are bounded before they come here");
        let mut bytes = Vec::with_capacity(padded(self.payload.len()));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.place.to_le_bytes());
        bytes.extend_from_slice(&self.cluster.0);
        bytes.extend_from_slice(&self.recovery_epoch.to_le_bytes());
        bytes.extend_from_slice(&self.term.to_le_bytes());
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        debug_assert_eq!(bytes.len(), HEADER_BYTES);
        bytes.extend_from_slice(&self.payload);
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes.resize(padded(self.payload.len()), 0);
        bytes
    }

    /// The hash that the next record carries.
    pub fn hash(&self) -> u128 {
        xxhash_rust::xxh3::xxh3_128(&self.encode())
    }

    /// The record at the start of `bytes` and how many of them it takes.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Record, usize), Bad> {
        if bytes.len() < HEADER_BYTES {
            return Err(if bytes.iter().all(|b| *b == 0) { Bad::Empty } else { Bad::Short });
        }
        if bytes[..HEADER_BYTES].iter().all(|b| *b == 0) {
            return Err(Bad::Empty);
        }
        if bytes[..4] != MAGIC {
            return Err(Bad::Reason("it does not begin with a record's magic number"));
        }
        let length = u32_at(bytes, 8) as usize;
        if length > PAYLOAD_MAX {
            return Err(Bad::Reason("its length is more than a record may have"));
        }
        let size = padded(length);
        if bytes.len() < size {
            return Err(Bad::Short);
        }
        if crc32c::crc32c(&bytes[8..HEADER_BYTES + length]) != u32_at(bytes, 4) {
            return Err(Bad::Reason("its checksum does not fit"));
        }
        if bytes[HEADER_BYTES + length..size].iter().any(|b| *b != 0) {
            return Err(Bad::Reason("bytes that must be zero are not"));
        }
        let record = Record {
            cluster: ClusterId(bytes[16..32].try_into().expect("16 bytes")),
            recovery_epoch: u64_at(bytes, 32),
            term: u64_at(bytes, 40),
            index: u64_at(bytes, 48),
            place: u32_at(bytes, 12),
            chain: u128::from_le_bytes(bytes[56..72].try_into().expect("16 bytes")),
            payload: bytes[HEADER_BYTES..HEADER_BYTES + length].to_vec(),
        };
        Ok((record, size))
    }

    /// Whether bytes at a record's place could be a record's start.
    pub(super) fn starts(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }
}

/// Bytes of a record with this payload.
pub(super) fn padded(payload: usize) -> usize {
    (HEADER_BYTES + payload).next_multiple_of(ALIGN)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            cluster: ClusterId([7; 16]),
            recovery_epoch: 1,
            term: 2,
            index: 3,
            place: 5,
            chain: 4,
            payload: b"{\"v\":1}".to_vec(),
        }
    }

    #[test]
    fn round_trip() {
        let bytes = record().encode();
        assert_eq!(bytes.len() % ALIGN, 0);
        assert_eq!(Record::decode(&bytes), Ok((record(), bytes.len())));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = record().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_found() {
        let bytes = record().encode();
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(Record::decode(&[0; 100]), Err(Bad::Empty));
    }
}
