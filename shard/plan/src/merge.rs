//! Merges the group states of many batches, in steps of bounded size (E-16).
//!
//! A batch is key columns, then each aggregate's state columns. A few groups merge in one table. Past
//! [`PARTITION_ROWS`] rows the merge is split by a hash of the key into [`PARTITIONS`] tables, each small enough to stay
//! in cache while its rows are added.

use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, Registry, States};
use crate::group::{GroupTable, NO_GROUP, hash_rows};
use crate::leaf::AggregateCall;
use crate::memory::column_bytes;
use crate::sort::{concat, take};
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_schema::{DataType as ArrowType, Field};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Rows from which a merge is partitioned.
pub const PARTITION_ROWS: usize = 100_000;
/// Parts of a partitioned merge.
pub const PARTITIONS: usize = 64;
/// Rows of one part that are gathered before they are merged.
const PART_ROWS: usize = 4096;

/// One aggregate call, resolved against the registry.
#[derive(Debug, Clone)]
pub struct BoundAggregate {
    aggregate: Arc<dyn Aggregate>,
    call: AggregateCall,
    args: Vec<Type>,
    state: Vec<Field>,
    /// The call in errors.
    text: String,
}

impl BoundAggregate {
    pub fn bind(call: &AggregateCall, registry: &Registry) -> Result<BoundAggregate> {
        let aggregate = registry.aggregate_at(&call.function, call.version)?.clone();
        let args: Vec<Type> = call.args.iter().map(|a| a.ty()).collect();
        let signature = aggregate.resolve(&args, &call.params)?;
        if signature.args != args {
            let text = |types: &[Type]| types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::Plan(format!(
                "{} takes ({}) here, the plan gives it ({})",
                call.function,
                text(&signature.args),
                text(&args)
            )));
        }
        if call.ty != signature.result && call.ty != signature.result_sse {
            return Err(Error::Plan(format!("{} does not finish as {}", call.function, call.ty)));
        }
        let text = call_text(call, &[]);
        Ok(BoundAggregate { aggregate, call: call.clone(), args, state: signature.state, text })
    }

    pub fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        self.aggregate.accumulator(&self.args, &self.call.params, self.call.ty)
    }

    pub fn state_fields(&self) -> &[Field] {
        &self.state
    }

    pub fn call(&self) -> &AggregateCall {
        &self.call
    }
}

/// Groups and their accumulators: what a shard fills with rows and a merge with states.
pub struct Groups {
    table: GroupTable,
    accumulators: Vec<Box<dyn Accumulator>>,
    states: Vec<usize>,
    ids: Vec<u32>,
    dropped: bool,
    /// Groups that [`Groups::next_states`] has given.
    given: usize,
    /// What each accumulator gives them.
    handed: Vec<States>,
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("groups", &self.table.len()).finish_non_exhaustive()
    }
}

