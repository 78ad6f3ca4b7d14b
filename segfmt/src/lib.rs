//! Gamay's segment format: bytes to columns and back. No files, no clock, no threads.
//!
//! ```text
//! +--------------------------------------------------------------+ 0
//! | column 0: pages | dictionary | nulls | hashes | indexes ...  |  regions, each 4 KiB aligned
//! | column 1: ...                                                |
//! +--------------------------------------------------------------+
//! | block directory: 40 bytes for each (column, block)           | \
//! | footer: header, columns, directory of regions (rkyv)         |  } the tail: one read
//! | trailer: magic, version, offsets, checksums (64 bytes)       | /
//! +--------------------------------------------------------------+ file length
//! ```
//!
//! SPEC.md has it byte by byte. [`SegmentWriter`] takes one whole column at a time;
//! [`Segment::open`] reads the tail; [`Page`], [`Dictionary`] and the readers in [`index`] work
//! in place on bytes that the caller has read and aligned.

pub mod bitmap;
pub mod buffer;
pub mod checksum;
pub mod data_type;
pub mod decimal;
pub mod dictionary;
pub mod encoding;
pub mod error;
pub mod footer;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod index;
pub mod page;
pub mod partition;
pub mod reader;
pub mod segment_info;
pub mod stats;
pub mod value;
pub mod verify;
pub mod writer;

pub use bitmap::Bitmap;
pub use buffer::AlignedBuf;
pub use checksum::verify_crc;
pub use data_type::{DataType, Physical};
pub use dictionary::Dictionary;
pub use encoding::Encoding;
pub use encoding::chunks::{Chunk, Codec, VarPage};
pub use encoding::floats::{DecimalPage, FloatPage};
pub use encoding::ids::IdPage;
pub use encoding::ints::IntPage;
pub use encoding::lists::ListPage;
pub use encoding::packed::Packed;
pub use encoding::runs::Runs;
pub use error::{Error, Result};
pub use footer::RegionKind;
pub use hash::value_hash;
pub use page::{Page, PageValues};
pub use partition::{PartitionFunction, PartitionSpec};
pub use reader::{Column, PageRef, PartitionInfo, Region, Segment};
pub use segment_info::{Identity, SegmentInfo};
pub use stats::{RowSet, Zone};
pub use value::{ScalarRef, Value};
pub use writer::{
    BloomSpec, ColumnInput, ColumnSpec, ColumnSummary, EncodingHint, SegmentSummary, SegmentWriter, Values,
};

/// Rows of a block, unless the writer is told otherwise.
pub const BLOCK_ROWS: u32 = 65_536;
/// Dictionaries with more entries carry the hash of each (E-13).
pub const HASHES_ABOVE: u32 = 4_096;
/// Most values of one block: 1,024 a row for multi-value columns. Bounds what a page can claim.
pub const MAX_BLOCK_VALUES: u32 = 1 << 26;
/// Edition of encodings and index kinds that this build writes; SPEC.md lists them.
pub const EDITION: u32 = 1;
