//! CRC-32C, the checksum of every page, region, footer and trailer.

use crate::error::{Error, Place, Result};

/// CRC-32C (Castagnoli) of the bytes.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// CRC-32C of the bytes that follow those whose checksum is `crc`.
#[inline]
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    ::crc32c::crc32c_append(crc, bytes)
}

/// Checks bytes against their stored checksum. Done once per arrival in memory, not per scan.
///
/// # Errors
/// [`Error::Checksum`]; the caller adds column, region and block.
pub fn verify_crc(bytes: &[u8], expected: u32) -> Result<()> {
    let found = crc32c(bytes);
    if found == expected { Ok(()) } else { Err(Error::Checksum { place: Place::default(), expected, found }) }
}
