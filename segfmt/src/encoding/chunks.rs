//! Raw byte strings of one block, in chunks of about 64 KiB that are compressed one by one.

use super::{Encoding, PageHeader, SECTIONS};
use crate::buffer;
use crate::error::{Error, Result};

/// How chunks of raw byte strings are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    PassThrough = 0,
    /// LZ4 block format: fast to read.
    #[default]
    Lz4 = 1,
    /// Zstandard, level 3: smaller.
    Zstd = 2,
}

impl Codec {
    /// The codec of that number.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::PassThrough,
            1 => Self::Lz4,
            2 => Self::Zstd,
            _ => return None,
        })
    }

    /// Pinot's name: `PASS_THROUGH`, `LZ4`, `ZSTANDARD`.
    pub const fn pinot_name(self) -> &'static str {
        match self {
            Self::PassThrough => "PASS_THROUGH",
            Self::Lz4 => "LZ4",
            Self::Zstd => "ZSTANDARD",
        }
    }
}

/// A chunk is closed once it holds this many bytes of values.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks up to this size are decompressed without a look at the ratio.
const SMALL_CHUNK: u64 = 1024 * 1024;
/// Above [`SMALL_CHUNK`] a chunk may not claim to grow more than this: the writer stores it
/// uncompressed then, and a reader can bound its memory by what it was given.
const MAX_RATIO: u64 = 4096;
const ENTRY: usize = 16;
const ZSTD_LEVEL: i32 = 3;

/// Byte strings of a page.
#[derive(Debug, Clone, Copy)]
pub struct VarPage<'a> {
    codec: Codec,
    len: usize,
    table: &'a [u32],
    data: &'a [u8],
}

/// One decompressed chunk: values `first .. first + len()` of the page.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'b> {
    first: usize,
    offsets: &'b [u8],
    data: &'b [u8],
}

impl<'b> Chunk<'b> {
    /// Number of its first value in the page.
    pub const fn first(&self) -> usize {
        self.first
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.offsets.len() / 4 - 1
    }

    /// Whether there are none (never, in a checked chunk).
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `i` of the chunk.
    ///
    /// # Panics
    /// When `i >= len`.
    #[inline]
    pub fn get(&self, i: usize) -> &'b [u8] {
        let start = buffer::u32_at(self.offsets, i * 4) as usize;
        let end = buffer::u32_at(self.offsets, i * 4 + 4) as usize;
        &self.data[start..end]
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &'b [u8]> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl<'a> VarPage<'a> {
    pub(crate) fn parse(header: &PageHeader, sections: [&'a [u8]; SECTIONS]) -> Result<Self> {
        if header.encoding != Encoding::VarChunks {
            return Err(Error::corrupt(format!("{} is no encoding of byte strings", header.encoding.name())));
        }
        let codec = Codec::from_code(header.param)
            .ok_or_else(|| Error::corrupt(format!("unknown chunk codec {}", header.param)))?;
        if !sections[2].len().is_multiple_of(ENTRY) {
            return Err(Error::corrupt("the chunk table has a fraction of an entry"));
        }
        let page = Self { codec, len: header.values as usize, table: buffer::cast(sections[2])?, data: sections[1] };
        let (mut next, mut used) = (0u64, 0u64);
        for c in 0..page.chunks() {
            let [first, raw, offset, stored] = page.entry(c);
            if u64::from(first) != next || u64::from(offset) != used {
                return Err(Error::corrupt(format!("chunk {c} does not follow the one before it")));
            }
            let count = page.count(c)?;
            if u64::from(raw) < 4 * (count as u64 + 1) || (codec == Codec::PassThrough && raw != stored) {
                return Err(Error::corrupt(format!("chunk {c} claims {raw} bytes for {count} values")));
            }
            if u64::from(raw) > SMALL_CHUNK.max(u64::from(stored) * MAX_RATIO) {
                return Err(Error::corrupt(format!("chunk {c} claims {raw} bytes from {stored}")));
            }
            next += count as u64;
            used += u64::from(stored);
        }
        if next != page.len as u64 || used != page.data.len() as u64 {
            return Err(Error::corrupt(format!(
                "chunks hold {next} of {} values, {used} of {} bytes",
                page.len,
                page.data.len()
            )));
        }
        Ok(page)
    }

    fn entry(&self, c: usize) -> [u32; 4] {
        std::array::from_fn(|i| self.table[c * 4 + i])
    }

    fn count(&self, c: usize) -> Result<usize> {
        let first = self.table[c * 4] as usize;
        let end = if c + 1 < self.chunks() { self.table[(c + 1) * 4] as usize } else { self.len };
        end.checked_sub(first).filter(|n| *n > 0).ok_or_else(|| Error::corrupt(format!("chunk {c} holds no values")))
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Codec of the page.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Number of chunks.
    pub const fn chunks(&self) -> usize {
        self.table.len() / 4
    }

    /// Number of the chunk that holds value `i`.
    pub fn chunk_of(&self, i: usize) -> usize {
        let (mut low, mut high) = (0, self.chunks());
        while low < high {
            let mid = low.midpoint(high);
            if self.table[mid * 4] as usize <= i { low = mid + 1 } else { high = mid }
        }
        low.saturating_sub(1)
    }

    /// Bytes of chunk `c` once decompressed.
    ///
    /// # Panics
    /// When `c >= chunks`.
    pub fn raw_bytes(&self, c: usize) -> usize {
        self.table[c * 4 + 1] as usize
    }

    /// Decompresses chunk `c`. `buf` is the memory that holds it and can be used again; a chunk
    /// that is stored as it is does not touch it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the bytes do not decompress to what the table says.
    ///
    /// # Panics
    /// When `c >= chunks`.
    pub fn chunk<'b>(&self, c: usize, buf: &'b mut Vec<u8>) -> Result<Chunk<'b>>
    where
        'a: 'b,
    {
        let [first, raw, offset, stored] = self.entry(c);
        let count = self.count(c)?;
        let bytes = buffer::slice(self.data, u64::from(offset), u64::from(stored), "chunk")?;
        let raw_len = raw as usize;
        let raw: &'b [u8] = if raw == stored {
            bytes
        } else {
            buf.clear();
            buf.resize(raw_len, 0);
            let n = match self.codec {
                Codec::PassThrough => return Err(Error::corrupt("a stored chunk of another size")),
                Codec::Lz4 => lz4_flex::block::decompress_into(bytes, buf)
                    .map_err(|e| Error::corrupt(format!("chunk {c} does not decompress (LZ4): {e}")))?,
                Codec::Zstd => zstd::bulk::decompress_to_buffer(bytes, &mut buf[..])
                    .map_err(|e| Error::corrupt(format!("chunk {c} does not decompress (ZSTD): {e}")))?,
            };
            if n != raw_len {
                return Err(Error::corrupt(format!("chunk {c} decompresses to {n} bytes, {raw_len} expected")));
            }
            buf
        };
        let table = 4 * (count + 1);
        if raw.len() < table {
            return Err(Error::corrupt(format!("chunk {c} is too short for {count} values")));
        }
        let (offsets, data) = raw.split_at(table);
        let mut last = 0;
        for (i, b) in offsets.chunks_exact(4).enumerate() {
            let o = buffer::u32_at(b, 0);
            if o < last || (i == 0 && o != 0) {
                return Err(Error::corrupt(format!("value offsets of chunk {c} descend")));
            }
            last = o;
        }
        if last as usize != data.len() {
            return Err(Error::corrupt(format!("values of chunk {c} end at {last} of {}", data.len())));
        }
        Ok(Chunk { first: first as usize, offsets, data })
    }

