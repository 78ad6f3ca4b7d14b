//! What a null row holds in its value slot: Pinot's value for the type, or the schema's `defaultNullValue`.

use segfmt::{DataType, Value};
use serde_json::Value as Json;

use crate::hex;
use crate::table_name::abbreviate;

/// Pinot's value for a column without `defaultNullValue`.
pub fn standard(data_type: DataType, metric: bool) -> Value {
    Value::default_null(data_type, metric)
}

/// Reads a `defaultNullValue`, which Pinot writes as a JSON scalar or as its text. The error is a fragment that says what
/// was expected.
pub fn parse(data_type: DataType, json: &Json) -> Result<Value, String> {
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Bool(value) => value.to_string(),
        // A default for a JSON column may be written as what it is.
        Json::Object(_) | Json::Array(_) if data_type == DataType::Json => json.to_string(),
        other => return Err(format!("`{}` is not a {data_type}", abbreviate(&other.to_string()))),
    };
    let refuse = |expected: &str| Err(format!("`{}` is not {expected}", abbreviate(&text)));
    match data_type {
        DataType::Int => match integer(&text).and_then(|v| i32::try_from(v).ok()) {
            Some(value) => Ok(Value::Int(value)),
            None => refuse("an INT (-2147483648 to 2147483647)"),
        },
        DataType::Long => match integer(&text) {
            Some(value) => Ok(Value::Long(value)),
            None => refuse("a LONG (a whole number of 64 bits)"),
        },
        DataType::Float => match float(&text) {
            Some(value) => Ok(Value::Float(value as f32)),
            None => refuse("a FLOAT"),
        },
        DataType::Double => match float(&text) {
            Some(value) => Ok(Value::Double(value)),
            None => refuse("a DOUBLE"),
        },
        DataType::BigDecimal => match segfmt::decimal::parse(text.trim()) {
            Ok(bytes) => Ok(Value::BigDecimal(bytes)),
            Err(_) => refuse("a BIG_DECIMAL"),
        },
        DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => refuse("a BOOLEAN (true, false, 1 or 0)"),
        },
        DataType::Timestamp => match timestamp(text.trim()) {
            Some(millis) => Ok(Value::Timestamp(millis)),
            None => refuse("a TIMESTAMP (milliseconds since 1970, or `yyyy-MM-dd HH:mm:ss.SSS`)"),
        },
        DataType::String => Ok(Value::String(text)),
        DataType::Json => match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Value::Json(text)),
            // Pinot's own default is the bare word null, and `""` or `N/A` are common: kept as a JSON text.
            Err(_) => Ok(Value::Json(Json::String(text).to_string())),
        },
        DataType::Bytes => match hex::decode(text.trim()) {
            Some(bytes) => Ok(Value::Bytes(bytes)),
            None => refuse("BYTES (an even number of hexadecimal digits)"),
        },
    }
}

/// A whole number; `-1.0` is one, as JSON writers that know only doubles send it.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !whole.is_empty() && fraction.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    whole.parse().ok()
}

fn float(text: &str) -> Option<f64> {
    match text.trim() {
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        // Rust also reads `inf` and `nan`, which Java does not write.
        text if text.bytes().any(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn timestamp(text: &str) -> Option<i64> {
    if let Some(millis) = integer(text) {
        return Some(millis);
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ"] {
        if let Ok(time) = chrono::NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_each_type() {
        let check = |data_type, json: Json, want: Value| assert_eq!(parse(data_type, &json), Ok(want), "{json}");
        check(DataType::Int, json!(-1), Value::Int(-1));
        check(DataType::Int, json!("-1"), Value::Int(-1));
        check(DataType::Int, json!(-1.0), Value::Int(-1));
        check(DataType::Long, json!("9007199254740993"), Value::Long(9_007_199_254_740_993));
        check(DataType::Float, json!(1.5), Value::Float(1.5));
        check(DataType::Double, json!("-Infinity"), Value::Double(f64::NEG_INFINITY));
        check(DataType::Double, json!(0), Value::Double(0.0));
        check(DataType::Boolean, json!("true"), Value::Boolean(true));
        check(DataType::Boolean, json!(0), Value::Boolean(false));
        check(DataType::Timestamp, json!("1970-01-02 00:00:00.5"), Value::Timestamp(86_400_500));
        check(DataType::Timestamp, json!("2013-01-01"), Value::Timestamp(1_356_998_400_000));
        check(DataType::Timestamp, json!(7), Value::Timestamp(7));
        check(DataType::String, json!(""), Value::String(String::new()));
        check(DataType::String, json!(5), Value::String("5".into()));
        check(DataType::Json, json!({"a": 1}), Value::Json("{\"a\":1}".into()));
        check(DataType::Json, json!("{}"), Value::Json("{}".into()));
        check(DataType::Json, json!("N/A"), Value::Json("\"N/A\"".into()));
        check(DataType::Bytes, json!("00ff"), Value::Bytes(vec![0, 255]));
        check(DataType::BigDecimal, json!("1.50"), Value::BigDecimal(segfmt::decimal::parse("1.5").unwrap()));
    }

    #[test]
    fn wrong_values_are_named() {
        let check = |data_type, json: Json| {
            let error = parse(data_type, &json).unwrap_err();
            assert!(error.starts_with('`') && error.contains(data_type.pinot_name()), "{error}");
        };
        check(DataType::Int, json!(2_147_483_648_i64));
        check(DataType::Int, json!("1.5"));
        check(DataType::Int, json!("abc"));
        check(DataType::Long, json!("9223372036854775808"));
        check(DataType::Double, json!("inf"));
        check(DataType::Boolean, json!("yes"));
        check(DataType::Timestamp, json!("yesterday"));
        check(DataType::Bytes, json!("abc"));
        check(DataType::BigDecimal, json!("1,5"));
        check(DataType::String, json!(["a"]));
        check(DataType::Int, json!(null));
    }
}
