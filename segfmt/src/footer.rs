//! The tail of a segment: block directory, footer, trailer.
//!
//! The footer is an rkyv archive of structs, vectors and strings only: a frozen header, the
//! columns, and the directory of regions (E-11). Its checksum and the format version are checked
//! before rkyv looks at it, because validating an archive is neither. Everything that grows with
//! blocks is in the block directory, a raw region right before the footer.

use rkyv::{Archive, Serialize};

use crate::buffer;
use crate::checksum;
use crate::error::{Error, Place, Result};

/// First and last thing that tells a segment from other files.
pub const MAGIC: [u8; 8] = *b"GAMAYSEG";
/// Format version that this build writes, and the highest that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of the trailer.
pub const TRAILER: usize = 64;
/// Bytes of an entry of the block directory.
pub const BLOCK_ENTRY: usize = 40;
/// Longest tail that is read: a bound for hostile files.
pub const MAX_TAIL: u64 = 1 << 30;

/// Kinds of regions, by the number that stands in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum RegionKind {
    /// The column's pages, one a block.
    Pages = 1,
    /// Sorted distinct values.
    Dictionary = 2,
    /// Which rows are null.
    NullBitmap = 3,
    /// Hash of each dictionary entry.
    ValueHashes = 4,
    /// Row range of each id of a sorted column.
    Sorted = 5,
    /// Row bitmap of each id.
    Inverted = 6,
    /// Row bitmaps of value ranges.
    Range = 7,
    /// Bloom filter over the values.
    Bloom = 8,
}

impl RegionKind {
    /// All kinds of this edition.
    pub const ALL: [Self; 8] = [
        Self::Pages,
        Self::Dictionary,
        Self::NullBitmap,
        Self::ValueHashes,
        Self::Sorted,
        Self::Inverted,
        Self::Range,
        Self::Bloom,
    ];

    /// Name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Dictionary => "dictionary",
            Self::NullBitmap => "null bitmap",
            Self::ValueHashes => "value hashes",
            Self::Sorted => "sorted index",
            Self::Inverted => "inverted index",
            Self::Range => "range index",
            Self::Bloom => "bloom filter",
        }
    }

    /// Whether a column cannot be read without it.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Pages | Self::Dictionary | Self::NullBitmap)
    }

    /// Whether it is data and not derived from data (E-12): covered by the segment's digest.
    pub const fn is_data(self) -> bool {
        self.is_required()
    }

    /// Kind version that this build writes and reads.
    pub(crate) const fn version(self) -> u16 {
        1
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as u16 == code)
    }
}

/// A reader that does not know the region's kind or version must not read the segment.
pub const REGION_REQUIRED: u32 = 1;
/// The region is covered by the digest.
pub const REGION_DATA: u32 = 2;

#[derive(Debug, Archive, Serialize)]
pub(crate) struct Footer {
    pub header: Header,
    pub columns: Vec<ColumnEntry>,
    pub regions: Vec<RegionEntry>,
    /// Stored values that columns refer to (`ByteRange`).
    pub blob: Vec<u8>,
}

#[derive(Debug, Archive, Serialize)]
pub(crate) struct Header {
    pub rows: u64,
    pub block_rows: u32,
    pub edition: u32,
    pub name: String,
    pub table: String,
    pub sort_columns: Vec<String>,
    /// None or one name.
    pub time_column: Vec<String>,
    pub cluster_id: [u8; 16],
    pub table_incarnation: u64,
    pub sequence: u64,
    pub ordinal: u32,
    pub generation: u32,
    pub partition: u32,
    /// Bit 0: `partition` is set, bit 1: `sequence` is set.
    pub present: u32,
    /// None or one text.
    pub start_offset: Vec<String>,
    pub end_offset: Vec<String>,
    pub schema_version: u32,
    pub index_version: u32,
    /// XXH3-128 over the data of all columns.
    pub digest: [u8; 16],
}

pub(crate) const PRESENT_PARTITION: u32 = 1;
pub(crate) const PRESENT_SEQUENCE: u32 = 2;

/// Bytes of the footer's blob; `offset == u32::MAX` when there are none.
#[derive(Debug, Clone, Copy, Archive, Serialize)]
pub(crate) struct ByteRange {
    pub offset: u32,
    pub len: u32,
}

impl ByteRange {
    pub const NONE: Self = Self { offset: u32::MAX, len: 0 };
}

#[derive(Debug, Archive, Serialize)]
pub(crate) struct ColumnEntry {
    pub name: String,
    pub values: u64,
    pub null_rows: u64,
    pub raw_bytes: u64,
    /// Key of the default null value in zones.
    pub default_key: u64,
    /// Entries of the dictionary, or `u32::MAX` when the number of distinct values is not known.
    pub cardinality: u32,
    pub max_list: u32,
    pub max_len: u32,
    pub flags: u32,
    pub data_type: u8,
    pub codec: u8,
    pub default_null: ByteRange,
    pub min: ByteRange,
    pub max: ByteRange,
    pub min_all: ByteRange,
    pub max_all: ByteRange,
    pub partition_function: String,
    pub partition_count: u32,
    pub partitions: Vec<u32>,
}