impl Groups {
    pub fn new(keys: &[ArrowType], aggregates: &[BoundAggregate]) -> Result<Groups> {
        let table = GroupTable::new(keys)?;
        let mut accumulators = aggregates.iter().map(BoundAggregate::accumulator).collect::<Result<Vec<_>>>()?;
        for accumulator in &mut accumulators {
            accumulator.resize(table.len());
        }
        let states = aggregates.iter().map(|a| a.state.len()).collect();
        Ok(Groups { table, accumulators, states, ids: Vec::new(), dropped: false, given: 0, handed: Vec::new() })
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// At most this many groups. Rows of further ones are dropped (`numGroupsLimit`).
    pub fn limit(&mut self, groups: u32) {
        self.table.limit(groups);
    }

    /// Whether rows were dropped.
    pub fn limit_reached(&self) -> bool {
        self.dropped
    }

    /// Finds the groups of the rows. `Some`: only these rows have one.
    fn assign(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Option<UInt32Array>> {
        self.table.assign(keys, rows, &mut self.ids)?;
        for accumulator in &mut self.accumulators {
            accumulator.resize(self.table.len());
        }
        if !self.ids.contains(&NO_GROUP) {
            return Ok(None);
        }
        self.dropped = true;
        let kept = (0..rows as u32).filter(|row| self.ids[*row as usize] != NO_GROUP).collect::<Vec<_>>();
        self.ids.retain(|id| *id != NO_GROUP);
        Ok(Some(UInt32Array::from(kept)))
    }

    /// Adds rows: `args[i]` are the arguments of aggregate `i`, `filters[i]` its FILTER.
    pub fn update(
        &mut self,
        keys: &[ArrayRef],
        args: &[Vec<ArrayRef>],
        filters: &[Option<BooleanArray>],
        rows: usize,
    ) -> Result<()> {
        let kept = self.assign(keys, rows)?;
        for ((accumulator, args), filter) in self.accumulators.iter_mut().zip(args).zip(filters) {
            match &kept {
                None => accumulator.update(args, &self.ids, filter.as_ref())?,
                Some(kept) => {
                    let filter = match filter {
                        Some(filter) => Some(take(&[Arc::new(filter.clone()) as ArrayRef], kept)?.remove(0)),
                        None => None,
                    };
                    accumulator.update(&take(args, kept)?, &self.ids, filter.as_ref().map(|f| f.as_boolean()))?;
                }
            }
        }
        Ok(())
    }

    /// Adds states: key columns, then every aggregate's state columns.
    pub fn merge(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let keys = columns.len() - self.states.iter().sum::<usize>();
        let taken;
        let columns = match self.assign(&columns[..keys], rows)? {
            None => columns,
            Some(kept) => {
                taken = take(columns, &kept)?;
                &taken
            }
        };
        let mut next = keys;
        for (accumulator, states) in self.accumulators.iter_mut().zip(&self.states) {
            accumulator.merge(&columns[next..next + states], &self.ids)?;
            next += states;
        }
        Ok(())
    }

    /// Keys, then states, of the next `rows` groups or of those that are left: a batch that [`Groups::merge`] takes, and
    /// the number of its groups. `None` when every group has been given. Nothing is added from the first call on.
    pub fn next_states(&mut self, rows: usize) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        let groups = self.given..self.table.len().min(self.given + rows);
        if groups.is_empty() {
            return Ok(None);
        }
        self.given = groups.end;
        let ids: Vec<u32> = groups.clone().map(|g| g as u32).collect();
        let rows = groups.len();
        let mut columns = self.table.keys_of(groups.clone())?;
        self.handed.resize_with(self.accumulators.len(), States::default);
        for (accumulator, states) in self.accumulators.iter_mut().zip(&mut self.handed) {
            columns.extend(states.of(accumulator.as_mut(), &ids)?);
        }
        Ok(Some((columns, rows)))
    }

    /// Keys, then states: a batch that [`Groups::merge`] takes.
    pub fn states(&mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.table.keys()?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state()?);
        }
        Ok(columns)
    }

    /// Keys, then finished values of `aggregates`, which the groups were made of.
    fn finish(&mut self, aggregates: &[BoundAggregate]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.table.keys()?;
        for (accumulator, aggregate) in self.accumulators.iter_mut().zip(aggregates) {
            columns.push(accumulator.finish().map_err(|e| e.in_expression(|| aggregate.text.clone()))?);
        }
        Ok(columns)
    }

    /// The accumulators, for a scan that feeds them through its own kernels.
    pub fn accumulators_mut(&mut self) -> &mut [Box<dyn Accumulator>] {
        &mut self.accumulators
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.table.size() + self.accumulators.iter().map(|a| a.size()).sum::<usize>() + self.ids.capacity() * 4
    }
}

/// One part of a partitioned merge, with the rows that wait for it.
#[derive(Debug)]
struct Part {
    groups: Groups,
    waiting: Vec<Vec<ArrayRef>>,
    rows: usize,
}

/// A merge that takes batches and works on them in bounded steps.
#[derive(Debug)]
pub struct GroupMerger {
    keys: Vec<ArrowType>,
    aggregates: Vec<BoundAggregate>,
    columns: Vec<ArrowType>,
    /// Batches with the row at which the next step goes on.
    pending: VecDeque<(Vec<ArrayRef>, usize)>,
    pending_rows: usize,
    pending_bytes: usize,
    single: Option<Groups>,
    limited: bool,
    parts: Vec<Part>,
    hashes: Vec<u64>,
}

