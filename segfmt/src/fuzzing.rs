//! Bodies of the fuzz targets, and the full decode that they and the tests share.
//!
//! They live here so that an ordinary `cargo test` replays the corpus and a fuzzer needs nothing
//! but to call them. Not part of the crate's interface.

use crate::buffer::AlignedBuf;
use crate::data_type::{DataType, Physical};
use crate::dictionary::Dictionary;
use crate::error::{Error, Result};
use crate::footer::{MAGIC, RegionKind, TRAILER, Trailer};
use crate::index::{BloomFilter, InvertedIndex, NullBitmap, RangeIndex};
use crate::page::{Page, PageValues};
use crate::reader::{Column, Segment};
use crate::value::Value;
use crate::writer::{BloomSpec, ColumnInput, ColumnSpec, EncodingHint, SegmentWriter, Values};
use crate::{Bitmap, Codec, PartitionFunction, PartitionSpec, SegmentInfo, checksum, verify};

/// A column, read in full.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Values of all rows, one after the other.
    pub values: Vec<Value>,
    /// rows + 1 offsets into the values, for multi-value columns.
    pub lists: Option<Vec<u32>>,
    /// Null rows.
    pub nulls: Bitmap,
}

/// Reads `len` bytes at `offset` of a file in memory, aligned.
///
/// # Errors
/// When the range is past the end.
pub fn read(file: &[u8], offset: u64, len: u64) -> Result<AlignedBuf> {
    crate::buffer::slice(file, offset, len, "a read").map(AlignedBuf::copy_of)
}

/// Reads a region of a file in memory and checks its checksum.
///
/// # Errors
/// When it is missing, damaged or past the end.
pub fn region(file: &[u8], column: &Column, kind: RegionKind) -> Result<AlignedBuf> {
    let r = column.region(kind).ok_or_else(|| Error::corrupt(format!("no {}", kind.name())))?;
    let bytes = read(file, r.offset, r.len)?;
    crate::verify_crc(&bytes, r.crc)?;
    Ok(bytes)
}

/// Decodes a column of a file in memory.
///
/// # Errors
/// Whatever is wrong with its pages, dictionary or null bitmap.
pub fn decode_column(file: &[u8], column: &Column) -> Result<Decoded> {
    let data_type = column.data_type();
    let dictionary_bytes = column.has_dictionary().then(|| region(file, column, RegionKind::Dictionary)).transpose()?;
    let dictionary = dictionary_bytes.as_deref().map(|b| Dictionary::open(column, b)).transpose()?;
    let null_bytes = column.has_nulls().then(|| region(file, column, RegionKind::NullBitmap)).transpose()?;
    let null_blocks = null_bytes.as_deref().map(|b| NullBitmap::open(column, b)).transpose()?;
    let mut out =
        Decoded { values: Vec::new(), lists: column.multi_value().then(|| vec![0]), nulls: Bitmap::default() };
    for block in 0..column.blocks() {
        let at = column.page(block);
        let bytes = read(file, at.offset, u64::from(at.len))?;
        crate::verify_crc(&bytes, at.crc)?;
        let page = Page::parse(column, block, &bytes)?;
        let rows = column.block_rows(block);
        match &null_blocks {
            None => (0..rows).for_each(|_| out.nulls.push(false)),
            Some(n) => {
                let n = n.block(block)?;
                (0..rows).for_each(|r| out.nulls.push(n.is_null(r)));
            }
        }
        if let (Some(lists), Some(page_lists)) = (&mut out.lists, page.lists()) {
            let base = out.values.len() as u32;
            lists.extend((0..rows as usize).map(|r| base + page_lists.range(r).end as u32));
        }
        decode_page(data_type, &page, dictionary.as_ref(), &mut out.values)?;
    }
    Ok(out)
}

fn decode_page(
    data_type: DataType,
    page: &Page<'_>,
    dictionary: Option<&Dictionary<'_>>,
    out: &mut Vec<Value>,
) -> Result<()> {
    let n = page.len();
    match page.values() {
        PageValues::Ids(p) => {
            let mut ids = vec![0; n];
            p.decode(0..n, &mut ids);
            let dictionary = dictionary.ok_or_else(|| Error::corrupt("ids without a dictionary"))?;
            for id in ids {
                out.push(dictionary.value(id)?);
            }
        }
        PageValues::Ints(p) => {
            let mut values = vec![0; n];
            p.decode(0..n, &mut values);
            for v in values {
                out.push(Value::from_int(data_type, v)?);
            }
        }
        PageValues::Floats(p) => {
            let mut values = vec![0.0; n];
            p.decode(0..n, &mut values);
            out.extend(values.into_iter().map(|v| match data_type {
                DataType::Float => Value::Float(v as f32),
                _ => Value::Double(v),
            }));
        }
        PageValues::Var(p) => {
            let mut failed = None;
            p.for_each(0..n, |_, v| match Value::from_stored(data_type, v) {
                Ok(v) => out.push(v),
                Err(e) => failed = Some(e),
            })?;
            if let Some(e) = failed {
                return Err(e);
            }
        }
    }
    Ok(())
}

