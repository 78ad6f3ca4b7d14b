//! What a command must be before anything changes: names, numbers and sizes within their bounds.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::apply::{DOCUMENT_BYTES_MAX, NAME_BYTES_MAX};
use crate::command::{NewSegment, PushMode, Rejection};
use crate::state::Table;

pub(crate) fn check_names(table: &Table, mode: PushMode, segments: &[Arc<NewSegment>]) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    for segment in segments {
        if !seen.insert(segment.name.as_str()) {
            return Err(invalid("segmentName", format!("`{}` is in the push twice", segment.name)));
        }
        if mode == PushMode::Append && table.segment(&segment.name).is_some() {
            return Err(Rejection::SegmentExists { table: table.name.clone(), name: segment.name.clone() });
        }
    }
    Ok(())
}

pub(crate) fn check_ordinals(table: &Table, more: usize) -> Result<(), Rejection> {
    check_count("the number of segments that the table ever had", table.next_ordinal as usize + more, u32::MAX as usize)
}

pub(crate) fn check_segment(segment: &NewSegment) -> Result<(), Rejection> {
    check_text("segmentName", &segment.name)?;
    check_text("key", &segment.key)?;
    let parts = segment.key.split('/');
    if segment.key.starts_with('/') || parts.into_iter().any(|part| matches!(part, "" | "." | "..")) {
        return Err(invalid("key", format!("`{}` is not a relative path", segment.key)));
    }
    if segment.digest.len() > 128 || !segment.digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(invalid("digest", format!("the digest of segment `{}` is not hexadecimal", segment.name)));
    }
    if segment.ordinal.is_some() != segment.generation.is_some() {
        return Err(invalid("ordinal", format!("segment `{}` has one of ordinal and generation", segment.name)));
    }
    if let (Some(min), Some(max)) = (segment.min_time_ms, segment.max_time_ms)
        && min > max
    {
        return Err(invalid("minTime", format!("segment `{}` ends before it begins ({min} > {max})", segment.name)));
    }
    if let Some(partition) = &segment.partition {
        check_text("partition column", &partition.column)?;
        check_text("partition function", &partition.function)?;
        check_count("the number of partitions of a segment", partition.ids.len(), 1_000)?;
        if partition.ids.iter().any(|id| *id >= partition.partitions) {
            return Err(invalid(
                "partition",
                format!("segment `{}` is in a partition that is not there", segment.name),
            ));
        }
    }
    Ok(())
}

pub(crate) fn check_text(what: &str, text: &str) -> Result<(), Rejection> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(invalid(what, format!("a name has 1 to {NAME_BYTES_MAX} bytes, this has {}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(what, format!("{text:?} holds a control character")));
    }
    Ok(())
}

pub(crate) fn check_document(what: &'static str, document: &str) -> Result<(), Rejection> {
    check_count(what, document.len(), DOCUMENT_BYTES_MAX)
}

pub(crate) fn check_count(what: &'static str, count: usize, limit: usize) -> Result<(), Rejection> {
    if count > limit { Err(Rejection::Limit { what, count, limit }) } else { Ok(()) }
}

pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Rejection {
    Rejection::Invalid { what: what.into(), reason: reason.into() }
}