impl GroupMerger {
    pub fn new(keys: &[Type], aggregates: &[AggregateCall], registry: &Registry) -> Result<GroupMerger> {
        let keys: Vec<ArrowType> = keys.iter().map(|t| t.arrow()).collect();
        let aggregates =
            aggregates.iter().map(|call| BoundAggregate::bind(call, registry)).collect::<Result<Vec<_>>>()?;
        let mut columns = keys.clone();
        columns.extend(aggregates.iter().flat_map(|a| &a.state).map(|f| f.data_type().clone()));
        let single = Some(Groups::new(&keys, &aggregates)?);
        Ok(GroupMerger {
            keys,
            aggregates,
            columns,
            pending: VecDeque::new(),
            pending_rows: 0,
            pending_bytes: 0,
            single,
            limited: false,
            parts: Vec::new(),
            hashes: Vec::new(),
        })
    }

    /// What the arguments' columns are called in errors.
    pub fn name_columns(&mut self, names: &[String]) {
        for aggregate in &mut self.aggregates {
            aggregate.text = call_text(&aggregate.call, names);
        }
    }

    /// At most this many groups (`numGroupsLimit`), counted in one table.
    pub fn limit_groups(&mut self, limit: u64) -> Result<()> {
        let Some(single) = self.single.as_mut() else {
            return Err(Error::Plan("a limit on groups comes too late".into()));
        };
        self.limited = true;
        single.limit(u32::try_from(limit).unwrap_or(u32::MAX));
        Ok(())
    }

    pub fn limit_reached(&self) -> bool {
        self.single.as_ref().is_some_and(Groups::limit_reached)
    }

    /// Takes a batch of states. It is checked now and merged by [`GroupMerger::step`].
    pub fn push(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.check(columns)?;
        // No keys and no aggregates: nothing to learn from a batch, the one group exists anyway.
        let rows = columns.first().map_or(0, |c| c.len());
        if rows > 0 {
            self.pending_rows += rows;
            self.pending_bytes += column_bytes(columns);
            self.pending.push_back((columns.to_vec(), 0));
        }
        Ok(())
    }

    /// Finishes a batch of states whose groups are in no other batch: keys, then values, without a look at the keys.
    pub fn finish_whole(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
        self.check(columns)?;
        let ids: Vec<u32> = (0..rows as u32).collect();
        let mut finished = columns[..self.keys.len()].to_vec();
        let mut next = self.keys.len();
        for aggregate in &self.aggregates {
            let states = aggregate.state.len();
            let mut accumulator = aggregate.accumulator()?;
            accumulator.resize(rows);
            accumulator.merge(&columns[next..next + states], &ids)?;
            finished.push(accumulator.finish()?);
            next += states;
        }
        Ok(finished)
    }

    fn check(&self, columns: &[ArrayRef]) -> Result<()> {
        if columns.len() != self.columns.len() {
            return Err(Error::Plan(format!(
                "a batch of states has {} columns, the plan's have {}",
                columns.len(),
                self.columns.len()
            )));
        }
        for (i, (column, ty)) in columns.iter().zip(&self.columns).enumerate() {
            if !same_type(column.data_type(), ty) || column.len() != columns[0].len() {
                return Err(Error::Plan(format!(
                    "column {i} of a batch of states is {}, not {ty}",
                    column.data_type()
                )));
            }
        }
        Ok(())
    }

    /// Whether there is one group without a key.
    pub fn is_keyless(&self) -> bool {
        self.keys.is_empty()
    }

    /// Rows that wait to be merged.
    pub fn pending_rows(&self) -> usize {
        self.pending_rows
    }