/// Opens, verifies and decodes whatever `file` claims to be.
fn read_everything(file: &[u8]) {
    let read_at = |offset, len| read(file, offset, len as u64).map(|b| b.to_vec());
    let verified = verify::verify_segment(read_at, file.len() as u64);
    let Ok(segment) = Segment::open(file, file.len() as u64) else { return };
    for column in segment.columns() {
        let decoded = decode_column(file, column);
        assert!(verified.is_err() || decoded.is_ok(), "verified, but does not decode: {decoded:?}");
    }
}

/// Fuzz target `open`. The input is a file; where it does not end in a trailer, it is taken as
/// `directory length (u16) | directory | footer` and gets a valid trailer, so that fuzzing
/// reaches what lies behind the checksums.
pub fn open(data: &[u8]) {
    read_everything(data);
    let Some((len, rest)) = data.split_first_chunk::<2>() else { return };
    let directory = &rest[..rest.len().min(usize::from(u16::from_le_bytes(*len)))];
    let footer = &rest[directory.len()..];
    let mut file = vec![0; 4096];
    file.extend_from_slice(directory);
    crate::buffer::pad(&mut file, 64);
    let footer_offset = file.len() as u64;
    file.extend_from_slice(footer);
    crate::buffer::pad(&mut file, 64);
    let trailer = Trailer {
        directory_offset: 4096,
        directory_len: directory.len() as u64,
        footer_offset,
        footer_len: footer.len() as u64,
        directory_crc: checksum::crc32c(directory),
        footer_crc: checksum::crc32c(footer),
    };
    file.extend_from_slice(&trailer.write());
    read_everything(&file);
}

/// Takes a file apart for [`open`]'s second form: a seed for its corpus.
///
/// # Errors
/// When it is not a segment, or its directory is too long for a seed.
pub fn open_seed(file: &[u8]) -> Result<Vec<u8>> {
    let t = Trailer::read(file)?;
    let len = u16::try_from(t.directory_len).map_err(|_| Error::too_large("a seed", t.directory_len, 65_535))?;
    let mut seed = len.to_le_bytes().to_vec();
    seed.extend_from_slice(crate::buffer::slice(file, t.directory_offset, t.directory_len, "directory")?);
    seed.extend_from_slice(crate::buffer::slice(file, t.footer_offset, t.footer_len, "footer")?);
    Ok(seed)
}

/// Most values that the decode target reads of one page.
const DECODE_LIMIT: u32 = 1 << 20;

/// Fuzz target `decode`. Byte 0 chooses what the rest is: a page of a type, a dictionary, an
/// index; then 4 bytes rows and 4 bytes values (pages), then the bytes of the region.
pub fn decode(data: &[u8]) {
    let Some((&[what, flags, a, b, c, d, e, f], rest)) = data.split_first_chunk::<8>() else { return };
    let data_type = DataType::ALL[usize::from(what) % DataType::ALL.len()];
    let rows = u32::from(a) | u32::from(b) << 8 | u32::from(c) << 16;
    let values = (u32::from(d) | u32::from(e) << 8 | u32::from(f) << 16).min(DECODE_LIMIT);
    let bytes = AlignedBuf::copy_of(rest);
    match flags >> 4 {
        0..=7 => {
            let (dictionary, multi) = (flags & 1 != 0, flags & 2 != 0);
            let code = rest.first().copied().unwrap_or(0);
            let page = Page::parse_with(data_type, dictionary, multi, rows, values, code, &bytes);
            let Ok(page) = page else { return };
            if let Some(lists) = page.lists() {
                let mut offsets = Vec::new();
                lists.offsets(0..lists.rows(), &mut offsets);
                assert_eq!(offsets.last().copied(), Some(values));
            }
            let mut out = Vec::new();
            match page.values() {
                PageValues::Ids(p) => {
                    let mut ids = vec![0; p.len()];
                    p.decode(0..p.len(), &mut ids);
                    let max = ids.iter().copied().max().unwrap_or(0);
                    assert!(ids.is_empty() || p.check(max).is_err(), "an id past the end is not found");
                }
                _ => {
                    if decode_page(data_type, &page, None, &mut out).is_ok() {
                        assert_eq!(out.len(), page.len());
                    }
                }
            }
        }
        8..=11 => {
            let Ok(dictionary) = Dictionary::parse(data_type, None, &bytes) else { return };
            let sound = dictionary.check().is_ok();
            for id in 0..dictionary.len().min(1 << 16) {
                let value = dictionary.value(id);
                if sound {
                    let found = value.and_then(|v| dictionary.find(v.as_scalar()));
                    assert_eq!(found.ok(), Some(Some(id)), "a checked dictionary does not find its entry");
                }
            }
        }
        12 => {
            if let Ok(index) = InvertedIndex::open(&bytes) {
                (0..index.len().min(1 << 12)).for_each(|id| drop(index.bitmap(id)));
            }
        }
        13 => {
            if let Ok(index) = RangeIndex::open(&bytes) {
                drop(index.query(u64::from(rows), u64::MAX / 2));
            }
        }
        _ => {
            if let Ok(filter) = BloomFilter::open(&bytes) {
                filter.might_contain_hash(u64::from(rows) << 32 | u64::from(values));
            }
        }
    }
}

