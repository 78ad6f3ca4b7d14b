//! DISTINCTCOUNTHLL and DISTINCTCOUNTRAWHLL: an estimate in a few hundred bytes, bit for bit Pinot's.
//!
//! State: one column `hll`, Binary, NULL for a group without values: the serial form of the clearspring HyperLogLog that
//! Pinot stores in BYTES columns and answers raw queries with. All numbers are 32 bits big-endian:
//!
//! ```text
//!   log2m | bytes that follow | words: 6 registers of 5 bits each, register 6w + j in bits 5j .. 5j + 5 of word w
//! ```
//!
//! Values are hashed as clearspring does (MurmurHash2 with its signed bytes), so that sketches of Pinot's segments merge
//! with ours. A BYTES argument holds such sketches, which are merged.

use super::rows::{column, field, integer_param, try_each_row};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::group::{ByteColumn, bit_keys};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, StringArray};
use arrow_schema::DataType as ArrowType;
use segfmt::DataType;
use std::any::Any;
use std::fmt::Write;
use std::sync::Arc;

/// Pinot's default.
const DEFAULT_LOG2M: u32 = 8;
/// A sketch of this many registers is 700 KB; more helps nobody and costs memory in every group.
const MAX_LOG2M: u32 = 20;
const REGISTERS_PER_WORD: usize = 6;
const REGISTER_BITS: usize = 5;

const MURMUR_M: u32 = 0x5bd1_e995;

fn murmur_finish(mut h: u32) -> u32 {
    h ^= h >> 13;
    h = h.wrapping_mul(MURMUR_M);
    h ^ (h >> 15)
}

/// clearspring's `MurmurHash.hashLong`.
fn murmur_long(value: i64) -> u32 {
    let mut k = (value as u32).wrapping_mul(MURMUR_M);
    k ^= k >> 24;
    let mut h = k.wrapping_mul(MURMUR_M);
    k = ((value >> 32) as u32).wrapping_mul(MURMUR_M);
    k ^= k >> 24;
    h = h.wrapping_mul(MURMUR_M);
    h ^= k.wrapping_mul(MURMUR_M);
    murmur_finish(h)
}

/// clearspring's `MurmurHash.hash(byte[])`: MurmurHash2 with seed -1 whose tail bytes are signed.
fn murmur_bytes(bytes: &[u8]) -> u32 {
    let mut h = u32::MAX ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(MURMUR_M);
        k ^= k >> 24;
        h = h.wrapping_mul(MURMUR_M) ^ k.wrapping_mul(MURMUR_M);
    }
    // Java reads the tail as data[length - 3] << 16, data[length - 2] << 8, data[length - 1].
    let tail = words.remainder();
    if !tail.is_empty() {
        let signed = |byte: u8| i32::from(byte as i8) as u32;
        for (back, byte) in tail.iter().rev().enumerate() {
            h ^= signed(*byte) << (8 * back);
        }
        h = h.wrapping_mul(MURMUR_M);
    }
    murmur_finish(h)
}

/// One sketch: a register a byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HyperLogLog {
    log2m: u32,
    registers: Box<[u8]>,
}

impl HyperLogLog {
    fn new(log2m: u32) -> HyperLogLog {
        HyperLogLog { log2m, registers: vec![0; 1 << log2m].into() }
    }

    #[inline]
    fn offer(&mut self, hash: u32) {
        let register = &mut self.registers[(hash >> (32 - self.log2m)) as usize];
        let rest = (hash << self.log2m) | ((1 << (self.log2m - 1)) + 1);
        *register = (*register).max(rest.leading_zeros() as u8 + 1);
    }

    fn merge(&mut self, other: &HyperLogLog) -> Result<()> {
        if self.log2m != other.log2m {
            return Err(Error::evaluation(format!(
                "HyperLogLog sketches of log2m {} and {} do not merge",
                self.log2m, other.log2m
            )));
        }
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
        Ok(())
    }

