//! A column's `maxLength`: characters of STRING and JSON, bytes of BYTES.

use cluster_types::MaxLengthExceedStrategy;
use segfmt::DataType;

use super::{Misfit, Misfits, Target};
use crate::column::{Column, Data};
use crate::error::Shown;

pub(super) fn apply(column: &mut Column, target: &Target, misfits: &mut Misfits) {
    let Some(limit) = target.max_length.map(|l| l as usize) else { return };
    if target.max_length_exceed == MaxLengthExceedStrategy::NoAction {
        return;
    }
    let characters = match target.data_type {
        DataType::String | DataType::Json => true,
        DataType::Bytes => false,
        _ => return,
    };
    let Data::Bytes { offsets, data } = &column.data else { return };
    let value = |i: usize| &data[offsets[i] as usize..offsets[i + 1] as usize];
    // Bytes are never fewer than characters: most columns end here.
    if (0..column.data.len()).all(|i| value(i).len() <= limit) {
        return;
    }
    let kept = |bytes: &[u8]| {
        if !characters {
            return limit.min(bytes.len());
        }
        // The start of the first character past the limit.
        let starts = bytes.iter().enumerate().filter(|(_, c)| **c & 0xC0 != 0x80);
        starts.map(|(at, _)| at).nth(limit).unwrap_or(bytes.len())
    };
    let mut cut = Data::with_capacity(target.data_type, column.data.len(), data.len());
    let mut too_long = Vec::new();
    for i in 0..column.data.len() {
        let bytes = value(i);
        let keep = kept(bytes);
        if keep == bytes.len() {
            cut.push_bytes(bytes);
            continue;
        }
        match target.max_length_exceed {
            MaxLengthExceedStrategy::TrimLength => cut.push_bytes(&bytes[..keep]),
            MaxLengthExceedStrategy::SubstituteDefaultValue => cut.push_value(&target.default_null),
            MaxLengthExceedStrategy::Error | MaxLengthExceedStrategy::NoAction => {
                too_long.push((i, format!("{} is longer than the column's maxLength of {limit}", Shown(bytes))));
                cut.push_bytes(bytes);
            }
        }
    }
    for (i, reason) in too_long {
        let row = column.lists.as_ref().map_or(i, |l| l.partition_point(|end| *end as usize <= i) - 1);
        misfits.push(Misfit { row, reason });
    }
    column.data = cut;
}
