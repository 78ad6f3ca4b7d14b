//! Any sequence of commands against a model that is written as plainly as possible; the same log gives the same digest, through
//! the disk and through a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cluster_catalog::command::*;
use cluster_catalog::{Catalog, ClusterInit, Error, State};
use cluster_types::TableIncarnation;
use proptest::prelude::*;

use crate::faulty_disk::FaultyDisk;
use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    PutSchema(u8),
    DropSchema(u8),
    CreateTable(u8),
    DropTable(u8),
    Push { table: u8, mode: PushMode, names: Vec<u8>, last: bool },
    Reserve { table: u8, names: Vec<u8> },
    PushReserved { table: u8, mode: PushMode, name: u8 },
    Abort { table: u8 },
    DropSegments { table: u8, names: Option<Vec<u8>> },
    Purge(u8),
    Wait(u32),
    Snapshot,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let table = 0..3u8;
    let mode = prop_oneof![Just(PushMode::Append), Just(PushMode::ReplaceByName), Just(PushMode::ReplaceAll)];
    let names = proptest::collection::vec(0..6u8, 0..4);
    let step = prop_oneof![
        2 => table.clone().prop_map(Step::PutSchema),
        1 => table.clone().prop_map(Step::DropSchema),
        4 => table.clone().prop_map(Step::CreateTable),
        1 => table.clone().prop_map(Step::DropTable),
        10 => (table.clone(), mode.clone(), names.clone(), any::<bool>())
            .prop_map(|(table, mode, names, last)| Step::Push { table, mode, names, last }),
        3 => (table.clone(), names.clone()).prop_map(|(table, names)| Step::Reserve { table, names }),
        4 => (table.clone(), mode, 0..6u8).prop_map(|(table, mode, name)| Step::PushReserved { table, mode, name }),
        1 => table.clone().prop_map(|table| Step::Abort { table }),
        2 => (table, proptest::option::of(names)).prop_map(|(table, names)| Step::DropSegments { table, names }),
        3 => (0..20u8).prop_map(Step::Purge),
        2 => (0..5_000u32).prop_map(Step::Wait),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Default, Clone)]
struct ModelTable {
    incarnation: u64,
    version: u64,
    next_ordinal: u32,
    /// Name to ordinal, generation and key.
    visible: BTreeMap<String, (u32, u32, String)>,
    reserved: BTreeMap<(u32, u32), String>,
    staged: Option<(PushMode, u32, Vec<NewSegment>)>,
}

#[derive(Default)]
struct Model {
    schemas: BTreeSet<String>,
    tables: BTreeMap<String, ModelTable>,
    incarnations: u64,
    /// Keys of files that may go, by tombstone, with the time from which on.
    tombstones: BTreeMap<u64, (i64, BTreeSet<String>)>,
    next_tombstone: u64,
    ordinals: BTreeSet<(u64, u32, u32)>,
}

impl Model {
    fn bury(&mut self, at: i64, keys: impl IntoIterator<Item = String>) {
        self.next_tombstone += 1;
        self.tombstones.insert(self.next_tombstone, (at, keys.into_iter().collect()));
    }

    fn slot(&mut self, table: &str, name: &str) -> (u32, u32) {
        let found = self.tables.get_mut(table).unwrap();
        match found.visible.get(name) {
            Some((ordinal, generation, _)) => {
                let reserved = found.reserved.keys().filter(|(o, _)| o == ordinal).map(|(_, g)| *g).max();
                (*ordinal, reserved.unwrap_or(0).max(*generation) + 1)
            }
            None => {
                found.next_ordinal += 1;
                (found.next_ordinal - 1, 0)
            }
        }
    }

    /// Publishes a whole push. The caller has checked that it fits.
    fn publish(&mut self, table: &str, mode: PushMode, segments: &[NewSegment], window_end: i64) {
        let mut replaced = Vec::new();
        let names: BTreeSet<&String> = segments.iter().map(|s| &s.name).collect();
        let going: Vec<String> = self.tables[table].visible.keys().filter(|n| !names.contains(n)).cloned().collect();
        for new in segments {
            let slot = match (new.ordinal, new.generation) {
                (Some(ordinal), Some(generation)) => (ordinal.0, generation.0),
                _ => self.slot(table, &new.name),
            };
            let found = self.tables.get_mut(table).unwrap();
            found.reserved.remove(&slot);
            assert!(self.ordinals.insert((found.incarnation, slot.0, slot.1)), "a number is used once");
            if let Some((ordinal, _, key)) = found.visible.insert(new.name.clone(), (slot.0, slot.1, new.key.clone())) {
                replaced.push((ordinal, key));
            }
        }
        let found = self.tables.get_mut(table).unwrap();
        if mode == PushMode::ReplaceAll {
            let mut gone: Vec<_> = going.iter().map(|name| found.visible.remove(name).unwrap()).collect();
            gone.sort();
            replaced.extend(gone.into_iter().map(|(ordinal, _, key)| (ordinal, key)));
        }
        found.version += 1;
        for (_, key) in replaced {
            self.bury(window_end, [key]);
        }
    }
}

