//! Sorted dictionaries: id = rank of the value among the distinct values of the column.
//!
//! Numbers are one array. Byte strings up to 64 KiB are offsets and bytes; larger ones are
//! front-coded pages of at most 64 KiB with their first keys in a page index, so that a reader
//! can hold the index and stream pages (E-13). The whole region is checked by its checksum when
//! it arrives; what is read from it is bounded all the same.

mod build;
mod page;

use std::cmp::Ordering;
use std::ops::Range;

pub(crate) use build::{DictValues, encode};
pub use page::{DictPage, PageEntry, PageIndex};

use crate::buffer::{self, PAGE_ALIGN};
use crate::data_type::{DataType, Physical};
use crate::error::{Error, Result};
use crate::reader::Column;
use crate::value::{ScalarRef, Value, cmp_f64};

const FORM_FIXED: u8 = 1;
const FORM_FLAT: u8 = 2;
const FORM_PAGED: u8 = 3;
const HEADER: usize = 64;
/// Byte strings up to this total are stored flat; pages are at most this long.
pub(crate) const PAGE_BYTES: usize = 64 * 1024;

/// A dictionary over the bytes of its region.
#[derive(Debug, Clone, Copy)]
pub struct Dictionary<'a> {
    data_type: DataType,
    form: Form<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    Bools(&'a [u8]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    Flat { offsets: &'a [u32], data: &'a [u8] },
    Paged { index: PageIndex<'a>, pages: &'a [u8] },
}

impl<'a> Dictionary<'a> {
    /// Opens the dictionary of a column over the bytes of its `Dictionary` region, which start
    /// on a 64-byte boundary.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no dictionary of that column.
    pub fn open(column: &Column, bytes: &'a [u8]) -> Result<Self> {
        Self::parse(column.data_type(), column.cardinality(), bytes)
            .map_err(|e| e.in_column(column.name()).in_region("dictionary"))
    }

    pub(crate) fn parse(data_type: DataType, entries: Option<u32>, bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let header = buffer::slice(bytes, 0, HEADER as u64, "dictionary header")?;
        let n = buffer::u32_at(header, 4);
        if entries.is_some_and(|e| e != n) {
            return Err(Error::corrupt(format!("the dictionary has {n} entries, the footer says {entries:?}")));
        }
        let body = &bytes[HEADER..];
        let form = match (header[0], data_type.physical()) {
            (FORM_FIXED, Physical::Int | Physical::Float) => Self::parse_fixed(data_type, header, body)?,
            (FORM_FLAT, Physical::Var) => {
                if !buffer::all_zero(&header[1..4]) || !buffer::all_zero(&header[16..]) {
                    return Err(Error::corrupt("reserved bytes of the dictionary header are not zero"));
                }
                let table = (u64::from(n) + 1) * 4;
                let offsets: &[u32] = buffer::cast(buffer::slice(body, 0, table, "dictionary offsets")?)?;
                let start = table.next_multiple_of(PAGE_ALIGN as u64);
                let len = buffer::u64_at(header, 8);
                let data = buffer::slice(body, start, len, "dictionary bytes")?;
                zero_gap(body, table, start)?;
                zero_gap(body, start + len, body.len() as u64)?;
                if body.len() as u64 != (start + len).next_multiple_of(PAGE_ALIGN as u64) {
                    return Err(Error::corrupt("bytes after the end of the dictionary"));
                }
                let ascends = offsets.windows(2).all(|w| w[0] <= w[1]);
                if !ascends || offsets.first() != Some(&0) || offsets.last().map(|o| u64::from(*o)) != Some(len) {
                    return Err(Error::corrupt("dictionary offsets do not ascend from 0 to the end"));
                }
                Form::Flat { offsets, data }
            }
            (FORM_PAGED, Physical::Var) => {
                let index = PageIndex::parse(bytes)?;
                let pages = buffer::slice(bytes, index.head_len(), index.pages_len(), "dictionary pages")?;
                if bytes.len() as u64 != index.head_len() + index.pages_len() {
                    return Err(Error::corrupt("bytes after the end of the dictionary"));
                }
                Form::Paged { index, pages }
            }
            (form, _) => return Err(Error::corrupt(format!("dictionary form {form} for {data_type}"))),
        };
        Ok(Self { data_type, form })
    }

