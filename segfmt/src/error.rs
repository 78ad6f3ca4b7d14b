//! The one error of the crate.
//!
//! Bytes that come from a disk or a network are never trusted: whatever is wrong with them ends
//! here, with the place that was being read. Decoders deep inside do not know which column they
//! work for, so the place is filled in on the way out (`Error::in_column`, `Error::in_region`,
//! `Error::in_block`).

use std::fmt;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a segment something happened. Parts that are not known are left out of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Column name.
    pub column: Option<String>,
    /// Region name (`pages`, `dictionary`, ...) or a part of the tail (`footer`, `trailer`).
    pub region: Option<&'static str>,
    /// Block number inside the column.
    pub block: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut sep = |f: &mut fmt::Formatter<'_>| {
            if std::mem::take(&mut first) { Ok(()) } else { f.write_str(", ") }
        };
        if let Some(column) = &self.column {
            sep(f)?;
            write!(f, "column {column:?}")?;
        }
        if let Some(region) = self.region {
            sep(f)?;
            f.write_str(region)?;
        }
        if let Some(block) = self.block {
            sep(f)?;
            write!(f, "block {block}")?;
        }
        if first {
            f.write_str("segment")?;
        }
        Ok(())
    }
}

/// What can go wrong between bytes and columns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not end in a segment trailer.
    #[error("not a segment: the last 64 bytes hold no segment trailer ({detail})")]
    NotASegment {
        /// What was found instead.
        detail: String,
    },
    /// The file was written by a newer edition.
    #[error(
        "segment format version {found} is not supported (this build reads up to {supported}); upgrade before reading it"
    )]
    UnsupportedVersion {
        /// Version in the trailer.
        found: u32,
        /// Highest version that this build reads.
        supported: u32,
    },
    /// A region that must be understood is not.
    #[error(
        "{place}: region kind {kind} version {version} is required to read this segment and unknown to this build; upgrade before reading it"
    )]
    UnknownRegion {
        /// Column that owns the region.
        place: Place,
        /// Region kind number.
        kind: u16,
        /// Region kind version.
        version: u16,
    },
    /// Bytes end before they should.
    #[error("{place}: truncated: {what} needs {need} bytes, {have} are there")]
    Truncated {
        /// Where.
        place: Place,
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        need: u64,
        /// Bytes present.
        have: u64,
    },
    /// A checksum does not match.
    #[error(
        "{place}: checksum mismatch: stored {expected:08x}, computed {found:08x}; the bytes are damaged, fetch another copy"
    )]
    Checksum {
        /// Where.
        place: Place,
        /// Stored CRC-32C.
        expected: u32,
        /// Computed CRC-32C.
        found: u32,
    },
    /// Bytes are there but make no sense.
    #[error("{place}: corrupt: {detail}")]
    Corrupt {
        /// Where.
        place: Place,
        /// What was found.
        detail: String,
    },
    /// A buffer handed in does not start on the boundary that its layout needs.
    #[error("{place}: buffer is not aligned to {need} bytes; read it into an `AlignedBuf`")]
    Misaligned {
        /// Where.
        place: Place,
        /// Alignment in bytes.
        need: usize,
    },
    /// What the caller asked to write cannot be written.
    #[error("{place}: {detail}")]
    InvalidInput {
        /// Where.
        place: Place,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// Something exceeds a limit of the format.
    #[error("{place}: {what} is {size}, the format's limit is {limit}")]
    TooLarge {
        /// Where.
        place: Place,
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A text is not a number that BIG_DECIMAL can hold.
    #[error("not a BIG_DECIMAL: {detail}")]
    Decimal {
        /// What was found.
        detail: String,
    },
    /// The sink or the source failed.
    #[error("segment i/o failed")]
    Io(#[from] std::io::Error),
}

impl Error {
    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt { place: Place::default(), detail: detail.into() }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidInput { place: Place::default(), detail: detail.into() }
    }

    pub(crate) fn truncated(what: &'static str, need: u64, have: u64) -> Self {
        Self::Truncated { place: Place::default(), what, need, have }
    }

    pub(crate) fn too_large(what: &'static str, size: u64, limit: u64) -> Self {
        Self::TooLarge { place: Place::default(), what, size, limit }
    }

    pub(crate) fn misaligned(need: usize) -> Self {
        Self::Misaligned { place: Place::default(), need }
    }

    fn place_mut(&mut self) -> Option<&mut Place> {
        match self {
            Self::UnknownRegion { place, .. }
            | Self::Truncated { place, .. }
            | Self::Checksum { place, .. }
            | Self::Corrupt { place, .. }
            | Self::Misaligned { place, .. }
            | Self::InvalidInput { place, .. }
            | Self::TooLarge { place, .. } => Some(place),
            Self::NotASegment { .. } | Self::UnsupportedVersion { .. } | Self::Decimal { .. } | Self::Io(_) => None,
        }
    }

    /// Where it happened, for those errors that have a place.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::UnknownRegion { place, .. }
            | Self::Truncated { place, .. }
            | Self::Checksum { place, .. }
            | Self::Corrupt { place, .. }
            | Self::Misaligned { place, .. }
            | Self::InvalidInput { place, .. }
            | Self::TooLarge { place, .. } => Some(place),
            Self::NotASegment { .. } | Self::UnsupportedVersion { .. } | Self::Decimal { .. } | Self::Io(_) => None,
        }
    }

    /// Says which column it was, unless that is known already.
    #[must_use]
    pub fn in_column(mut self, column: &str) -> Self {
        if let Some(place) = self.place_mut() {
            place.column.get_or_insert_with(|| column.to_owned());
        }
        self
    }

    /// Says which region it was, unless that is known already.
    #[must_use]
    pub fn in_region(mut self, region: &'static str) -> Self {
        if let Some(place) = self.place_mut() {
            place.region.get_or_insert(region);
        }
        self
    }

    /// Says which block it was, unless that is known already.
    #[must_use]
    pub fn in_block(mut self, block: u32) -> Self {
        if let Some(place) = self.place_mut() {
            place.block.get_or_insert(block);
        }
        self
    }
}
