//! The one function that changes a state.
//!
//! [`State::apply`] is pure: the same entries in the same order give the same state, whatever the machine, the version's
//! build or the hour. A command that does not fit is a [`Rejection`]: the index and the log time move on, nothing else does.
//! A push is one step: before its last part nothing that a query sees has changed, after it everything has.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster_types::{Generation, SegmentOrdinal, TableIncarnation, TableVersion, did_you_mean};

use crate::check::{check_count, check_document, check_names, check_ordinals, check_segment, check_text, invalid};
use crate::command::{
    AbortPush, Body, Command, CreateTable, DropSchema, DropSegments, DropTable, ExpireSegments, Finalize, NewSegment,
    Outcome, PurgeTombstones, PushMode, PushSegments, PutSchema, RESERVATION_MS, ROWS_MAX, Rejection, ReserveSegments,
    SetConfig, SetTableState, StateDigest, UpdateTable,
};
use crate::state::{
    Document, LEVEL_MAX, OperationRow, Reservation, SchemaRow, Segment, StagedPush, State, Subject, Table, Tombstone,
    TombstoneReason,
};

type Applied = Result<Outcome, Rejection>;

/// How long the answer to an operation is remembered, in log time.
pub const OPERATION_MS: i64 = 24 * 3600 * 1000;

/// A rule alone drops one in so many of a table's segments at most.
pub const EXPIRE_SHARE: u64 = 20;

/// Entries between two of which the state is compared with what the log says it was.
pub const DIGEST_EVERY: u64 = 10_000;

/// The most answers that are remembered; the oldest go first.
pub const OPERATIONS_MAX: usize = 100_000;

/// The most numbers of one table that may be given out and not pushed.
pub const RESERVED_MAX: usize = 1_000_000;

/// The most segments of one push over all its parts.
pub const PUSH_MAX: usize = 1_000_000;

/// The longest name of a segment, and the longest deep-store key, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// The largest schema or table config, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

impl State {
    /// Applies entry `index` of the log. Entries come in order, log time never goes back.
    pub fn apply(&mut self, index: u64, log_time_ms: i64, command: &Command) -> Applied {
        let applied = self.apply_entry(index, log_time_ms, command);
        self.set_checkpoint();
        applied
    }

    /// Holds on to the state where it is to be compared. A few pointers; what changes afterwards is there twice until the
    /// comparison.
    pub(crate) fn set_checkpoint(&mut self) {
        if self.applied_index > 0 && self.applied_index.is_multiple_of(DIGEST_EVERY) {
            self.checkpoint = None;
            self.checkpoint = Some(Arc::new(self.clone()));
        }
    }

    fn apply_entry(&mut self, index: u64, log_time_ms: i64, command: &Command) -> Applied {
        assert_eq!(index, self.applied_index + 1, "log entries are applied in order");
        self.applied_index = index;
        self.log_time_ms = self.log_time_ms.max(log_time_ms);
        self.forget_operations();
        if let Some(row) = self.operations.get(&command.operation) {
            return Ok(row.outcome.clone());
        }
        // Checks come before the first change, so a rejection leaves the tree as it was; the copy is a few pointers.
        let mut changed = self.clone();
        let outcome = changed.dispatch(&command.body)?;
        changed.remember(command, index, outcome.clone());
        *self = changed;
        Ok(outcome)
    }

    fn dispatch(&mut self, body: &Body) -> Applied {
        match body {
            Body::PutSchema(body) => self.put_schema(body),
            Body::DropSchema(body) => self.drop_schema(body),
            Body::CreateTable(body) => self.create_table(body),
            Body::UpdateTable(body) => self.update_table(body),
            Body::DropTable(body) => self.drop_table(body),
            Body::SetTableState(body) => self.set_table_state(body),
            Body::ReserveSegments(body) => self.reserve(body),
            Body::PushSegments(body) => self.push(body),
            Body::AbortPush(body) => self.abort_push(body),
            Body::DropSegments(body) => self.drop_segments(body),
            Body::PurgeTombstones(body) => self.purge(body),
            Body::SetConfig(body) => self.set_config(body),
            Body::Finalize(body) => self.finalize(body),
            Body::StateDigest(body) => Ok(self.compared(body)),
            Body::ExpireSegments(body) => self.expire(body),
        }
    }

