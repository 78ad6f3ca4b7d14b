//! A value of a segment's footer as text, for people.

use segfmt::Value;

/// The value as Pinot's metadata writes it: numbers in digits, TIMESTAMP in milliseconds, BYTES in hexadecimal.
pub fn text(value: &Value) -> String {
    match value {
        Value::Int(v) => v.to_string(),
        Value::Long(v) | Value::Timestamp(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Double(v) => v.to_string(),
        Value::Boolean(v) => v.to_string(),
        Value::String(v) | Value::Json(v) => v.clone(),
        Value::Bytes(v) => cluster_types::hex::encode(v),
        Value::BigDecimal(v) => segfmt::decimal::to_plain_string(v).unwrap_or_else(|e| format!("damaged: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_people_read_them() {
        assert_eq!(text(&Value::Bytes(vec![0, 255])), "00ff");
        assert_eq!(text(&Value::BigDecimal(segfmt::decimal::parse("1.50").unwrap())), "1.5");
        assert_eq!(text(&Value::BigDecimal(vec![7, 7, 7])).split(':').next(), Some("damaged"));
        assert_eq!(text(&Value::Timestamp(-5)), "-5");
    }
}