/// Flags of a column.
pub(crate) mod column_flags {
    pub const MULTI_VALUE: u32 = 1;
    pub const DICTIONARY: u32 = 2;
    pub const SORTED: u32 = 4;
    /// There are null rows, and a row that is not null holds the default null value as well.
    pub const DEFAULT_HELD: u32 = 8;
    pub const ALL: u32 = 15;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub(crate) struct RegionEntry {
    pub offset: u64,
    pub len: u64,
    pub column: u32,
    pub flags: u32,
    pub crc: u32,
    pub kind: u16,
    pub version: u16,
}

/// The last 64 bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub directory_offset: u64,
    pub directory_len: u64,
    pub footer_offset: u64,
    pub footer_len: u64,
    pub directory_crc: u32,
    pub footer_crc: u32,
}

impl Trailer {
    pub fn write(&self) -> [u8; TRAILER] {
        let mut b = [0; TRAILER];
        b[..8].copy_from_slice(&MAGIC);
        b[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        b[16..24].copy_from_slice(&self.directory_offset.to_le_bytes());
        b[24..32].copy_from_slice(&self.directory_len.to_le_bytes());
        b[32..40].copy_from_slice(&self.footer_offset.to_le_bytes());
        b[40..48].copy_from_slice(&self.footer_len.to_le_bytes());
        b[48..52].copy_from_slice(&self.directory_crc.to_le_bytes());
        b[52..56].copy_from_slice(&self.footer_crc.to_le_bytes());
        let crc = checksum::crc32c(&b[..60]);
        b[60..].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// Reads the trailer at the end of `tail`.
    pub fn read(tail: &[u8]) -> Result<Self> {
        let Some(b) = tail.last_chunk::<TRAILER>() else {
            return Err(Error::NotASegment { detail: format!("only {} bytes", tail.len()) });
        };
        if b[..8] != MAGIC {
            return Err(Error::NotASegment {
                detail: "the magic number is missing; the file may be cut off".to_owned(),
            });
        }
        let (expected, found) = (buffer::u32_at(b, 60), checksum::crc32c(&b[..60]));
        if expected != found {
            let place = Place { region: Some("trailer"), ..Place::default() };
            return Err(Error::Checksum { place, expected, found });
        }
        let version = buffer::u32_at(b, 8);
        if version == 0 || version > FORMAT_VERSION {
            return Err(Error::UnsupportedVersion { found: version, supported: FORMAT_VERSION });
        }
        let bad = |detail: &str| Err(Error::corrupt(detail).in_region("trailer"));
        if buffer::u32_at(b, 12) != 0 || buffer::u32_at(b, 56) != 0 {
            return bad("reserved bytes are not zero");
        }
        let t = Self {
            directory_offset: buffer::u64_at(b, 16),
            directory_len: buffer::u64_at(b, 24),
            footer_offset: buffer::u64_at(b, 32),
            footer_len: buffer::u64_at(b, 40),
            directory_crc: buffer::u32_at(b, 48),
            footer_crc: buffer::u32_at(b, 52),
        };
        let limit = 1 << 62;
        if [t.directory_offset, t.directory_len, t.footer_offset, t.footer_len].iter().any(|v| *v >= limit) {
            return bad("an offset or length is out of range");
        }
        if (t.directory_offset + t.directory_len).next_multiple_of(64) != t.footer_offset {
            return bad("the footer does not follow the block directory");
        }
        if t.tail_len() > MAX_TAIL {
            return Err(Error::too_large("the tail", t.tail_len(), MAX_TAIL).in_region("trailer"));
        }
        Ok(t)
    }

    /// Where the file ends.
    pub fn file_len(&self) -> u64 {
        (self.footer_offset + self.footer_len).next_multiple_of(64) + TRAILER as u64
    }

    /// Bytes from the block directory to the end of the file.
    pub fn tail_len(&self) -> u64 {
        self.file_len() - self.directory_offset
    }
}

/// One entry of the block directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    /// Offset in the `Pages` region, in units of 64 bytes.
    pub offset64: u32,
    pub len: u32,
    pub crc: u32,
    pub null_count: u32,
    pub values: u32,
    pub encoding: u8,
    pub width: u8,
    pub zone_min: u64,
    pub zone_max: u64,
}

impl BlockEntry {
    pub fn write(&self, out: &mut Vec<u8>) {
        for v in [self.offset64, self.len, self.crc, self.null_count, self.values] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&[self.encoding, self.width, 0, 0]);
        out.extend_from_slice(&self.zone_min.to_le_bytes());
        out.extend_from_slice(&self.zone_max.to_le_bytes());
    }

    #[inline]
    pub fn read(b: &[u8]) -> Self {
        Self {
            offset64: buffer::u32_at(b, 0),
            len: buffer::u32_at(b, 4),
            crc: buffer::u32_at(b, 8),
            null_count: buffer::u32_at(b, 12),
            values: buffer::u32_at(b, 16),
            encoding: b[20],
            width: b[21],
            zone_min: buffer::u64_at(b, 24),
            zone_max: buffer::u64_at(b, 32),
        }
    }
}