    fn remember(&mut self, command: &Command, index: u64, outcome: Outcome) {
        let row = OperationRow { index, log_time_ms: self.log_time_ms, outcome };
        self.operations.insert(command.operation, Arc::new(row));
        self.operation_times.insert((self.log_time_ms, command.operation));
    }

    fn forget_operations(&mut self) {
        let oldest_kept = self.log_time_ms.saturating_sub(OPERATION_MS);
        while let Some(oldest) = self.operation_times.get_min().copied() {
            if oldest.0 >= oldest_kept && self.operation_times.len() <= OPERATIONS_MAX {
                break;
            }
            self.operation_times.remove(&oldest);
            self.operations.remove(&oldest.1);
        }
    }

    fn put_schema(&mut self, body: &PutSchema) -> Applied {
        check_text("schemaName", &body.name)?;
        check_document("schema", &body.document)?;
        let found = self.schemas.get(&body.name).map_or(0, |row| row.version);
        if let Some(expected) = body.if_version
            && expected != found
        {
            return Err(Rejection::SchemaVersion { name: body.name.clone(), expected, found });
        }
        if self.schemas.get(&body.name).is_some_and(|row| row.document() == body.document) {
            return Ok(Outcome::Schema { version: found });
        }
        let version = found + 1;
        let row = SchemaRow { name: body.name.clone(), version, document: Document::new(body.document.as_str()) };
        self.schemas.insert(body.name.clone(), Arc::new(row));
        // A query names one version of its table, and a schema is part of what that version means.
        let users: Vec<_> = self.tables().filter(|t| t.schema == body.name).map(|t| t.incarnation).collect();
        for incarnation in users {
            self.change(incarnation, |_| ());
        }
        Ok(Outcome::Schema { version })
    }

    fn drop_schema(&mut self, body: &DropSchema) -> Applied {
        self.require_schema(&body.name)?;
        let tables: Vec<_> = self.tables().filter(|t| t.schema == body.name).map(|t| t.name.clone()).collect();
        if !tables.is_empty() {
            return Err(Rejection::SchemaInUse { name: body.name.clone(), tables });
        }
        self.schemas.remove(&body.name);
        Ok(Outcome::Done)
    }

    fn require_schema(&self, name: &str) -> Result<(), Rejection> {
        if self.schemas.contains_key(name) {
            return Ok(());
        }
        let hint = did_you_mean(name, self.schemas.keys().map(String::as_str)).map(str::to_owned);
        Err(Rejection::NoSchema { name: name.to_owned(), hint })
    }

    fn create_table(&mut self, body: &CreateTable) -> Applied {
        check_text("tableName", &body.name)?;
        check_document("table config", &body.document)?;
        if self.table_names.contains_key(&body.name) {
            return Err(Rejection::TableExists { name: body.name.clone() });
        }
        self.require_schema(&body.schema)?;
        let incarnation = TableIncarnation(self.next_incarnation);
        self.next_incarnation += 1;
        let table = Table {
            incarnation,
            name: body.name.clone(),
            schema: body.schema.clone(),
            version: TableVersion(1),
            config_version: 1,
            enabled: true,
            created_ms: self.log_time_ms,
            document: Document::new(body.document.as_str()),
            next_ordinal: 0,
            segments: imbl::OrdMap::new(),
            names: imbl::OrdMap::new(),
            reserved: imbl::OrdMap::new(),
            staged: imbl::OrdMap::new(),
            rows: 0,
            bytes: 0,
        };
        self.table_names.insert(body.name.clone(), incarnation);
        self.tables.insert(incarnation, Arc::new(table));
        Ok(Outcome::Table { table: incarnation, version: TableVersion(1) })
    }

    fn require_table(&self, table: TableIncarnation) -> Result<&Table, Rejection> {
        self.tables.get(&table).map(|t| &**t).ok_or(Rejection::NoTable { table })
    }

