//! Writes segments: one whole column at a time, straight into the sink.
//!
//! The writer holds one column's ids and the block directory; pages, dictionaries and indexes go
//! out as they are made. The same columns in the same order give the same bytes: there is no
//! clock, no randomness and no map order in here.

mod choose;
mod distinct;
mod input;
mod sink;

use std::io::Write;

pub use input::{BloomSpec, ColumnInput, ColumnSpec, EncodingHint, Values};

use crate::BLOCK_ROWS;
use crate::buffer::PAGE_ALIGN;
use crate::checksum;
use crate::dictionary::{self, DictValues};
use crate::encoding::chunks::Codec;
use crate::encoding::{self, chunks, floats, ids, ints, lists};
use crate::error::{Error, Result};
use crate::footer::{
    BlockEntry, ByteRange, ColumnEntry, Footer, Header, PRESENT_PARTITION, PRESENT_SEQUENCE, RegionKind, Trailer,
    column_flags,
};
use crate::hash;
use crate::index;
use crate::segment_info::SegmentInfo;
use crate::value::Value;
use choose::Choice;
use input::{Normal, Prepared};
use sink::Sink;
pub(crate) use sink::{ColumnDigest, segment_digest};

/// Values longer than this are not kept as a column's bounds.
const MAX_BOUND: usize = 512;

/// What became of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSummary {
    /// Column name.
    pub name: String,
    /// Whether it has a dictionary.
    pub dictionary: bool,
    /// Distinct values, when known.
    pub cardinality: Option<u32>,
    /// Whether values never descend from row to row.
    pub sorted: bool,
    /// Null rows.
    pub null_rows: u64,
    /// Bytes before encoding.
    pub raw_bytes: u64,
    /// Bytes of its regions and block directory entries.
    pub encoded_bytes: u64,
    /// Smallest value of rows that are not null; `None` when there are none or it is too long.
    pub min: Option<Value>,
    /// Greatest value of rows that are not null, as `min`.
    pub max: Option<Value>,
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Length of the file.
    pub bytes: u64,
    /// XXH3-128 over the data of all columns ([`crate::Segment::digest`]).
    pub digest: [u8; 16],
    /// Rows.
    pub rows: u64,
}

/// Writes one segment into `W`.
#[derive(Debug)]
pub struct SegmentWriter<W: Write> {
    sink: Sink<W>,
    info: SegmentInfo,
    block_rows: u32,
    columns: Vec<ColumnEntry>,
    /// Name and digest of each column.
    digests: Vec<(String, u128)>,
    directory: Vec<u8>,
    blob: Vec<u8>,
}

/// Smallest and greatest of something, by value number.
#[derive(Clone, Copy, Default)]
struct Extremes {
    non_null: Option<(usize, usize)>,
    all: Option<(usize, usize)>,
}

impl<W: Write> SegmentWriter<W> {
    /// Starts a segment of `info.rows` rows.
    ///
    /// # Errors
    /// When there are 2^32 rows or more.
    pub fn new(out: W, info: SegmentInfo) -> Result<Self> {
        Self::with_block_rows(out, info, BLOCK_ROWS)
    }

    /// As [`SegmentWriter::new`] with blocks of another size: a multiple of 512 up to 65,536.
    ///
    /// # Errors
    /// When there are 2^32 rows or more, or blocks of another size.
    pub fn with_block_rows(out: W, info: SegmentInfo, block_rows: u32) -> Result<Self> {
        if info.rows > u64::from(u32::MAX) {
            return Err(Error::too_large("the number of rows", info.rows, u64::from(u32::MAX)));
        }
        if block_rows == 0 || block_rows > 65_536 || !block_rows.is_multiple_of(512) {
            return Err(Error::invalid(format!("blocks of {block_rows} rows: give a multiple of 512 up to 65,536")));
        }
        Ok(Self {
            sink: Sink::new(out),
            info,
            block_rows,
            columns: Vec::new(),
            digests: Vec::new(),
            directory: Vec::new(),
            blob: Vec::new(),
        })
    }

