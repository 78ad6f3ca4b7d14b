//! Writes the dictionary region from sorted distinct values.

use super::page::{HEAD_CRC, INDEX_ENTRY, RESTART};
use super::{FORM_FIXED, FORM_FLAT, FORM_PAGED, HEADER, PAGE_BYTES};
use crate::buffer::{self, PAGE_ALIGN};
use crate::checksum;
use crate::data_type::DataType;
use crate::error::{Error, Result};

/// Sorted distinct values of a column.
#[derive(Debug)]
pub(crate) enum DictValues<'v> {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Var(Vec<&'v [u8]>),
}

impl DictValues<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(v) => v.len(),
            Self::Floats(v) => v.len(),
            Self::Var(v) => v.len(),
        }
    }
}

/// Bytes of the dictionary region.
pub(crate) fn encode(data_type: DataType, values: &DictValues<'_>) -> Result<Vec<u8>> {
    let n = u32::try_from(values.len())
        .ok()
        .filter(|n| *n < u32::MAX)
        .ok_or_else(|| Error::too_large("a dictionary", values.len() as u64, u64::from(u32::MAX - 1)))?;
    match values {
        DictValues::Ints(v) => {
            let mut out = fixed_header(data_type, n);
            for v in v {
                match data_type {
                    DataType::Boolean => out.push(*v as u8),
                    DataType::Int => out.extend_from_slice(&(*v as i32).to_le_bytes()),
                    _ => out.extend_from_slice(&v.to_le_bytes()),
                }
            }
            buffer::pad(&mut out, PAGE_ALIGN);
            Ok(out)
        }
        DictValues::Floats(v) => {
            let mut out = fixed_header(data_type, n);
            for v in v {
                match data_type {
                    DataType::Float => {
                        out.extend_from_slice(&crate::value::normalize_f32(*v as f32).to_le_bytes());
                    }
                    _ => out.extend_from_slice(&v.to_le_bytes()),
                }
            }
            buffer::pad(&mut out, PAGE_ALIGN);
            Ok(out)
        }
        DictValues::Var(v) => {
            let total: usize = v.iter().map(|b| b.len()).sum();
            if total <= PAGE_BYTES { Ok(flat(n, v, total)) } else { paged(n, v) }
        }
    }
}

fn fixed_header(data_type: DataType, n: u32) -> Vec<u8> {
    let width = data_type.fixed_width().unwrap_or(0);
    let mut out = vec![0; HEADER];
    out[0] = FORM_FIXED;
    out[1] = width as u8;
    out[4..8].copy_from_slice(&n.to_le_bytes());
    out[8..16].copy_from_slice(&(u64::from(n) * width as u64).to_le_bytes());
    out
}

fn flat(n: u32, values: &[&[u8]], total: usize) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    out[0] = FORM_FLAT;
    out[4..8].copy_from_slice(&n.to_le_bytes());
    out[8..16].copy_from_slice(&(total as u64).to_le_bytes());
    let mut offset = 0u32;
    out.extend_from_slice(&offset.to_le_bytes());
    for v in values {
        offset += v.len() as u32;
        out.extend_from_slice(&offset.to_le_bytes());
    }
    buffer::pad(&mut out, PAGE_ALIGN);
    for v in values {
        out.extend_from_slice(v);
    }
    buffer::pad(&mut out, PAGE_ALIGN);
    out
}

fn put_varint(out: &mut Vec<u8>, mut v: u32) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn paged(n: u32, values: &[&[u8]]) -> Result<Vec<u8>> {
    let (mut table, mut keys, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    let (mut restarts, mut body) = (Vec::<u32>::new(), Vec::new());
    let mut first = 0;
    while first < values.len() {
        restarts.clear();
        body.clear();
        let mut end = first;
        while end < values.len() {
            let v = values[end];
            let i = (end - first) as u32;
            let restart = i.is_multiple_of(RESTART);
            let shared = if restart { 0 } else { v.iter().zip(values[end - 1]).take_while(|(a, b)| a == b).count() };
            let rest = &v[shared..];
            // 4 bytes count, 4 a restart, at most 10 for both lengths.
            let size = 4 + 4 * (restarts.len() + usize::from(restart)) + body.len() + 10 + rest.len();
            if size > PAGE_BYTES && end > first {
                break;
            }
            if restart {
                restarts.push(body.len() as u32);
            }
            let len = u32::try_from(rest.len())
                .map_err(|_| Error::too_large("a dictionary entry", v.len() as u64, u64::from(u32::MAX)))?;
            put_varint(&mut body, shared as u32);
            put_varint(&mut body, len);
            body.extend_from_slice(rest);
            end += 1;
        }
        let start = pages.len();
        pages.extend_from_slice(&((end - first) as u32).to_le_bytes());
        let base = 4 + 4 * restarts.len() as u32;
        for r in &restarts {
            pages.extend_from_slice(&(base + r).to_le_bytes());
        }
        pages.extend_from_slice(&body);
        let page = &pages[start..];
        let len = u32::try_from(page.len())
            .map_err(|_| Error::too_large("a dictionary page", page.len() as u64, u64::from(u32::MAX)))?;
        table.extend_from_slice(&(start as u64).to_le_bytes());
        table.extend_from_slice(&len.to_le_bytes());
        table.extend_from_slice(&checksum::crc32c(page).to_le_bytes());
        table.extend_from_slice(&(first as u32).to_le_bytes());
        let key = u32::try_from(keys.len())
            .map_err(|_| Error::too_large("first keys of a dictionary", keys.len() as u64, u64::from(u32::MAX)))?;
        table.extend_from_slice(&key.to_le_bytes());
        keys.extend_from_slice(values[first]);
        buffer::pad(&mut pages, PAGE_ALIGN);
        first = end;
    }
    let key_bytes = u32::try_from(keys.len())
        .map_err(|_| Error::too_large("first keys of a dictionary", keys.len() as u64, u64::from(u32::MAX)))?;
    let mut out = vec![0; HEADER];
    out.extend_from_slice(&table);
    buffer::pad(&mut out, PAGE_ALIGN);
    out.extend_from_slice(&keys);
    buffer::pad(&mut out, PAGE_ALIGN);
    out[0] = FORM_PAGED;
    out[4..8].copy_from_slice(&n.to_le_bytes());
    out[8..16].copy_from_slice(&(pages.len() as u64).to_le_bytes());
    out[16..20].copy_from_slice(&((table.len() / INDEX_ENTRY) as u32).to_le_bytes());
    out[20..24].copy_from_slice(&key_bytes.to_le_bytes());
    let head = out.len() as u64;
    out[32..40].copy_from_slice(&head.to_le_bytes());
    let crc = checksum::crc32c_append(checksum::crc32c(&out[..HEAD_CRC]), &out[HEADER..]);
    out[HEAD_CRC..HEADER].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&pages);
    Ok(out)
}
