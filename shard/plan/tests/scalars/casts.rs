//! The conversion matrix: what fits, what is an error that names the value, what is NULL when lenient.

use crate::check::{cast, column, decimal, registry, text, value};
use segfmt::DataType;
use shard_plan::cast::{cast_array, cast_scalar, scalar_to_text};
use shard_plan::eval::value::from_scalars;
use shard_plan::{BoundExpr, Expr, Scalar, Type, scalar_at};

fn check(from: Scalar, to: Type, want: &str) {
    let got = match cast_scalar(&from, to) {
        Ok(v) => scalar_to_text(&v),
        Err(e) => format!("error: {e}"),
    };
    match want.strip_prefix("error: ") {
        Some(part) => assert!(got.starts_with("error: ") && got.contains(part), "{from:?} to {to}: {got}, not {want}"),
        None => assert_eq!(got, want, "{from:?} to {to}"),
    }
    // TRY_CAST of what fails is NULL, of what fits is the same.
    let lenient = Expr::Cast { expr: Expr::Literal(from.clone()).into(), to, lenient: true };
    if want.starts_with("error: ") {
        assert!(value(&lenient).unwrap().is_null(), "TRY_CAST of {from:?} to {to}");
    } else {
        assert_eq!(scalar_to_text(&value(&lenient).unwrap()), want);
    }
}

#[test]
fn numbers() {
    use Scalar::{Boolean, Double, Float, Int, Long};
    for (from, to, want) in [
        (Long(1 << 31), Type::INT, "error: 2147483648 is out of range for INT"),
        (Long(-(1 << 31)), Type::INT, "-2147483648"),
        (Double(2.9), Type::INT, "2"),
        (Double(-2.9), Type::LONG, "-2"),
        (Double(2147483648.0), Type::INT, "error: out of range for INT"),
        (Double(2147483647.9), Type::INT, "2147483647"),
        (Double(9.223372036854775e18), Type::LONG, "9223372036854774784"),
        (Double(9223372036854775808.0), Type::LONG, "error: 9.223372036854776E18 is out of range for LONG"),
        (Double(-9223372036854775808.0), Type::LONG, "-9223372036854775808"),
        (Double(f64::NAN), Type::LONG, "error: NaN is out of range for LONG"),
        (Double(f64::INFINITY), Type::LONG, "error: Infinity is out of range for LONG"),
        (Float(f32::NEG_INFINITY), Type::INT, "error: -Infinity"),
        (Double(1e300), Type::FLOAT, "error: 1.0E300 is out of range for FLOAT"),
        (Double(f64::INFINITY), Type::FLOAT, "Infinity"),
        (Float(0.1), Type::STRING, "0.1"),
        (Float(0.1), Type::BIG_DECIMAL, "0.1"),
        (Double(0.1), Type::BIG_DECIMAL, "0.1"),
        (Double(f64::NAN), Type::BIG_DECIMAL, "error: cannot cast NaN to BIG_DECIMAL"),
        (Double(1e7), Type::STRING, "1.0E7"),
        (Double(1234567.0), Type::STRING, "1234567.0"),
        (Double(0.001), Type::STRING, "0.001"),
        (Double(0.00012), Type::STRING, "1.2E-4"),
        (Double(-0.0), Type::STRING, "-0.0"),
        (Double(0.0), Type::BOOLEAN, "false"),
        (Int(7), Type::BOOLEAN, "true"),
        (Boolean(true), Type::DOUBLE, "1.0"),
        (Boolean(false), Type::STRING, "false"),
        (Boolean(true), Type::BIG_DECIMAL, "1"),
        (Long(i64::MIN), Type::BIG_DECIMAL, "-9223372036854775808"),
        (decimal("123456789012345678.123456789"), Type::STRING, "123456789012345678.123456789"),
        (decimal("-1.9"), Type::INT, "-1"),
        (decimal("1e30"), Type::LONG, "error: out of range for LONG"),
        (decimal("1e400"), Type::DOUBLE, "error: out of range for DOUBLE"),
        (decimal("0.5"), Type::DOUBLE, "0.5"),
        (decimal("0"), Type::BOOLEAN, "false"),
    ] {
        check(from, to, want);
    }
}

