//! Checks a tail and makes the native form of its footer.

use rkyv::rancor::Failure;

use crate::buffer::{self, REGION_ALIGN};
use crate::checksum;
use crate::data_type::DataType;
use crate::encoding::chunks::Codec;
use crate::error::{Error, Place, Result};
use crate::footer::{
    ArchivedByteRange, ArchivedColumnEntry, ArchivedFooter, ArchivedHeader, ArchivedRegionEntry, BLOCK_ENTRY,
    BlockEntry, PRESENT_PARTITION, PRESENT_SEQUENCE, REGION_REQUIRED, RegionKind, TRAILER, Trailer, column_flags,
};
use crate::reader::SharedBytes;
use crate::reader::column::{ColumnMeta, PartitionInfo, Region, Shared};
use crate::segment_info::{Identity, SegmentInfo};

fn bad(detail: impl Into<String>) -> Error {
    Error::corrupt(detail).in_region("footer")
}

fn check_crc(region: &'static str, bytes: &[u8], expected: u32) -> Result<()> {
    let found = checksum::crc32c(bytes);
    if found == expected {
        return Ok(());
    }
    Err(Error::Checksum { place: Place { region: Some(region), ..Place::default() }, expected, found })
}

pub(super) fn open(tail: SharedBytes, file_len: u64) -> Result<Shared> {
    let bytes = (*tail).as_ref();
    let trailer = Trailer::read(bytes)?;
    if trailer.file_len() != file_len {
        return Err(Error::corrupt(format!(
            "the trailer ends a file of {} bytes, this one has {file_len}",
            trailer.file_len()
        ))
        .in_region("trailer"));
    }
    let have = bytes.len() as u64;
    if trailer.tail_len() > have {
        return Err(Error::truncated("the tail", trailer.tail_len(), have).in_region("footer"));
    }
    let directory_at = have - trailer.tail_len();
    let directory = buffer::slice(bytes, directory_at, trailer.directory_len, "block directory")?;
    let footer_at = directory_at + (trailer.footer_offset - trailer.directory_offset);
    let footer = buffer::slice(bytes, footer_at, trailer.footer_len, "footer")?;
    let gaps =
        [(directory_at + trailer.directory_len, footer_at), (footer_at + trailer.footer_len, have - TRAILER as u64)];
    for (from, to) in gaps {
        if !buffer::all_zero(buffer::slice(bytes, from, to.saturating_sub(from), "padding")?) {
            return Err(bad("padding around the footer is not zero"));
        }
    }
    check_crc("footer", footer, trailer.footer_crc)?;
    check_crc("block directory", directory, trailer.directory_crc)?;

    // rkyv reads in place and needs its alignment; the copy also drops the dependence on `tail`.
    let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(footer.len());
    aligned.extend_from_slice(footer);
    let archive = rkyv::access::<ArchivedFooter, Failure>(&aligned)
        .map_err(|_| bad("the archive does not validate, though its checksum is right"))?;

    let header = &archive.header;
    let rows = header.rows.to_native();
    let block_rows = header.block_rows.to_native();
    if rows > u64::from(u32::MAX) {
        return Err(bad(format!("{rows} rows")));
    }
    if !(512..=65_536).contains(&block_rows) || block_rows % 512 != 0 {
        return Err(bad(format!("blocks of {block_rows} rows")));
    }
    let blocks = rows.div_ceil(u64::from(block_rows)) as u32;
    let entries = archive.columns.len() as u64 * u64::from(blocks);
    if entries * BLOCK_ENTRY as u64 != trailer.directory_len {
        return Err(bad(format!("a block directory of {} bytes for {entries} blocks", trailer.directory_len)));
    }

    let mut shared = Shared {
        info: info(header)?,
        edition: header.edition.to_native(),
        digest: header.digest,
        file_len,
        blocks,
        block_rows,
        columns: Vec::with_capacity(archive.columns.len()),
        by_name: Vec::new(),
        regions: Vec::with_capacity(archive.regions.len()),
        blob: archive.blob.as_slice().to_vec(),
        tail: std::sync::Arc::clone(&tail),
        directory: directory_at as usize,
        data_end: trailer.directory_offset,
    };
    let mut next = 0;
    let mut end = 0;
    for (i, entry) in archive.columns.iter().enumerate() {
        let name = entry.name.as_str();
        let first = shared.regions.len() as u32;
        while let Some(r) = archive.regions.get(next).filter(|r| r.column.to_native() as usize == i) {
            if let Some(region) = region(r, name, &mut end, trailer.directory_offset)? {
                if shared.regions[first as usize..].iter().any(|k| k.kind == region.kind) {
                    return Err(bad(format!("two regions of kind {}", region.kind.name())).in_column(name));
                }
                shared.regions.push(region);
            }
            next += 1;
        }
        let regions = (first, shared.regions.len() as u32);
        let meta = column(entry, &shared, regions).map_err(|e| e.in_column(name).in_region("footer"))?;
        let from = i * blocks as usize * BLOCK_ENTRY;
        let part = &directory[from..from + blocks as usize * BLOCK_ENTRY];
        check_blocks(part, &shared, &meta).map_err(|e| e.in_column(name).in_region("block directory"))?;
        shared.columns.push(meta);
    }
    if next != archive.regions.len() {
        return Err(bad("a region belongs to no column, or regions are out of order"));
    }
    let mut by_name: Vec<u32> = (0..shared.columns.len() as u32).collect();
    by_name.sort_unstable_by(|a, b| shared.columns[*a as usize].name.cmp(&shared.columns[*b as usize].name));
    if by_name.windows(2).any(|w| shared.columns[w[0] as usize].name == shared.columns[w[1] as usize].name) {
        return Err(bad("two columns have one name"));
    }
    shared.by_name = by_name;
    Ok(shared)
}

