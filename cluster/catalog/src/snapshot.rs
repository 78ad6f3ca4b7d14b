//! A state as bytes, and its digest.
//!
//! A snapshot is a list of chunks, each JSON and at most a few thousand rows, so that a chunk stays under 4 MiB and can be
//! sent, checked and kept on its own. The order of chunks and of rows in them follows keys, so equal states have equal
//! chunks, and the digest is a hash over them.

use std::sync::Arc;

use cluster_types::{ClusterId, Generation, OperationId, SegmentOrdinal, TableIncarnation, TableVersion};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::command::{NewSegment, Outcome, PushMode, SegmentPartition};
use crate::state::{
    Document, OperationRow, Reservation, SchemaRow, Segment, StagedPush, State, Subject, Table, Tombstone,
    TombstoneReason,
};

/// The version of the encoding.
pub const VERSION: u32 = 1;

/// The largest chunk.
pub const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows of one chunk; the largest row that the state machine lets in keeps the chunk under its limit.
const CHUNK_ROWS: usize = 1_000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Chunk {
    Head(Head),
    /// One a chunk, as it may have 256 KiB.
    Schema(SchemaDump),
    Configs(Vec<(String, String)>),
    Operations(Vec<OperationDump>),
    Table(TableDump),
    Tombstones(Vec<TombstoneDump>),
    /// Rows of the table before it.
    Segments(Vec<SegmentDump>),
    Reservations(Vec<(SegmentOrdinal, Generation, String, i64)>),
    Staged(StagedDump),
    /// Rows of the staged push before it.
    StagedSegments(Vec<NewSegment>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    cluster: ClusterId,
    recovery_epoch: u64,
    feature_level: u32,
    applied_index: u64,
    log_time_ms: i64,
    next_incarnation: u64,
    next_tombstone: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaDump {
    name: String,
    version: u64,
    document: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationDump {
    op: OperationId,
    index: u64,
    time: i64,
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableDump {
    incarnation: TableIncarnation,
    name: String,
    schema: String,
    version: TableVersion,
    config_version: u64,
    enabled: bool,
    created_ms: i64,
    next_ordinal: u32,
    document: String,
    /// The tombstone that holds the table, when it has been dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tombstone: Option<TombstoneDump>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentDump {
    name: String,
    ordinal: SegmentOrdinal,
    generation: Generation,
    key: String,
    rows: u64,
    bytes: u64,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_time_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_time_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<SegmentPartition>,
    schema_version: u32,
    index_version: u32,
    created_ms: i64,
    pushed_ms: i64,
    visible_since: TableVersion,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StagedDump {
    push: OperationId,
    mode: PushMode,
    since_ms: i64,
    parts: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TombstoneDump {
    id: u64,
    table: TableIncarnation,
    table_name: String,
    reason: TombstoneReason,
    dropped_ms: i64,
    delete_after_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<(SegmentOrdinal, Generation)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default)]
    bytes: u64,
}

impl State {
    /// The state's chunks, in order.
    pub fn encode(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.chunks().map(|chunk| serde_json::to_vec(&chunk).expect("chunks have only text keys"))
    }

    /// A hash over the whole state: equal states have equal digests.
    pub fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        for chunk in self.encode() {
            hash.update(&(chunk.len() as u64).to_le_bytes());
            hash.update(&chunk);
        }
        hash.digest128()
    }

    fn chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        let head = Chunk::Head(Head {
            version: VERSION,
            cluster: self.cluster,
            recovery_epoch: self.recovery_epoch,
            feature_level: self.feature_level,
            applied_index: self.applied_index,
            log_time_ms: self.log_time_ms,
            next_incarnation: self.next_incarnation,
            next_tombstone: self.next_tombstone,
        });
        let schemas = self.schemas.values().map(|row| {
            Chunk::Schema(SchemaDump {
                name: row.name.clone(),
                version: row.version,
                document: row.document().to_owned(),
            })
        });
        let configs = self.configs.iter().map(|(key, value)| Chunk::Configs(vec![(key.clone(), value.clone())]));
        // Each row of answers may list a thousand numbers.
        let operations = batches(self.operations.iter(), CHUNK_ROWS / 10, |(op, row)| OperationDump {
            op: *op,
            index: row.index,
            time: row.log_time_ms,
            outcome: row.outcome.clone(),
        })
        .map(Chunk::Operations);
        let tables = self.tables.values().flat_map(|table| table_chunks(table, None));
        let tombstones = batches(self.tombstones.values(), CHUNK_ROWS, |t| {
            (!matches!(t.subject, Subject::Table(_))).then(|| dump(t))
        })
        .map(|rows| Chunk::Tombstones(rows.into_iter().flatten().collect()));
        let dropped = self.tombstones.values().filter_map(|tombstone| match &tombstone.subject {
            Subject::Table(table) => Some(table_chunks(table, Some(dump(tombstone)))),
            Subject::Segment { .. } => None,
        });
        std::iter::once(head)
            .chain(schemas)
            .chain(configs)
            .chain(operations)
            .chain(tables)
            .chain(tombstones)
            .chain(dropped.flatten())
    }

    /// The state of a list of chunks. The error says what does not fit.
    pub fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<State, String> {
        let mut decoder = Decoder::default();
        chunks.into_iter().try_for_each(|chunk| decoder.add(chunk))?;
        decoder.finish()
    }
}

fn batches<'a, T: 'a, R>(
    rows: impl Iterator<Item = T> + 'a,
    size: usize,
    map: impl Fn(T) -> R + 'a,
) -> impl Iterator<Item = Vec<R>> + 'a {
    let mut rows = rows.map(map).peekable();
    std::iter::from_fn(move || {
        rows.peek()?;
        Some(rows.by_ref().take(size).collect())
    })
}

fn table_chunks(table: &Arc<Table>, tombstone: Option<TombstoneDump>) -> impl Iterator<Item = Chunk> + '_ {
    let head = Chunk::Table(TableDump {
        incarnation: table.incarnation,
        name: table.name.clone(),
        schema: table.schema.clone(),
        version: table.version,
        config_version: table.config_version,
        enabled: table.enabled,
        created_ms: table.created_ms,
        next_ordinal: table.next_ordinal,
        document: table.document().to_owned(),
        tombstone,
    });
    let segments = batches(table.segments.values(), CHUNK_ROWS / 2, |s| SegmentDump {
        name: s.name.to_string(),
        ordinal: s.ordinal,
        generation: s.generation,
        key: s.key.to_string(),
        rows: s.rows,
        bytes: s.bytes,
        digest: s.digest.clone(),
        min_time_ms: s.min_time_ms,
        max_time_ms: s.max_time_ms,
        partition: s.partition.clone(),
        schema_version: s.schema_version,
        index_version: s.index_version,
        created_ms: s.created_ms,
        pushed_ms: s.pushed_ms,
        visible_since: s.visible_since,
    })
    .map(Chunk::Segments);
    let reservations = batches(table.reserved.iter(), CHUNK_ROWS, |((ordinal, generation), r)| {
        (*ordinal, *generation, r.name.clone(), r.since_ms)
    })
    .map(Chunk::Reservations);
    let staged = table.staged.iter().flat_map(|(push, staged)| {
        let head = StagedDump { push: *push, mode: staged.mode, since_ms: staged.since_ms, parts: staged.parts };
        let rows = batches(staged.segments(), CHUNK_ROWS / 2, NewSegment::clone).map(Chunk::StagedSegments);
        std::iter::once(Chunk::Staged(head)).chain(rows)
    });
    std::iter::once(head).chain(segments).chain(reservations).chain(staged)
}

