//! The rows of the golden files, as code: `examples/make_golden.rs` writes them, the tests read
//! the files and compare.

use segfmt::fuzzing::write_values;
use segfmt::{
    Bitmap, BloomSpec, Codec, ColumnSpec, DataType, EncodingHint, Identity, PartitionFunction, PartitionSpec,
    SegmentInfo, SegmentWriter, Value,
};

/// A column of a golden file.
pub struct GoldenColumn {
    pub spec: ColumnSpec,
    pub values: Vec<Value>,
    pub lists: Option<Vec<u32>>,
    pub nulls: Bitmap,
}

/// A golden file.
pub struct Golden {
    pub name: &'static str,
    pub info: SegmentInfo,
    pub columns: Vec<GoldenColumn>,
}

/// The file under `goldenfiles/v1`.
pub fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("goldenfiles/v1").join(name)
}

impl Golden {
    /// The bytes that today's writer makes of it.
    pub fn build(&self) -> Vec<u8> {
        let mut writer = SegmentWriter::with_block_rows(Vec::new(), self.info.clone(), 512).expect("block size");
        for c in &self.columns {
            write_values(&mut writer, &c.spec, &c.values, c.lists.as_deref(), &c.nulls).expect("golden column");
        }
        writer.finish_into().expect("memory").1
    }
}

const ROWS: usize = 700;

fn single(spec: ColumnSpec, value: impl Fn(usize) -> Option<Value>) -> GoldenColumn {
    let values: Vec<Option<Value>> = (0..ROWS).map(value).collect();
    let nulls = Bitmap::from_fn(ROWS, |i| values[i].is_none());
    let values = values.into_iter().map(|v| v.unwrap_or_else(|| spec.default_null.clone())).collect();
    GoldenColumn { spec, values, lists: None, nulls }
}

fn spec(name: &str, data_type: DataType, encoding: EncodingHint) -> ColumnSpec {
    ColumnSpec { encoding, ..ColumnSpec::new(name, data_type) }
}

