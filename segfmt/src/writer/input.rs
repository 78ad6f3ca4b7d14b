//! What the writer takes, and the checks on it.

use std::borrow::Cow;
use std::ops::Range;

use crate::bitmap::Bitmap;
use crate::data_type::DataType;
use crate::encoding::chunks::Codec;
use crate::error::{Error, Result};
use crate::partition::PartitionSpec;
use crate::value::{ScalarRef, Value, cmp_f64, normalize_f64};

/// How a column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EncodingHint {
    /// Dictionary or raw, whichever the sizes favour.
    #[default]
    Auto,
    /// Sorted dictionary and ids.
    Dictionary,
    /// No dictionary.
    Raw {
        /// Codec of byte strings; numbers are packed whatever it is.
        codec: Codec,
    },
}

/// A bloom filter's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BloomSpec {
    /// False-positive rate, between 0 and 1.
    pub fpp: f64,
    /// Largest size in bytes, at least 32; the rate suffers when it is too small.
    pub max_bytes: u32,
}

/// A column to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    /// Name.
    pub name: String,
    /// Type of a value.
    pub data_type: DataType,
    /// Whether a row holds a list of values.
    pub multi_value: bool,
    /// Dictionary or raw.
    pub encoding: EncodingHint,
    /// Whether to write an inverted index (implies a dictionary; a sorted column has its sorted
    /// index instead).
    pub inverted: bool,
    /// Whether to write a range index.
    pub range: bool,
    /// Whether to write a bloom filter.
    pub bloom: Option<BloomSpec>,
    /// What null rows hold.
    pub default_null: Value,
    /// Partition function to record.
    pub partition: Option<PartitionSpec>,
}

impl ColumnSpec {
    /// A single-value column with everything chosen for it.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            multi_value: false,
            encoding: EncodingHint::Auto,
            inverted: false,
            range: false,
            bloom: None,
            default_null: Value::default_null(data_type, false),
            partition: None,
        }
    }
}