struct Run {
    disk: FaultyDisk,
    catalog: Catalog,
    clock: Arc<std::sync::atomic::AtomicI64>,
    model: Model,
    keys: u64,
    pushes: u64,
    log: Vec<(i64, Command)>,
    sequence: u64,
}

const WINDOW: i64 = 1_000;

impl Run {
    fn new() -> Run {
        let (disk, clock) = (FaultyDisk::new(), clock());
        let catalog =
            Catalog::open_with(Arc::new(disk.clone()), ClusterInit::CreateIfMissing(CLUSTER), options(&clock)).unwrap();
        Run { disk, catalog, clock, model: Model::default(), keys: 0, pushes: 0, log: Vec::new(), sequence: 0 }
    }

    /// Whether the catalog took the command.
    fn propose(&mut self, body: Body) -> Option<Outcome> {
        self.sequence += 1;
        let command = Command::new(operation(self.sequence), body);
        match self.catalog.propose(command.clone()) {
            Ok(applied) => {
                self.log.push((self.catalog.snapshot().log_time_ms(), command));
                assert_eq!(applied.index, self.log.len() as u64);
                Some(applied.outcome)
            }
            Err(Error::Rejected(_)) => None,
            Err(other) => panic!("{}", chain(&other)),
        }
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn table(&self, table: u8) -> (String, TableIncarnation) {
        let name = format!("t{table}");
        let incarnation = self.model.tables.get(&name).map_or(999, |t| t.incarnation);
        (name, TableIncarnation(incarnation))
    }

    fn segments(&mut self, names: &[u8]) -> Vec<NewSegment> {
        names
            .iter()
            .map(|name| {
                self.keys += 1;
                segment(&format!("s{name}"), &format!("k{}", self.keys))
            })
            .collect()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::PutSchema(n) => {
                self.propose(put_schema(&format!("t{n}"))).unwrap();
                self.model.schemas.insert(format!("t{n}"));
            }
            Step::DropSchema(n) => {
                let name = format!("t{n}");
                let taken = self.propose(Body::DropSchema(DropSchema { name: name.clone() })).is_some();
                assert_eq!(taken, self.model.schemas.contains(&name) && !self.model.tables.contains_key(&name));
                if taken {
                    self.model.schemas.remove(&name);
                }
            }
            Step::CreateTable(n) => {
                let name = format!("t{n}");
                let taken = self.propose(create_table(&name)).is_some();
                assert_eq!(taken, self.model.schemas.contains(&name) && !self.model.tables.contains_key(&name));
                if taken {
                    self.model.incarnations += 1;
                    let incarnation = self.model.incarnations;
                    self.model.tables.insert(name, ModelTable { incarnation, version: 1, ..ModelTable::default() });
                }
            }
            Step::DropTable(n) => {
                let (name, table) = self.table(*n);
                let taken = self.propose(Body::DropTable(DropTable { table, window_ms: WINDOW as u64 })).is_some();
                assert_eq!(taken, self.model.tables.contains_key(&name));
                if let Some(dropped) = self.model.tables.remove(&name) {
                    let visible = dropped.visible.into_values().map(|(_, _, key)| key);
                    let staged = dropped.staged.into_iter().flat_map(|(_, _, s)| s).map(|s| s.key);
                    let end = self.now() + WINDOW;
                    self.model.bury(end, visible.chain(staged).collect::<Vec<_>>());
                }
            }
            Step::Push { table, mode, names, last } => self.push(*table, *mode, names, *last),
            Step::Reserve { table, names } => {
                let (name, incarnation) = self.table(*table);
                let asked: Vec<String> = names.iter().map(|n| format!("s{n}")).collect();
                let body = Body::ReserveSegments(ReserveSegments { table: incarnation, names: asked.clone() });
                let outcome = self.propose(body);
                let unique = asked.iter().collect::<BTreeSet<_>>().len() == asked.len();
                assert_eq!(outcome.is_some(), self.model.tables.contains_key(&name) && unique);
                if let Some(Outcome::Reserved { slots }) = outcome {
                    for (name_asked, (ordinal, generation)) in asked.iter().zip(slots) {
                        let slot = self.model.slot(&name, name_asked);
                        assert_eq!((ordinal.0, generation.0), slot);
                        self.model.tables.get_mut(&name).unwrap().reserved.insert(slot, name_asked.clone());
                    }
                }
            }
            Step::PushReserved { table, mode, name } => self.push_reserved(*table, *mode, *name),
            Step::Abort { table } => {
                let (name, incarnation) = self.table(*table);
                let body = Body::AbortPush(AbortPush {
                    table: incarnation,
                    push: self.push_id(*table),
                    window_ms: WINDOW as u64,
                });
                let taken = self.propose(body).is_some();
                let staged = self.model.tables.get_mut(&name).and_then(|t| t.staged.take());
                assert_eq!(taken, staged.is_some());
                let end = self.now() + WINDOW;
                for segment in staged.into_iter().flat_map(|(_, _, s)| s) {
                    self.model.bury(end, [segment.key]);
                }
                self.pushes += u64::from(taken);
            }
            Step::DropSegments { table, names } => self.drop_segments(*table, names.as_deref()),
            Step::Purge(id) => {
                let id = u64::from(*id);
                let taken = self.propose(Body::PurgeTombstones(PurgeTombstones { ids: vec![id] })).is_some();
                let now = self.now();
                assert_eq!(taken, self.model.tombstones.get(&id).is_some_and(|(end, _)| *end <= now));
                if taken {
                    self.model.tombstones.remove(&id);
                }
            }
            Step::Wait(ms) => {
                self.clock.fetch_add(i64::from(*ms), Ordering::Relaxed);
            }
            Step::Snapshot => self.catalog.save_snapshot().unwrap(),
            Step::Reopen => {
                let digest = self.catalog.snapshot().digest();
                self.disk = self.disk.settled();
                self.catalog =
                    Catalog::open_with(Arc::new(self.disk.clone()), ClusterInit::Existing, options(&self.clock))
                        .unwrap();
                assert_eq!(self.catalog.snapshot().digest(), digest);
            }
        }
    }

