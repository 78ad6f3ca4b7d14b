//! Bytes of segments: how they are held and how they arrive (E-14, E-18).
//!
//! * *resident*: the whole file in one block of anonymous memory, every checksum verified while it arrives;
//! * *mapped*: `mmap` with the profile's advice, populated and verified before use;
//! * *streamed*: pages are read with O_DIRECT when a scan needs them, verified, kept in a bounded [`PagePool`].
//!
//! Whatever the way, a page is a [`PageBytes`]: immutable, shared, verified once per arrival.

pub mod direct;
pub mod map;
pub mod memory;
pub mod page;
pub mod pool;
pub mod reads;

pub use page::PageBytes;
pub use pool::{PagePool, PageRequest};
pub use reads::{ReadDone, ReadQueue, ReadRequest};

/// How the bytes of a segment are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Residency {
    /// Resident while it fits the shards' limit, else streamed.
    #[default]
    Auto,
    Resident,
    Mapped(Advice),
    Streamed,
}

/// What the kernel is told about a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Advice {
    #[default]
    Normal,
    Random,
    Sequential,
    HugePages,
}