/// Values of a column. The variant follows from the type: INT `I32`; LONG, TIMESTAMP `I64`;
/// FLOAT `F32`; DOUBLE `F64`; BOOLEAN `Bool` (0 or 1); STRING, JSON, BYTES, BIG_DECIMAL `Bytes`.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// INT.
    I32(&'a [i32]),
    /// LONG, TIMESTAMP.
    I64(&'a [i64]),
    /// FLOAT.
    F32(&'a [f32]),
    /// DOUBLE.
    F64(&'a [f64]),
    /// BOOLEAN.
    Bool(&'a [u8]),
    /// Byte strings one after the other.
    Bytes {
        /// One more than there are values; value `i` is `data[offsets[i]..offsets[i + 1]]`.
        offsets: &'a [u64],
        /// All bytes.
        data: &'a [u8],
    },
}

/// Rows of a column.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInput<'a> {
    /// One value a row, or for multi-value columns the values of all rows one after the other.
    pub values: Values<'a>,
    /// Set for null rows, whose slot holds the column's default null value (multi-value: one
    /// element).
    pub nulls: Option<&'a Bitmap>,
    /// Multi-value: rows + 1 offsets into the values.
    pub lists: Option<&'a [u32]>,
}

/// Checked values in their storage class.
pub(super) enum Normal<'a> {
    Ints(Cow<'a, [i64]>),
    Floats { values: Cow<'a, [f64]>, single: bool },
    Var { offsets: &'a [u64], data: &'a [u8] },
}

pub(super) struct Prepared<'a> {
    pub rows: usize,
    pub normal: Normal<'a>,
    /// `None` when no row is null.
    pub nulls: Option<&'a Bitmap>,
    pub lists: Option<&'a [u32]>,
}

impl<'a> Prepared<'a> {
    pub fn len(&self) -> usize {
        match &self.normal {
            Normal::Ints(v) => v.len(),
            Normal::Floats { values, .. } => values.len(),
            Normal::Var { offsets, .. } => offsets.len() - 1,
        }
    }

    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|n| n.get(row))
    }

    /// Values of rows `from..to`.
    #[inline]
    pub fn value_range(&self, from: usize, to: usize) -> Range<usize> {
        match self.lists {
            None => from..to,
            Some(l) => l[from] as usize..l[to] as usize,
        }
    }

    /// Value `i` of a column of byte strings.
    #[inline]
    pub fn bytes(&self, i: usize) -> &'a [u8] {
        match &self.normal {
            Normal::Var { offsets, data } => &data[offsets[i] as usize..offsets[i + 1] as usize],
            _ => &[],
        }
    }

    #[inline]
    pub fn scalar(&self, i: usize) -> ScalarRef<'_> {
        match &self.normal {
            Normal::Ints(v) => ScalarRef::Int(v[i]),
            Normal::Floats { values, .. } => ScalarRef::Float(values[i]),
            Normal::Var { .. } => ScalarRef::Bytes(self.bytes(i)),
        }
    }

    #[inline]
    pub fn less(&self, a: usize, b: usize) -> bool {
        match &self.normal {
            Normal::Ints(v) => v[a] < v[b],
            Normal::Floats { values, .. } => cmp_f64(values[a], values[b]).is_lt(),
            Normal::Var { .. } => self.bytes(a) < self.bytes(b),
        }
    }

    pub fn is_value(&self, i: usize, value: &Value) -> bool {
        match (self.scalar(i), value.as_scalar()) {
            (ScalarRef::Int(a), ScalarRef::Int(b)) => a == b,
            (ScalarRef::Float(a), ScalarRef::Float(b)) => cmp_f64(a, b).is_eq(),
            (ScalarRef::Bytes(a), ScalarRef::Bytes(b)) => a == b,
            _ => false,
        }
    }

    pub fn value(&self, data_type: DataType, i: usize) -> Value {
        match (self.scalar(i), data_type) {
            (ScalarRef::Int(v), DataType::Int) => Value::Int(v as i32),
            (ScalarRef::Int(v), DataType::Boolean) => Value::Boolean(v != 0),
            (ScalarRef::Int(v), DataType::Timestamp) => Value::Timestamp(v),
            (ScalarRef::Int(v), _) => Value::Long(v),
            (ScalarRef::Float(v), DataType::Float) => Value::Float(v as f32),
            (ScalarRef::Float(v), _) => Value::Double(v),
            (ScalarRef::Bytes(v), DataType::String) => Value::String(String::from_utf8_lossy(v).into_owned()),
            (ScalarRef::Bytes(v), DataType::Json) => Value::Json(String::from_utf8_lossy(v).into_owned()),
            (ScalarRef::Bytes(v), DataType::BigDecimal) => Value::BigDecimal(v.to_vec()),
            (ScalarRef::Bytes(v), _) => Value::Bytes(v.to_vec()),
        }
    }

    pub fn raw_bytes(&self, data_type: DataType) -> u64 {
        match &self.normal {
            Normal::Var { data, .. } => data.len() as u64,
            _ => self.len() as u64 * data_type.fixed_width().unwrap_or(0) as u64,
        }
    }

    pub fn max_list(&self) -> u32 {
        match self.lists {
            None => u32::from(self.rows > 0),
            Some(l) => l.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0),
        }
    }

    pub fn max_len(&self, data_type: DataType) -> u32 {
        match &self.normal {
            Normal::Var { offsets, .. } => offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0) as u32,
            _ => data_type.fixed_width().unwrap_or(0) as u32,
        }
    }
}

/// Checks the input and brings its values into stored form.
pub(super) fn prepare<'a>(spec: &ColumnSpec, input: ColumnInput<'a>, rows: usize) -> Result<Prepared<'a>> {
    if spec.default_null.data_type() != spec.data_type {
        return Err(Error::invalid(format!(
            "the default null value is {}, the column {}",
            spec.default_null.data_type(),
            spec.data_type
        )));
    }
    if let Value::BigDecimal(v) = &spec.default_null {
        crate::decimal::check(v)?;
    }
    let normal = normalize(spec.data_type, input.values)?;
    let mut p = Prepared { rows, normal, nulls: None, lists: input.lists };
    match (spec.multi_value, input.lists) {
        (false, None) if p.len() == rows => {}
        (false, None) => return Err(Error::invalid(format!("{} values for {rows} rows", p.len()))),
        (false, Some(_)) => return Err(Error::invalid("lists for a single-value column")),
        (true, None) => return Err(Error::invalid("a multi-value column needs lists")),
        (true, Some(l)) => {
            let ascends = l.windows(2).all(|w| w[0] <= w[1]);
            let ends = (l.first().copied(), l.last().map(|e| *e as usize));
            if l.len() != rows + 1 || !ascends || ends != (Some(0), Some(p.len())) {
                return Err(Error::invalid(format!(
                    "{} list offsets for {rows} rows and {} values: rows + 1 offsets must ascend from 0 to the number of values",
                    l.len(),
                    p.len()
                )));
            }
        }
    }
    if let Some(nulls) = input.nulls {
        if nulls.len() != rows {
            return Err(Error::invalid(format!("a null bitmap of {} bits for {rows} rows", nulls.len())));
        }
        for row in nulls.iter_ones() {
            let range = p.value_range(row, row + 1);
            if range.len() != 1 || !p.is_value(range.start, &spec.default_null) {
                return Err(Error::invalid(format!("row {row} is null but does not hold the default null value")));
            }
        }
        p.nulls = (nulls.count_ones() > 0).then_some(nulls);
    }
    Ok(p)
}

