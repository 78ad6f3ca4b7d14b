//! A column of an open segment.

use std::fmt;
use std::sync::Arc;

use crate::buffer;
use crate::data_type::DataType;
use crate::encoding::chunks::Codec;
use crate::error::Result;
use crate::footer::{BLOCK_ENTRY, BlockEntry, RegionKind, column_flags};
use crate::reader::SharedBytes;
use crate::segment_info::SegmentInfo;
use crate::stats::{RowSet, Zone};
use crate::value::Value;

/// What all columns of a segment share.
pub(crate) struct Shared {
    pub info: SegmentInfo,
    pub edition: u32,
    pub digest: [u8; 16],
    pub file_len: u64,
    pub blocks: u32,
    pub block_rows: u32,
    pub columns: Vec<ColumnMeta>,
    pub by_name: Vec<u32>,
    pub regions: Vec<Region>,
    pub blob: Vec<u8>,
    pub tail: SharedBytes,
    /// Where the block directory starts in `tail`.
    pub directory: usize,
    /// Where the data ends and the block directory starts in the file.
    pub data_end: u64,
}

impl Shared {
    pub fn rows_of(&self, block: u32) -> u32 {
        assert!(block < self.blocks, "block {block} of {}", self.blocks);
        let first = u64::from(block) * u64::from(self.block_rows);
        (self.info.rows - first).min(u64::from(self.block_rows)) as u32
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("info", &self.info)
            .field("columns", &self.columns.len())
            .finish_non_exhaustive()
    }
}

/// A column's part of the footer.
#[derive(Debug)]
pub(crate) struct ColumnMeta {
    pub name: Box<str>,
    pub data_type: DataType,
    pub flags: u32,
    pub codec: Codec,
    pub cardinality: Option<u32>,
    pub values: u64,
    pub null_rows: u64,
    pub raw_bytes: u64,
    pub default_key: u64,
    pub max_list: u32,
    pub max_len: u32,
    pub default_null: (u32, u32),
    /// min, max, min_all, max_all as ranges of the blob.
    pub bounds: [Option<(u32, u32)>; 4],
    pub partition: Option<Box<PartitionInfo>>,
    /// Its regions, as a range of `Shared::regions`.
    pub regions: (u32, u32),
    pub pages: Region,
}

/// Where a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// What it holds.
    pub kind: RegionKind,
    /// Offset in the file, a multiple of 4,096.
    pub offset: u64,
    /// Bytes, without the padding after it.
    pub len: u64,
    /// CRC-32C of these bytes.
    pub crc: u32,
    /// Version of the kind.
    pub version: u16,
    /// `REGION_REQUIRED`, `REGION_DATA`.
    pub flags: u32,
}

/// Where a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRef {
    /// Offset in the file, a multiple of 64.
    pub offset: u64,
    /// Bytes, a multiple of 64.
    pub len: u32,
    /// CRC-32C of these bytes.
    pub crc: u32,
}

/// Partitions that the values of a column fall into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Pinot's name of the function (`Murmur`, `Modulo`, ...).
    pub function: String,
    /// Number of partitions of the function.
    pub count: u32,
    /// Partitions that occur in the segment, ascending.
    pub partitions: Vec<u32>,
}

/// A column of an open segment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Column {
    shared: Arc<Shared>,
    index: u32,
}

impl Column {
    pub(crate) fn new(shared: Arc<Shared>, index: u32) -> Self {
        Self { shared, index }
    }

    fn meta(&self) -> &ColumnMeta {
        &self.shared.columns[self.index as usize]
    }

    fn flag(&self, flag: u32) -> bool {
        self.meta().flags & flag != 0
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.meta().name
    }

    /// Position among [`super::Segment::columns`].
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Type of its values.
    pub fn data_type(&self) -> DataType {
        self.meta().data_type
    }

    /// Whether a row holds a list of values.
    pub fn multi_value(&self) -> bool {
        self.flag(column_flags::MULTI_VALUE)
    }

    /// Number of distinct values (of all rows), when known: always for dictionary columns.
    pub fn cardinality(&self) -> Option<u32> {
        self.meta().cardinality
    }

    /// Whether pages hold dictionary ids.
    pub fn has_dictionary(&self) -> bool {
        self.flag(column_flags::DICTIONARY)
    }

    /// Whether values never descend from row to row, over all rows. Single-value columns only.
    pub fn is_sorted(&self) -> bool {
        self.flag(column_flags::SORTED)
    }

    /// Whether a row is null.
    pub fn has_nulls(&self) -> bool {
        self.meta().null_rows > 0
    }

    /// Number of null rows.
    pub fn null_rows(&self) -> u64 {
        self.meta().null_rows
    }

    /// Number of values: rows, or more or fewer for multi-value columns.
    pub fn values(&self) -> u64 {
        self.meta().values
    }

    /// Values of the longest list; 1 for single-value columns with rows.
    pub fn max_list(&self) -> u32 {
        self.meta().max_list
    }

    /// Bytes of the longest value.
    pub fn max_len(&self) -> u32 {
        self.meta().max_len
    }

    /// Bytes of all values before encoding.
    pub fn raw_bytes(&self) -> u64 {
        self.meta().raw_bytes
    }