    /// Writes one column. Columns may come in any order, each once.
    ///
    /// # Errors
    /// When the input does not fit the column or the segment ([`Error::InvalidInput`] says how),
    /// or the sink fails; the segment is then unusable and must be written anew.
    pub fn write_column(&mut self, spec: &ColumnSpec, input: ColumnInput<'_>) -> Result<ColumnSummary> {
        self.column(spec, input).map_err(|e| e.in_column(&spec.name))
    }

    fn column(&mut self, spec: &ColumnSpec, input: ColumnInput<'_>) -> Result<ColumnSummary> {
        if spec.name.is_empty() || self.columns.iter().any(|c| c.name == spec.name) {
            return Err(Error::invalid("a column needs a name that no other column of the segment has"));
        }
        let p = input::prepare(spec, input, self.info.rows as usize)?;
        let choice = choose::choose(spec, &p, self.block_rows as usize)?;
        let sorted = p.lists.is_none() && is_sorted(&p, &choice);
        let null_rows = p.nulls.map_or(0, |n| n.count_ones() as u64);
        let extremes = extremes(&p, &choice);

        let mut flags = 0;
        if spec.multi_value {
            flags |= column_flags::MULTI_VALUE;
        }
        if matches!(choice, Choice::Dictionary { .. }) {
            flags |= column_flags::DICTIONARY;
        }
        if sorted {
            flags |= column_flags::SORTED;
        }
        let default_key = default_key(spec, &choice);
        if default_held(&p, &choice, spec, default_key) {
            flags |= column_flags::DEFAULT_HELD;
        }
        self.sink.start_column(&spec.name, spec.data_type, flags);
        let directory_from = self.directory.len();
        self.write_pages(&p, &choice)?;
        self.write_side_regions(spec, &p, &choice, sorted)?;
        let digest = self.sink.finish_column(&self.directory[directory_from..]);
        self.digests.push((spec.name.clone(), digest));

        let cardinality = choice.cardinality();
        let bounds = |set: Option<(usize, usize)>| {
            set.map(|(min, max)| [p.value(spec.data_type, min), p.value(spec.data_type, max)])
        };
        let (non_null, all) = (bounds(extremes.non_null), bounds(extremes.all));
        let default_null = self.put_value(&spec.default_null, usize::MAX)?;
        let [min, max] = self.put_bounds(non_null.as_ref())?;
        let [min_all, max_all] = self.put_bounds(all.as_ref())?;
        let (partition_function, partition_count, partitions) = match spec.partition {
            None => (String::new(), 0, Vec::new()),
            Some(s) => (s.function.pinot_name().to_owned(), s.partitions, choose::partitions(spec, &p, &choice)?),
        };
        let encoded = self.sink.column_bytes() + (self.directory.len() - directory_from) as u64;
        self.columns.push(ColumnEntry {
            name: spec.name.clone(),
            values: p.len() as u64,
            null_rows,
            raw_bytes: p.raw_bytes(spec.data_type),
            default_key,
            cardinality: cardinality.unwrap_or(u32::MAX),
            max_list: p.max_list(),
            max_len: p.max_len(spec.data_type),
            flags,
            data_type: spec.data_type.code(),
            codec: if let Choice::Raw { codec } = choice { codec as u8 } else { Codec::PassThrough as u8 },
            default_null,
            min,
            max,
            min_all,
            max_all,
            partition_function,
            partition_count,
            partitions,
        });
        let keep = |v: Option<Value>| v.filter(|v| v.to_stored().len() <= MAX_BOUND);
        let (min, max) = non_null.map_or((None, None), |[min, max]| (keep(Some(min)), keep(Some(max))));
        Ok(ColumnSummary {
            name: spec.name.clone(),
            dictionary: cardinality.is_some(),
            cardinality,
            sorted,
            null_rows,
            raw_bytes: p.raw_bytes(spec.data_type),
            encoded_bytes: encoded,
            min,
            max,
        })
    }