    fn parse_fixed(data_type: DataType, header: &[u8], body: &'a [u8]) -> Result<Form<'a>> {
        let n = u64::from(buffer::u32_at(header, 4));
        let width = data_type.fixed_width().unwrap_or(0) as u64;
        if u64::from(header[1]) != width || buffer::u64_at(header, 8) != n * width {
            return Err(Error::corrupt(format!("dictionary of {}-byte values for {data_type}", header[1])));
        }
        if !buffer::all_zero(&header[2..4]) || !buffer::all_zero(&header[16..]) {
            return Err(Error::corrupt("reserved bytes of the dictionary header are not zero"));
        }
        let array = buffer::slice(body, 0, n * width, "dictionary values")?;
        if body.len() as u64 != (n * width).next_multiple_of(PAGE_ALIGN as u64) {
            return Err(Error::corrupt("bytes after the end of the dictionary"));
        }
        zero_gap(body, n * width, body.len() as u64)?;
        Ok(match data_type {
            DataType::Boolean => Form::Bools(array),
            DataType::Int => Form::I32(buffer::cast(array)?),
            DataType::Long | DataType::Timestamp => Form::I64(buffer::cast(array)?),
            DataType::Float => Form::F32(buffer::cast(array)?),
            _ => Form::F64(buffer::cast(array)?),
        })
    }

    /// Type of the values.
    pub const fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Number of entries.
    pub const fn len(&self) -> u32 {
        match &self.form {
            Form::Bools(v) => v.len() as u32,
            Form::I32(v) => v.len() as u32,
            Form::I64(v) => v.len() as u32,
            Form::F32(v) => v.len() as u32,
            Form::F64(v) => v.len() as u32,
            Form::Flat { offsets, .. } => offsets.len() as u32 - 1,
            Form::Paged { index, .. } => index.entries(),
        }
    }

    /// Whether there are no entries.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries of an INT dictionary, ascending.
    pub const fn as_i32(&self) -> Option<&'a [i32]> {
        if let Form::I32(v) = self.form { Some(v) } else { None }
    }

