//! Memory for pages: anonymous, aligned, on huge pages where the kernel has them.

use std::io;
use std::ptr::NonNull;

/// Huge pages pay from this size on.
const HUGE: usize = 2 << 20;

/// Owned bytes from `mmap`, aligned to 4 KiB (2 MiB from 2 MiB on). Written once, then shared read-only.
///
/// Not from the process's allocator on purpose: pages belong to a pool or a segment with a limit of its own, not to the
/// query that happened to need them first (E-17).
#[derive(Debug)]
pub struct Block {
    base: NonNull<u8>,
    mapped: usize,
    start: usize,
    len: usize,
}

// SAFETY: the memory is owned by this value alone, and shared access only reads.
unsafe impl Send for Block {}
// SAFETY: as above; `&Block` gives only `&[u8]`.
unsafe impl Sync for Block {}

impl Block {
    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> io::Result<Block> {
        let huge = len >= HUGE;
        let wanted = len.max(1).next_multiple_of(4096);
        let mapped = if huge { wanted + HUGE } else { wanted };
        // SAFETY: a fresh private anonymous mapping touches no memory that exists.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("mmap returned null"))?;
        let start = if huge { base.as_ptr().addr().next_multiple_of(HUGE) - base.as_ptr().addr() } else { 0 };
        if huge {
            // SAFETY: the range lies inside the mapping made above. Advice may be refused: pages are then small.
            unsafe { libc::madvise(base.as_ptr().add(start).cast(), wanted, libc::MADV_HUGEPAGE) };
        }
        Ok(Block { base, mapped, start, len })
    }

    pub fn copy_of(bytes: &[u8]) -> io::Result<Block> {
        let mut block = Block::zeroed(bytes.len())?;
        block.as_mut_slice().copy_from_slice(bytes);
        Ok(block)
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `start + len` lies inside the mapping, which lives as long as `self` and is initialised (zeros).
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(self.start), self.len) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as `as_slice`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(self.start), self.len) }
    }

    /// All bytes up to the end of the last 4 KiB, for direct reads that must be whole sectors.
    pub(crate) fn as_mut_sectors(&mut self) -> &mut [u8] {
        let len = self.len.max(1).next_multiple_of(4096);
        // SAFETY: the mapping was made for the length rounded up to 4 KiB.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(self.start), len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `zeroed` and nothing borrows it any more. Unmapping owned memory does not fail.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_writable() {
        for len in [0, 1, 4096, 70_000, HUGE, HUGE + 1, 3 * HUGE + 17] {
            let mut block = Block::zeroed(len).unwrap();
            assert_eq!(block.as_slice().len(), len);
            assert!(block.as_slice().iter().all(|b| *b == 0));
            assert_eq!(block.as_slice().as_ptr().addr() % if len >= HUGE { HUGE } else { 4096 }, 0);
            block.as_mut_sectors().fill(7);
            assert!(block.as_slice().iter().all(|b| *b == 7));
        }
    }
}