    fn put_value(&mut self, value: &Value, limit: usize) -> Result<ByteRange> {
        let bytes = value.to_stored();
        if bytes.len() > limit {
            return Ok(ByteRange::NONE);
        }
        let (offset, len) = (self.blob.len(), bytes.len());
        self.blob.extend_from_slice(&bytes);
        match (u32::try_from(offset), u32::try_from(len)) {
            (Ok(offset), Ok(len)) if offset < u32::MAX => Ok(ByteRange { offset, len }),
            _ => Err(Error::too_large("stored values of the footer", self.blob.len() as u64, u64::from(u32::MAX))),
        }
    }

    fn put_bounds(&mut self, bounds: Option<&[Value; 2]>) -> Result<[ByteRange; 2]> {
        match bounds {
            None => Ok([ByteRange::NONE; 2]),
            Some([min, max]) => Ok([self.put_value(min, MAX_BOUND)?, self.put_value(max, MAX_BOUND)?]),
        }
    }

    fn write_pages(&mut self, p: &Prepared<'_>, choice: &Choice<'_>) -> Result<()> {
        self.sink.start_region(RegionKind::Pages)?;
        let rows = self.info.rows as usize;
        let block_rows = self.block_rows as usize;
        let mut offset = 0u64;
        for (block, first) in (0..rows).step_by(block_rows).enumerate() {
            let n = (rows - first).min(block_rows);
            let range = p.value_range(first, first + n);
            if range.len() > crate::MAX_BLOCK_VALUES as usize {
                let limit = u64::from(crate::MAX_BLOCK_VALUES);
                return Err(
                    Error::too_large("the values of one block", range.len() as u64, limit).in_block(block as u32)
                );
            }
            let (mut header, main, extra) = match choice {
                Choice::Dictionary { ids, .. } => ids::encode(&ids[range.clone()], n as u32),
                Choice::Raw { codec } => match &p.normal {
                    Normal::Ints(v) => ints::encode(&v[range.clone()], n as u32),
                    Normal::Floats { values, single } => floats::encode(&values[range.clone()], *single, n as u32),
                    Normal::Var { .. } => {
                        let start = range.start;
                        chunks::encode(*codec, range.len(), |i| p.bytes(start + i), n as u32)?
                    }
                },
            };
            let mut ends = Vec::new();
            if let Some(offsets) = p.lists {
                let (mode, param, section) = lists::encode(&offsets[first..=first + n]);
                (header.lists, header.list_param) = (mode, param);
                ends = section;
            }
            let page = encoding::build_page(header, [&ends, &main, &extra])?;
            let too_large = |what, n: u64, limit: u64| Error::too_large(what, n, limit).in_block(block as u32);
            let len =
                u32::try_from(page.len()).map_err(|_| too_large("a page", page.len() as u64, u64::from(u32::MAX)))?;
            let offset64 = u32::try_from(offset / PAGE_ALIGN as u64)
                .map_err(|_| too_large("the pages of a column", offset, u64::from(u32::MAX) * PAGE_ALIGN as u64))?;
            let (zone_min, zone_max) = zone(p, choice, first, n);
            let entry = BlockEntry {
                offset64,
                len,
                crc: checksum::crc32c(&page),
                null_count: p.nulls.map_or(0, |nulls| (first..first + n).filter(|r| nulls.get(*r)).count() as u32),
                values: range.len() as u32,
                encoding: header.encoding as u8,
                width: header.width,
                zone_min,
                zone_max,
            };
            entry.write(&mut self.directory);
            self.sink.write(&page)?;
            offset += u64::from(len);
        }
        self.sink.finish_region();
        Ok(())
    }

