//! Columns of every type.

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeBinaryArray,
    StringArray, TimestampMillisecondArray,
};
use segfmt::DataType;
use shard_plan::Registry;
use std::sync::Arc;

pub fn registry() -> Registry {
    let mut registry = Registry::empty();
    shard_plan::aggregate::register_all(&mut registry);
    registry
}

/// A column of `data` whose row `i` stands for `values[i]`: numbers keep it, other types are made from it.
pub fn column(data: DataType, values: &[Option<i64>]) -> ArrayRef {
    let each = || values.iter().copied();
    match data {
        DataType::Int => Arc::new(each().map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        DataType::Long => Arc::new(each().map(|v| v.map(|v| v * 1_000_003)).collect::<Int64Array>()),
        DataType::Float => Arc::new(each().map(|v| v.map(|v| v as f32 / 8.0)).collect::<Float32Array>()),
        DataType::Double => Arc::new(each().map(|v| v.map(|v| v as f64 / 7.0)).collect::<Float64Array>()),
        DataType::Boolean => Arc::new(each().map(|v| v.map(|v| v % 3 == 0)).collect::<BooleanArray>()),
        DataType::Timestamp => Arc::new(each().map(|v| v.map(|v| v * 60_000)).collect::<TimestampMillisecondArray>()),
        DataType::String | DataType::Json => {
            Arc::new(each().map(|v| v.map(|v| format!("s{v}"))).collect::<StringArray>())
        }
        DataType::Bytes => Arc::new(each().map(|v| v.map(|v| v.to_be_bytes()[4..].to_vec())).collect::<BinaryArray>()),
        DataType::BigDecimal => {
            let decimal = |v: i64| segfmt::decimal::parse(&format!("{v}e-1")).expect("a decimal");
            Arc::new(each().map(|v| v.map(decimal)).collect::<LargeBinaryArray>())
        }
    }
}

pub const TYPES: [DataType; 10] = [
    DataType::Int,
    DataType::Long,
    DataType::Float,
    DataType::Double,
    DataType::BigDecimal,
    DataType::Boolean,
    DataType::Timestamp,
    DataType::String,
    DataType::Json,
    DataType::Bytes,
];
