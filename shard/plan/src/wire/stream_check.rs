//! What an Arrow IPC stream must be before arrow-ipc reads it.
//!
//! arrow-ipc validates the values of arrays, but it unwraps and asserts over what a schema or a batch header may hold and
//! slices the body by the offsets stated. A stream from another node is therefore walked first: only schema and batch
//! messages, only the types that plans have, every length and offset inside what is there.

use super::batch::{MAX_ROWS, undecodable};
use crate::error::Result;
use arrow_ipc::{Endianness, Field, MessageHeader, MetadataVersion, Precision, RecordBatch, Schema, TimeUnit, Type};

/// The buffers of one array, in the order of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Validity, values of so many bits.
    Fixed(u64),
    /// Validity, offsets of so many bits, bytes.
    Bytes(u64),
    /// Validity, 32-bit offsets; the elements follow as an array of their own.
    List,
}

/// What the format asks of bodies and buffers; arrow-ipc asserts it of offsets.
const ALIGNMENT: usize = 8;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Walks the whole stream.
pub(super) fn check(stream: &[u8]) -> Result<()> {
    let mut rest = stream;
    let mut layouts: Option<Vec<Layout>> = None;
    loop {
        let mut head = take(&mut rest, 4)?;
        if head == CONTINUATION {
            head = take(&mut rest, 4)?;
        }
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        if size == 0 {
            return if rest.is_empty() { Ok(()) } else { Err(undecodable("bytes after the end of the stream")) };
        }
        let metadata = take(&mut rest, u64::from(size))?;
        let message = arrow_ipc::root_as_message(metadata).map_err(undecodable)?;
        if message.version() != MetadataVersion::V5 {
            return Err(undecodable("a message of another metadata version"));
        }
        let body = u64::try_from(message.bodyLength()).map_err(undecodable)?;
        if !(stream.len() - rest.len()).is_multiple_of(ALIGNMENT) {
            return Err(undecodable("a body that is not aligned"));
        }
        take(&mut rest, body)?;
        match (message.header_type(), &layouts) {
            (MessageHeader::Schema, None) => {
                let schema = message.header_as_schema().ok_or_else(|| undecodable("a schema message without one"))?;
                layouts = Some(schema_layouts(&schema)?);
            }
            (MessageHeader::RecordBatch, Some(layouts)) => {
                let batch =
                    message.header_as_record_batch().ok_or_else(|| undecodable("a batch message without one"))?;
                check_batch(&batch, layouts, body)?;
            }
            (kind, _) => return Err(undecodable(format!("an unexpected message {kind:?}"))),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Result<&'a [u8]> {
    let len = usize::try_from(len).ok().filter(|len| *len <= rest.len());
    let len = len.ok_or_else(|| undecodable("the stream ends early"))?;
    let (taken, left) = rest.split_at(len);
    *rest = left;
    Ok(taken)
}

fn schema_layouts(schema: &Schema<'_>) -> Result<Vec<Layout>> {
    if schema.endianness() != Endianness::Little || schema.features().is_some_and(|f| !f.is_empty()) {
        return Err(undecodable("a schema of another byte order or with features"));
    }
    if schema.custom_metadata().is_some_and(|m| !m.is_empty()) {
        return Err(undecodable("a schema with metadata"));
    }
    let fields = schema.fields().ok_or_else(|| undecodable("a schema without fields"))?;
    let mut layouts = Vec::new();
    for field in fields {
        add_field(&field, true, &mut layouts)?;
    }
    Ok(layouts)
}

fn add_field(field: &Field<'_>, list: bool, layouts: &mut Vec<Layout>) -> Result<()> {
    let children: Vec<Field<'_>> = field.children().into_iter().flatten().collect();
    let plain = field.name().is_some()
        && field.dictionary().is_none()
        && field.custom_metadata().is_none_or(|m| m.is_empty())
        && children.len() == usize::from(field.type_type() == Type::List);
    let layout = match field.type_type() {
        _ if !plain => None,
        Type::Int => field
            .type_as_int()
            .filter(|t| t.is_signed() && matches!(t.bitWidth(), 32 | 64))
            .map(|t| Layout::Fixed(t.bitWidth() as u64)),
        Type::FloatingPoint => field.type_as_floating_point().and_then(|t| match t.precision() {
            Precision::SINGLE => Some(Layout::Fixed(32)),
            Precision::DOUBLE => Some(Layout::Fixed(64)),
            _ => None,
        }),
        Type::Timestamp => field
            .type_as_timestamp()
            .filter(|t| t.unit() == TimeUnit::MILLISECOND && t.timezone().is_none())
            .map(|_| Layout::Fixed(64)),
        Type::Decimal => field
            .type_as_decimal()
            .filter(|t| t.bitWidth() == 128 && t.precision() == 38 && t.scale() == 0)
            .map(|_| Layout::Fixed(128)),
        Type::Bool => field.type_as_bool().map(|_| Layout::Fixed(1)),
        Type::Utf8 => field.type_as_utf_8().map(|_| Layout::Bytes(32)),
        Type::Binary => field.type_as_binary().map(|_| Layout::Bytes(32)),
        Type::LargeBinary => field.type_as_large_binary().map(|_| Layout::Bytes(64)),
        Type::List if list => field.type_as_list().map(|_| Layout::List),
        _ => None,
    };
    let layout = layout.ok_or_else(|| undecodable(format!("a column of {:?} that no plan has", field.type_type())))?;
    layouts.push(layout);
    children.iter().try_for_each(|child| add_field(child, false, layouts))
}

fn check_batch(batch: &RecordBatch<'_>, layouts: &[Layout], body: u64) -> Result<()> {
    let rows = u64::try_from(batch.length()).map_err(undecodable)?;
    if rows > MAX_ROWS as u64 {
        return Err(undecodable(format!("a batch of {rows} rows")));
    }
    if batch.compression().is_some() || batch.variadicBufferCounts().is_some_and(|c| !c.is_empty()) {
        return Err(undecodable("a compressed batch or one of views"));
    }
    let nodes = batch.nodes().ok_or_else(|| undecodable("a batch without arrays"))?;
    let mut buffers = batch.buffers().ok_or_else(|| undecodable("a batch without buffers"))?.iter();
    if nodes.len() != layouts.len() {
        return Err(undecodable(format!("a batch of {} arrays, the schema has {}", nodes.len(), layouts.len())));
    }
    // The length of the next buffer, which lies inside the body.
    let mut buffer = || {
        let buffer = buffers.next()?;
        let (offset, length) = (u64::try_from(buffer.offset()).ok()?, u64::try_from(buffer.length()).ok()?);
        let aligned = offset.is_multiple_of(ALIGNMENT as u64);
        (aligned && offset.checked_add(length)? <= body).then_some(length)
    };
    for (node, layout) in nodes.iter().zip(layouts) {
        let (Ok(length), Ok(null_count)) = (u64::try_from(node.length()), u64::try_from(node.null_count())) else {
            return Err(undecodable("an array of a negative length"));
        };
        let length = u128::from(length);
        let validity = if null_count > 0 { length } else { 0 };
        let offsets = |bits: u64| if length == 0 { 0 } else { (length + 1) * u128::from(bits) };
        // At least so many bits, in whole values: arrow-ipc asserts that nothing is over.
        let mut holds = |bits: u128, value_bits: u64| {
            buffer().is_some_and(|length| {
                u128::from(length) * 8 >= bits && (u128::from(length) * 8).is_multiple_of(u128::from(value_bits))
            })
        };
        let fits = u128::from(null_count) <= length
            && holds(validity, 8)
            && match layout {
                Layout::Fixed(bits) => holds(length * u128::from(*bits), *bits),
                Layout::Bytes(bits) => holds(offsets(*bits), *bits) && holds(0, 8),
                Layout::List => holds(offsets(32), 32),
            };
        if !fits {
            return Err(undecodable("an array reaches past the body of its batch"));
        }
    }
    if buffer().is_some() {
        return Err(undecodable("a batch with more buffers than its schema has"));
    }
    Ok(())
}
