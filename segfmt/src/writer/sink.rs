//! The byte sink: offsets, padding, region checksums and the data digest.

use std::io::Write;

use xxhash_rust::xxh3::Xxh3;

use crate::buffer::REGION_ALIGN;
use crate::checksum;
use crate::data_type::DataType;
use crate::error::Result;
use crate::footer::{REGION_DATA, REGION_REQUIRED, RegionEntry, RegionKind};

pub(super) struct Sink<W> {
    out: W,
    offset: u64,
    regions: Vec<RegionEntry>,
    column: u32,
    column_from: usize,
    digest: ColumnDigest,
    open: Option<(RegionKind, u64, u32)>,
}

impl<W> std::fmt::Debug for Sink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<W: Write> Sink<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            offset: 0,
            regions: Vec::new(),
            column: 0,
            column_from: 0,
            digest: ColumnDigest::default(),
            open: None,
        }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Pads with zeros; returns the new offset.
    pub fn align(&mut self, align: u64) -> Result<u64> {
        const ZEROS: [u8; REGION_ALIGN as usize] = [0; REGION_ALIGN as usize];
        let gap = (self.offset.next_multiple_of(align) - self.offset) as usize;
        self.raw(&ZEROS[..gap])?;
        Ok(self.offset)
    }

    pub fn start_column(&mut self, name: &str, data_type: DataType, flags: u32) {
        self.digest = ColumnDigest::new(name, data_type, flags);
        self.column_from = self.regions.len();
    }

    /// Digest of the column, which ends here.
    pub fn finish_column(&mut self, directory: &[u8]) -> u128 {
        self.column += 1;
        self.digest.finish(directory)
    }

    /// Bytes of the regions of the column that was finished last.
    pub fn column_bytes(&self) -> u64 {
        self.regions[self.column_from..].iter().map(|r| r.len).sum()
    }

    pub fn start_region(&mut self, kind: RegionKind) -> Result<()> {
        let start = self.align(REGION_ALIGN)?;
        self.open = Some((kind, start, 0));
        Ok(())
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((kind, _, crc)) = &mut self.open {
            *crc = checksum::crc32c_append(*crc, bytes);
            if kind.is_data() {
                self.digest.region_bytes(bytes);
            }
        }
        self.raw(bytes)
    }

    pub fn finish_region(&mut self) {
        let Some((kind, offset, crc)) = self.open.take() else { return };
        let len = self.offset - offset;
        let mut flags = 0;
        if kind.is_required() {
            flags |= REGION_REQUIRED;
        }
        if kind.is_data() {
            flags |= REGION_DATA;
            self.digest.region_end(kind, len);
        }
        self.regions.push(RegionEntry {
            offset,
            len,
            column: self.column,
            flags,
            crc,
            kind: kind as u16,
            version: kind.version(),
        });
    }

    pub fn region(&mut self, kind: RegionKind, bytes: &[u8]) -> Result<()> {
        self.start_region(kind)?;
        self.write(bytes)?;
        self.finish_region();
        Ok(())
    }

    pub fn take_regions(&mut self) -> Vec<RegionEntry> {
        std::mem::take(&mut self.regions)
    }

    pub fn into_inner(mut self) -> Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// XXH3-128 of a column's data (SPEC.md, "Digest").
#[derive(Default)]
pub(crate) struct ColumnDigest(Box<Xxh3>);

impl ColumnDigest {
    pub fn new(name: &str, data_type: DataType, flags: u32) -> Self {
        let mut hasher = Box::new(Xxh3::new());
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&[data_type.code()]);
        hasher.update(&flags.to_le_bytes());
        Self(hasher)
    }

    pub fn region_bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn region_end(&mut self, kind: RegionKind, len: u64) {
        self.0.update(&(kind as u16).to_le_bytes());
        self.0.update(&len.to_le_bytes());
    }

    pub fn finish(&mut self, directory: &[u8]) -> u128 {
        self.0.update(directory);
        self.0.digest128()
    }
}

/// XXH3-128 over the columns, ordered by name.
pub(crate) fn segment_digest(rows: u64, block_rows: u32, columns: &[(String, u128)]) -> [u8; 16] {
    let mut hasher = Xxh3::new();
    hasher.update(&rows.to_le_bytes());
    hasher.update(&block_rows.to_le_bytes());
    for (_, digest) in columns {
        hasher.update(&digest.to_le_bytes());
    }
    hasher.digest128().to_le_bytes()
}
