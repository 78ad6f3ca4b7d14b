//! The push: finished segment files become visible, all of them or none.
//!
//! ```text
//!   verify every byte -> reserve numbers -> deep store (durable) -> open in the shards -> one operation of the catalog
//! ```
//!
//! Up to the last step nothing has changed for a query, and a crash leaves only files that no command names. The last step
//! is one fsynced entry of the log (several under one operation above 1,000 segments, of which only the last one shows).

use super::tables::REPLACE_WINDOW_MS;
use super::{Controller, Error, Result};
use crate::crash_point;
use crate::deepstore;
use crate::server::PreparedSegment;
use cluster_catalog::command::{AbortPush, PushSegments, ROWS_MAX, ReserveSegments};
use cluster_catalog::{Body, NewSegment, Outcome, PushMode, SegmentPartition, Table};
use cluster_types::{DateTimeFormat, Generation, OperationId, Role, Schema, SegmentOrdinal, did_you_mean};
use segfmt::stats::RowSet;
use segfmt::{Segment, Value};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A finished segment file in the work folder, and the name that it shall have.
#[derive(Debug, Clone)]
pub struct SegmentFile {
    pub name: String,
    pub path: PathBuf,
}

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    pub segments: u64,
    pub rows: u64,
    pub bytes: u64,
    pub replaced: u64,
}

/// A segment file whose every byte has been read and fits the table.
struct Verified {
    file: SegmentFile,
    segment: Segment,
    bytes: u64,
    slot: (SegmentOrdinal, Generation),
    key: String,
}

impl Controller {
    /// Gives out numbers for segments that will be pushed.
    pub fn reserve(&self, table: &Table, names: Vec<String>) -> Result<Vec<(SegmentOrdinal, Generation)>> {
        let mut slots = Vec::with_capacity(names.len());
        for part in names.chunks(ROWS_MAX) {
            let body = ReserveSegments { table: table.incarnation, names: part.to_vec() };
            match self.propose(Body::ReserveSegments(body))? {
                Outcome::Reserved { slots: part } => slots.extend(part),
                other => return Err(Error::Invalid(format!("the catalog answered a reservation with {other:?}"))),
            }
        }
        Ok(slots)
    }

    /// Makes finished segment files visible together. Files that were taken are gone from their paths.
    pub fn push(&self, table: &Table, files: Vec<SegmentFile>, mode: PushMode) -> Result<Pushed> {
        if files.is_empty() && mode != PushMode::ReplaceAll {
            return Err(Error::Invalid("the push has no segments".to_owned()));
        }
        let schema = self.schema_of(table)?;
        let verified = files.into_iter().map(|file| verify(file, &schema)).collect::<Result<Vec<_>>>()?;
        crash_point::reached(crash_point::PUSH_VERIFIED);
        let mut verified = self.number(table, verified)?;
        crash_point::reached(crash_point::PUSH_RESERVED);

        let operation = self.next_operation();
        let mut stored = 0;
        let done = self.store_and_commit(table, &schema, &mut verified, mode, operation, &mut stored);
        if done.is_err() {
            self.take_back(table, &verified[..stored], operation);
        }
        done
    }

    /// What the footer of a visible segment says.
    pub fn footer(&self, segment: &cluster_catalog::Segment) -> Result<Segment> {
        Ok(open(&self.deep_store().path(&segment.key)?, &segment.name)?.0)
    }

    /// Every segment gets the numbers that it was built with, if they are reserved for it, or fresh ones.
    fn number(&self, table: &Table, segments: Vec<(SegmentFile, Segment, u64)>) -> Result<Vec<Verified>> {
        let state = self.state();
        let cluster = state.cluster();
        let current = state.table(table.incarnation).cloned();
        let reserved: BTreeMap<_, _> =
            current.iter().flat_map(|t| t.reservations()).map(|(slot, r)| (*slot, r.name.clone())).collect();
        let own_slot = |file: &SegmentFile, segment: &Segment| {
            let identity = &segment.info().identity;
            let slot = (SegmentOrdinal(identity.ordinal), Generation(identity.generation));
            let ours = identity.cluster_id == cluster.0 && identity.table_incarnation == table.incarnation.0;
            (ours && reserved.get(&slot) == Some(&file.name)).then_some(slot)
        };
        let slots: Vec<_> = segments.iter().map(|(file, segment, _)| own_slot(file, segment)).collect();
        let without = segments.iter().zip(&slots).filter(|(_, slot)| slot.is_none());
        let names: Vec<String> = without.map(|((file, ..), _)| file.name.clone()).collect();
        let mut fresh = self.reserve(table, names)?.into_iter();
        let attempt = self.next_operation().to_string();
        let numbered = segments.into_iter().zip(slots).map(|((file, segment, bytes), slot)| {
            let slot = slot.or_else(|| fresh.next()).expect("the catalog reserves a slot for each name");
            let key = deepstore::key(cluster, table.incarnation, slot.0, slot.1, &attempt);
            Verified { file, segment, bytes, slot, key }
        });
        Ok(numbered.collect())
    }