/// A number without a pattern, the same on every machine.
fn mix(i: usize) -> u64 {
    let v = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (v ^ (v >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

fn all_types() -> Golden {
    use DataType as T;
    const DICT: EncodingHint = EncodingHint::Dictionary;
    const LZ4: EncodingHint = EncodingHint::Raw { codec: Codec::Lz4 };
    const ZSTD: EncodingHint = EncodingHint::Raw { codec: Codec::Zstd };
    const PLAIN: EncodingHint = EncodingHint::Raw { codec: Codec::PassThrough };
    let text = |s: String| Some(Value::String(s));
    let mut columns = vec![
        single(spec("day_sorted", T::Int, DICT), |i| Some(Value::Int(20_240_101 + (i / 90) as i32))),
        single(ColumnSpec { inverted: true, range: true, ..spec("carrier", T::String, DICT) }, |i| {
            (i % 11 != 3).then(|| Value::String(["AA", "B6", "DL", "UA", "WN"][mix(i) as usize % 5].to_owned()))
        }),
        single(ColumnSpec { range: true, ..spec("ts_delta", T::Timestamp, LZ4) }, |i| {
            Some(Value::Timestamp(1_700_000_000_000 + i as i64 * 60_000))
        }),
        single(spec("long_for", T::Long, LZ4), |i| Some(Value::Long(mix(i) as i64 % 1000 - 500))),
        single(spec("int_constant", T::Int, LZ4), |_| Some(Value::Int(7))),
        single(spec("price_decimal", T::Double, LZ4), |i| match i % 50 {
            0 => None,
            1 => Some(Value::Double(f64::NAN)),
            _ => Some(Value::Double(mix(i) as f64 % 5000.0 / 100.0)),
        }),
        single(spec("zero_constant", T::Double, LZ4), |_| Some(Value::Double(-0.0))),
        single(spec("ratio_raw", T::Float, LZ4), |i| Some(Value::Float(1.0 / (i as f32 + 3.0)))),
        single(spec("flag", T::Boolean, EncodingHint::Auto), |i| (i < 512).then_some(Value::Boolean(i % 3 == 0))),
        single(spec("amount", T::BigDecimal, DICT), |i| {
            let text = format!("{}{}.{}", if i % 2 == 0 { "-" } else { "" }, mix(i) % 90, i % 7);
            Some(Value::BigDecimal(segfmt::decimal::parse(&text).expect("a number")))
        }),
        single(spec("amount_raw", T::BigDecimal, PLAIN), |i| {
            Some(Value::BigDecimal(segfmt::decimal::parse(&format!("{i}e{}", i % 5)).expect("a number")))
        }),
        single(spec("doc", T::Json, ZSTD), |i| Some(Value::Json(format!("{{\"row\": {i}, \"tag\": \"t{}\"}}", i % 9)))),
        single(spec("blob", T::Bytes, LZ4), |i| Some(Value::Bytes(vec![i as u8; i % 13]))),
        single(
            ColumnSpec {
                bloom: Some(BloomSpec { fpp: 0.05, max_bytes: 512 }),
                partition: Some(PartitionSpec { function: PartitionFunction::Murmur, partitions: 4 }),
                ..spec("url_paged", T::String, DICT)
            },
            |i| text(format!("{}/{:05}", "https://example.org/a/long/common/path/".repeat(5), mix(i) % 650)),
        ),
    ];
    let (mut values, mut lists, mut nulls) = (Vec::new(), vec![0u32], Bitmap::default());
    for i in 0..ROWS {
        let null = i % 17 == 5;
        nulls.push(null);
        if null {
            values.push(Value::String("null".to_owned()));
        } else {
            values.extend((0..i % 4).map(|k| Value::String(format!("tag{}", (i * 7 + k) % 12))));
        }
        lists.push(values.len() as u32);
    }
    let tags = ColumnSpec { multi_value: true, inverted: true, ..spec("tags", T::String, DICT) };
    columns.push(GoldenColumn { spec: tags, values, lists: Some(lists), nulls });
    let pair = ColumnSpec { multi_value: true, ..spec("pair_raw", T::Int, LZ4) };
    let values = (0..2 * ROWS).map(|i| Value::Int((mix(i) % 77) as i32)).collect();
    let lists = (0..=ROWS as u32).map(|r| r * 2).collect();
    columns.push(GoldenColumn { spec: pair, values, lists: Some(lists), nulls: Bitmap::new(ROWS) });
    let info = SegmentInfo {
        name: "golden_0".to_owned(),
        table: "golden_OFFLINE".to_owned(),
        rows: ROWS as u64,
        sort_columns: vec!["day_sorted".to_owned()],
        time_column: Some("ts_delta".to_owned()),
        identity: Identity {
            cluster_id: *b"0123456789abcdef",
            table_incarnation: 3,
            ordinal: 14,
            generation: 1,
            partition: Some(5),
            sequence: Some(92),
            start_offset: Some("653".to_owned()),
            end_offset: Some("1353".to_owned()),
            schema_version: 2,
            index_version: 4,
        },
    };
    Golden { name: "all-types.seg", info, columns }
}

fn empty() -> Golden {
    let columns = [DataType::Int, DataType::String]
        .map(|t| GoldenColumn {
            spec: ColumnSpec::new(t.pinot_name().to_lowercase(), t),
            values: Vec::new(),
            lists: None,
            nulls: Bitmap::default(),
        })
        .into_iter()
        .collect();
    Golden { name: "empty.seg", info: SegmentInfo { name: "empty".to_owned(), ..SegmentInfo::default() }, columns }
}

fn hashes() -> Golden {
    let rows = 4200;
    let values = (0..rows).map(|i| Value::Int(mix(i) as i32)).collect();
    let column = GoldenColumn {
        spec: spec("id", DataType::Int, EncodingHint::Dictionary),
        values,
        lists: None,
        nulls: Bitmap::new(rows),
    };
    let info = SegmentInfo { name: "hashes".to_owned(), rows: rows as u64, ..SegmentInfo::default() };
    Golden { name: "hashes.seg", info, columns: vec![column] }
}

/// All golden files of format version 1.
pub fn golden() -> Vec<Golden> {
    vec![all_types(), empty(), hashes()]
}
