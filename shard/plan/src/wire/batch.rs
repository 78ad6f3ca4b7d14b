//! Batches of rows and states as framed Arrow IPC streams.

use crate::error::{Error, Result};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;

const MAGIC: [u8; 4] = *b"GAMB";
const VERSION: u32 = 1;
const HEAD: usize = 24;
/// Most rows of one batch: what is said about a batch without columns cannot make a reader allocate more.
pub(super) const MAX_ROWS: usize = 1 << 26;

pub(super) fn undecodable(what: impl std::fmt::Display) -> Error {
    Error::Plan(format!("bytes are not encoded batches: {what}"))
}

/// Batches of one schema. No batches are a schema alone.
pub fn encode_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let failed = |e: arrow_schema::ArrowError| Error::Plan(format!("batches cannot be encoded: {e}"));
    let mut out = vec![0; HEAD];
    let mut writer = StreamWriter::try_new(&mut out, schema).map_err(failed)?;
    for batch in batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    drop(writer);
    let (length, hash) = (out.len() - HEAD, xxhash_rust::xxh3::xxh3_64(&out[HEAD..]));
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&VERSION.to_le_bytes());
    out[8..16].copy_from_slice(&(length as u64).to_le_bytes());
    out[16..24].copy_from_slice(&hash.to_le_bytes());
    Ok(out)
}

/// The batches that `bytes`, at most `max_bytes` long, encode.
pub fn decode_batches(bytes: &[u8], max_bytes: usize) -> Result<Vec<RecordBatch>> {
    if bytes.len() > max_bytes {
        return Err(Error::Memory(format!("{} bytes of batches, at most {max_bytes} are taken", bytes.len())));
    }
    let (head, stream) = bytes.split_first_chunk::<HEAD>().ok_or_else(|| undecodable("shorter than the head"))?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
    if head[..4] != MAGIC {
        return Err(undecodable("no magic"));
    }
    match u32::from_le_bytes([head[4], head[5], head[6], head[7]]) {
        VERSION => {}
        other => return Err(undecodable(format!("version {other}, this node reads version {VERSION}"))),
    }
    if number(8) != stream.len() as u64 {
        return Err(undecodable(format!("{} bytes of {}", stream.len(), number(8))));
    }
    if number(16) != xxhash_rust::xxh3::xxh3_64(stream) {
        return Err(undecodable("the checksum differs"));
    }
    super::stream_check::check(stream)?;
    // The decoder takes slices of what is there and allocates by the bytes present, not by the lengths they state.
    let mut buffer = Buffer::from(stream);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while !buffer.is_empty() {
        if let Some(batch) = decoder.decode(&mut buffer).map_err(undecodable)? {
            batches.push(batch);
        }
    }
    decoder.finish().map_err(undecodable)?;
    Ok(batches)
}