    /// Changes a table that is known to be there and raises its version.
    fn change<T>(&mut self, table: TableIncarnation, change: impl FnOnce(&mut Table) -> T) -> (TableVersion, T) {
        let table = self.tables.get_mut(&table).expect("the table was looked up before");
        let table = Arc::make_mut(table);
        let result = change(table);
        table.version = TableVersion(table.version.0 + 1);
        (table.version, result)
    }

    /// Changes what a query does not see, which leaves the version alone.
    fn change_unseen<T>(&mut self, table: TableIncarnation, change: impl FnOnce(&mut Table) -> T) -> T {
        change(Arc::make_mut(self.tables.get_mut(&table).expect("the table was looked up before")))
    }

    fn update_table(&mut self, body: &UpdateTable) -> Applied {
        check_document("table config", &body.document)?;
        let table = self.require_table(body.table)?;
        if let Some(expected) = body.if_version
            && expected != table.version
        {
            return Err(Rejection::TableVersion { name: table.name.clone(), expected, found: table.version });
        }
        if table.document() == body.document {
            return Ok(Outcome::Table { table: body.table, version: table.version });
        }
        let (version, ()) = self.change(body.table, |table| {
            table.document = Document::new(body.document.as_str());
            table.config_version += 1;
        });
        Ok(Outcome::Table { table: body.table, version })
    }

    fn set_table_state(&mut self, body: &SetTableState) -> Applied {
        let table = self.require_table(body.table)?;
        if table.enabled == body.enabled {
            return Ok(Outcome::Table { table: body.table, version: table.version });
        }
        let (version, ()) = self.change(body.table, |table| table.enabled = body.enabled);
        Ok(Outcome::Table { table: body.table, version })
    }

    fn drop_table(&mut self, body: &DropTable) -> Applied {
        self.require_table(body.table)?;
        let dropped = self.tables.remove(&body.table).expect("the table was looked up before");
        self.table_names.remove(&dropped.name);
        let version = TableVersion(dropped.version.0 + 1);
        let name = dropped.name.clone();
        self.bury(body.table, name, TombstoneReason::TableDropped, Subject::Table(dropped), body.window_ms);
        Ok(Outcome::Table { table: body.table, version })
    }

    fn bury(
        &mut self,
        table: TableIncarnation,
        table_name: String,
        reason: TombstoneReason,
        subject: Subject,
        window_ms: u64,
    ) {
        let id = self.next_tombstone;
        self.next_tombstone += 1;
        let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let delete_after_ms = self.log_time_ms.saturating_add(window_ms);
        let tombstone =
            Tombstone { id, table, table_name, reason, subject, dropped_ms: self.log_time_ms, delete_after_ms };
        self.tombstones.insert(id, Arc::new(tombstone));
    }

    fn bury_segments(
        &mut self,
        table: TableIncarnation,
        reason: TombstoneReason,
        segments: Vec<Arc<Segment>>,
        window_ms: u64,
    ) {
        let table_name = self.tables.get(&table).map(|t| t.name.clone()).unwrap_or_default();
        for segment in segments {
            let subject = Subject::Segment {
                name: segment.name.to_string(),
                slot: Some((segment.ordinal, segment.generation)),
                key: Some(segment.key.clone()),
                bytes: segment.bytes,
            };
            self.bury(table, table_name.clone(), reason, subject, window_ms);
        }
    }

    fn reserve(&mut self, body: &ReserveSegments) -> Applied {
        let table = self.require_table(body.table)?;
        check_count("the number of names", body.names.len(), ROWS_MAX)?;
        check_count("the number of reserved segments", table.reserved.len() + body.names.len(), RESERVED_MAX)?;
        let mut seen = BTreeSet::new();
        for name in &body.names {
            check_text("segmentName", name)?;
            if !seen.insert(name) {
                return Err(invalid("segmentName", format!("`{name}` is asked for twice")));
            }
        }
        let new = body.names.iter().filter(|name| table.segment(name).is_none()).count();
        check_ordinals(table, new)?;
        self.void_reservations(body.table);
        let since_ms = self.log_time_ms;
        let slots = self.change_unseen(body.table, |table| {
            let reserve = |name: &String| {
                let slot = next_slot(table, name);
                table.reserved.insert(slot, Arc::new(Reservation { name: name.clone(), since_ms }));
                slot
            };
            body.names.iter().map(reserve).collect()
        });
        Ok(Outcome::Reserved { slots })
    }