    fn write_side_regions(
        &mut self,
        spec: &ColumnSpec,
        p: &Prepared<'_>,
        choice: &Choice<'_>,
        sorted: bool,
    ) -> Result<()> {
        let rows = self.info.rows as u32;
        if let Choice::Dictionary { values, .. } = choice {
            self.sink.region(RegionKind::Dictionary, &dictionary::encode(spec.data_type, values)?)?;
        }
        if let Some(bytes) = p.nulls.and_then(|n| index::nulls::encode(n, self.block_rows)) {
            self.sink.region(RegionKind::NullBitmap, &bytes)?;
        }
        if let Choice::Dictionary { values, ids } = choice {
            let entries = values.len() as u32;
            if entries > crate::HASHES_ABOVE {
                let bytes: Vec<u8> = hashes(values).flat_map(u64::to_le_bytes).collect();
                self.sink.region(RegionKind::ValueHashes, &bytes)?;
            }
            // A sorted column needs no bitmaps: an id is one range of rows.
            if sorted {
                self.sink.region(RegionKind::Sorted, &index::sorted::encode(entries, ids))?;
            } else if spec.inverted {
                self.sink.region(RegionKind::Inverted, &index::inverted::encode(entries, ids, p.lists, rows)?)?;
            }
        }
        if spec.range {
            let keys: Vec<u64> = (0..p.len()).map(|i| key(p, choice, i)).collect();
            self.sink.region(RegionKind::Range, &index::range::encode(&keys, p.lists, rows)?)?;
        }
        if let Some(bloom) = spec.bloom {
            let mut all: Vec<u64> = match choice {
                Choice::Dictionary { values, .. } => hashes(values).collect(),
                Choice::Raw { .. } => (0..p.len()).map(|i| hash::value_hash(p.scalar(i))).collect(),
            };
            all.sort_unstable();
            all.dedup();
            let bytes = index::bloom::encode(all.into_iter(), bloom.fpp, bloom.max_bytes)?;
            self.sink.region(RegionKind::Bloom, &bytes)?;
        }
        Ok(())
    }

    /// Writes the tail and returns what was written. The sink is flushed; making it durable is
    /// the caller's.
    ///
    /// # Errors
    /// When the sink fails or the footer is too large.
    pub fn finish(self) -> Result<SegmentSummary> {
        self.finish_into().map(|(summary, _)| summary)
    }

    /// As [`SegmentWriter::finish`], giving the sink back.
    ///
    /// # Errors
    /// As [`SegmentWriter::finish`].
    pub fn finish_into(mut self) -> Result<(SegmentSummary, W)> {
        self.digests.sort_unstable();
        let digest = segment_digest(self.info.rows, self.block_rows, &self.digests);
        let identity = self.info.identity.clone();
        let mut present = 0;
        if identity.partition.is_some() {
            present |= PRESENT_PARTITION;
        }
        if identity.sequence.is_some() {
            present |= PRESENT_SEQUENCE;
        }
        let rows = self.info.rows;
        let footer = Footer {
            header: Header {
                rows,
                block_rows: self.block_rows,
                edition: crate::EDITION,
                name: self.info.name,
                table: self.info.table,
                sort_columns: self.info.sort_columns,
                time_column: self.info.time_column.into_iter().collect(),
                cluster_id: identity.cluster_id,
                table_incarnation: identity.table_incarnation,
                sequence: identity.sequence.unwrap_or(0),
                ordinal: identity.ordinal,
                generation: identity.generation,
                partition: identity.partition.unwrap_or(0),
                present,
                start_offset: identity.start_offset.into_iter().collect(),
                end_offset: identity.end_offset.into_iter().collect(),
                schema_version: identity.schema_version,
                index_version: identity.index_version,
                digest,
            },
            columns: self.columns,
            regions: self.sink.take_regions(),
            blob: self.blob,
        };
        let footer = rkyv::to_bytes::<rkyv::rancor::Error>(&footer)
            .map_err(|e| Error::invalid(format!("the footer cannot be archived: {e}")))?;
        let directory_offset = self.sink.align(crate::buffer::REGION_ALIGN)?;
        self.sink.raw(&self.directory)?;
        let footer_offset = self.sink.align(PAGE_ALIGN as u64)?;
        self.sink.raw(&footer)?;
        self.sink.align(PAGE_ALIGN as u64)?;
        let trailer = Trailer {
            directory_offset,
            directory_len: self.directory.len() as u64,
            footer_offset,
            footer_len: footer.len() as u64,
            directory_crc: checksum::crc32c(&self.directory),
            footer_crc: checksum::crc32c(&footer),
        };
        if trailer.tail_len() > crate::footer::MAX_TAIL {
            return Err(Error::too_large("the tail", trailer.tail_len(), crate::footer::MAX_TAIL));
        }
        self.sink.raw(&trailer.write())?;
        let bytes = self.sink.offset();
        Ok((SegmentSummary { bytes, digest, rows }, self.sink.into_inner()?))
    }
}