fn info(h: &ArchivedHeader) -> Result<SegmentInfo> {
    let text = |v: &rkyv::vec::ArchivedVec<rkyv::string::ArchivedString>| match v.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.as_str().to_owned())),
        _ => Err(bad("more than one text where one is allowed")),
    };
    let present = h.present.to_native();
    if present & !(PRESENT_PARTITION | PRESENT_SEQUENCE) != 0 {
        return Err(bad("unknown bits in the header"));
    }
    Ok(SegmentInfo {
        name: h.name.as_str().to_owned(),
        table: h.table.as_str().to_owned(),
        rows: h.rows.to_native(),
        sort_columns: h.sort_columns.iter().map(|s| s.as_str().to_owned()).collect(),
        time_column: text(&h.time_column)?,
        identity: Identity {
            cluster_id: h.cluster_id,
            table_incarnation: h.table_incarnation.to_native(),
            ordinal: h.ordinal.to_native(),
            generation: h.generation.to_native(),
            partition: (present & PRESENT_PARTITION != 0).then(|| h.partition.to_native()),
            sequence: (present & PRESENT_SEQUENCE != 0).then(|| h.sequence.to_native()),
            start_offset: text(&h.start_offset)?,
            end_offset: text(&h.end_offset)?,
            schema_version: h.schema_version.to_native(),
            index_version: h.index_version.to_native(),
        },
    })
}

/// `None` for an optional region that this build does not know.
fn region(r: &ArchivedRegionEntry, column: &str, end: &mut u64, data_end: u64) -> Result<Option<Region>> {
    let (offset, len) = (r.offset.to_native(), r.len.to_native());
    let (kind, version, flags) = (r.kind.to_native(), r.version.to_native(), r.flags.to_native());
    let stop = offset.checked_add(len).filter(|stop| *stop <= data_end);
    if offset % REGION_ALIGN != 0 || offset < *end || stop.is_none() {
        return Err(bad(format!("region kind {kind} at {offset}+{len} overlaps or is out of place")).in_column(column));
    }
    *end = offset + len;
    match RegionKind::from_code(kind).filter(|k| k.version() == version) {
        Some(kind) => Ok(Some(Region { kind, offset, len, crc: r.crc.to_native(), version, flags })),
        None if flags & REGION_REQUIRED == 0 => Ok(None),
        None => {
            let place = Place { column: Some(column.to_owned()), region: Some("footer"), block: None };
            Err(Error::UnknownRegion { place, kind, version })
        }
    }
}

