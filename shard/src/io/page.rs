//! A page in memory, whoever owns the memory.

use crate::io::map::FileMap;
use crate::io::memory::Block;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Immutable bytes that any shard may read, verified when they arrived.
#[derive(Debug, Clone)]
pub struct PageBytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Debug, Clone)]
enum Owner {
    Memory(Arc<Block>),
    Map(Arc<FileMap>),
}

impl PageBytes {
    /// A part of a block of memory.
    ///
    /// # Panics
    /// When the range lies outside the block; callers check it against the file's length.
    pub fn in_block(block: &Arc<Block>, range: Range<usize>) -> PageBytes {
        assert!(range.start <= range.end && range.end <= block.as_slice().len(), "page {range:?} outside its block");
        PageBytes { owner: Owner::Memory(block.clone()), range }
    }

    /// A part of a mapped file.
    ///
    /// # Panics
    /// When the range lies outside the mapping.
    pub fn in_map(map: &Arc<FileMap>, range: Range<usize>) -> PageBytes {
        assert!(range.start <= range.end && range.end <= map.as_slice().len(), "page {range:?} outside its mapping");
        PageBytes { owner: Owner::Map(map.clone()), range }
    }
}

impl Deref for PageBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.owner {
            Owner::Memory(block) => &block.as_slice()[self.range.clone()],
            Owner::Map(map) => &map.as_slice()[self.range.clone()],
        }
    }
}
