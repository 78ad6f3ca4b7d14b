//! Orders rows: NULLs first or last, NaN greatest, strings and decimals by their bytes (E-10), ties by position.

use crate::error::{Error, Result};
use crate::group::normalize;
use crate::leaf::SortKey;
use crate::memory::column_bytes;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_row::{OwnedRow, RowConverter, Rows, SortField};
use arrow_schema::DataType as ArrowType;

/// How one key sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SortOptions {
    pub descending: bool,
    pub nulls_first: bool,
}

impl From<SortKey> for SortOptions {
    fn from(key: SortKey) -> SortOptions {
        SortOptions { descending: key.descending, nulls_first: key.nulls_first }
    }
}

/// Turns key columns into rows whose byte order is the wanted order.
#[derive(Debug)]
pub struct RowOrder {
    converter: RowConverter,
}

impl RowOrder {
    pub fn new(keys: &[(ArrowType, SortOptions)]) -> Result<RowOrder> {
        let fields = keys
            .iter()
            .map(|(ty, options)| {
                let options =
                    arrow_schema::SortOptions { descending: options.descending, nulls_first: options.nulls_first };
                SortField::new_with_options(ty.clone(), options)
            })
            .collect();
        Ok(RowOrder { converter: RowConverter::new(fields).map_err(unordered)? })
    }

    pub fn rows(&self, keys: &[ArrayRef]) -> Result<Rows> {
        let normalized: Vec<ArrayRef> = keys.iter().map(normalize).collect();
        self.converter.convert_columns(&normalized).map_err(unordered)
    }
}

fn unordered(e: arrow_schema::ArrowError) -> Error {
    Error::Plan(format!("rows cannot be ordered by these columns: {e}"))
}

/// The positions of the rows in order; with `limit`, of the first `limit` only, without sorting the rest.
pub fn sort_indices(keys: &[(ArrayRef, SortOptions)], limit: Option<usize>) -> Result<UInt32Array> {
    let rows = keys.first().map_or(0, |(key, _)| key.len());
    let types: Vec<_> = keys.iter().map(|(key, options)| (key.data_type().clone(), *options)).collect();
    let columns: Vec<ArrayRef> = keys.iter().map(|(key, _)| key.clone()).collect();
    let rows = u32::try_from(rows).map_err(|_| Error::Memory(format!("{rows} rows to sort at once")))?;
    let encoded = RowOrder::new(&types)?.rows(&columns)?;
    let mut order: Vec<u32> = (0..rows).collect();
    let compare = |a: &u32, b: &u32| encoded.row(*a as usize).cmp(&encoded.row(*b as usize)).then(a.cmp(b));
    if let Some(limit) = limit.filter(|limit| *limit < order.len()) {
        if limit == 0 {
            return Ok(UInt32Array::from(Vec::<u32>::new()));
        }
        order.select_nth_unstable_by(limit - 1, compare);
        order.truncate(limit);
    }
    order.sort_unstable_by(compare);
    Ok(UInt32Array::from(order))
}

/// `columns` at `indices`.
pub fn take(columns: &[ArrayRef], indices: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns
        .iter()
        .map(|c| {
            arrow_select::take::take(c, indices, None).map_err(|e| Error::Plan(format!("rows cannot be taken: {e}")))
        })
        .collect()
}

/// Columns of several batches, one after another.
pub fn concat(batches: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>> {
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    (0..first.len())
        .map(|i| {
            let parts: Vec<&dyn Array> = batches.iter().map(|b| b[i].as_ref()).collect();
            arrow_select::concat::concat(&parts).map_err(|e| Error::Memory(format!("rows cannot be joined up: {e}")))
        })
        .collect()
}

/// Rows that are kept before [`TopK`] cuts back to `limit`.
const SLACK: usize = 1024;

/// The first `limit` rows of a stream in an order, holding little more than that many.
///
/// Once `limit` rows are held, a row that sorts after the worst of them is dropped when it arrives.
#[derive(Debug)]
pub struct TopK {
    keys: Vec<(usize, SortOptions)>,
    limit: usize,
    order: RowOrder,
    held: Vec<Vec<ArrayRef>>,
    rows: usize,
    bound: Option<OwnedRow>,
}

impl TopK {
    /// For rows of columns `types`, ordered by the columns that `keys` name.
    pub fn new(types: &[ArrowType], keys: &[SortKey], limit: usize) -> Result<TopK> {
        let keys: Vec<(usize, SortOptions)> = keys.iter().map(|k| (k.index as usize, SortOptions::from(*k))).collect();
        let fields = keys
            .iter()
            .map(|(index, options)| match types.get(*index) {
                Some(ty) => Ok((ty.clone(), *options)),
                None => Err(Error::Plan(format!("a sort key names column {index} of {}", types.len()))),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(TopK { keys, limit, order: RowOrder::new(&fields)?, held: Vec::new(), rows: 0, bound: None })
    }

    /// Positions of the rows with these key values that may still be among the first; `None` while all may. What else a
    /// row has need not be read for the others.
    pub fn better(&self, keys: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
        let Some(bound) = &self.bound else { return Ok(None) };
        let encoded = self.order.rows(keys)?;
        let bound = bound.row();
        Ok(Some((0..encoded.num_rows()).filter(|i| encoded.row(*i) < bound).map(|i| i as u32).collect()))
    }

    /// Whether enough rows are held for [`TopK::better`] to leave some out.
    pub fn is_bounded(&self) -> bool {
        self.bound.is_some()
    }

    /// Offers rows.
    pub fn push(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, |c| c.len());
        if rows == 0 || self.limit == 0 {
            return Ok(());
        }
        let keys: Vec<ArrayRef> = self.keys.iter().map(|(i, _)| columns[*i].clone()).collect();
        let columns = match self.better(&keys)? {
            None => columns.to_vec(),
            Some(better) if better.is_empty() => return Ok(()),
            Some(better) => take(columns, &UInt32Array::from(better))?,
        };
        self.rows += columns[0].len();
        self.held.push(columns);
        if self.rows >= self.limit.saturating_mul(2).max(self.limit.saturating_add(SLACK)) {
            self.cut()?;
        }
        Ok(())
    }

    /// Sorts what is held and keeps the first `limit`.
    fn cut(&mut self) -> Result<()> {
        let columns = concat(&std::mem::take(&mut self.held))?;
        let keys: Vec<_> = self.keys.iter().map(|(i, options)| (columns[*i].clone(), *options)).collect();
        let columns = take(&columns, &sort_indices(&keys, Some(self.limit))?)?;
        self.rows = columns.first().map_or(0, |c| c.len());
        if self.rows == self.limit {
            let last: Vec<ArrayRef> = self.keys.iter().map(|(i, _)| columns[*i].slice(self.limit - 1, 1)).collect();
            self.bound = Some(self.order.rows(&last)?.row(0).owned());
        }
        self.held.push(columns);
        Ok(())
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        column_bytes(self.held.iter().flatten())
    }

    /// The rows in order; `None` when there were none.
    pub fn finish(mut self) -> Result<Option<Vec<ArrayRef>>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.cut()?;
        Ok(self.held.pop())
    }
}
