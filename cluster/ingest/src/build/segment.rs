//! Writes one segment file, one column at a time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use cluster_types::DateTimeFormat;
use segfmt::{ColumnInput, ColumnSpec, DataType, Identity, SegmentInfo, SegmentWriter};

use super::limits::WRITER_FACTOR;
use super::names::SegmentNames;
use super::rows::SegmentRows;
use super::workers::Gate;
use crate::column::{Column, Data};
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// Ending of a segment file's name.
pub const SEGMENT_ENDING: &str = "segment";

/// A finished segment file. It is written but not synced: who publishes it does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltSegment {
    pub path: PathBuf,
    pub name: String,
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Smallest and greatest time, milliseconds since 1970, over rows whose time is not null.
    pub min_time: Option<i64>,
    pub max_time: Option<i64>,
    /// Digest of columns, dictionaries, nulls, statistics; not of indexes.
    pub digest: [u8; 16],
    /// The place in the table that the file carries.
    pub ordinal: u32,
}

/// What all segments of a job have in common.
pub(crate) struct SegmentPlan {
    pub(crate) table: String,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) types: Vec<DataType>,
    pub(crate) sort_columns: Vec<String>,
    /// Index of the time column, and how its numbers mean time.
    pub(crate) time: Option<(usize, DateTimeFormat)>,
    pub(crate) identity: Identity,
    pub(crate) names: SegmentNames,
    pub(crate) out_dir: PathBuf,
}

impl SegmentPlan {
    pub(super) fn path(&self, k: u64) -> PathBuf {
        self.out_dir.join(format!("{}.{SEGMENT_ENDING}", self.names.name(k)))
    }

    pub(super) fn build(&self, k: u64, rows: &SegmentRows, gate: &Gate, cancel: &Cancel) -> Result<BuiltSegment> {
        let name = self.names.name(k);
        let path = self.path(k);
        let file = File::options().write(true).create_new(true).open(&path).map_err(Error::io("cannot make", &path))?;
        let done = self.write(k, &name, &path, file, rows, gate, cancel);
        if done.is_err() {
            // The error at hand says more than one about removing what it left.
            let _ = std::fs::remove_file(&path);
        }
        done
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and the parts have different owners")]
    fn write(
        &self,
        k: u64,
        name: &str,
        path: &Path,
        file: File,
        rows: &SegmentRows,
        gate: &Gate,
        cancel: &Cancel,
    ) -> Result<BuiltSegment> {
        let ordinal = u64::from(self.identity.ordinal) + k;
        let ordinal = u32::try_from(ordinal).map_err(|_| Error::Option {
            option: "identity",
            reason: format!("segment number {ordinal} is past 2^32"),
        })?;
        let info = SegmentInfo {
            name: name.to_owned(),
            table: self.table.clone(),
            rows: rows.rows(),
            sort_columns: self.sort_columns.clone(),
            time_column: self.time.as_ref().map(|(c, _)| self.columns[*c].name.clone()),
            identity: Identity { ordinal, ..self.identity.clone() },
        };
        let in_file = |source| Error::SegmentFile { segment: name.to_owned(), source: Box::new(source) };
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let mut writer = SegmentWriter::new(&mut out, info).map_err(in_file)?;
        let (mut min_time, mut max_time) = (None, None);
        let mut need = 0;
        for (c, spec) in self.columns.iter().enumerate() {
            cancel.check()?;
            // A guess from the column before is enough to keep two large columns from being built at once.
            let permit = gate.enter(need);
            let mut column = rows.column(c, self.types[c])?;
            column.data = column.data.expanded();
            if let Some((time, format)) = &self.time
                && *time == c
            {
                (min_time, max_time) = time_range(&column, format);
            }
            need = column.bytes() * WRITER_FACTOR;
            let permit = permit.grow(need);
            let input = ColumnInput {
                values: column.data.as_values(),
                nulls: column.nulls.as_ref(),
                lists: column.lists.as_deref(),
            };
            writer.write_column(spec, input).map_err(|source| Error::Segment {
                segment: name.to_owned(),
                column: spec.name.clone(),
                source: Box::new(source),
            })?;
            drop(permit);
        }
        let summary = writer.finish().map_err(in_file)?;
        out.flush().map_err(Error::io("cannot write", path))?;
        Ok(BuiltSegment {
            path: path.to_owned(),
            name: name.to_owned(),
            rows: summary.rows,
            bytes: summary.bytes,
            min_time,
            max_time,
            digest: summary.digest,
            ordinal,
        })
    }
}

/// The range of a time column's values as milliseconds. A column of text times has none.
fn time_range(column: &Column, format: &DateTimeFormat) -> (Option<i64>, Option<i64>) {
    let mut range: Option<(i64, i64)> = None;
    let mut take = |row: usize, value: i64| {
        if !column.is_null(row) {
            range = Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
        }
    };
    match &column.data {
        Data::I64(v) => v.iter().enumerate().for_each(|(row, x)| take(row, *x)),
        Data::I32(v) => v.iter().enumerate().for_each(|(row, x)| take(row, i64::from(*x))),
        _ => {}
    }
    // Every format keeps the order, so the ends of the range are the ends of the times.
    let millis = |v: i64| format.epoch_to_millis(v);
    match range {
        Some((min, max)) => (millis(min), millis(max)),
        None => (None, None),
    }
}