    fn store_and_commit(
        &self,
        table: &Table,
        schema: &Schema,
        segments: &mut [Verified],
        mode: PushMode,
        operation: OperationId,
        stored: &mut usize,
    ) -> Result<Pushed> {
        for segment in segments.iter() {
            self.deep_store().put(&segment.file.path, &segment.key)?;
            *stored += 1;
        }
        crash_point::reached(crash_point::PUSH_STORED);

        let prepare = |segment: &Verified| {
            let prepared = PreparedSegment {
                table: table.incarnation,
                ordinal: segment.slot.0,
                generation: segment.slot.1,
                key: &segment.key,
            };
            self.server().prepare(prepared).map_err(|source| Error::Open { name: segment.file.name.clone(), source })
        };
        segments.iter().try_for_each(prepare)?;
        crash_point::reached(crash_point::PUSH_OPENED);

        let time_column = table.config()?.segments_config.time_column_name.clone();
        let rows =
            segments.iter().map(|s| new_segment(s, schema, time_column.as_deref())).collect::<Result<Vec<_>>>()?;
        let outcome = self.commit(table, rows, mode, operation)?;
        crash_point::reached(crash_point::PUSH_COMMITTED);
        let replaced = match outcome {
            Outcome::Pushed { replaced, .. } => replaced,
            _ => 0,
        };
        Ok(Pushed {
            segments: segments.len() as u64,
            rows: segments.iter().map(|s| s.segment.rows()).sum(),
            bytes: segments.iter().map(|s| s.bytes).sum(),
            replaced,
        })
    }

    fn commit(&self, table: &Table, segments: Vec<NewSegment>, mode: PushMode, push: OperationId) -> Result<Outcome> {
        // A row of a segment is at most a few hundred bytes, so that a part fits an entry of the log (R-5).
        let parts: Vec<_> = segments.chunks(ROWS_MAX).map(<[_]>::to_vec).collect();
        let parts = if parts.is_empty() { vec![Vec::new()] } else { parts };
        let count = parts.len();
        let mut outcome = Outcome::Done;
        for (part, segments) in parts.into_iter().enumerate() {
            let body = PushSegments {
                table: table.incarnation,
                push,
                part: u32::try_from(part).expect("a push has at most a thousand parts"),
                last: part + 1 == count,
                mode,
                segments,
                window_ms: REPLACE_WINDOW_MS,
            };
            let operation = if part == 0 { push } else { self.next_operation() };
            outcome = self.propose_as(operation, Body::PushSegments(body))?;
        }
        Ok(outcome)
    }

    /// After a failure: objects that this very push wrote and that no command names are deleted. When the catalog cannot say
    /// whether it has them, they stay (R-10).
    fn take_back(&self, table: &Table, stored: &[Verified], push: OperationId) {
        let staged = self.state().table(table.incarnation).is_some_and(|t| t.staged().any(|(id, _)| *id == push));
        if staged
            && let Err(error) =
                self.propose(Body::AbortPush(AbortPush { table: table.incarnation, push, window_ms: 0 }))
        {
            tracing::warn!(%error, "abort a push");
        }
        for segment in stored {
            self.server().forget(table.incarnation, segment.slot.0, segment.slot.1);
            if self.catalog.raise_floor().is_ok()
                && !self.state().knows_key(&segment.key)
                && let Err(error) = self.deep_store().delete(&segment.key)
            {
                tracing::warn!(%error, "delete an object of a failed push");
            }
        }
    }
}

/// Reads every byte of a segment file against its checksums, and its columns against the schema.
fn verify(file: SegmentFile, schema: &Schema) -> Result<(SegmentFile, Segment, u64)> {
    let failed = |source| Error::Segment { name: file.name.clone(), source };
    let (segment, bytes) = open(&file.path, &file.name)?;
    let opened = File::open(&file.path).map_err(Error::io("open", &file.path))?;
    let read_at = |offset: u64, len: usize| read_exact_at(&opened, offset, len);
    segfmt::verify::verify_segment(read_at, bytes).map_err(failed)?;
    for column in segment.columns() {
        let Some(field) = schema.column(column.name()) else {
            let hint = did_you_mean(column.name(), schema.columns().iter().map(|c| c.name.as_str()));
            let hint = hint.map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default();
            let (segment, column, schema) = (&file.name, column.name(), schema.name());
            return Err(Error::Invalid(format!(
                "segment `{segment}` has a column `{column}` that schema `{schema}` lacks{hint}"
            )));
        };
        if (field.data_type, field.multi_value) != (column.data_type(), column.multi_value()) {
            let shown = |data_type: segfmt::DataType, multi: bool| {
                format!("{}{}", data_type.pinot_name(), if multi { "_ARRAY" } else { "" })
            };
            return Err(Error::Invalid(format!(
                "column `{}` of segment `{}` is {}, and schema `{}` says {}",
                column.name(),
                file.name,
                shown(column.data_type(), column.multi_value()),
                schema.name(),
                shown(field.data_type, field.multi_value)
            )));
        }
    }
    Ok((file, segment, bytes))
}

