//! Random tables of every type, as scalars, as Arrow arrays and as segment files.

use segfmt::{
    Bitmap, BloomSpec, Codec, ColumnInput, ColumnSpec, DataType, EncodingHint, SegmentInfo, SegmentWriter, Value,
    Values,
};
use shard_plan::{ColumnRef, Scalar, Type};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A small generator, so that a failing seed is one number.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

pub struct Column {
    pub name: &'static str,
    pub ty: Type,
    pub encoding: EncodingHint,
    /// Element default for lists.
    pub default: Scalar,
    pub values: Vec<Scalar>,
}

pub struct Table {
    pub rows: usize,
    pub columns: Vec<Column>,
}

const RAW: EncodingHint = EncodingHint::Raw { codec: Codec::Lz4 };

fn decimal(text: &str) -> Scalar {
    Scalar::BigDecimal(segfmt::decimal::parse(text).unwrap().into())
}

pub fn string(text: &str) -> Scalar {
    Scalar::String(text.into())
}

impl Table {
    /// Every type, dictionaries and raw columns, lists, nulls; some columns in runs, one sorted.
    pub fn random(seed: u64, rows: usize) -> Table {
        let mut rng = Rng::new(seed);
        let mut columns = Vec::new();
        let nulls = rng.pick(&[0, 10, 60]).to_owned();
        let mut add = |rng: &mut Rng,
                       name,
                       ty: Type,
                       encoding,
                       default: Scalar,
                       null: u64,
                       make: &mut dyn FnMut(&mut Rng, usize) -> Scalar| {
            let values =
                (0..rows).map(|row| if rng.chance(null) { Scalar::Null(ty) } else { make(rng, row) }).collect();
            columns.push(Column { name, ty, encoding, default, values });
        };
        let cardinality = *rng.pick(&[1, 2, 9, 200, 3000]);
        add(&mut rng, "i", Type::INT, EncodingHint::Dictionary, Scalar::Int(i32::MIN), nulls, &mut |r, _| {
            Scalar::Int(r.below(cardinality) as i32 - 5)
        });
        add(&mut rng, "run", Type::INT, EncodingHint::Dictionary, Scalar::Int(0), 0, &mut |_, row| {
            Scalar::Int((row / 700) as i32)
        });
        let spread = *rng.pick(&[3u64, 1 << 12, 1 << 40]);
        add(&mut rng, "l", Type::LONG, RAW, Scalar::Long(0), nulls, &mut |r, _| {
            Scalar::Long(r.below(spread) as i64 - 1000)
        });
        add(&mut rng, "ts", Type::TIMESTAMP, RAW, Scalar::Timestamp(0), 0, &mut |r, row| {
            Scalar::Timestamp(1_600_000_000_000 + row as i64 * 1000 + r.below(1000) as i64)
        });
        add(&mut rng, "f", Type::FLOAT, RAW, Scalar::Float(f32::NEG_INFINITY), nulls, &mut |r, _| {
            Scalar::Float(r.below(64) as f32 / 4.0)
        });
        add(&mut rng, "d", Type::DOUBLE, RAW, Scalar::Double(0.0), nulls, &mut |r, _| {
            Scalar::Double(if r.chance(1) { f64::NAN } else { r.below(4000) as f64 / 8.0 - 100.0 })
        });
        add(&mut rng, "dd", Type::DOUBLE, EncodingHint::Dictionary, Scalar::Double(0.0), nulls, &mut |r, _| {
            Scalar::Double(r.below(40) as f64 / 4.0)
        });
        add(&mut rng, "b", Type::BOOLEAN, EncodingHint::Auto, Scalar::Boolean(false), nulls, &mut |r, _| {
            Scalar::Boolean(r.chance(50))
        });
        let words = ["", "a", "alpha", "beta", "gamma", "Gamma", "gämmä", "delta", "zz", "z"];
        add(&mut rng, "s", Type::STRING, EncodingHint::Dictionary, string("null"), nulls, &mut |r, _| {
            string(r.pick::<&str>(&words))
        });
        let many = *rng.pick(&[20u64, 5000]);
        add(&mut rng, "u", Type::STRING, EncodingHint::Dictionary, string("null"), 0, &mut |r, _| {
            string(&format!("https://host/{:05}/page", r.below(many)))
        });
        add(&mut rng, "t", Type::STRING, RAW, string("null"), nulls, &mut |r, _| {
            string(&format!("{} and {}", r.pick::<&str>(&words), r.below(1000)))
        });
        add(&mut rng, "dec", Type::BIG_DECIMAL, EncodingHint::Auto, decimal("0"), nulls, &mut |r, _| {
            decimal(&format!("{}.{:02}", r.below(50) as i64 - 25, r.below(100)))
        });
        add(&mut rng, "y", Type::BYTES, EncodingHint::Auto, Scalar::Bytes(Arc::from([])), nulls, &mut |r, _| {
            Scalar::Bytes(r.below(300).to_be_bytes()[6..].into())
        });
        add(
            &mut rng,
            "mi",
            Type::multi(DataType::Int),
            EncodingHint::Dictionary,
            Scalar::Int(-1),
            nulls,
            &mut |r, _| {
                let n = 1 + r.below(3);
                Scalar::List(DataType::Int, (0..n).map(|_| Scalar::Int(r.below(12) as i32)).collect())
            },
        );
        add(&mut rng, "ms", Type::multi(DataType::String), RAW, string("null"), nulls, &mut |r, _| {
            let n = 1 + r.below(3);
            Scalar::List(DataType::String, (0..n).map(|_| string(r.pick::<&str>(&words))).collect())
        });
        Table { rows, columns }
    }

