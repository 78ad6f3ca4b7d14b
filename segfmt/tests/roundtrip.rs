//! What is written is what is read: every type, encoding, single- and multi-value, with nulls,
//! checked against a plain model by `segfmt::fuzzing::check_roundtrip`.

use proptest::prelude::*;
use segfmt::fuzzing::check_roundtrip;
use segfmt::{Bitmap, BloomSpec, Codec, ColumnSpec, DataType, EncodingHint, PartitionFunction, PartitionSpec, Value};

fn value(data_type: DataType) -> BoxedStrategy<Value> {
    match data_type {
        DataType::Int => prop_oneof![(-20i32..20), any::<i32>()].prop_map(Value::Int).boxed(),
        DataType::Long => {
            prop_oneof![(-20i64..20), any::<i64>(), (0i64..40).prop_map(|v| 1_700_000_000_000 + v * 60_000)]
                .prop_map(Value::Long)
                .boxed()
        }
        DataType::Timestamp => any::<i64>().prop_map(Value::Timestamp).boxed(),
        DataType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        DataType::Float => {
            prop_oneof![(0i32..2000).prop_map(|v| v as f32 / 4.0), any::<f32>()].prop_map(Value::Float).boxed()
        }
        DataType::Double => {
            prop_oneof![8 => (0i32..200_000).prop_map(|v| f64::from(v) / 100.0), 1 => any::<f64>(), 1 => Just(f64::NAN)]
                .prop_map(Value::Double)
                .boxed()
        }
        DataType::BigDecimal => (any::<i64>(), -3i64..6)
            .prop_map(|(v, scale)| {
                let v = bigdecimal::BigDecimal::new((v % 5000).into(), scale);
                Value::BigDecimal(segfmt::decimal::encode(&v).unwrap())
            })
            .boxed(),
        DataType::String => prop_oneof!["[a-c]{0,3}", "\\PC{0,40}"].prop_map(Value::String).boxed(),
        DataType::Json => "\\{\"[a-z]{1,8}\": [0-9]{1,5}\\}".prop_map(Value::Json).boxed(),
        DataType::Bytes => proptest::collection::vec(any::<u8>(), 0..30).prop_map(Value::Bytes).boxed(),
    }
}

#[derive(Debug, Clone)]
struct Case {
    spec: ColumnSpec,
    rows: Vec<Option<Vec<Value>>>,
    sort: bool,
    block_rows: u32,
}

fn case() -> impl Strategy<Value = Case> {
    let hint = prop_oneof![
        Just(EncodingHint::Auto),
        Just(EncodingHint::Dictionary),
        Just(EncodingHint::Raw { codec: Codec::PassThrough }),
        Just(EncodingHint::Raw { codec: Codec::Lz4 }),
        Just(EncodingHint::Raw { codec: Codec::Zstd }),
    ];
    (0..DataType::ALL.len(), any::<bool>(), hint, any::<[bool; 6]>(), 0u32..4, 1u32..3).prop_flat_map(
        |(t, multi, encoding, [inverted, range, bloom, partition, sort, nulls], lists, blocks)| {
            let data_type = DataType::ALL[t];
            let mut spec = ColumnSpec::new("c", data_type);
            spec.multi_value = multi;
            spec.encoding = encoding;
            spec.inverted = inverted && !matches!(encoding, EncodingHint::Raw { .. });
            spec.range = range;
            spec.bloom = bloom.then_some(BloomSpec { fpp: 0.01, max_bytes: 1 << 16 });
            if partition && !matches!(data_type, DataType::Float | DataType::Double) {
                spec.partition = Some(PartitionSpec { function: PartitionFunction::HashCode, partitions: 5 });
            }
            let list = if multi {
                proptest::collection::vec(value(data_type), 0..=lists as usize).boxed()
            } else {
                proptest::collection::vec(value(data_type), 1).boxed()
            };
            let null_weight = u32::from(nulls) * 2;
            let row = prop_oneof![6 => list.prop_map(Some), null_weight.max(1) => Just(None)];
            let row = row.prop_map(move |r| if nulls { r } else { r.or(Some(Vec::new())) });
            (proptest::collection::vec(row, 0..1400), Just(spec)).prop_map(move |(rows, spec)| Case {
                spec,
                rows,
                sort,
                block_rows: blocks * 512,
            })
        },
    )
}

fn run(case: Case) {
    let Case { spec, rows, sort, block_rows } = case;
    let (mut values, mut lists, mut nulls) = (Vec::new(), vec![0u32], Bitmap::default());
    let mut rows: Vec<Option<Vec<Value>>> = rows
        .into_iter()
        .map(|r| {
            if !spec.multi_value && r.as_ref().is_some_and(Vec::is_empty) {
                Some(vec![spec.default_null.clone()])
            } else {
                r
            }
        })
        .collect();
    if sort && !spec.multi_value {
        let key = |r: &Option<Vec<Value>>| r.as_ref().map_or(spec.default_null.clone(), |v| v[0].clone());
        rows.sort_by(|a, b| key(a).compare(&key(b)).unwrap());
    }
    for row in &rows {
        nulls.push(row.is_none());
        match row {
            None => values.push(spec.default_null.clone()),
            Some(v) => values.extend(v.iter().cloned()),
        }
        lists.push(values.len() as u32);
    }
    check_roundtrip(&spec, rows.len(), &values, spec.multi_value.then_some(&lists[..]), &nulls, block_rows);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_column(case in case()) {
        run(case);
    }
}

fn strings(values: Vec<String>) -> Vec<Value> {
    values.into_iter().map(Value::String).collect()
}