/// Zone key of value `i`.
fn key(p: &Prepared<'_>, choice: &Choice<'_>, i: usize) -> u64 {
    match choice {
        Choice::Dictionary { ids, .. } => u64::from(ids[i]),
        Choice::Raw { .. } => p.scalar(i).ordered_key(),
    }
}

fn hashes<'v>(values: &'v DictValues<'_>) -> Box<dyn Iterator<Item = u64> + 'v> {
    match values {
        DictValues::Ints(v) => Box::new(v.iter().map(|v| hash::hash_i64(*v))),
        DictValues::Floats(v) => Box::new(v.iter().map(|v| hash::hash_f64(*v))),
        DictValues::Var(v) => Box::new(v.iter().map(|v| hash::hash_bytes(v))),
    }
}

/// Smallest and greatest key of the rows that are not null; min above max when there are none.
fn zone(p: &Prepared<'_>, choice: &Choice<'_>, first: usize, rows: usize) -> (u64, u64) {
    let mut zone = (u64::MAX, 0);
    for row in first..first + rows {
        if p.is_null(row) {
            continue;
        }
        for i in p.value_range(row, row + 1) {
            let k = key(p, choice, i);
            zone = (zone.0.min(k), zone.1.max(k));
        }
    }
    zone
}

fn extremes(p: &Prepared<'_>, choice: &Choice<'_>) -> Extremes {
    let less = |a: usize, b: usize| match choice {
        Choice::Dictionary { ids, .. } => ids[a] < ids[b],
        Choice::Raw { .. } => p.less(a, b),
    };
    let widen = |set: &mut Option<(usize, usize)>, i: usize| match set {
        None => *set = Some((i, i)),
        Some((min, max)) => {
            if less(i, *min) {
                *min = i;
            } else if less(*max, i) {
                *max = i;
            }
        }
    };
    let mut e = Extremes::default();
    for row in 0..p.rows {
        let null = p.is_null(row);
        for i in p.value_range(row, row + 1) {
            widen(&mut e.all, i);
            if !null {
                widen(&mut e.non_null, i);
            }
        }
    }
    e
}

fn is_sorted(p: &Prepared<'_>, choice: &Choice<'_>) -> bool {
    match choice {
        Choice::Dictionary { ids, .. } => ids.is_sorted(),
        Choice::Raw { .. } => (1..p.len()).all(|i| !p.less(i, i - 1)),
    }
}

/// Key of the default null value: its id where the dictionary has it.
fn default_key(spec: &ColumnSpec, choice: &Choice<'_>) -> u64 {
    match choice {
        Choice::Raw { .. } => spec.default_null.ordered_key(),
        Choice::Dictionary { values, .. } => {
            let found = match (values, spec.default_null.as_scalar()) {
                (DictValues::Ints(v), crate::value::ScalarRef::Int(d)) => v.binary_search(&d).ok(),
                (DictValues::Floats(v), crate::value::ScalarRef::Float(d)) => {
                    v.binary_search_by(|x| crate::value::cmp_f64(*x, d)).ok()
                }
                (DictValues::Var(v), crate::value::ScalarRef::Bytes(d)) => v.binary_search(&d).ok(),
                _ => None,
            };
            found.map_or(u64::MAX, |id| id as u64)
        }
    }
}

/// Whether there are null rows and one that is not null holds the default null value as well.
fn default_held(p: &Prepared<'_>, choice: &Choice<'_>, spec: &ColumnSpec, default_key: u64) -> bool {
    let is_default = |i: usize| match choice {
        Choice::Dictionary { ids, .. } => u64::from(ids[i]) == default_key,
        Choice::Raw { .. } => p.is_value(i, &spec.default_null),
    };
    p.nulls.is_some() && (0..p.rows).any(|row| !p.is_null(row) && p.value_range(row, row + 1).any(is_default))
}