    /// clearspring's estimate: linear counting below 2.5 m.
    pub fn cardinality(&self) -> i64 {
        let m = self.registers.len() as f64;
        let alpha_mm = match self.log2m {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / m),
        } * m
            * m;
        let sum: f64 = self.registers.iter().map(|r| (-f64::from(*r)).exp2()).sum();
        let zeros = self.registers.iter().filter(|r| **r == 0).count() as f64;
        let estimate = alpha_mm * (1.0 / sum);
        let estimate = if estimate <= 2.5 * m { m * (m / zeros).ln() } else { estimate };
        // Java's Math.round: half up. Linear counting without an empty register is infinite; Java saturates it.
        (estimate + 0.5).floor() as i64
    }

    /// The serial form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = word_count(self.registers.len());
        let mut out = Vec::with_capacity(8 + words * 4);
        out.extend_from_slice(&self.log2m.to_be_bytes());
        out.extend_from_slice(&(words as u32 * 4).to_be_bytes());
        for registers in self.registers.chunks(REGISTERS_PER_WORD) {
            let word = registers.iter().enumerate().fold(0u32, |w, (j, r)| w | u32::from(*r) << (REGISTER_BITS * j));
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.resize(8 + words * 4, 0);
        out
    }

    /// Reads the serial form.
    pub fn from_bytes(bytes: &[u8]) -> Result<HyperLogLog> {
        let bad = |what: &str| Error::evaluation(format!("bytes are not a HyperLogLog: {what}"));
        let (head, words) = bytes.split_first_chunk::<8>().ok_or_else(|| bad("shorter than its head"))?;
        let log2m = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let size = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if !(1..=MAX_LOG2M).contains(&log2m) {
            return Err(bad(&format!("log2m {log2m} is not from 1 to {MAX_LOG2M}")));
        }
        let mut sketch = HyperLogLog::new(log2m);
        if size != words.len() || size != word_count(sketch.registers.len()) * 4 {
            return Err(bad(&format!("{} bytes of registers for log2m {log2m}", words.len())));
        }
        for (registers, word) in sketch.registers.chunks_mut(REGISTERS_PER_WORD).zip(words.chunks_exact(4)) {
            let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
            for (j, register) in registers.iter_mut().enumerate() {
                *register = (word >> (REGISTER_BITS * j)) as u8 & 0x1f;
            }
        }
        Ok(sketch)
    }
}

/// Words of a register set, as clearspring sizes it.
fn word_count(registers: usize) -> usize {
    match registers / REGISTERS_PER_WORD {
        0 => 1,
        words if words % 32 == 0 => words,
        words => words + 1,
    }
}

/// `distinctCountHLL(x, log2m)`, `distinctCountRawHLL(x, log2m)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistinctHll {
    Count,
    /// The sketch itself, in hexadecimal.
    Raw,
}

impl Aggregate for DistinctHll {
    fn name(&self) -> &'static str {
        match self {
            DistinctHll::Count => "distinctcounthll",
            DistinctHll::Raw => "distinctcountrawhll",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            DistinctHll::Count => &["distinctcounthllmv"],
            DistinctHll::Raw => &["distinctcountrawhllmv"],
        }
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        log2m(self.name(), params)?;
        let result = if *self == DistinctHll::Count { Type::LONG } else { Type::STRING };
        Ok(AggregateSignature {
            args: args.to_vec(),
            result,
            result_sse: result,
            state: vec![field("hll", ArrowType::Binary)],
        })
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(HyperLogLogs {
            sketches: Vec::new(),
            log2m: log2m(self.name(), params)?,
            arg: args[0].data,
            raw: *self == DistinctHll::Raw,
            held: 0,
        }))
    }
}

fn log2m(name: &str, params: &[Scalar]) -> Result<u32> {
    match params {
        [] => Ok(DEFAULT_LOG2M),
        [log2m] => Ok(integer_param(name, log2m, 1..=i64::from(MAX_LOG2M))? as u32),
        _ => Err(Error::Signature(format!("{name} takes log2m as its only parameter"))),
    }
}

