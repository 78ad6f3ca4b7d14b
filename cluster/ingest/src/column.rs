//! Columns of typed values in memory: the form rows have between a file and a segment.
//!
//! A column is a few flat arrays, never a heap value for each row. Rows come in chunks of at most
//! [`BATCH_ROWS_MAX`](crate::batch::BATCH_ROWS_MAX) rows; a sort moves row numbers and then gathers whole columns.

use std::sync::Arc;

use segfmt::{Bitmap, DataType, Value, Values};

use crate::intern::{Dict, DictReader};

/// Values of one column: the stored forms of [`segfmt::Values`], owned, and one that only lives in a job: numbers of
/// strings that the job has seen before.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<u8>),
    Bytes { offsets: Vec<u64>, data: Vec<u8> },
    Ids { ids: Vec<u32>, dict: Arc<Dict> },
}

impl Data {
    pub(crate) fn with_capacity(data_type: DataType, values: usize, bytes: usize) -> Self {
        match data_type {
            DataType::Int => Data::I32(Vec::with_capacity(values)),
            DataType::Long | DataType::Timestamp => Data::I64(Vec::with_capacity(values)),
            DataType::Float => Data::F32(Vec::with_capacity(values)),
            DataType::Double => Data::F64(Vec::with_capacity(values)),
            DataType::Boolean => Data::Bool(Vec::with_capacity(values)),
            DataType::BigDecimal | DataType::String | DataType::Json | DataType::Bytes => {
                let mut offsets = Vec::with_capacity(values + 1);
                offsets.push(0);
                Data::Bytes { offsets, data: Vec::with_capacity(bytes) }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Data::I32(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::F32(v) => v.len(),
            Data::F64(v) => v.len(),
            Data::Bool(v) => v.len(),
            Data::Bytes { offsets, .. } => offsets.len() - 1,
            Data::Ids { ids, .. } => ids.len(),
        }
    }

    /// Bytes of the values in this form.
    pub(crate) fn bytes(&self) -> u64 {
        (match self {
            Data::I32(v) => v.len() * 4,
            Data::I64(v) => v.len() * 8,
            Data::F32(v) => v.len() * 4,
            Data::F64(v) => v.len() * 8,
            Data::Bool(v) => v.len(),
            Data::Bytes { offsets, data } => (offsets.len() - 1) * 8 + data.len(),
            Data::Ids { ids, .. } => ids.len() * 4,
        }) as u64
    }

    /// Bytes of the values once numbers of strings are strings again.
    pub(crate) fn expanded_bytes(&self) -> u64 {
        match self {
            Data::Ids { ids, dict } => {
                let strings = dict.read();
                ids.iter().map(|id| 8 + strings.get(*id).len() as u64).sum()
            }
            data => data.bytes(),
        }
    }

    /// Bytes of byte strings held as they are.
    pub(crate) fn string_bytes(&self) -> u64 {
        if let Data::Bytes { data, .. } = self { data.len() as u64 } else { 0 }
    }

    /// Appends the bytes of one value.
    #[inline]
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        let Data::Bytes { offsets, data } = self else { unreachable!("only byte columns are given bytes") };
        data.extend_from_slice(bytes);
        offsets.push(data.len() as u64);
    }

    /// Appends a value of the column's type.
    pub(crate) fn push_value(&mut self, value: &Value) {
        match (self, value) {
            (Data::I32(v), Value::Int(x)) => v.push(*x),
            (Data::I64(v), Value::Long(x) | Value::Timestamp(x)) => v.push(*x),
            (Data::F32(v), Value::Float(x)) => v.push(*x),
            (Data::F64(v), Value::Double(x)) => v.push(*x),
            (Data::Bool(v), Value::Boolean(x)) => v.push(u8::from(*x)),
            (this @ Data::Bytes { .. }, Value::String(x) | Value::Json(x)) => this.push_bytes(x.as_bytes()),
            (this @ Data::Bytes { .. }, Value::Bytes(x) | Value::BigDecimal(x)) => this.push_bytes(x),
            _ => unreachable!("a default null value has its column's type: the schema checks it"),
        }
    }

    /// Appends `from[range]`.
    pub(crate) fn extend_range(&mut self, from: &Data, start: usize, end: usize) {
        match (self, from) {
            (Data::I32(to), Data::I32(v)) => to.extend_from_slice(&v[start..end]),
            (Data::I64(to), Data::I64(v)) => to.extend_from_slice(&v[start..end]),
            (Data::F32(to), Data::F32(v)) => to.extend_from_slice(&v[start..end]),
            (Data::F64(to), Data::F64(v)) => to.extend_from_slice(&v[start..end]),
            (Data::Bool(to), Data::Bool(v)) => to.extend_from_slice(&v[start..end]),
            (Data::Bytes { offsets, data }, Data::Bytes { offsets: o, data: d }) => {
                let (a, b) = (o[start], o[end]);
                let base = data.len() as u64;
                data.extend_from_slice(&d[a as usize..b as usize]);
                offsets.extend(o[start + 1..=end].iter().map(|x| x - a + base));
            }
            (Data::Bytes { offsets, data }, Data::Ids { ids, dict }) => {
                dict.expand(ids[start..end].iter().copied(), offsets, data)
            }
            _ => unreachable!("chunks of one job have the same columns"),
        }
    }

    pub(crate) fn truncate(&mut self, values: usize) {
        match self {
            Data::I32(v) => v.truncate(values),
            Data::I64(v) => v.truncate(values),
            Data::F32(v) => v.truncate(values),
            Data::F64(v) => v.truncate(values),
            Data::Bool(v) => v.truncate(values),
            Data::Bytes { offsets, data } => {
                offsets.truncate(values + 1);
                data.truncate(offsets[values] as usize);
            }
            Data::Ids { ids, .. } => ids.truncate(values),
        }
    }

    /// The values themselves where they are numbers of strings.
    pub(crate) fn expanded(self) -> Self {
        let Data::Ids { ids, dict } = self else { return self };
        let (mut offsets, mut data) = (Vec::with_capacity(ids.len() + 1), Vec::new());
        offsets.push(0);
        dict.expand(ids.iter().copied(), &mut offsets, &mut data);
        Data::Bytes { offsets, data }
    }

    pub(crate) fn as_values(&self) -> Values<'_> {
        match self {
            Data::I32(v) => Values::I32(v),
            Data::I64(v) => Values::I64(v),
            Data::F32(v) => Values::F32(v),
            Data::F64(v) => Values::F64(v),
            Data::Bool(v) => Values::Bool(v),
            Data::Bytes { offsets, data } => Values::Bytes { offsets, data },
            Data::Ids { .. } => unreachable!("a column is expanded before it is written"),
        }
    }
}