/// Reads a part of a segment file, as the verifier asks for it.
pub fn read_exact_at(file: &File, offset: u64, len: usize) -> segfmt::Result<Vec<u8>> {
    let mut buffer = vec![0; len];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(buffer)
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Opens a segment file's footer.
pub fn open(path: &Path, name: &str) -> Result<(Segment, u64)> {
    let failed = |source| Error::Segment { name: name.to_owned(), source };
    let file = File::open(path).map_err(Error::io("open", path))?;
    let bytes = file.metadata().map_err(Error::io("read the size of", path))?.len();
    let read = |offset: u64, len: usize| {
        let mut buffer = vec![0; len];
        file.read_exact_at(&mut buffer, offset).map_err(Error::io("read", path)).map(|()| buffer)
    };
    const LAST: u64 = 4096;
    let last = bytes.min(LAST);
    let last = read(bytes - last, usize::try_from(last).expect("at most 4,096"))?;
    let tail_len = Segment::tail_len(&last).map_err(|source| match read(0, 2.min(last.len())) {
        Ok(head) if head == GZIP_MAGIC => Error::Unsupported(format!(
            "segment `{name}` is a gzip archive, as Pinot packs its segments; this version reads its own format: build it from \
             the rows with `gamay segment build`, or send the rows to /ingestFromFile"
        )),
        _ => failed(source),
    })?;
    if tail_len > bytes {
        return Err(Error::Invalid(format!(
            "segment `{name}` is cut short: {bytes} bytes, and its end alone has {tail_len}"
        )));
    }
    let tail = read(
        bytes - tail_len,
        usize::try_from(tail_len).map_err(|_| Error::Invalid("the footer is too large".to_owned()))?,
    )?;
    Ok((Segment::open(&tail, bytes).map_err(failed)?, bytes))
}

fn new_segment(verified: &Verified, schema: &Schema, time_column: Option<&str>) -> Result<NewSegment> {
    let segment = &verified.segment;
    let failed = |source| Error::Segment { name: verified.file.name.clone(), source };
    let time = time_column.and_then(|name| Some((segment.column(name)?, schema.column(name)?)));
    let (min_time_ms, max_time_ms) = match time {
        None => (None, None),
        Some((column, field)) => {
            let format = match &field.role {
                Role::DateTime { format, .. } => Some(format),
                _ => None,
            };
            let millis = |value: Option<Value>| value.and_then(|value| millis(&value, format));
            let min = column.min(RowSet::NonNull).map_err(failed)?;
            let max = column.max(RowSet::NonNull).map_err(failed)?;
            (millis(min), millis(max))
        }
    };
    let partition = segment.columns().iter().find_map(|column| {
        column.partition().map(|p| SegmentPartition {
            column: column.name().to_owned(),
            function: p.function.clone(),
            partitions: p.count,
            ids: p.partitions.clone(),
        })
    });
    let identity = &segment.info().identity;
    Ok(NewSegment {
        name: verified.file.name.clone(),
        ordinal: Some(verified.slot.0),
        generation: Some(verified.slot.1),
        key: verified.key.clone(),
        rows: segment.rows(),
        bytes: verified.bytes,
        digest: cluster_types::hex::encode(&segment.digest()),
        min_time_ms,
        max_time_ms,
        partition,
        schema_version: identity.schema_version,
        index_version: identity.index_version,
    })
}

/// A time value in milliseconds, where its format has one.
fn millis(value: &Value, format: Option<&DateTimeFormat>) -> Option<i64> {
    match (value, format) {
        (Value::Timestamp(ms), _) => Some(*ms),
        (Value::Long(value), Some(format)) => format.epoch_to_millis(*value),
        (Value::Int(value), Some(format)) => format.epoch_to_millis(i64::from(*value)),
        _ => None,
    }
}

/// Removes a folder of staged files; what cannot be removed now goes at the next start.
pub fn discard(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(%error, folder = %folder.display(), "remove staged files");
    }
}