    /// Numbers and pushes whose day is over become tombstones: a file that was written for one may then be deleted.
    fn void_reservations(&mut self, incarnation: TableIncarnation) {
        let oldest = self.log_time_ms.saturating_sub(RESERVATION_MS);
        let Some(table) = self.tables.get(&incarnation) else { return };
        let stale: Vec<_> = table
            .reserved
            .iter()
            .filter(|(_, r)| r.since_ms < oldest)
            .map(|(slot, r)| (*slot, r.name.clone()))
            .collect();
        let pushes: Vec<_> = table.staged.iter().filter(|(_, s)| s.since_ms < oldest).map(|(push, _)| *push).collect();
        for (slot, name) in stale {
            let table_name = self.change_unseen(incarnation, |table| {
                table.reserved.remove(&slot);
                table.name.clone()
            });
            let subject = Subject::Segment { name, slot: Some(slot), key: None, bytes: 0 };
            self.bury(incarnation, table_name, TombstoneReason::Abandoned, subject, 0);
        }
        for push in pushes {
            self.abandon(incarnation, push, 0);
        }
    }

    fn push(&mut self, body: &PushSegments) -> Applied {
        let table = self.require_table(body.table)?;
        check_count("the number of segments", body.segments.len(), ROWS_MAX)?;
        let staged = table.staged.get(&body.push).cloned();
        let expected = staged.as_ref().map_or(0, |s| s.parts);
        if body.part != expected {
            return Err(Rejection::PushPart { part: body.part, expected });
        }
        if staged.as_ref().is_some_and(|s| s.mode != body.mode) {
            return Err(Rejection::PushMode);
        }
        let before = staged.as_ref().map_or(0, |s| s.segments.len());
        check_count("the number of segments of the push", before + body.segments.len(), PUSH_MAX)?;
        for segment in &body.segments {
            check_segment(segment)?;
            if !self.keys.contains(segment.key.as_str()) {
                self.keys.insert(Arc::from(segment.key.as_str()));
            } else {
                return Err(Rejection::KeyTaken { key: segment.key.clone() });
            }
        }
        let new = body.segments.iter().cloned().map(Arc::new);
        let segments: Vec<_> = staged.iter().flat_map(|s| s.segments.iter().cloned()).chain(new).collect();
        if body.last {
            self.change_unseen(body.table, |table| table.staged.remove(&body.push));
            return self.publish(body, &segments);
        }
        let count = segments.len() as u64;
        let since_ms = staged.map_or(self.log_time_ms, |s| s.since_ms);
        let push = StagedPush { mode: body.mode, since_ms, parts: body.part + 1, segments };
        self.change_unseen(body.table, |table| table.staged.insert(body.push, Arc::new(push)));
        Ok(Outcome::Staged { parts: body.part + 1, segments: count })
    }

    /// Makes all segments of a push visible in one version of the table.
    fn publish(&mut self, body: &PushSegments, segments: &[Arc<NewSegment>]) -> Applied {
        let table = self.require_table(body.table)?;
        check_names(table, body.mode, segments)?;
        check_ordinals(table, segments.len())?;
        // A name that is pushed again keeps its ordinal also where all others go.
        let pushed: BTreeSet<&str> = segments.iter().map(|s| s.name.as_str()).collect();
        let going: Vec<_> = match body.mode {
            PushMode::ReplaceAll => table.segments().filter(|s| !pushed.contains(&*s.name)).cloned().collect(),
            PushMode::Append | PushMode::ReplaceByName => Vec::new(),
        };
        let now = self.log_time_ms;
        let (version, result) = self.change(body.table, |table| {
            let visible_since = TableVersion(table.version.0 + 1);
            let mut replaced = Vec::new();
            for new in segments {
                replaced.extend(insert(table, new, now, visible_since)?);
            }
            for segment in going {
                remove(table, &segment);
                replaced.push(segment);
            }
            Ok(replaced)
        });
        let replaced: Vec<Arc<Segment>> = result?;
        let outcome = Outcome::Pushed { version, segments: segments.len() as u64, replaced: replaced.len() as u64 };
        self.bury_segments(body.table, TombstoneReason::Replaced, replaced, body.window_ms);
        self.void_reservations(body.table);
        Ok(outcome)
    }