    /// Calls `f(value number, value)` for values `range` in order.
    ///
    /// # Errors
    /// As [`VarPage::chunk`].
    pub fn for_each(&self, range: std::ops::Range<usize>, mut f: impl FnMut(usize, &[u8])) -> Result<()> {
        let mut buf = Vec::new();
        let end = range.end.min(self.len);
        let mut at = range.start;
        while at < end {
            let chunk = self.chunk(self.chunk_of(at), &mut buf)?;
            let stop = (chunk.first() + chunk.len()).min(end);
            for i in at..stop {
                f(i, chunk.get(i - chunk.first()));
            }
            at = stop;
        }
        Ok(())
    }
}

fn compress(codec: Codec, raw: &[u8]) -> Result<Option<Vec<u8>>> {
    let packed = match codec {
        Codec::PassThrough => return Ok(None),
        Codec::Lz4 => lz4_flex::block::compress(raw),
        Codec::Zstd => zstd::bulk::compress(raw, ZSTD_LEVEL)?,
    };
    let fits = (raw.len() as u64) <= SMALL_CHUNK.max(packed.len() as u64 * MAX_RATIO);
    Ok((packed.len() < raw.len() && fits).then_some(packed))
}

/// Header and sections 1 and 2 of `count` byte strings.
pub(crate) fn encode<'v>(
    codec: Codec,
    count: usize,
    value: impl Fn(usize) -> &'v [u8],
    rows: u32,
) -> Result<(PageHeader, Vec<u8>, Vec<u8>)> {
    let mut header = PageHeader::new(Encoding::VarChunks, rows, count as u32);
    header.param = codec as u8;
    let (mut data, mut table) = (Vec::new(), Vec::new());
    let limit = |n: usize| {
        u32::try_from(n).map_err(|_| Error::too_large("the byte strings of one block", n as u64, u64::from(u32::MAX)))
    };
    let mut first = 0;
    while first < count {
        let (mut end, mut bytes) = (first, 0);
        while end < count && (end == first || bytes + value(end).len() <= CHUNK_BYTES) {
            bytes += value(end).len();
            end += 1;
        }
        let mut raw = Vec::with_capacity(4 * (end - first + 1) + bytes);
        let mut offset = 0;
        raw.extend_from_slice(&0u32.to_le_bytes());
        for i in first..end {
            offset += value(i).len();
            raw.extend_from_slice(&limit(offset)?.to_le_bytes());
        }
        for i in first..end {
            raw.extend_from_slice(value(i));
        }
        let packed = compress(codec, &raw)?;
        let stored = packed.as_deref().unwrap_or(&raw);
        for n in [first, raw.len(), data.len(), stored.len()] {
            table.extend_from_slice(&limit(n)?.to_le_bytes());
        }
        data.extend_from_slice(stored);
        first = end;
    }
    limit(data.len())?;
    Ok((header, data, table))
}

/// Size of a sample once compressed, in relation to its own: 0.0..=1.0.
pub(crate) fn sample_ratio(codec: Codec, sample: &[u8]) -> Result<f64> {
    if sample.is_empty() {
        return Ok(1.0);
    }
    Ok(compress(codec, sample)?.map_or(1.0, |c| c.len() as f64 / sample.len() as f64))
}
