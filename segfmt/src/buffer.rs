//! Aligned buffers and careful reads of little-endian bytes.
//!
//! Pages are read in place, so they must start on a 64-byte boundary, as they do in the file.
//! [`AlignedBuf`] is a buffer that does; readers with memory of their own (huge pages, DMA) hand
//! in slices of that instead.

use crate::error::{Error, Result};

#[cfg(target_endian = "big")]
compile_error!("segments are little-endian and read in place: big-endian targets are not supported");

/// Alignment of pages and of every section inside them, in bytes.
pub const PAGE_ALIGN: usize = 64;
/// Alignment of regions in the file, in bytes.
pub const REGION_ALIGN: u64 = 4096;

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Owned bytes that start on a 64-byte boundary.
#[derive(Debug, Clone, Default)]
pub struct AlignedBuf {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBuf {
    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        Self { lines: vec![bytemuck::Zeroable::zeroed(); len.div_ceil(64)], len }
    }

    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buf = Self::zeroed(bytes.len());
        buf.as_mut_slice().copy_from_slice(bytes);
        buf
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    /// The bytes, to be filled.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl std::ops::Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Fails unless the slice starts on a `align`-byte boundary.
pub(crate) fn check_aligned(bytes: &[u8], align: usize) -> Result<()> {
    if bytes.as_ptr().addr().is_multiple_of(align) { Ok(()) } else { Err(Error::misaligned(align)) }
}

/// Typed view of little-endian numbers.
pub(crate) fn cast<T: bytemuck::Pod>(bytes: &[u8]) -> Result<&[T]> {
    bytemuck::try_cast_slice(bytes).map_err(|e| match e {
        bytemuck::PodCastError::TargetAlignmentGreaterAndInputNotAligned => Error::misaligned(align_of::<T>()),
        _ => Error::corrupt(format!("{} bytes are no whole number of {}-byte numbers", bytes.len(), size_of::<T>())),
    })
}

/// `bytes[offset..offset + len]`, or an error that says what was cut off.
pub(crate) fn slice<'a>(bytes: &'a [u8], offset: u64, len: u64, what: &'static str) -> Result<&'a [u8]> {
    let end = offset.checked_add(len).ok_or_else(|| Error::corrupt(format!("{what}: offset and length overflow")))?;
    let have = bytes.len() as u64;
    if end > have {
        return Err(Error::truncated(what, end, have));
    }
    Ok(&bytes[offset as usize..end as usize])
}

/// Little-endian `u32` at `offset`; the caller has checked the length.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(b)
}

/// Little-endian `u64` at `offset`; the caller has checked the length.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(b)
}

/// Appends zeros up to the next multiple of `align`.
pub(crate) fn pad(out: &mut Vec<u8>, align: usize) {
    out.resize(out.len().next_multiple_of(align), 0);
}

/// Whether all bytes are zero.
pub(crate) fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}