    /// Bytes in the file: all regions and the block directory entries.
    pub fn encoded_bytes(&self) -> u64 {
        let directory = u64::from(self.shared.blocks) * BLOCK_ENTRY as u64;
        self.regions().iter().map(|r| r.len).sum::<u64>() + directory
    }

    /// Codec of the chunks of a raw column of byte strings.
    pub fn codec(&self) -> Codec {
        self.meta().codec
    }

    /// The value that null rows hold.
    ///
    /// # Errors
    /// When the footer's bytes are not a value of the column's type.
    pub fn default_null(&self) -> Result<Value> {
        self.stored(self.meta().default_null)
    }

    fn stored(&self, (offset, len): (u32, u32)) -> Result<Value> {
        let bytes = buffer::slice(&self.shared.blob, u64::from(offset), u64::from(len), "stored value")?;
        Value::from_stored(self.data_type(), bytes).map_err(|e| e.in_column(self.name()).in_region("footer"))
    }

    /// Smallest value of a row set. `None` when the set is empty or the value too long to be
    /// kept in the footer (512 bytes); a dictionary still has it.
    ///
    /// # Errors
    /// As [`Column::default_null`].
    pub fn min(&self, set: RowSet) -> Result<Option<Value>> {
        self.bound(if set == RowSet::NonNull { 0 } else { 2 })
    }

    /// Greatest value of a row set, as [`Column::min`].
    ///
    /// # Errors
    /// As [`Column::default_null`].
    pub fn max(&self, set: RowSet) -> Result<Option<Value>> {
        self.bound(if set == RowSet::NonNull { 1 } else { 3 })
    }

    fn bound(&self, i: usize) -> Result<Option<Value>> {
        self.meta().bounds[i].map(|r| self.stored(r)).transpose()
    }

    /// Partition function and partitions, where the writer was told one.
    pub fn partition(&self) -> Option<&PartitionInfo> {
        self.meta().partition.as_deref()
    }

    /// Whether a row that is not null holds the dictionary entry. Only the default null value can
    /// be held by null rows alone.
    pub fn held_by_non_null(&self, id: u32) -> bool {
        self.meta().null_rows == 0 || u64::from(id) != self.meta().default_key || self.flag(column_flags::DEFAULT_HELD)
    }

    /// Id of the default null value in a dictionary column that has null rows.
    pub fn default_null_id(&self) -> Option<u32> {
        let id = u32::try_from(self.meta().default_key).ok()?;
        (self.has_dictionary() && self.has_nulls()).then_some(id)
    }

    /// Regions of the column.
    pub fn regions(&self) -> &[Region] {
        let (from, to) = self.meta().regions;
        &self.shared.regions[from as usize..to as usize]
    }

    /// Region of a kind.
    pub fn region(&self, kind: RegionKind) -> Option<Region> {
        self.regions().iter().find(|r| r.kind == kind).copied()
    }

    /// Rows of a block.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn block_rows(&self, block: u32) -> u32 {
        self.shared.rows_of(block)
    }

    /// Number of blocks of the segment.
    pub fn blocks(&self) -> u32 {
        self.shared.blocks
    }

    pub(crate) fn entry(&self, block: u32) -> BlockEntry {
        assert!(block < self.shared.blocks, "block {block} of {}", self.shared.blocks);
        let number = self.index as usize * self.shared.blocks as usize + block as usize;
        let at = self.shared.directory + number * BLOCK_ENTRY;
        BlockEntry::read(&(*self.shared.tail).as_ref()[at..at + BLOCK_ENTRY])
    }

    /// Bytes of the column's entries in the block directory, for the digest.
    pub(crate) fn directory_bytes(&self) -> &[u8] {
        let n = self.shared.blocks as usize * BLOCK_ENTRY;
        let at = self.shared.directory + self.index as usize * n;
        &(*self.shared.tail).as_ref()[at..at + n]
    }

    pub(crate) fn flags(&self) -> u32 {
        self.meta().flags
    }

    /// Where the page of a block is.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn page(&self, block: u32) -> PageRef {
        let e = self.entry(block);
        PageRef { offset: self.meta().pages.offset + u64::from(e.offset64) * 64, len: e.len, crc: e.crc }
    }

    /// Number of [`crate::encoding::Encoding`] of a block, before its page is read.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn encoding(&self, block: u32) -> Option<crate::encoding::Encoding> {
        crate::encoding::Encoding::from_code(self.entry(block).encoding)
    }

    /// Bits of the packed values of a block, 0 for other encodings.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn width(&self, block: u32) -> u8 {
        self.entry(block).width
    }

    /// Null rows of a block.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn null_count(&self, block: u32) -> u32 {
        self.entry(block).null_count
    }

    /// Zone map of a block for a row set.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn zone(&self, block: u32, set: RowSet) -> Zone {
        let e = self.entry(block);
        let (mut min, mut max) = (e.zone_min, e.zone_max);
        if set == RowSet::All && e.null_count > 0 {
            min = min.min(self.meta().default_key);
            max = max.max(self.meta().default_key);
        }
        Zone { min, max, null_count: e.null_count, rows: self.block_rows(block), values: e.values }
    }
}