    fn abort_push(&mut self, body: &AbortPush) -> Applied {
        let table = self.require_table(body.table)?;
        if !table.staged.contains_key(&body.push) {
            return Err(Rejection::NoPush { table: table.name.clone(), push: body.push });
        }
        self.abandon(body.table, body.push, body.window_ms);
        Ok(Outcome::Done)
    }

    /// Forgets an unfinished push: its files may go, its numbers are not given out again.
    fn abandon(&mut self, incarnation: TableIncarnation, push: cluster_types::OperationId, window_ms: u64) {
        let (table_name, staged) =
            self.change_unseen(incarnation, |table| (table.name.clone(), table.staged.remove(&push)));
        for segment in staged.iter().flat_map(|s| s.segments.iter()) {
            let slot = segment.ordinal.zip(segment.generation);
            if let Some(slot) = slot {
                self.change_unseen(incarnation, |table| table.reserved.remove(&slot));
            }
            let key = Some(Arc::from(segment.key.as_str()));
            let subject = Subject::Segment { name: segment.name.clone(), slot, key, bytes: segment.bytes };
            self.bury(incarnation, table_name.clone(), TombstoneReason::Abandoned, subject, window_ms);
        }
    }

    fn drop_segments(&mut self, body: &DropSegments) -> Applied {
        let table = self.require_table(body.table)?;
        let going: Vec<Arc<Segment>> = match &body.names {
            None => table.segments().cloned().collect(),
            Some(names) => {
                check_count("the number of names", names.len(), ROWS_MAX)?;
                let mut seen = BTreeSet::new();
                let unique = names.iter().filter(|name| seen.insert(*name));
                unique.map(|name| require_segment(table, name)).collect::<Result<_, _>>()?
            }
        };
        if going.is_empty() {
            return Ok(Outcome::Dropped { version: table.version, segments: 0 });
        }
        let (version, ()) = self.change(body.table, |table| going.iter().for_each(|segment| remove(table, segment)));
        let segments = going.len() as u64;
        self.bury_segments(body.table, TombstoneReason::Dropped, going, body.window_ms);
        Ok(Outcome::Dropped { version, segments })
    }

    fn expire(&mut self, body: &ExpireSegments) -> Applied {
        let table = self.require_table(body.table)?;
        let (segments, of) = (body.run.max(body.names.len() as u64), table.segment_count() as u64);
        if !body.approved && segments.saturating_mul(EXPIRE_SHARE) > of {
            return Err(Rejection::NeedsApproval { table: table.name.clone(), segments, of });
        }
        let names = Some(body.names.clone());
        self.drop_segments(&DropSegments { table: body.table, names, window_ms: body.window_ms })
    }

    fn purge(&mut self, body: &PurgeTombstones) -> Applied {
        check_count("the number of tombstones", body.ids.len(), ROWS_MAX)?;
        for id in &body.ids {
            let tombstone = self.tombstones.get(id).ok_or(Rejection::NoTombstone { id: *id })?;
            let remaining_ms = tombstone.delete_after_ms.saturating_sub(self.log_time_ms);
            if remaining_ms > 0 {
                return Err(Rejection::TombstoneYoung { id: *id, remaining_ms });
            }
            for key in tombstone.keys() {
                self.keys.remove(&key);
            }
            self.tombstones.remove(id);
        }
        Ok(Outcome::Done)
    }

    fn set_config(&mut self, body: &SetConfig) -> Applied {
        check_text("config key", &body.key)?;
        match &body.value {
            None => {
                self.configs.remove(&body.key);
            }
            Some(value) => {
                check_count("the length of the value", value.len(), DOCUMENT_BYTES_MAX)?;
                self.configs.insert(body.key.clone(), value.clone());
            }
        }
        Ok(Outcome::Done)
    }