fn column(e: &ArchivedColumnEntry, shared: &Shared, regions: (u32, u32)) -> Result<ColumnMeta> {
    let data_type =
        DataType::from_code(e.data_type).ok_or_else(|| Error::corrupt(format!("unknown data type {}", e.data_type)))?;
    let codec = Codec::from_code(e.codec).ok_or_else(|| Error::corrupt(format!("unknown codec {}", e.codec)))?;
    let flags = e.flags.to_native();
    if flags & !column_flags::ALL != 0 {
        return Err(Error::corrupt(format!("unknown column flags {flags:#x}")));
    }
    let blob = |r: &ArchivedByteRange| {
        let (offset, len) = (r.offset.to_native(), r.len.to_native());
        if offset == u32::MAX {
            return Ok(None);
        }
        buffer::slice(&shared.blob, u64::from(offset), u64::from(len), "stored value").map(|_| Some((offset, len)))
    };
    let own = &shared.regions[regions.0 as usize..regions.1 as usize];
    let find = |kind| own.iter().find(|r| r.kind == kind).copied();
    let pages = find(RegionKind::Pages).ok_or_else(|| Error::corrupt("no pages"))?;
    let dictionary = flags & column_flags::DICTIONARY != 0;
    let cardinality = e.cardinality.to_native();
    if find(RegionKind::Dictionary).is_some() != dictionary || (dictionary && cardinality == u32::MAX) {
        return Err(Error::corrupt("dictionary and flags do not agree"));
    }
    let null_rows = e.null_rows.to_native();
    if null_rows > shared.info.rows || (null_rows > 0) != find(RegionKind::NullBitmap).is_some() {
        return Err(Error::corrupt("null rows and null bitmap do not agree"));
    }
    let function = e.partition_function.as_str();
    let partition = (!function.is_empty()).then(|| {
        Box::new(PartitionInfo {
            function: function.to_owned(),
            count: e.partition_count.to_native(),
            partitions: e.partitions.iter().map(|p| p.to_native()).collect(),
        })
    });
    Ok(ColumnMeta {
        name: e.name.as_str().into(),
        data_type,
        flags,
        codec,
        cardinality: (cardinality != u32::MAX).then_some(cardinality),
        values: e.values.to_native(),
        null_rows,
        raw_bytes: e.raw_bytes.to_native(),
        default_key: e.default_key.to_native(),
        max_list: e.max_list.to_native(),
        max_len: e.max_len.to_native(),
        default_null: blob(&e.default_null)?.ok_or_else(|| Error::corrupt("no default null value"))?,
        bounds: [blob(&e.min)?, blob(&e.max)?, blob(&e.min_all)?, blob(&e.max_all)?],
        partition,
        regions,
        pages,
    })
}

/// Pages lie in their region, in order, and add up to what the column says. This loop runs for
/// every block of every column at open: no allocation, no lookup.
fn check_blocks(directory: &[u8], shared: &Shared, meta: &ColumnMeta) -> Result<()> {
    let multi_value = meta.flags & column_flags::MULTI_VALUE != 0;
    let (mut end, mut nulls, mut values) = (0u64, 0u64, 0u64);
    for (block, b) in directory.chunks_exact(BLOCK_ENTRY).enumerate() {
        let e = BlockEntry::read(b);
        let rows = shared.rows_of(block as u32);
        let start = u64::from(e.offset64) * 64;
        let ok = start == end
            && e.len.is_multiple_of(64)
            && e.null_count <= rows
            && (multi_value || e.values == rows)
            && e.values <= crate::MAX_BLOCK_VALUES
            && (1..=10).contains(&e.encoding)
            && b[22] == 0
            && b[23] == 0;
        if !ok {
            return Err(Error::corrupt("a page is out of place or its counts are wrong").in_block(block as u32));
        }
        end = start + u64::from(e.len);
        nulls += u64::from(e.null_count);
        values += u64::from(e.values);
    }
    if end != meta.pages.len || nulls != meta.null_rows || values != meta.values {
        return Err(Error::corrupt("pages, null rows or values do not add up"));
    }
    Ok(())
}