    /// Entries of a LONG or TIMESTAMP dictionary, ascending.
    pub const fn as_i64(&self) -> Option<&'a [i64]> {
        if let Form::I64(v) = self.form { Some(v) } else { None }
    }

    /// Entries of a FLOAT dictionary, ascending.
    pub const fn as_f32(&self) -> Option<&'a [f32]> {
        if let Form::F32(v) = self.form { Some(v) } else { None }
    }

    /// Entries of a DOUBLE dictionary, ascending.
    pub const fn as_f64(&self) -> Option<&'a [f64]> {
        if let Form::F64(v) = self.form { Some(v) } else { None }
    }

    fn check_id(&self, id: u32) -> Result<()> {
        if id < self.len() {
            Ok(())
        } else {
            Err(Error::corrupt(format!("id {id} in a dictionary of {} entries", self.len())))
        }
    }

    /// Entry of an INT, LONG, TIMESTAMP or BOOLEAN dictionary.
    ///
    /// # Errors
    /// When there is no such entry, or the dictionary holds no integers.
    pub fn get_i64(&self, id: u32) -> Result<i64> {
        self.check_id(id)?;
        Ok(match &self.form {
            Form::Bools(v) => i64::from(v[id as usize]),
            Form::I32(v) => i64::from(v[id as usize]),
            Form::I64(v) => v[id as usize],
            _ => return Err(Error::corrupt(format!("a dictionary of {} holds no integers", self.data_type))),
        })
    }

    /// Entry of a FLOAT (widened) or DOUBLE dictionary.
    ///
    /// # Errors
    /// When there is no such entry, or the dictionary holds no numbers of that kind.
    pub fn get_f64(&self, id: u32) -> Result<f64> {
        self.check_id(id)?;
        Ok(match &self.form {
            Form::F32(v) => f64::from(v[id as usize]),
            Form::F64(v) => v[id as usize],
            _ => return Err(Error::corrupt(format!("a dictionary of {} holds no numbers", self.data_type))),
        })
    }

    /// Entry of a STRING, JSON, BYTES or BIG_DECIMAL dictionary. `buf` holds entries that had to
    /// be put together from a front-coded page.
    ///
    /// # Errors
    /// When there is no such entry, the page is corrupt, or the dictionary holds no byte strings.
    pub fn get_bytes<'b>(&self, id: u32, buf: &'b mut Vec<u8>) -> Result<&'b [u8]>
    where
        'a: 'b,
    {
        self.check_id(id)?;
        match &self.form {
            Form::Flat { offsets, data } => Ok(&data[offsets[id as usize] as usize..offsets[id as usize + 1] as usize]),
            Form::Paged { index, pages } => {
                let p = index.page_of(id);
                let entry = index.page(p);
                DictPage::parse(entry.slice(pages)?)?.get(id - entry.first_id, buf)?;
                Ok(buf)
            }
            _ => Err(Error::corrupt(format!("a dictionary of {} holds no byte strings", self.data_type))),
        }
    }

    /// Entry as a value of the column's type.
    ///
    /// # Errors
    /// As the typed getters; also when a text is not UTF-8 or a decimal not canonical.
    pub fn value(&self, id: u32) -> Result<Value> {
        match self.data_type.physical() {
            Physical::Int => Value::from_int(self.data_type, self.get_i64(id)?),
            Physical::Float if self.data_type == DataType::Float => Ok(Value::Float(self.get_f64(id)? as f32)),
            Physical::Float => Ok(Value::Double(self.get_f64(id)?)),
            Physical::Var => {
                let mut buf = Vec::new();
                Value::from_stored(self.data_type, self.get_bytes(id, &mut buf)?)
            }
        }
    }

    fn compare(&self, id: u32, value: ScalarRef<'_>, buf: &mut Vec<u8>) -> Result<Ordering> {
        Ok(match value {
            ScalarRef::Int(v) => self.get_i64(id)?.cmp(&v),
            ScalarRef::Float(v) => cmp_f64(self.get_f64(id)?, v),
            ScalarRef::Bytes(v) => self.get_bytes(id, buf)?.cmp(v),
        })
    }

    /// First id whose entry is not below `value` (`or_equal` false) or above it (`or_equal` true).
    fn bound(&self, value: ScalarRef<'_>, or_equal: bool) -> Result<u32> {
        let below = |o: Ordering| o == Ordering::Less || (or_equal && o == Ordering::Equal);
        if let (Form::Paged { index, pages }, ScalarRef::Bytes(v)) = (&self.form, value) {
            let Some(p) = index.last_page_where(|key| below(key.cmp(v))) else { return Ok(0) };
            let entry = index.page(p);
            let page = DictPage::parse(entry.slice(pages)?)?;
            let id = entry.first_id.saturating_add(page.partition_point(|key| below(key.cmp(v)))?);
            return Ok(id.min(self.len()));
        }
        let mut buf = Vec::new();
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let mid = low.midpoint(high);
            if below(self.compare(mid, value, &mut buf)?) { low = mid + 1 } else { high = mid }
        }
        Ok(low)
    }

    /// First id whose entry is `>= value`; the number of entries when there is none.
    ///
    /// # Errors
    /// When the value is of another storage class or a page is corrupt.
    pub fn lower_bound(&self, value: ScalarRef<'_>) -> Result<u32> {
        self.bound(value, false)
    }

    /// First id whose entry is `> value`; the number of entries when there is none.
    ///
    /// # Errors
    /// As [`Dictionary::lower_bound`].
    pub fn upper_bound(&self, value: ScalarRef<'_>) -> Result<u32> {
        self.bound(value, true)
    }

    /// Id of a value, when the column holds it.
    ///
    /// # Errors
    /// As [`Dictionary::lower_bound`].
    pub fn find(&self, value: ScalarRef<'_>) -> Result<Option<u32>> {
        let id = self.lower_bound(value)?;
        let mut buf = Vec::new();
        Ok((id < self.len() && self.compare(id, value, &mut buf)? == Ordering::Equal).then_some(id))
    }

    /// Calls `f(id, entry)` for ids `range`, in order.
    ///
    /// # Errors
    /// When the range is past the end or a page is corrupt.
    pub fn for_each(&self, range: Range<u32>, mut f: impl FnMut(u32, ScalarRef<'_>)) -> Result<()> {
        if range.end > self.len() {
            return Err(Error::corrupt(format!("ids {range:?} of a dictionary of {} entries", self.len())));
        }
        match &self.form {
            Form::Bools(_) | Form::I32(_) | Form::I64(_) => {
                for id in range {
                    f(id, ScalarRef::Int(self.get_i64(id)?));
                }
            }
            Form::F32(_) | Form::F64(_) => {
                for id in range {
                    f(id, ScalarRef::Float(self.get_f64(id)?));
                }
            }
            Form::Flat { offsets, data } => {
                for id in range {
                    f(id, ScalarRef::Bytes(&data[offsets[id as usize] as usize..offsets[id as usize + 1] as usize]));
                }
            }
            Form::Paged { index, pages } => {
                let mut at = range.start;
                while at < range.end {
                    let entry = index.page(index.page_of(at));
                    let page = DictPage::parse(entry.slice(pages)?)?;
                    let end = entry.first_id.saturating_add(page.len()).min(range.end);
                    if end <= at {
                        return Err(Error::corrupt(format!("a dictionary page ends before entry {at}")));
                    }
                    page.for_each(at - entry.first_id..end - entry.first_id, |i, key| {
                        f(entry.first_id + i, ScalarRef::Bytes(key));
                    })?;
                    at = end;
                }
            }
        }
        Ok(())
    }

    /// Fails unless entries ascend strictly and are stored as their type wants.
    pub(crate) fn check(&self) -> Result<()> {
        let mut failed = None;
        let mut last: Option<Vec<u8>> = None;
        let mut last_number: Option<ScalarRef<'_>> = None;
        if let Form::Paged { index, pages } = &self.form {
            index.check(pages)?;
        }
        self.for_each(0..self.len(), |id, v| {
            if failed.is_some() {
                return;
            }
            let ascends = match (v, last_number) {
                (ScalarRef::Bytes(v), _) => {
                    let ok = last.as_deref().is_none_or(|l| l < v);
                    let keep = last.get_or_insert_default();
                    keep.clear();
                    keep.extend_from_slice(v);
                    ok
                }
                (_, None) => true,
                (v, Some(l)) => l.ordered_key() < v.ordered_key(),
            };
            if let ScalarRef::Int(n) = v {
                last_number = Some(ScalarRef::Int(n));
            } else if let ScalarRef::Float(n) = v {
                last_number = Some(ScalarRef::Float(n));
            }
            let stored = match (self.data_type, v) {
                (DataType::String | DataType::Json, ScalarRef::Bytes(b)) => std::str::from_utf8(b).is_ok(),
                (DataType::BigDecimal, ScalarRef::Bytes(b)) => crate::decimal::check(b).is_ok(),
                (DataType::Boolean, ScalarRef::Int(v)) => v == 0 || v == 1,
                (_, ScalarRef::Float(v)) => crate::value::normalize_f64(v).to_bits() == v.to_bits(),
                _ => true,
            };
            if !ascends || !stored {
                failed = Some(id);
            }
        })?;
        match failed {
            None => Ok(()),
            Some(id) => Err(Error::corrupt(format!("dictionary entry {id} is out of order or not in stored form"))),
        }
    }
}

fn zero_gap(bytes: &[u8], from: u64, to: u64) -> Result<()> {
    if buffer::all_zero(buffer::slice(bytes, from, to.saturating_sub(from), "padding")?) {
        Ok(())
    } else {
        Err(Error::corrupt("padding is not zero"))
    }
}