/// Front-coded pages: more than 64 KiB of entries, long shared prefixes, one entry above a page,
/// hashes above 4,096 entries.
#[test]
fn big_dictionary() {
    let mut values = strings((0..6000).map(|i| format!("https://example.org/path/{}/{i}", i % 37)).collect());
    values.push(Value::String("x".repeat(100_000)));
    values.push(Value::String(String::new()));
    let n = values.len();
    let mut spec = ColumnSpec::new("url", DataType::String);
    spec.encoding = EncodingHint::Dictionary;
    spec.inverted = true;
    check_roundtrip(&spec, n, &values, None, &Bitmap::new(n), 1024);
}

/// Blocks of the normal size, several of them, sorted: runs.
#[test]
fn runs_and_whole_blocks() {
    let n = 150_000;
    let values: Vec<Value> = (0..n).map(|i| Value::Int(i / 900)).collect();
    let spec = ColumnSpec::new("day", DataType::Int);
    check_roundtrip(&spec, n as usize, &values, None, &Bitmap::from_fn(n as usize, |_| false), 65_536);
}

/// Values longer than a chunk, and chunks that compress far.
#[test]
fn long_values() {
    for codec in [Codec::PassThrough, Codec::Lz4, Codec::Zstd] {
        let mut values = strings(vec!["a".repeat(3_000_000), String::new(), "b".repeat(70_000)]);
        values.extend(strings((0..900).map(|i| format!("{{\"row\": {i}}}")).collect()));
        let n = values.len();
        let mut spec = ColumnSpec::new("payload", DataType::String);
        spec.encoding = EncodingHint::Raw { codec };
        check_roundtrip(&spec, n, &values, None, &Bitmap::new(n), 512);
    }
}

/// Wide and narrow integers take the frame of reference, steps the deltas.
#[test]
fn raw_integers_choose_by_size() {
    use segfmt::fuzzing::{read, write_values};
    use segfmt::{Encoding, Segment, SegmentInfo, SegmentWriter};
    let encode = |values: Vec<i64>| {
        let n = values.len();
        let info = SegmentInfo { rows: n as u64, ..SegmentInfo::default() };
        let mut writer = SegmentWriter::new(Vec::new(), info).unwrap();
        let mut spec = ColumnSpec::new("t", DataType::Long);
        spec.encoding = EncodingHint::Raw { codec: Codec::Lz4 };
        let values: Vec<Value> = values.into_iter().map(Value::Long).collect();
        write_values(&mut writer, &spec, &values, None, &Bitmap::new(n)).unwrap();
        let file = writer.finish_into().unwrap().1;
        let segment = Segment::open(&file, file.len() as u64).unwrap();
        let column = &segment.columns()[0];
        assert!(read(&file, column.page(0).offset, 64).is_ok());
        (column.encoding(0).unwrap(), column.page(0).len)
    };
    let random = |i: i64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
    assert_eq!(encode(vec![7; 1000]), (Encoding::IntConstant, 64));
    assert_eq!(encode((0..4096).map(|i| 1000 + (random(i) & 0xff)).collect()), (Encoding::IntFor, 64 + 8 * 64 * 8));
    assert_eq!(
        encode((0..4096).map(|i| 1_700_000_000_000 + i * 1000).collect()),
        (Encoding::IntDelta, 64 + 8 * 64 + 64)
    );
    assert_eq!(encode((0..512).map(random).collect()).0, Encoding::IntFor);
}

/// The writer says what is wrong with its input.
#[test]
fn input_that_does_not_fit() {
    use segfmt::{ColumnInput, SegmentInfo, SegmentWriter, Values};
    let info = || SegmentInfo { rows: 2, ..SegmentInfo::default() };
    let fail = |spec: &ColumnSpec, input: ColumnInput<'_>| {
        SegmentWriter::new(Vec::new(), info()).unwrap().write_column(spec, input).unwrap_err().to_string()
    };
    let plain = |values| ColumnInput { values, nulls: None, lists: None };
    let int = ColumnSpec::new("i", DataType::Int);
    assert_eq!(fail(&int, plain(Values::I32(&[1]))), "column \"i\": 1 values for 2 rows");
    assert_eq!(fail(&int, plain(Values::I64(&[1, 2]))), "column \"i\": I64 values for a INT column");
    let text = ColumnSpec::new("s", DataType::String);
    let bad = Values::Bytes { offsets: &[0, 1, 2], data: &[b'a', 0xff] };
    assert_eq!(fail(&text, plain(bad)), "column \"s\": value 1 is not UTF-8");
    let split = "é".as_bytes();
    assert!(fail(&text, plain(Values::Bytes { offsets: &[0, 1, 2], data: split })).contains("not UTF-8"));
    assert!(fail(&text, plain(Values::Bytes { offsets: &[0, 2, 1], data: b"ab" })).contains("ascend"));
    let nulls = Bitmap::from_fn(2, |i| i == 0);
    let with_nulls = ColumnInput { values: Values::I32(&[1, 2]), nulls: Some(&nulls), lists: None };
    assert!(fail(&int, with_nulls).contains("row 0 is null but does not hold the default null value"));
    let mut many = ColumnSpec::new("m", DataType::Int);
    many.multi_value = true;
    assert!(fail(&many, plain(Values::I32(&[1, 2]))).contains("needs lists"));
    let lists = ColumnInput { values: Values::I32(&[1, 2]), nulls: None, lists: Some(&[0, 2, 1]) };
    assert!(fail(&many, lists).contains("list offsets"));
    let mut writer = SegmentWriter::new(Vec::new(), info()).unwrap();
    writer.write_column(&int, plain(Values::I32(&[1, 2]))).unwrap();
    assert!(
        writer.write_column(&int, plain(Values::I32(&[1, 2]))).unwrap_err().to_string().contains("no other column")
    );
}