fn normalize(data_type: DataType, values: Values<'_>) -> Result<Normal<'_>> {
    Ok(match (data_type, values) {
        (DataType::Int, Values::I32(v)) => Normal::Ints(v.iter().map(|v| i64::from(*v)).collect()),
        (DataType::Long | DataType::Timestamp, Values::I64(v)) => Normal::Ints(Cow::Borrowed(v)),
        (DataType::Boolean, Values::Bool(v)) => {
            if let Some(row) = v.iter().position(|v| *v > 1) {
                return Err(Error::invalid(format!("value {row} of a BOOLEAN column is {}, not 0 or 1", v[row])));
            }
            Normal::Ints(v.iter().map(|v| i64::from(*v)).collect())
        }
        (DataType::Float, Values::F32(v)) => {
            Normal::Floats { values: v.iter().map(|v| normalize_f64(f64::from(*v))).collect(), single: true }
        }
        (DataType::Double, Values::F64(v)) => {
            let stored = v.iter().all(|v| normalize_f64(*v).to_bits() == v.to_bits());
            let values = if stored { Cow::Borrowed(v) } else { v.iter().map(|v| normalize_f64(*v)).collect() };
            Normal::Floats { values, single: false }
        }
        (
            DataType::String | DataType::Json | DataType::Bytes | DataType::BigDecimal,
            Values::Bytes { offsets, data },
        ) => {
            check_bytes(data_type, offsets, data)?;
            Normal::Var { offsets, data }
        }
        (_, other) => {
            let got = match other {
                Values::I32(_) => "I32",
                Values::I64(_) => "I64",
                Values::F32(_) => "F32",
                Values::F64(_) => "F64",
                Values::Bool(_) => "Bool",
                Values::Bytes { .. } => "Bytes",
            };
            return Err(Error::invalid(format!("{got} values for a {data_type} column")));
        }
    })
}

fn check_bytes(data_type: DataType, offsets: &[u64], data: &[u8]) -> Result<()> {
    let ascends = offsets.windows(2).all(|w| w[0] <= w[1]);
    if !ascends || offsets.first() != Some(&0) || offsets.last() != Some(&(data.len() as u64)) {
        return Err(Error::invalid("value offsets must ascend from 0 to the number of bytes"));
    }
    if let Some(i) = offsets.windows(2).position(|w| w[1] - w[0] >= u64::from(u32::MAX)) {
        return Err(Error::too_large("a value", offsets[i + 1] - offsets[i], u64::from(u32::MAX) - 1));
    }
    match data_type {
        DataType::String | DataType::Json => {
            let text = std::str::from_utf8(data).ok();
            let whole = text.is_some_and(|t| offsets.iter().all(|o| t.is_char_boundary(*o as usize)));
            if !whole {
                let value = |i: usize| &data[offsets[i] as usize..offsets[i + 1] as usize];
                let i = (0..offsets.len() - 1).find(|i| std::str::from_utf8(value(*i)).is_err());
                return Err(Error::invalid(format!("value {} is not UTF-8", i.unwrap_or(0))));
            }
        }
        DataType::BigDecimal => {
            for (i, w) in offsets.windows(2).enumerate() {
                crate::decimal::check(&data[w[0] as usize..w[1] as usize])
                    .map_err(|e| Error::invalid(format!("value {i} is no canonical BIG_DECIMAL: {e}")))?;
            }
        }
        _ => {}
    }
    Ok(())
}