/// Sketches of many groups, made at the first value.
#[derive(Debug)]
pub struct HyperLogLogs {
    sketches: Vec<Option<HyperLogLog>>,
    log2m: u32,
    arg: DataType,
    raw: bool,
    held: usize,
}

impl HyperLogLogs {
    fn offer(&mut self, group: usize, hash: u32) {
        let log2m = self.log2m;
        let held = &mut self.held;
        self.sketches[group]
            .get_or_insert_with(|| {
                *held += 1 << log2m;
                HyperLogLog::new(log2m)
            })
            .offer(hash);
    }

    fn merge_bytes(&mut self, group: usize, bytes: &[u8]) -> Result<()> {
        let sketch = HyperLogLog::from_bytes(bytes)?;
        match &mut self.sketches[group] {
            Some(mine) => mine.merge(&sketch),
            none => {
                self.held += sketch.registers.len();
                *none = Some(sketch);
                Ok(())
            }
        }
    }
}

impl Accumulator for HyperLogLogs {
    fn resize(&mut self, groups: usize) {
        self.sketches.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let args = args.get(..1).ok_or_else(|| Error::Plan("a sketch without an argument".into()))?;
        if let Some(bytes) = ByteColumn::new(&args[0]) {
            let arg = self.arg;
            return try_each_row(groups, filter, args, |row, group| {
                let value = bytes.get(row);
                match arg {
                    DataType::Bytes => return self.merge_bytes(group, value),
                    DataType::BigDecimal => {
                        let text =
                            segfmt::decimal::to_plain_string(value).map_err(|e| Error::evaluation(e.to_string()))?;
                        self.offer(group, murmur_bytes(text.as_bytes()));
                    }
                    _ => self.offer(group, murmur_bytes(value)),
                }
                Ok(())
            });
        }
        let mut keys = Vec::new();
        bit_keys(&args[0], &mut keys)?;
        // Java hashes a float's 32 bits as an int, which widens with its sign.
        let narrow = matches!(args[0].data_type(), ArrowType::Float32);
        super::rows::each_row(groups, filter, args, |row, group| {
            let key = keys[row];
            self.offer(group, murmur_long(if narrow { i64::from(key as i32) } else { key as i64 }));
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let sketches = column::<BinaryArray>(state, 0)?;
        try_each_row(groups, None, &state[..1], |row, group| self.merge_bytes(group, sketches.value(row)))
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![bytes_of(self.sketches.iter().map(Option::as_ref))?])
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(vec![bytes_of(groups.iter().map(|g| self.sketches[*g as usize].as_ref()))?]))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        if !self.raw {
            let counts = self.sketches.iter().map(|s| s.as_ref().map_or(0, HyperLogLog::cardinality));
            return Ok(Arc::new(Int64Array::from_iter_values(counts)));
        }
        let empty = HyperLogLog::new(self.log2m);
        let hex = self.sketches.iter().map(|s| {
            s.as_ref().unwrap_or(&empty).to_bytes().iter().fold(String::new(), |mut hex, byte| {
                let _infallible = write!(hex, "{byte:02x}");
                hex
            })
        });
        Ok(Arc::new(StringArray::from_iter_values(hex)))
    }

    fn size(&self) -> usize {
        self.sketches.capacity() * size_of::<Option<HyperLogLog>>() + self.held
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Sketches as a column of their bytes.
fn bytes_of<'s>(sketches: impl Iterator<Item = Option<&'s HyperLogLog>> + Clone) -> Result<ArrayRef> {
    let total: usize = sketches.clone().flatten().map(|s| 8 + word_count(s.registers.len()) * 4).sum();
    if i32::try_from(total).is_err() {
        return Err(Error::Memory(format!("{total} bytes of HyperLogLog sketches in one column")));
    }
    Ok(Arc::new(sketches.map(|s| s.map(HyperLogLog::to_bytes)).collect::<BinaryArray>()))
}