    /// Merges about `rows` rows; true when none wait.
    pub fn step(&mut self, rows: usize) -> Result<bool> {
        let rows = rows.max(1);
        let grown = self.single.as_ref().map_or(0, Groups::len) + self.pending_rows >= PARTITION_ROWS;
        if self.single.is_some() && grown && !self.limited && !self.keys.is_empty() {
            self.partition()?;
        }
        if let Some((columns, done)) = self.pending.pop_front() {
            let total = columns[0].len();
            let now = rows.min(total - done);
            let slice: Vec<ArrayRef> = columns.iter().map(|c| c.slice(done, now)).collect();
            match &mut self.single {
                Some(groups) => groups.merge(&slice, now)?,
                None => self.scatter(&slice, now)?,
            }
            self.pending_rows -= now;
            if done + now < total {
                self.pending.push_front((columns, done + now));
            } else {
                self.pending_bytes = self.pending_bytes.saturating_sub(column_bytes(&columns));
            }
            return Ok(false);
        }
        // Nothing new: one part's waiting rows at a time.
        match self.parts.iter_mut().find(|part| part.rows > 0) {
            Some(part) => {
                part.merge()?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// Goes over to one table a part; what the single table holds becomes the first batch.
    fn partition(&mut self) -> Result<()> {
        for _ in 0..PARTITIONS {
            let groups = Groups::new(&self.keys, &self.aggregates)?;
            self.parts.push(Part { groups, waiting: Vec::new(), rows: 0 });
        }
        if let Some(mut single) = self.single.take().filter(|s| !s.is_empty()) {
            let states = single.states()?;
            self.pending_rows += single.len();
            self.pending_bytes += column_bytes(&states);
            self.pending.push_front((states, 0));
        }
        Ok(())
    }

    fn scatter(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        hash_rows(&columns[..self.keys.len()], rows, &mut self.hashes)?;
        let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); PARTITIONS];
        for (row, hash) in self.hashes.iter().enumerate() {
            rows_of[(hash >> 32) as usize % PARTITIONS].push(row as u32);
        }
        for (part, rows) in self.parts.iter_mut().zip(rows_of) {
            if rows.is_empty() {
                continue;
            }
            part.rows += rows.len();
            part.waiting.push(take(columns, &UInt32Array::from(rows))?);
            if part.rows >= PART_ROWS {
                part.merge()?;
            }
        }
        Ok(())
    }

    /// Groups so far, without the rows that wait.
    pub fn groups(&self) -> usize {
        self.single.as_ref().map_or(0, Groups::len) + self.parts.iter().map(|p| p.groups.len()).sum::<usize>()
    }

    /// Bytes held, the waiting batches included.
    pub fn size(&self) -> usize {
        let waiting = |part: &Part| column_bytes(part.waiting.iter().flatten());
        self.pending_bytes
            + self.single.as_ref().map_or(0, Groups::size)
            + self.parts.iter().map(|p| p.groups.size() + waiting(p)).sum::<usize>()
    }

    /// Merges what waits and counts the groups of the answer.
    pub fn settle(&mut self) -> Result<usize> {
        while !self.step(usize::MAX)? {}
        Ok(self.groups())
    }

    /// Merges what waits, then gives `take` each part's finished rows (keys, then values) and their number, so that a part's
    /// memory goes before the next one's answer is made.
    pub fn finish(mut self, mut take: impl FnMut(Vec<ArrayRef>, usize) -> Result<()>) -> Result<()> {
        self.settle()?;
        let aggregates = self.aggregates;
        let parts = self.parts.into_iter().map(|part| part.groups).filter(|groups| !groups.is_empty());
        for mut groups in self.single.into_iter().chain(parts) {
            let rows = groups.len();
            take(groups.finish(&aggregates)?, rows)?;
        }
        Ok(())
    }
}

/// An aggregate call as SQL-like text.
fn call_text(call: &AggregateCall, column_names: &[String]) -> String {
    let args: Vec<String> = call.args.iter().map(|a| crate::eval::expr_text(a, column_names)).collect();
    format!("{}({})", call.function, args.join(", "))
}

/// Equal types; the names and nullability of list elements do not count, as they differ between writers.
pub(crate) fn same_type(a: &ArrowType, b: &ArrowType) -> bool {
    match (a, b) {
        (ArrowType::List(a), ArrowType::List(b)) => same_type(a.data_type(), b.data_type()),
        _ => a == b,
    }
}

impl Part {
    fn merge(&mut self) -> Result<()> {
        let columns = concat(&std::mem::take(&mut self.waiting))?;
        let rows = std::mem::take(&mut self.rows);
        self.groups.merge(&columns, rows)
    }
}