/// Takes bytes from the front, zero when there are none left.
struct Take<'a>(&'a [u8]);

impl Take<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((b, rest)) => {
                self.0 = rest;
                *b
            }
            None => 0,
        }
    }

    /// Small numbers, repeated ones and extremes are all likely.
    fn number(&mut self) -> i64 {
        match self.byte() {
            b @ 0..=99 => i64::from(b),
            b @ 100..=149 => i64::from(self.byte()) * i64::from(b),
            150..=159 => i64::MAX,
            160..=169 => i64::MIN,
            170..=179 => -1,
            _ => i64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let len = match self.byte() {
            255 => 70_000,
            b => usize::from(b % 24),
        };
        let unit = [b'a' + self.byte() % 26, b'k'];
        unit.iter().copied().cycle().take(len).collect()
    }
}

/// Fuzz target `roundtrip`. Makes a column of the input, writes it, verifies the file and
/// compares what is read with what was written.
pub fn roundtrip(data: &[u8]) {
    let mut take = Take(data);
    let data_type = DataType::ALL[usize::from(take.byte()) % DataType::ALL.len()];
    let flags = take.byte();
    let mut spec = ColumnSpec::new("c", data_type);
    spec.multi_value = flags & 1 != 0;
    spec.encoding = match flags >> 1 & 3 {
        0 => EncodingHint::Dictionary,
        1 => EncodingHint::Raw { codec: Codec::Lz4 },
        2 => EncodingHint::Raw { codec: Codec::Zstd },
        _ => EncodingHint::Auto,
    };
    spec.inverted = flags & 8 != 0 && !matches!(spec.encoding, EncodingHint::Raw { .. });
    spec.range = flags & 16 != 0;
    spec.bloom = (flags & 32 != 0).then_some(BloomSpec { fpp: 0.05, max_bytes: 4096 });
    if data_type.physical() != Physical::Float && flags & 64 != 0 {
        spec.partition = Some(PartitionSpec { function: PartitionFunction::Murmur, partitions: 8 });
    }
    let rows = (usize::from(take.byte()) << 8 | usize::from(take.byte())) % 3000;
    let (mut values, mut lists, mut nulls) = (Vec::new(), vec![0u32], Bitmap::default());
    for _ in 0..rows {
        let shape = take.byte();
        let null = shape % 7 == 6;
        nulls.push(null);
        let n = if null || !spec.multi_value { 1 } else { usize::from(shape % 4) };
        for _ in 0..n {
            values.push(if null { spec.default_null.clone() } else { value(&mut take, data_type) });
        }
        lists.push(values.len() as u32);
    }
    check_roundtrip(&spec, rows, &values, spec.multi_value.then_some(&lists[..]), &nulls, 512);
}

fn value(take: &mut Take<'_>, data_type: DataType) -> Value {
    match data_type {
        DataType::Int => Value::Int(take.number() as i32),
        DataType::Long => Value::Long(take.number()),
        DataType::Timestamp => Value::Timestamp(take.number()),
        DataType::Boolean => Value::Boolean(take.number() & 1 == 1),
        DataType::Float => Value::Float(float(take) as f32),
        DataType::Double => Value::Double(float(take)),
        DataType::BigDecimal => {
            let v = bigdecimal::BigDecimal::new(take.number().into(), i64::from(take.byte()) - 128);
            Value::BigDecimal(crate::decimal::encode(&v).expect("small numbers encode"))
        }
        DataType::Bytes => Value::Bytes(take.text()),
        DataType::String => Value::String(String::from_utf8(take.text()).expect("letters")),
        DataType::Json => Value::Json(String::from_utf8(take.text()).expect("letters")),
    }
}