/// One column of some rows. A null row holds the column's default null value (one such element where multi-value).
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) data: Data,
    pub(crate) nulls: Option<Bitmap>,
    /// Multi-value: `rows + 1` offsets into the values.
    pub(crate) lists: Option<Vec<u32>>,
}

impl Column {
    pub(crate) fn rows(&self) -> usize {
        self.lists.as_ref().map_or_else(|| self.data.len(), |l| l.len() - 1)
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| n.get(row))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.data.bytes() + self.lists.as_ref().map_or(0, |l| (l.len() as u64 - 1) * 4)
    }

    /// All rows null.
    pub(crate) fn all_null(data_type: DataType, multi_value: bool, default_null: &Value, rows: usize) -> Self {
        let mut data = Data::with_capacity(data_type, rows, 0);
        for _ in 0..rows {
            data.push_value(default_null);
        }
        let rows_u32 = u32::try_from(rows).expect("a chunk has few rows");
        let lists = multi_value.then(|| (0..=rows_u32).collect());
        Self { data, nulls: Some(Bitmap::from_words(vec![u64::MAX; rows.div_ceil(64)], rows)), lists }
    }
}

/// Some rows, all columns in the schema's order.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
}

impl Chunk {
    pub(crate) fn bytes(&self) -> u64 {
        self.columns.iter().map(Column::bytes).sum()
    }
}

/// Where a row is: chunk and row in it. Orders as the rows came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Loc(u64);

impl Loc {
    pub(crate) fn new(chunk: usize, row: usize) -> Self {
        debug_assert!(u32::try_from(row).is_ok());
        Self((chunk as u64) << 32 | row as u64)
    }

    #[inline]
    pub(crate) fn chunk(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline]
    pub(crate) fn row(self) -> usize {
        (self.0 & 0xFFFF_FFFF) as usize
    }
}

/// Copies one column's rows at `locs` into a column of their own. `columns[c]` is that column in chunk `c`.
pub(crate) fn gather(columns: &[&Column], locs: &[Loc], data_type: DataType) -> Column {
    let Some(first) = columns.first() else {
        return Column { data: Data::with_capacity(data_type, 0, 0), nulls: None, lists: None };
    };
    let nulls = columns
        .iter()
        .any(|c| c.nulls.is_some())
        .then(|| Bitmap::from_fn(locs.len(), |i| columns[locs[i].chunk()].is_null(locs[i].row())))
        .filter(|b| b.count_ones() > 0);
    if first.lists.is_some() {
        let (data, lists) = gather_lists(columns, locs, data_type);
        return Column { data, nulls, lists: Some(lists) };
    }
    macro_rules! fixed {
        ($variant:ident) => {{
            let slices: Vec<_> =
                columns.iter().map(|c| if let Data::$variant(v) = &c.data { v.as_slice() } else { &[] }).collect();
            Data::$variant(locs.iter().map(|l| slices[l.chunk()][l.row()]).collect())
        }};
    }
    let data = match &first.data {
        Data::I32(_) => fixed!(I32),
        Data::I64(_) => fixed!(I64),
        Data::F32(_) => fixed!(F32),
        Data::F64(_) => fixed!(F64),
        Data::Bool(_) => fixed!(Bool),
        Data::Bytes { .. } | Data::Ids { .. } => gather_bytes(columns, locs),
    };
    Column { data, nulls, lists: None }
}