fn dump(tombstone: &Arc<Tombstone>) -> TombstoneDump {
    let mut row = TombstoneDump {
        id: tombstone.id,
        table: tombstone.table,
        table_name: tombstone.table_name.clone(),
        reason: tombstone.reason,
        dropped_ms: tombstone.dropped_ms,
        delete_after_ms: tombstone.delete_after_ms,
        name: None,
        slot: None,
        key: None,
        bytes: 0,
    };
    if let Subject::Segment { name, slot, key, bytes } = &tombstone.subject {
        row.name = Some(name.clone());
        row.slot = *slot;
        row.key = key.as_ref().map(|k| k.to_string());
        row.bytes = *bytes;
    }
    row
}

/// Makes a state of chunks that come one by one.
#[derive(Default)]
pub(crate) struct Decoder {
    chunks: usize,
    state: Option<State>,
    table: Option<(Table, Option<TombstoneDump>)>,
    staged: Option<(OperationId, StagedPush)>,
}

impl Decoder {
    /// Takes the next chunk. The error says what does not fit.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        let i = self.chunks;
        self.chunks += 1;
        if bytes.len() > CHUNK_BYTES_MAX {
            return Err(format!("chunk {i} has {} bytes, and {CHUNK_BYTES_MAX} is the most", bytes.len()));
        }
        let chunk: Chunk = serde_json::from_slice(bytes).map_err(|e| format!("chunk {i}: {e}"))?;
        self.add_chunk(chunk).map_err(|reason| format!("chunk {i}: {reason}"))
    }

    fn add_chunk(&mut self, chunk: Chunk) -> Result<(), String> {
        if !matches!(chunk, Chunk::StagedSegments(_)) {
            self.end_staged()?;
        }
        if matches!(chunk, Chunk::Head(_)) != self.state.is_none() {
            return Err("a snapshot has one head, and it comes first".into());
        }
        match chunk {
            Chunk::Head(head) => self.state = Some(from_head(head)?),
            Chunk::Schema(row) => {
                let value =
                    SchemaRow { name: row.name.clone(), version: row.version, document: Document::new(row.document) };
                self.state()?.schemas.insert(row.name, Arc::new(value));
            }
            Chunk::Configs(rows) => self.state()?.configs.extend(rows),
            Chunk::Operations(rows) => {
                let state = self.state()?;
                for row in rows {
                    state.operation_times.insert((row.time, row.op));
                    let value = OperationRow { index: row.index, log_time_ms: row.time, outcome: row.outcome };
                    state.operations.insert(row.op, Arc::new(value));
                }
            }
            Chunk::Table(row) => {
                self.end_table()?;
                self.table = Some(from_table(row));
            }
            Chunk::Tombstones(rows) => {
                self.end_table()?;
                for row in rows {
                    let key = row.key.clone().map(Arc::<str>::from);
                    let name = row.name.clone().ok_or("a tombstone of a segment has no name")?;
                    let subject = Subject::Segment { name, slot: row.slot, key: key.clone(), bytes: row.bytes };
                    self.bury(row, subject)?;
                }
            }
            Chunk::Segments(rows) => {
                let (table, _) = self.table.as_mut().ok_or("segments without a table")?;
                rows.into_iter().try_for_each(|row| add_segment(table, row))?;
            }
            Chunk::Reservations(rows) => {
                let (table, _) = self.table.as_mut().ok_or("reservations without a table")?;
                for (ordinal, generation, name, since_ms) in rows {
                    table.reserved.insert((ordinal, generation), Arc::new(Reservation { name, since_ms }));
                }
            }
            Chunk::Staged(row) => {
                let push =
                    StagedPush { mode: row.mode, since_ms: row.since_ms, parts: row.parts, segments: Vec::new() };
                self.staged = Some((row.push, push));
            }
            Chunk::StagedSegments(rows) => {
                let (_, push) = self.staged.as_mut().ok_or("parts of a push without its head")?;
                push.segments.extend(rows.into_iter().map(Arc::new));
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<&mut State, String> {
        self.state.as_mut().ok_or_else(|| "a snapshot begins with its head".into())
    }

    fn end_staged(&mut self) -> Result<(), String> {
        if let Some((push, staged)) = self.staged.take() {
            let (table, _) = self.table.as_mut().ok_or("a push without a table")?;
            table.staged.insert(push, Arc::new(staged));
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<(), String> {
        let Some((table, tombstone)) = self.table.take() else { return Ok(()) };
        let table = Arc::new(table);
        if let Some(row) = tombstone {
            return self.bury(row, Subject::Table(table));
        }
        let state = self.state()?;
        for segment in table.segments.values() {
            state.keys.insert(segment.key.clone());
        }
        for segment in table.staged.values().flat_map(|push| push.segments.iter()) {
            state.keys.insert(Arc::from(segment.key.as_str()));
        }
        if state.table_names.insert(table.name.clone(), table.incarnation).is_some() {
            return Err(format!("table `{}` is there twice", table.name));
        }
        state.tables.insert(table.incarnation, table);
        Ok(())
    }

    fn bury(&mut self, row: TombstoneDump, subject: Subject) -> Result<(), String> {
        let tombstone = Tombstone {
            id: row.id,
            table: row.table,
            table_name: row.table_name,
            reason: row.reason,
            subject,
            dropped_ms: row.dropped_ms,
            delete_after_ms: row.delete_after_ms,
        };
        let state = self.state()?;
        for key in tombstone.keys() {
            state.keys.insert(key);
        }
        state.tombstones.insert(row.id, Arc::new(tombstone));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<State, String> {
        self.end_staged()?;
        self.end_table()?;
        self.state.ok_or_else(|| "the snapshot is empty".into())
    }
}

fn from_head(head: Head) -> Result<State, String> {
    if head.version != VERSION {
        return Err(format!("it has version {}, and this build reads {VERSION}", head.version));
    }
    Ok(State {
        recovery_epoch: head.recovery_epoch,
        feature_level: head.feature_level,
        applied_index: head.applied_index,
        log_time_ms: head.log_time_ms,
        next_incarnation: head.next_incarnation,
        next_tombstone: head.next_tombstone,
        ..State::new(head.cluster)
    })
}

fn from_table(row: TableDump) -> (Table, Option<TombstoneDump>) {
    let table = Table {
        incarnation: row.incarnation,
        name: row.name,
        schema: row.schema,
        version: row.version,
        config_version: row.config_version,
        enabled: row.enabled,
        created_ms: row.created_ms,
        document: Document::new(row.document),
        next_ordinal: row.next_ordinal,
        segments: imbl::OrdMap::new(),
        names: imbl::OrdMap::new(),
        reserved: imbl::OrdMap::new(),
        staged: imbl::OrdMap::new(),
        rows: 0,
        bytes: 0,
    };
    (table, row.tombstone)
}

fn add_segment(table: &mut Table, row: SegmentDump) -> Result<(), String> {
    let name: Arc<str> = Arc::from(row.name);
    let segment = Segment {
        name: name.clone(),
        ordinal: row.ordinal,
        generation: row.generation,
        key: Arc::from(row.key),
        rows: row.rows,
        bytes: row.bytes,
        digest: row.digest,
        min_time_ms: row.min_time_ms,
        max_time_ms: row.max_time_ms,
        partition: row.partition,
        schema_version: row.schema_version,
        index_version: row.index_version,
        created_ms: row.created_ms,
        pushed_ms: row.pushed_ms,
        visible_since: row.visible_since,
    };
    table.rows = table.rows.saturating_add(segment.rows);
    table.bytes = table.bytes.saturating_add(segment.bytes);
    table.segments.insert(row.ordinal, Arc::new(segment));
    match table.names.insert(name.clone(), row.ordinal) {
        None => Ok(()),
        Some(_) => Err(format!("segment `{name}` is there twice")),
    }
}