fn float(take: &mut Take<'_>) -> f64 {
    match take.byte() % 8 {
        0 => f64::NAN,
        1 => -0.0,
        2 => f64::NEG_INFINITY,
        3 => f64::from_bits(take.number() as u64),
        _ => take.number() as f64 / 100.0,
    }
}

/// Owned form of [`Values`].
enum Owned {
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<u8>),
    Bytes(Vec<u64>, Vec<u8>),
}

impl Owned {
    fn of(data_type: DataType, values: &[Value]) -> Self {
        let int = |v: &Value| if let crate::ScalarRef::Int(v) = v.as_scalar() { v } else { 0 };
        let float = |v: &Value| if let crate::ScalarRef::Float(v) = v.as_scalar() { v } else { 0.0 };
        match data_type {
            DataType::Int => Self::I32(values.iter().map(|v| int(v) as i32).collect()),
            DataType::Long | DataType::Timestamp => Self::I64(values.iter().map(int).collect()),
            DataType::Boolean => Self::Bool(values.iter().map(|v| int(v) as u8).collect()),
            DataType::Float => Self::F32(values.iter().map(|v| float(v) as f32).collect()),
            DataType::Double => Self::F64(values.iter().map(float).collect()),
            _ => {
                let (mut offsets, mut data) = (vec![0], Vec::new());
                for v in values {
                    if let crate::ScalarRef::Bytes(b) = v.as_scalar() {
                        data.extend_from_slice(b);
                    }
                    offsets.push(data.len() as u64);
                }
                Self::Bytes(offsets, data)
            }
        }
    }

    fn as_values(&self) -> Values<'_> {
        match self {
            Self::I32(v) => Values::I32(v),
            Self::I64(v) => Values::I64(v),
            Self::F32(v) => Values::F32(v),
            Self::F64(v) => Values::F64(v),
            Self::Bool(v) => Values::Bool(v),
            Self::Bytes(offsets, data) => Values::Bytes { offsets, data },
        }
    }
}

/// Writes a column from values into a writer.
///
/// # Errors
/// As [`SegmentWriter::write_column`].
pub fn write_values<W: std::io::Write>(
    writer: &mut SegmentWriter<W>,
    spec: &ColumnSpec,
    values: &[Value],
    lists: Option<&[u32]>,
    nulls: &Bitmap,
) -> Result<crate::ColumnSummary> {
    let owned = Owned::of(spec.data_type, values);
    writer.write_column(spec, ColumnInput { values: owned.as_values(), nulls: Some(nulls), lists })
}

/// Writes one column, verifies the file, and compares everything that a reader can ask for with
/// a plain model.
///
/// # Panics
/// When something differs.
pub fn check_roundtrip(
    spec: &ColumnSpec,
    rows: usize,
    values: &[Value],
    lists: Option<&[u32]>,
    nulls: &Bitmap,
    block_rows: u32,
) {
    let write = || {
        let info = SegmentInfo { name: "s".to_owned(), rows: rows as u64, ..SegmentInfo::default() };
        let mut writer = SegmentWriter::with_block_rows(Vec::new(), info, block_rows).expect("block size");
        write_values(&mut writer, spec, values, lists, nulls).expect("a sound column");
        writer.finish_into().expect("memory").1
    };
    let file = write();
    assert_eq!(file, write(), "the same input gives the same bytes");
    assert!(file.len() >= TRAILER && file[file.len() - TRAILER..].starts_with(&MAGIC));
    let read_at = |offset, len| read(&file, offset, len as u64).map(|b| b.to_vec());
    let report = verify::verify_segment(read_at, file.len() as u64).expect("a written file verifies");
    assert_eq!(report.rows, rows as u64);
    let segment = Segment::open(&file, file.len() as u64).expect("a written file opens");
    let column = segment.column(&spec.name).expect("the column is there");
    let decoded = decode_column(&file, column).expect("a written column decodes");
    assert_eq!(decoded.values, values);
    assert_eq!(decoded.lists.as_deref(), lists);
    assert_eq!(&decoded.nulls, nulls);
    model::check(&file, column, values, lists, nulls);
}

mod model;