#[test]
fn texts() {
    for (from, to, want) in [
        ("4711", Type::INT, "4711"),
        (" -7 ", Type::LONG, "-7"),
        ("12.7", Type::INT, "12"),
        ("abc", Type::INT, "error: cannot cast 'abc' to INT"),
        ("", Type::INT, "error: cannot cast '' to INT"),
        ("2147483648", Type::INT, "error: 2147483648 is out of range for INT"),
        ("9223372036854775808", Type::LONG, "error: out of range for LONG"),
        ("1e2", Type::LONG, "100"),
        ("1e999999999", Type::LONG, "error: "),
        ("1.5", Type::DOUBLE, "1.5"),
        ("NaN", Type::DOUBLE, "NaN"),
        ("-Infinity", Type::DOUBLE, "-Infinity"),
        ("1.5x", Type::DOUBLE, "error: cannot cast '1.5x' to DOUBLE"),
        ("TRUE", Type::BOOLEAN, "true"),
        ("0", Type::BOOLEAN, "false"),
        ("yes", Type::BOOLEAN, "error: cannot cast 'yes' to BOOLEAN"),
        ("2024-01-02 03:04:05.678", Type::TIMESTAMP, "2024-01-02 03:04:05.678"),
        ("2024-01-02", Type::TIMESTAMP, "2024-01-02 00:00:00.0"),
        ("1704164645678", Type::TIMESTAMP, "2024-01-02 03:04:05.678"),
        ("soon", Type::TIMESTAMP, "error: cannot cast 'soon' to TIMESTAMP"),
        ("0.10", Type::BIG_DECIMAL, "0.1"),
        ("1,5", Type::BIG_DECIMAL, "error: cannot cast '1,5' to BIG_DECIMAL"),
        ("00fF", Type::BYTES, "00ff"),
        ("0f0", Type::BYTES, "error: cannot cast '0f0' to BYTES"),
        ("zz", Type::BYTES, "error: "),
        ("{\"a\": 1}", Type::JSON, "{\"a\": 1}"),
        ("{a}", Type::JSON, "error: cannot cast '{a}' to JSON"),
    ] {
        check(text(from), to, want);
    }
    check(Scalar::Timestamp(-500), Type::STRING, "1969-12-31 23:59:59.5");
    check(Scalar::Timestamp(-500), Type::LONG, "-500");
    check(Scalar::Long(-500), Type::TIMESTAMP, "1969-12-31 23:59:59.5");
    check(Scalar::Bytes(vec![0xab].into()), Type::STRING, "ab");
    check(Scalar::Json("1.5".into()), Type::DOUBLE, "1.5");
    check(Scalar::Timestamp(0), Type::JSON, "\"1970-01-01 00:00:00.0\"");
    check(Scalar::Double(f64::NAN), Type::JSON, "\"NaN\"");
    check(Scalar::Long(7), Type::JSON, "7");
}

#[test]
fn what_has_no_conversion_is_refused_when_bound() {
    for (from, to) in
        [(Type::BYTES, Type::INT), (Type::BOOLEAN, Type::TIMESTAMP), (Type::INT, Type::multi(DataType::Int))]
    {
        let error = BoundExpr::bind(&cast(column(0, from), to), registry(), &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("cannot cast {from} to {to}")), "{error}");
    }
}

#[test]
fn elements_convert_one_by_one() {
    let (from, to) = (Type::multi(DataType::String), Type::multi(DataType::Int));
    let list = |items: &[&str]| Scalar::List(DataType::String, items.iter().map(|t| text(t)).collect());
    let rows: Vec<Scalar> = vec![list(&["1", "2"]), list(&[]), list(&["3"]), list(&["x"])];
    let one = |s: &Scalar| shard_plan::repeat(s, 1).unwrap();
    let arrays: Vec<_> = rows.iter().map(one).collect();
    let refs: Vec<&dyn arrow_array::Array> = arrays.iter().map(AsRef::as_ref).collect();
    let all = arrow_select::concat::concat(&refs).unwrap();
    // A slice keeps offsets that do not start at zero.
    let good = all.slice(1, 2);
    let converted = cast_array(&good, from, to, false).unwrap();
    assert_eq!(scalar_to_text(&scalar_at(converted.as_ref(), to, 0).unwrap()), "[]");
    assert_eq!(scalar_to_text(&scalar_at(converted.as_ref(), to, 1).unwrap()), "[3]");
    assert!(cast_array(&all, from, to, false).unwrap_err().to_string().contains("cannot cast 'x' to INT"));
    let lenient = cast_array(&all, from, to, true).unwrap();
    assert_eq!(scalar_to_text(&scalar_at(lenient.as_ref(), to, 3).unwrap()), "[null]");
}

#[test]
fn null_stays_null_and_columns_agree_with_values() {
    let samples: Vec<Scalar> = vec![
        Scalar::Int(1),
        Scalar::Long(1),
        Scalar::Float(1.0),
        Scalar::Double(1.0),
        decimal("1"),
        Scalar::Boolean(true),
        Scalar::Timestamp(1),
        text("1"),
        Scalar::Json("1".into()),
        Scalar::Bytes(vec![1].into()),
    ];
    for from in &samples {
        for data in DataType::ALL {
            let (ty, to) = (from.ty(), Type::single(data));
            // '1' is half a byte.
            if !shard_plan::cast::can_cast(ty, to) || (ty, to) == (Type::STRING, Type::BYTES) {
                continue;
            }
            let one = cast_scalar(from, to).unwrap_or_else(|e| panic!("{from:?} to {to}: {e}"));
            assert_eq!(one.ty(), to);
            let input = from_scalars(ty, &[Scalar::Null(ty), from.clone()]).unwrap();
            let bound = BoundExpr::bind(&cast(column(0, ty), to), registry(), &[]).unwrap();
            let output = bound.eval(&[input], 2).unwrap();
            assert!(scalar_at(output.as_ref(), to, 0).unwrap().is_null(), "NULL {ty} to {to}");
            assert_eq!(scalar_at(output.as_ref(), to, 1).unwrap(), one, "{ty} to {to}");
        }
    }
}