    pub fn references(&self, nulls: bool) -> Vec<ColumnRef> {
        self.columns
            .iter()
            .map(|c| ColumnRef { name: c.name.to_owned(), ty: c.ty, nulls, default: c.default.clone() })
            .collect()
    }

    pub fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|c| c.name == name).unwrap()
    }

    /// Writes some rows as a segment.
    pub fn write(&self, rows: Range<usize>, block_rows: u32, name: &str, path: &Path) {
        let info = SegmentInfo {
            name: name.to_owned(),
            table: "t".to_owned(),
            rows: rows.len() as u64,
            ..SegmentInfo::default()
        };
        let mut bytes = Vec::new();
        let mut writer = SegmentWriter::with_block_rows(&mut bytes, info, block_rows).unwrap();
        for column in &self.columns {
            write_column(&mut writer, column, &column.values[rows.clone()]);
        }
        writer.finish().unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn write_column(writer: &mut SegmentWriter<&mut Vec<u8>>, column: &Column, values: &[Scalar]) {
    let mut spec = ColumnSpec::new(column.name, column.ty.data);
    spec.multi_value = column.ty.multi;
    spec.encoding = column.encoding;
    // Indexes on some: they must not change an answer.
    spec.inverted = matches!(column.name, "i" | "s" | "u");
    spec.range = matches!(column.name, "l" | "d" | "ts");
    spec.bloom = (column.name == "l").then_some(BloomSpec { fpp: 0.01, max_bytes: 1 << 16 });
    spec.default_null = stored(&column.default);
    let nulls = Bitmap::from_fn(values.len(), |i| values[i].is_null());
    let mut lists = vec![0u32];
    let mut flat: Vec<&Scalar> = Vec::new();
    for value in values {
        match value {
            Scalar::List(_, elements) => flat.extend(elements.iter()),
            Scalar::Null(_) => flat.push(&column.default),
            value => flat.push(value),
        }
        lists.push(flat.len() as u32);
    }
    let (mut i32s, mut i64s, mut f32s, mut f64s, mut bools) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut offsets, mut data) = (vec![0u64], Vec::new());
    for value in flat {
        match value {
            Scalar::Int(v) => i32s.push(*v),
            Scalar::Long(v) | Scalar::Timestamp(v) => i64s.push(*v),
            Scalar::Float(v) => f32s.push(*v),
            Scalar::Double(v) => f64s.push(*v),
            Scalar::Boolean(v) => bools.push(u8::from(*v)),
            Scalar::String(v) | Scalar::Json(v) => data.extend_from_slice(v.as_bytes()),
            Scalar::BigDecimal(v) | Scalar::Bytes(v) => data.extend_from_slice(v),
            other => panic!("{other:?} is no element"),
        }
        offsets.push(data.len() as u64);
    }
    let values = match column.ty.data {
        DataType::Int => Values::I32(&i32s),
        DataType::Long | DataType::Timestamp => Values::I64(&i64s),
        DataType::Float => Values::F32(&f32s),
        DataType::Double => Values::F64(&f64s),
        DataType::Boolean => Values::Bool(&bools),
        _ => Values::Bytes { offsets: &offsets, data: &data },
    };
    let input = ColumnInput {
        values,
        nulls: (nulls.count_ones() > 0).then_some(&nulls),
        lists: column.ty.multi.then_some(&lists[..]),
    };
    writer.write_column(&spec, input).unwrap();
}

fn stored(value: &Scalar) -> Value {
    match value {
        Scalar::Int(v) => Value::Int(*v),
        Scalar::Long(v) => Value::Long(*v),
        Scalar::Timestamp(v) => Value::Timestamp(*v),
        Scalar::Float(v) => Value::Float(*v),
        Scalar::Double(v) => Value::Double(*v),
        Scalar::Boolean(v) => Value::Boolean(*v),
        Scalar::String(v) => Value::String(v.to_string()),
        Scalar::BigDecimal(v) => Value::BigDecimal(v.to_vec()),
        Scalar::Bytes(v) => Value::Bytes(v.to_vec()),
        other => panic!("{other:?} is no default"),
    }
}