    /// One push at a time is under way for each table; its id changes when it ends.
    fn push_id(&self, table: u8) -> cluster_types::OperationId {
        operation(1_000_000 + u64::from(table))
    }

    fn push(&mut self, table: u8, mode: PushMode, names: &[u8], last: bool) {
        let (name, incarnation) = self.table(table);
        let segments = self.segments(names);
        let staged = self.model.tables.get(&name).and_then(|t| t.staged.clone());
        let part = staged.as_ref().map_or(0, |(_, parts, _)| *parts);
        let body = PushSegments {
            table: incarnation,
            push: self.push_id(table),
            part,
            last,
            mode,
            segments: segments.clone(),
            window_ms: WINDOW as u64,
        };
        let taken = self.propose(Body::PushSegments(body)).is_some();
        let mut all = staged.as_ref().map_or(Vec::new(), |(_, _, s)| s.clone());
        all.extend(segments);
        let Some(found) = self.model.tables.get_mut(&name) else { return assert!(!taken) };
        let same_mode = staged.as_ref().is_none_or(|(m, _, _)| *m == mode);
        let unique = all.iter().map(|s| &s.name).collect::<BTreeSet<_>>().len() == all.len();
        let new = all.iter().all(|s| !found.visible.contains_key(&s.name));
        let fits = same_mode && (!last || (unique && (mode != PushMode::Append || new)));
        assert_eq!(taken, fits);
        if !fits {
            return;
        }
        if last {
            found.staged = None;
            let end = self.now() + WINDOW;
            self.model.publish(&name, mode, &all, end);
        } else {
            found.staged = Some((mode, part + 1, all));
        }
    }

    fn push_reserved(&mut self, table: u8, mode: PushMode, name: u8) {
        let (table_name, incarnation) = self.table(table);
        let wanted = format!("s{name}");
        let Some(found) = self.model.tables.get(&table_name) else { return };
        let slot = found.reserved.iter().find(|(_, n)| **n == wanted).map(|(slot, _)| *slot);
        let Some(slot) = slot else { return };
        let visible = found.visible.get(&wanted).map(|(ordinal, generation, _)| (*ordinal, *generation));
        let mut new = self.segments(&[name]).remove(0);
        new.ordinal = Some(cluster_types::SegmentOrdinal(slot.0));
        new.generation = Some(cluster_types::Generation(slot.1));
        self.sequence += 1;
        let body = push(incarnation, 2_000_000 + self.sequence, mode, vec![new.clone()]);
        let taken = self.propose(Body::PushSegments(PushSegments { window_ms: WINDOW as u64, ..body })).is_some();
        let old = visible.is_some_and(|(ordinal, generation)| ordinal == slot.0 && generation >= slot.1);
        assert_eq!(taken, !(old || (mode == PushMode::Append && visible.is_some())));
        if taken {
            let end = self.now() + WINDOW;
            self.model.publish(&table_name, mode, &[new], end);
        }
    }