/// One chunk's byte strings, however they are held.
enum Strings<'a> {
    Plain(&'a [u64], &'a [u8]),
    Ids(&'a [u32], DictReader<'a>),
}

impl Strings<'_> {
    #[inline]
    fn get(&self, row: usize) -> &[u8] {
        match self {
            Strings::Plain(offsets, data) => &data[offsets[row] as usize..offsets[row + 1] as usize],
            Strings::Ids(ids, dict) => dict.get(ids[row]),
        }
    }
}

fn gather_bytes(columns: &[&Column], locs: &[Loc]) -> Data {
    // Numbers stay numbers while all chunks have them.
    let ids: Option<Vec<&[u32]>> =
        columns.iter().map(|c| if let Data::Ids { ids, .. } = &c.data { Some(ids.as_slice()) } else { None }).collect();
    if let (Some(ids), Some(Data::Ids { dict, .. })) = (ids, columns.first().map(|c| &c.data)) {
        return Data::Ids { ids: locs.iter().map(|l| ids[l.chunk()][l.row()]).collect(), dict: Arc::clone(dict) };
    }
    let strings: Vec<Strings<'_>> = columns
        .iter()
        .map(|c| match &c.data {
            Data::Ids { ids, dict } => Strings::Ids(ids, dict.read()),
            Data::Bytes { offsets, data } => Strings::Plain(offsets, data),
            _ => unreachable!("chunks of one job have the same columns"),
        })
        .collect();
    let mut offsets = Vec::with_capacity(locs.len() + 1);
    let mut end = 0;
    offsets.push(0);
    for l in locs {
        end += strings[l.chunk()].get(l.row()).len() as u64;
        offsets.push(end);
    }
    let mut data = Vec::with_capacity(end as usize);
    for l in locs {
        data.extend_from_slice(strings[l.chunk()].get(l.row()));
    }
    Data::Bytes { offsets, data }
}

fn gather_lists(columns: &[&Column], locs: &[Loc], data_type: DataType) -> (Data, Vec<u32>) {
    let mut data = Data::with_capacity(data_type, locs.len(), 0);
    let mut lists = Vec::with_capacity(locs.len() + 1);
    lists.push(0);
    for l in locs {
        let column = columns[l.chunk()];
        let offsets = column.lists.as_ref().expect("a multi-value column has lists in every chunk");
        data.extend_range(&column.data, offsets[l.row()] as usize, offsets[l.row() + 1] as usize);
        lists.push(u32::try_from(data.len()).expect("the job cuts segments before 2^32 values"));
    }
    (data, lists)
}

/// Appends `from`'s rows `start..end` to `to`.
pub(crate) fn append(to: &mut Column, from: &Column, start: usize, end: usize) {
    let rows = to.rows();
    let (first, last) = match &from.lists {
        Some(l) => (l[start] as usize, l[end] as usize),
        None => (start, end),
    };
    if let (Some(to_lists), Some(l)) = (&mut to.lists, &from.lists) {
        let base = to.data.len() as u64;
        let first = u64::from(l[start]);
        to_lists.extend(
            l[start + 1..=end].iter().map(|&x| {
                u32::try_from(u64::from(x) - first + base).expect("the job cuts segments before 2^32 values")
            }),
        );
    }
    if let (Data::Ids { dict, .. }, 0) = (&from.data, to.data.len()) {
        to.data = Data::Ids { ids: Vec::new(), dict: Arc::clone(dict) };
    }
    match (&mut to.data, &from.data) {
        (Data::Ids { ids, .. }, Data::Ids { ids: more, .. }) => ids.extend_from_slice(&more[first..last]),
        (Data::Ids { .. }, _) => {
            // The first part that is not numbered ends the numbering.
            let empty = Data::Bytes { offsets: vec![0], data: Vec::new() };
            to.data = std::mem::replace(&mut to.data, empty).expanded();
            to.data.extend_range(&from.data, first, last);
        }
        (data, _) => data.extend_range(&from.data, first, last),
    }
    if from.nulls.is_some() || to.nulls.is_some() {
        let nulls = to.nulls.get_or_insert_with(|| Bitmap::new(rows));
        for row in start..end {
            nulls.push(from.is_null(row));
        }
    }
}
