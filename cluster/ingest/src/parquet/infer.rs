//! The columns that a Parquet file gives when nobody says.

use std::collections::HashSet;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_schema::{DataType as Arrow, Field, Fields};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::LogicalType;
use segfmt::DataType;

use super::{guarded, open};
use crate::error::Result;
use crate::infer::Inferred;
use crate::source::Source;

/// Columns in file order. Structs are taken apart into `a.b` unless such a name is another column's.
pub(crate) fn infer(source: &Source) -> Result<Vec<Inferred>> {
    let opened = open(source)?;
    let fields = opened.schema().fields().clone();
    let roots: HashSet<&str> = fields.iter().map(|f| f.name().as_str()).collect();
    let mut columns = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let mut flat = Vec::new();
        flatten(field.name(), field, &mut flat);
        // A name with a dot at the root wins: the struct that would give the same one stays whole.
        if flat.len() > 1 && flat.iter().any(|c| roots.contains(c.name.as_str())) {
            flat = vec![Inferred::one(field.name(), DataType::Json)];
        }
        if field.data_type() == &Arrow::UInt64 && !fits_long(source, i)? {
            flat = vec![Inferred::one(field.name(), DataType::BigDecimal)];
        }
        let json = opened
            .metadata
            .parquet_schema()
            .root_schema()
            .get_fields()
            .get(i)
            .map(|f| f.get_basic_info().logical_type_ref().cloned());
        if let (Some(Some(LogicalType::Json)), [column]) = (json, flat.as_mut_slice())
            && column.data_type == DataType::String
        {
            column.data_type = DataType::Json;
        }
        columns.extend(flat);
    }
    Ok(columns)
}

fn flatten(name: &str, field: &Field, out: &mut Vec<Inferred>) {
    if let Arrow::Struct(children) = field.data_type()
        && !children.is_empty()
        && names_differ(children)
    {
        for child in children {
            flatten(&format!("{name}.{}", child.name()), child, out);
        }
        return;
    }
    out.push(Inferred { name: name.to_owned(), ..column_type(field.data_type()) });
}

/// Whether the flattened names of these fields are all different.
fn names_differ(fields: &Fields) -> bool {
    let mut flat = Vec::new();
    for field in fields {
        flatten(field.name(), field, &mut flat);
    }
    let mut seen = HashSet::new();
    flat.iter().all(|c| seen.insert(c.name.as_str()))
}

fn column_type(arrow: &Arrow) -> Inferred {
    let one = |t| Inferred::one("", t);
    match arrow {
        Arrow::List(item)
        | Arrow::LargeList(item)
        | Arrow::FixedSizeList(item, _)
        | Arrow::ListView(item)
        | Arrow::LargeListView(item)
            if !item.data_type().is_nested() =>
        {
            Inferred { multi_value: true, ..column_type(item.data_type()) }
        }
        Arrow::Dictionary(_, value) => column_type(value),
        Arrow::Int8 | Arrow::Int16 | Arrow::Int32 | Arrow::UInt8 | Arrow::UInt16 => one(DataType::Int),
        Arrow::Int64 | Arrow::UInt32 | Arrow::UInt64 | Arrow::Duration(_) => one(DataType::Long),
        Arrow::Float16 | Arrow::Float32 => one(DataType::Float),
        Arrow::Float64 => one(DataType::Double),
        Arrow::Decimal32(..) | Arrow::Decimal64(..) | Arrow::Decimal128(..) | Arrow::Decimal256(..) => {
            one(DataType::BigDecimal)
        }
        Arrow::Boolean => one(DataType::Boolean),
        Arrow::Timestamp(..) | Arrow::Date32 | Arrow::Date64 => one(DataType::Timestamp),
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => one(DataType::Bytes),
        arrow if arrow.is_nested() => one(DataType::Json),
        _ => one(DataType::String),
    }
}

/// Whether all values of an unsigned 64-bit column are below 2^63. Statistics of such columns are not trusted (some writers
/// order them as signed), so the column is read.
fn fits_long(source: &Source, root: usize) -> Result<bool> {
    let opened = open(source)?;
    let mut reader = guarded(&source.name, || {
        let mask = ProjectionMask::roots(opened.metadata.parquet_schema(), [root]);
        ParquetRecordBatchReaderBuilder::new_with_metadata(opened.file, opened.metadata).with_projection(mask).build()
    })?;
    while let Some(batch) = guarded(&source.name, || reader.next().transpose().map_err(Into::into))? {
        let values = batch.column(0).as_primitive::<UInt64Type>();
        if (0..values.len()).any(|i| values.is_valid(i) && i64::try_from(values.value(i)).is_err()) {
            return Ok(false);
        }
    }
    Ok(true)
}