    fn drop_segments(&mut self, table: u8, names: Option<&[u8]>) {
        let (name, incarnation) = self.table(table);
        let asked: Option<Vec<String>> = names.map(|names| names.iter().map(|n| format!("s{n}")).collect());
        let body = DropSegments { table: incarnation, names: asked.clone(), window_ms: WINDOW as u64 };
        let taken = self.propose(Body::DropSegments(body)).is_some();
        let end = self.now() + WINDOW;
        let Some(found) = self.model.tables.get_mut(&name) else { return assert!(!taken) };
        let fits = asked.as_ref().is_none_or(|names| names.iter().all(|n| found.visible.contains_key(n)));
        assert_eq!(taken, fits);
        if !fits {
            return;
        }
        let keys: Vec<String> = match asked {
            None => {
                let mut all: Vec<_> = std::mem::take(&mut found.visible).into_values().collect();
                all.sort();
                all.into_iter().map(|(_, _, key)| key).collect()
            }
            Some(names) => names.iter().filter_map(|n| found.visible.remove(n)).map(|(_, _, key)| key).collect(),
        };
        found.version += u64::from(!keys.is_empty());
        for key in keys {
            self.model.bury(end, [key]);
        }
    }

    fn check(&self) {
        let state = self.catalog.snapshot();
        let schemas: Vec<&str> = state.schemas().map(|row| row.name.as_str()).collect();
        assert_eq!(schemas, self.model.schemas.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(state.tables().count(), self.model.tables.len());
        let mut keys = BTreeSet::new();
        for (name, want) in &self.model.tables {
            let table = state.table_by_name(&format!("{name}_OFFLINE")).unwrap();
            assert_eq!(table.incarnation.0, want.incarnation);
            assert_eq!(table.version.0, want.version);
            let visible: BTreeMap<String, (u32, u32, String)> = table
                .segments()
                .map(|s| (s.name.to_string(), (s.ordinal.0, s.generation.0, s.key.to_string())))
                .collect();
            assert_eq!(visible, want.visible);
            assert_eq!((table.rows(), table.bytes()), (10 * visible.len() as u64, 100 * visible.len() as u64));
            assert_eq!(table.reservations().count(), want.reserved.len());
            keys.extend(visible.into_values().map(|(_, _, key)| key));
            keys.extend(want.staged.iter().flat_map(|(_, _, s)| s).map(|s| s.key.clone()));
        }
        let tombstones: BTreeMap<u64, (i64, BTreeSet<String>)> = state
            .tombstones()
            .map(|t| (t.id, (t.delete_after_ms, t.keys().iter().map(|k| k.to_string()).collect())))
            .collect();
        assert_eq!(tombstones, self.model.tombstones);
        // A key that a tombstone names is named by nothing that is visible or under way: deleting it takes nothing away.
        for (_, dead) in tombstones.values() {
            assert!(dead.is_disjoint(&keys));
        }
        for key in &keys {
            assert!(state.knows_key(key));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_catalog_does_what_a_plain_model_does(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            run.check();
        }
        // The same log gives the same state, and a snapshot is the whole of it.
        let state = run.catalog.snapshot();
        let mut replayed = State::new(CLUSTER);
        for (i, (time, command)) in run.log.iter().enumerate() {
            let bytes = command.encode(*time).unwrap();
            let (time, command) = Command::decode(i as u64 + 1, &bytes).unwrap();
            replayed.apply(i as u64 + 1, time, &command).unwrap();
        }
        prop_assert_eq!(replayed.digest(), state.digest());
        let chunks: Vec<Vec<u8>> = state.encode().collect();
        let decoded = State::decode(chunks.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(decoded.digest(), state.digest());
        for key in (0..=run.keys).map(|n| format!("k{n}")) {
            prop_assert_eq!(decoded.knows_key(&key), state.knows_key(&key));
        }
    }

    /// Chunks of anything are a state or an error.
    #[test]
    fn hostile_snapshots_do_not_panic(cut in 0usize..4000, byte in any::<u8>(), chunk in 0usize..6) {
        let mut run = Run::new();
        for step in [Step::PutSchema(0), Step::CreateTable(0), Step::Reserve { table: 0, names: vec![1, 2] }] {
            run.step(&step);
        }
        run.push(0, PushMode::Append, &[3, 4], true);
        let mut chunks: Vec<Vec<u8>> = run.catalog.snapshot().encode().collect();
        let at = chunk % chunks.len();
        let length = chunks[at].len();
        chunks[at][cut % length] = byte;
        let _ = State::decode(chunks.iter().map(Vec::as_slice));
        chunks.remove(at);
        let _ = State::decode(chunks.iter().map(Vec::as_slice));
    }
}
