//! Decompressed chunks of raw strings, kept from one vector to the next.
//!
//! A chunk holds some thousand values; where rows are slow (a regular expression) a vector may have 64 of them, and
//! decompressing the chunk for each vector would cost more than the rows.

use crate::source::block::PageCell;
use segfmt::VarPage;
use std::sync::Arc;

/// Chunks kept: one for each of a few columns.
const KEPT: usize = 8;

/// The values of one chunk.
#[derive(Debug)]
pub(crate) struct ChunkValues {
    page: Arc<PageCell>,
    chunk: usize,
    first: u32,
    /// One more than there are values.
    offsets: Vec<usize>,
    data: Vec<u8>,
}

impl ChunkValues {
    /// Value `row` of the page, if it is in this chunk.
    #[inline]
    pub fn get(&self, row: u32) -> Option<&[u8]> {
        let i = row.checked_sub(self.first)? as usize;
        let (start, end) = (self.offsets.get(i)?, self.offsets.get(i + 1)?);
        Some(&self.data[*start..*end])
    }
}

/// The chunks that were read last.
#[derive(Debug, Default)]
pub(crate) struct ChunkCache {
    chunks: Vec<ChunkValues>,
    buffer: Vec<u8>,
}

impl ChunkCache {
    /// Chunk `chunk` of a page.
    pub fn get(&mut self, cell: &Arc<PageCell>, page: &VarPage<'_>, chunk: usize) -> segfmt::Result<&ChunkValues> {
        let known = self.chunks.iter().position(|c| c.chunk == chunk && Arc::ptr_eq(&c.page, cell));
        let at = match known {
            Some(at) => at,
            None => {
                // The page's own chunk before this one is not needed any more: rows ascend.
                let reused = self
                    .chunks
                    .iter()
                    .position(|c| Arc::ptr_eq(&c.page, cell))
                    .or((self.chunks.len() >= KEPT).then_some(0));
                let (mut offsets, mut data) = reused.map_or_else(Default::default, |at| {
                    let old = self.chunks.swap_remove(at);
                    (old.offsets, old.data)
                });
                offsets.clear();
                data.clear();
                offsets.push(0);
                let values = page.chunk(chunk, &mut self.buffer)?;
                for value in values.iter() {
                    data.extend_from_slice(value);
                    offsets.push(data.len());
                }
                let first = values.first() as u32;
                self.chunks.push(ChunkValues { page: cell.clone(), chunk, first, offsets, data });
                self.chunks.len() - 1
            }
        };
        Ok(&self.chunks[at])
    }
}