    /// Who replays compares before applying; whether it did is no part of the state.
    fn compared(&mut self, body: &StateDigest) -> Outcome {
        if self.checkpoint.as_ref().is_some_and(|state| state.applied_index <= body.index) {
            self.checkpoint = None;
        }
        Outcome::Done
    }

    fn finalize(&mut self, body: &Finalize) -> Applied {
        let (asked, found) = (body.level, self.feature_level);
        if asked < found || asked > LEVEL_MAX {
            return Err(Rejection::Level { found, asked, supported: LEVEL_MAX });
        }
        self.feature_level = asked;
        Ok(Outcome::Done)
    }
}

/// The number for a segment that comes under this name: the next generation of its ordinal, or a new ordinal.
fn next_slot(table: &mut Table, name: &str) -> (SegmentOrdinal, Generation) {
    let Some(segment) = table.segment(name) else {
        let ordinal = SegmentOrdinal(table.next_ordinal);
        table.next_ordinal += 1;
        return (ordinal, Generation(0));
    };
    let (ordinal, visible) = (segment.ordinal, segment.generation);
    let highest_reserved = table
        .reserved
        .range((ordinal, Generation(0))..=(ordinal, Generation(u32::MAX)))
        .next_back()
        .map_or(visible, |((_, generation), _)| *generation);
    (ordinal, Generation(highest_reserved.max(visible).0 + 1))
}

/// Makes one segment visible and gives back the generation that it replaces.
fn insert(
    table: &mut Table,
    new: &NewSegment,
    now: i64,
    visible_since: TableVersion,
) -> Result<Option<Arc<Segment>>, Rejection> {
    let slot = match new.ordinal.zip(new.generation) {
        None => next_slot(table, &new.name),
        Some((ordinal, generation)) => {
            match table.reserved.get(&(ordinal, generation)) {
                Some(reservation) if reservation.name == new.name => {}
                _ => return Err(Rejection::NotReserved { name: new.name.clone(), ordinal, generation }),
            }
            table.reserved.remove(&(ordinal, generation));
            (ordinal, generation)
        }
    };
    let replaced = table.segment(&new.name).cloned();
    if let Some(old) = &replaced {
        if old.ordinal == slot.0 && old.generation >= slot.1 {
            let (generation, visible) = (slot.1, old.generation);
            return Err(Rejection::OldGeneration { name: new.name.clone(), generation, visible });
        }
        remove(table, old);
    }
    let name: Arc<str> = Arc::from(new.name.as_str());
    let segment = Segment {
        name: name.clone(),
        ordinal: slot.0,
        generation: slot.1,
        key: Arc::from(new.key.as_str()),
        rows: new.rows,
        bytes: new.bytes,
        digest: new.digest.clone(),
        min_time_ms: new.min_time_ms,
        max_time_ms: new.max_time_ms,
        partition: new.partition.clone(),
        schema_version: new.schema_version,
        index_version: new.index_version,
        created_ms: replaced.as_ref().map_or(now, |old| old.created_ms),
        pushed_ms: now,
        visible_since,
    };
    table.rows = table.rows.saturating_add(segment.rows);
    table.bytes = table.bytes.saturating_add(segment.bytes);
    table.names.insert(name, slot.0);
    table.segments.insert(slot.0, Arc::new(segment));
    Ok(replaced)
}

fn remove(table: &mut Table, segment: &Segment) {
    table.segments.remove(&segment.ordinal);
    table.names.remove(&segment.name);
    table.rows = table.rows.saturating_sub(segment.rows);
    table.bytes = table.bytes.saturating_sub(segment.bytes);
}

fn require_segment(table: &Table, name: &str) -> Result<Arc<Segment>, Rejection> {
    table.segment(name).cloned().ok_or_else(|| Rejection::NoSegment {
        table: table.name.clone(),
        name: name.to_owned(),
        hint: did_you_mean(name, table.names.keys().map(|n| &**n)).map(str::to_owned),
    })
}
