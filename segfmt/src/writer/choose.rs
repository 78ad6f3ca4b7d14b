//! Dictionary or raw: decided by the sizes that both would have.

use crate::dictionary::DictValues;
use crate::encoding::chunks::{self, Codec};
use crate::encoding::packed::{id_width, packed_bytes};
use crate::encoding::{floats, ints, runs};
use crate::error::{Error, Result};
use crate::value::{from_ordered_f64, from_ordered_i64, ordered_f64, ordered_i64};
use crate::writer::distinct;
use crate::writer::input::{ColumnSpec, EncodingHint, Normal, Prepared};
use crate::{DataType, HASHES_ABOVE};

/// Raw byte strings this long on average, more than 70 % of them distinct, get no dictionary.
const LONG_STRING: usize = 16;
/// Bytes that are compressed to estimate a raw column of byte strings.
const SAMPLE: usize = 64 * 1024;

/// What a column becomes.
pub(super) enum Choice<'v> {
    Dictionary { values: DictValues<'v>, ids: Vec<u32> },
    Raw { codec: Codec },
}

impl Choice<'_> {
    pub fn cardinality(&self) -> Option<u32> {
        match self {
            Self::Dictionary { values, .. } => Some(values.len() as u32),
            Self::Raw { .. } => None,
        }
    }
}

pub(super) fn choose<'v>(spec: &ColumnSpec, p: &Prepared<'v>, block_rows: usize) -> Result<Choice<'v>> {
    let must = match spec.encoding {
        EncodingHint::Raw { .. } if spec.inverted => {
            return Err(Error::invalid("an inverted index needs a dictionary; the column is to be raw"));
        }
        EncodingHint::Raw { codec } => return Ok(Choice::Raw { codec }),
        EncodingHint::Dictionary => true,
        EncodingHint::Auto => spec.inverted || spec.data_type == DataType::Boolean || p.len() == 0,
    };
    let raw = Choice::Raw { codec: Codec::default() };
    let block_values = |f: &dyn Fn(std::ops::Range<usize>) -> usize| -> usize {
        (0..p.rows).step_by(block_rows).map(|r| f(p.value_range(r, (r + block_rows).min(p.rows)))).sum()
    };
    match &p.normal {
        Normal::Ints(v) => {
            let raw_bytes = block_values(&|r| ints::encoded_bytes(&v[r]));
            let width = spec.data_type.fixed_width().unwrap_or(8);
            let keys: Vec<u64> = v.iter().map(|v| ordered_i64(*v)).collect();
            let found = numbers(&keys, width, raw_bytes, must);
            Ok(found.map_or(raw, |(d, ids)| Choice::Dictionary {
                values: DictValues::Ints(d.into_iter().map(from_ordered_i64).collect()),
                ids,
            }))
        }
        Normal::Floats { values: v, single } => {
            let raw_bytes = block_values(&|r| floats::encoded_bytes(&v[r], *single));
            let width = spec.data_type.fixed_width().unwrap_or(8);
            let keys: Vec<u64> = v.iter().map(|v| ordered_f64(*v)).collect();
            let found = numbers(&keys, width, raw_bytes, must);
            Ok(found.map_or(raw, |(d, ids)| Choice::Dictionary {
                values: DictValues::Floats(d.into_iter().map(from_ordered_f64).collect()),
                ids,
            }))
        }
        Normal::Var { offsets, data } => {
            let n = p.len();
            let long = n > 0 && data.len() / n >= LONG_STRING;
            let limit = if long && !must { n / 10 * 7 + n % 10 } else { usize::MAX };
            let value = |i: usize| &data[offsets[i] as usize..offsets[i + 1] as usize];
            let Some((values, ids)) = distinct::of_bytes(n, value, limit) else { return Ok(raw) };
            if !must {
                let entry = if values.len() > HASHES_ABOVE as usize { 12 } else { 4 };
                let dictionary: usize = values.iter().map(|v| v.len() + entry).sum();
                let ratio = chunks::sample_ratio(Codec::default(), &data[..data.len().min(SAMPLE)])?;
                let raw_bytes = (data.len() as f64 * ratio) as usize + 2 * n;
                // A dictionary evaluates a predicate once per entry and groups by id: worth twice
                // the bytes.
                if dictionary + id_bytes(&ids, values.len()) > 2 * raw_bytes {
                    return Ok(raw);
                }
            }
            Ok(Choice::Dictionary { values: DictValues::Var(values), ids })
        }
    }
}

/// Distinct keys and ids when a dictionary is wanted or costs at most a quarter more bytes than
/// raw pages: grouping and sets by id are worth that much.
fn numbers(keys: &[u64], width: usize, raw_bytes: usize, must: bool) -> Option<(Vec<u64>, Vec<u32>)> {
    let allowed = raw_bytes + raw_bytes / 4;
    let limit = if must { usize::MAX } else { allowed / width + 1 };
    let (distinct, ids) = distinct::of_keys(keys, limit)?;
    let hash = if distinct.len() > HASHES_ABOVE as usize { 8 } else { 0 };
    let bytes = distinct.len() * (width + hash) + id_bytes(&ids, distinct.len());
    (must || bytes <= allowed).then_some((distinct, ids))
}

fn id_bytes(ids: &[u32], cardinality: usize) -> usize {
    let width = id_width(cardinality.saturating_sub(1) as u32);
    packed_bytes(width, ids.len()).min(runs::count(ids) * 8)
}

/// Partitions that the values fall into, ascending.
pub(super) fn partitions(spec: &ColumnSpec, p: &Prepared<'_>, choice: &Choice<'_>) -> Result<Vec<u32>> {
    let Some(partition) = spec.partition else { return Ok(Vec::new()) };
    let mut found = std::collections::BTreeSet::new();
    match choice {
        // One value number for each distinct value.
        Choice::Dictionary { values, ids } => {
            let mut seen = vec![false; values.len()];
            for (i, id) in ids.iter().enumerate() {
                if !std::mem::replace(&mut seen[*id as usize], true) {
                    found.insert(partition.function.partition(&p.value(spec.data_type, i), partition.partitions)?);
                }
            }
        }
        Choice::Raw { .. } => {
            for i in 0..p.len() {
                found.insert(partition.function.partition(&p.value(spec.data_type, i), partition.partitions)?);
            }
        }
    }
    Ok(found.into_iter().collect())
}
