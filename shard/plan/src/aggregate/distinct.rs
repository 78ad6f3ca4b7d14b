//! DISTINCTCOUNT, exact.
//!
//! State: one column `values`, a list of the distinct values of each group in ascending order. Over several arguments the
//! value is a tuple, as Binary: each part is its fixed-width little-endian bytes (BOOLEAN one byte), or for strings, bytes
//! and decimals its length as u32 little-endian and its bytes. A row counts when none of its arguments is NULL.
//!
//! Pinot's approximate exact-ish forms (bitmap of hashes, off-heap, segment-partitioned) are names of this one.

use super::rows::{column, each_row, kept, required};
use super::values::{ValueKeys, list_of, pair_hash};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::group::{ByteColumn, bit_keys};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, Int64Array};
use arrow_schema::DataType as ArrowType;
use hashbrown::HashTable;
use std::any::Any;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// `distinctCount(x, ...)`, `count(DISTINCT x, ...)`.
#[derive(Debug)]
pub struct DistinctCount;

impl Aggregate for DistinctCount {
    fn name(&self) -> &'static str {
        "distinctcount"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[
            "countdistinct",
            "distinctcountmv",
            "distinctcountbitmap",
            "distinctcountbitmapmv",
            "distinctcountoffheap",
            "segmentpartitioneddistinctcount",
        ]
    }

    fn arguments(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        let state = list_of(element_type(args));
        Ok(AggregateSignature {
            args: args.to_vec(),
            result: Type::LONG,
            result_sse: Type::INT,
            state: vec![required("values", state)],
        })
    }

    fn accumulator(&self, args: &[Type], _params: &[Scalar], result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(DistinctCounts { sets: DistinctSets::new(element_type(args))?, int: result == Type::INT }))
    }
}

fn element_type(args: &[Type]) -> ArrowType {
    match args {
        [one] => one.arrow(),
        _ => ArrowType::Binary,
    }
}

/// The distinct values of many groups: one table of (group, value).
#[derive(Debug)]
pub struct DistinctSets {
    pub(crate) keys: ValueKeys,
    table: HashTable<(u32, u64)>,
    counts: Vec<i64>,
}

impl DistinctSets {
    pub(crate) fn new(ty: ArrowType) -> Result<DistinctSets> {
        Ok(DistinctSets { keys: ValueKeys::new(ty)?, table: HashTable::new(), counts: Vec::new() })
    }

    pub(crate) fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    pub(crate) fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let DistinctSets { keys, table, counts } = self;
        let add = |group: u32, key: u64| {
            let entry = table.entry(pair_hash(group, key), |e| *e == (group, key), |e| pair_hash(e.0, e.1));
            if let hashbrown::hash_table::Entry::Vacant(vacant) = entry {
                vacant.insert((group, key));
                counts[group as usize] += 1;
            }
        };
        match args {
            [one] => keys.each(one, groups, filter, add),
            several => {
                let (tuples, groups) = tuples(several, groups, filter)?;
                keys.each(&tuples, &groups, None, add)
            }
        }
    }

    pub(crate) fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let list = column::<arrow_array::ListArray>(state, 0)?;
        let (values, _, groups) = super::rows::unnest(list, &[], groups, None)?;
        self.update(&[values], &groups, None)
    }

    /// (group, key) pairs by group, then by value.
    pub(crate) fn sorted(&self) -> Vec<(u32, u64)> {
        let mut pairs: Vec<(u32, u64)> = self.table.iter().copied().collect();
        self.keys.sort(&mut pairs);
        pairs
    }

    pub(crate) fn state(&self) -> Result<ArrayRef> {
        self.keys.lists(&self.sorted(), self.counts.len(), None)
    }

    /// Distinct values of each group.
    pub(crate) fn counts(&self) -> &[i64] {
        &self.counts
    }

    pub(crate) fn size(&self) -> usize {
        self.keys.size() + self.table.capacity() * 17 + self.counts.capacity() * 8
    }
}

/// The rows that count as tuples, and their groups.
fn tuples(args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<(ArrayRef, Vec<u32>)> {
    enum Part<'a> {
        Fixed(Vec<u64>, usize),
        Bytes(ByteColumn<'a>),
    }
    let parts = args
        .iter()
        .map(|arg| {
            if let Some(bytes) = ByteColumn::new(arg) {
                return Ok(Part::Bytes(bytes));
            }
            let mut keys = Vec::new();
            bit_keys(arg, &mut keys)?;
            let width = match arg.data_type() {
                ArrowType::Boolean => 1,
                ArrowType::Int32 | ArrowType::Float32 => 4,
                _ => 8,
            };
            Ok(Part::Fixed(keys, width))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut builder = BinaryBuilder::new();
    let mut tuple = Vec::new();
    let mut kept_groups = Vec::with_capacity(groups.len());
    let mut total = 0usize;
    each_row(groups, filter, args, |row, group| {
        tuple.clear();
        for part in &parts {
            match part {
                Part::Fixed(keys, width) => tuple.extend_from_slice(&keys[row].to_le_bytes()[..*width]),
                Part::Bytes(bytes) => {
                    let value = bytes.get(row);
                    tuple.extend_from_slice(&(value.len() as u32).to_le_bytes());
                    tuple.extend_from_slice(value);
                }
            }
        }
        total += tuple.len();
        // The builder's offsets are 31 bits: past them nothing more is added, and the check below says so.
        if total <= i32::MAX as usize {
            builder.append_value(&tuple);
            kept_groups.push(group as u32);
        }
    });
    if total > i32::MAX as usize {
        return Err(Error::Memory(format!("{total} bytes of distinct tuples in one batch")));
    }
    Ok((Arc::new(builder.finish()), kept_groups))
}

/// The accumulator of [`DistinctCount`].
#[derive(Debug)]
pub struct DistinctCounts {
    sets: DistinctSets,
    int: bool,
}

impl DistinctCounts {
    /// One row of single-argument values that are not NULL, e.g. the distinct values of a dictionary that a scan met.
    pub fn add_values(&mut self, values: &ArrayRef, groups: &[u32]) -> Result<()> {
        debug_assert!(kept(None, std::slice::from_ref(values)).is_none(), "values without NULLs");
        self.sets.update(std::slice::from_ref(values), groups, None)
    }
}

impl Accumulator for DistinctCounts {
    fn resize(&mut self, groups: usize) {
        self.sets.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.sets.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.sets.merge(state, groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.sets.state()?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let counts = self.sets.counts();
        if !self.int {
            return Ok(Arc::new(Int64Array::from(counts.to_vec())));
        }
        let ints = counts
            .iter()
            .map(|n| i32::try_from(*n).map_err(|_| Error::evaluation(format!("{n} distinct values overflow INT"))))
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Int32Array::from(ints)))
    }

    fn size(&self) -> usize {
        self.sets.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
