//! Runs a [`ReducePlan`]: merges what the leaves sent, finishes, filters, computes, orders and cuts.
//!
//! ```text
//!   groups: states ─merge─▶ keys + values ─┐
//!   rows: ─────────────────────────────────┴─HAVING─▶ outputs ─first offset + limit in order─▶ OFFSET, LIMIT
//! ```

use crate::error::{Error, Result};
use crate::eval::BoundExpr;
use crate::function::Registry;
use crate::leaf::SortKey;
use crate::memory::{MemoryBudget, Reservation, Unlimited, column_bytes};
use crate::merge::{GroupMerger, same_type};
use crate::reduce::{ReduceInput, ReducePlan};
use crate::scalar::Scalar;
use crate::sort::{SortOptions, TopK, concat, sort_indices, take};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use std::sync::Arc;

/// Rows merged between two looks at the memory budget.
const STEP_ROWS: usize = 65_536;

/// One run of a reduce plan.
#[derive(Debug)]
pub struct Reducer {
    input: Input,
    finish: Finish,
    memory: Reservation,
}

#[derive(Debug)]
enum Input {
    Groups(Box<GroupMerger>),
    Rows { types: Vec<ArrowType> },
}

/// What happens to finished rows.
#[derive(Debug)]
struct Finish {
    having: Option<BoundExpr>,
    output: Vec<BoundExpr>,
    kept: Kept,
    names: Vec<String>,
    visible: usize,
    order: Vec<SortKey>,
    offset: usize,
    limit: Option<usize>,
}

/// Output rows that may still be in the answer.
#[derive(Debug)]
enum Kept {
    /// The first of an order.
    Top(TopK),
    /// All (to be ordered at the end), or as many as the limit asks for.
    All { batches: Vec<Vec<ArrayRef>>, rows: usize, enough: usize, bytes: usize },
}

impl Reducer {
    pub fn new(plan: &ReducePlan, registry: &Registry, params: &[Scalar]) -> Result<Reducer> {
        Reducer::with_budget(plan, registry, params, Arc::new(Unlimited))
    }

    /// As [`Reducer::new`]; what the reducer holds is reserved from `budget`, and a refusal ends the query.
    pub fn with_budget(
        plan: &ReducePlan,
        registry: &Registry,
        params: &[Scalar],
        budget: Arc<dyn MemoryBudget>,
    ) -> Result<Reducer> {
        check(plan)?;
        let bind = |e| BoundExpr::bind(e, registry, params);
        let output = plan.output.iter().map(bind).collect::<Result<Vec<_>>>()?;
        let offset = usize::try_from(plan.offset).unwrap_or(usize::MAX);
        let limit = plan.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let last = limit.map(|limit| limit.saturating_add(offset));
        let input = match &plan.input {
            ReduceInput::Groups { keys, aggregates } => {
                Input::Groups(Box::new(GroupMerger::new(keys, aggregates, registry)?))
            }
            ReduceInput::Rows { types } => Input::Rows { types: types.iter().map(|t| t.arrow()).collect() },
        };
        let kept = match last {
            Some(last) if !plan.order.is_empty() => {
                let types: Vec<ArrowType> = plan.output.iter().map(|e| e.ty().arrow()).collect();
                Kept::Top(TopK::new(&types, &plan.order, last)?)
            }
            _ => Kept::All { batches: Vec::new(), rows: 0, enough: last.unwrap_or(usize::MAX), bytes: 0 },
        };
        let finish = Finish {
            having: plan.having.as_ref().map(bind).transpose()?,
            output,
            kept,
            names: plan.names.clone(),
            visible: plan.visible,
            order: plan.order.clone(),
            offset,
            limit,
        };
        Ok(Reducer { input, finish, memory: Reservation::new(budget) })
    }

    /// What the leaf's columns are called in errors about aggregates.
    pub fn name_columns(&mut self, names: &[String]) {
        if let Input::Groups(merger) = &mut self.input {
            merger.name_columns(names);
        }
    }

    /// At most this many groups; rows of further groups are dropped and [`Reducer::groups_limit_reached`] says so.
    pub fn limit_groups(&mut self, limit: u64) -> Result<()> {
        match &mut self.input {
            Input::Groups(merger) => merger.limit_groups(limit),
            Input::Rows { .. } => Ok(()),
        }
    }

    /// Whether `numGroupsLimit` changed the answer.
    pub fn groups_limit_reached(&self) -> bool {
        matches!(&self.input, Input::Groups(merger) if merger.limit_reached())
    }

    /// No further batch can change the answer: enough rows of an unordered LIMIT are here.
    pub fn is_satisfied(&self) -> bool {
        match &self.input {
            Input::Groups(_) => self.finish.limit == Some(0),
            Input::Rows { .. } => self.finish.is_satisfied(),
        }
    }

    /// Takes a batch of a leaf and works on it.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.accept(&batch)?;
        while !self.step(STEP_ROWS)? {}
        Ok(())
    }

    /// Takes a batch; states are merged by [`Reducer::step`].
    pub fn accept(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.is_satisfied() {
            return Ok(());
        }
        let held = self.size();
        self.memory.resize(held + column_bytes(batch.columns()))?;
        match &mut self.input {
            Input::Groups(merger) => merger.push(batch.columns())?,
            Input::Rows { types } => {
                let fits = batch.columns().iter().zip(types.iter()).all(|(c, t)| same_type(c.data_type(), t));
                if batch.num_columns() != types.len() || !fits {
                    return Err(Error::Plan(format!(
                        "a batch of rows has the schema {:?}, not {types:?}",
                        batch.schema()
                    )));
                }
                self.finish.push(batch.columns().to_vec(), batch.num_rows())?;
            }
        }
        self.memory.resize(self.size())
    }

    /// Takes a batch whose groups are in no other batch, as when one server has merged all of them: they are finished at
    /// once, and of an ordered LIMIT only the first rows are kept.
    pub fn push_whole(&mut self, batch: &RecordBatch) -> Result<()> {
        match &self.input {
            Input::Groups(merger) if !merger.is_keyless() => {
                if self.finish.is_satisfied() {
                    return Ok(());
                }
                let rows = batch.num_rows();
                self.memory.resize(self.size() + column_bytes(batch.columns()))?;
                let columns = merger.finish_whole(batch.columns(), rows)?;
                self.finish.push(columns, rows)?;
                self.memory.resize(self.size())
            }
            _ => self.push(batch.clone()),
        }
    }

    /// Works on about `rows` waiting rows (E-16); true when none wait.
    pub fn step(&mut self, rows: usize) -> Result<bool> {
        let done = match &mut self.input {
            Input::Groups(merger) => merger.step(rows)?,
            Input::Rows { .. } => true,
        };
        self.memory.resize(self.size())?;
        Ok(done)
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        let waiting = match &self.input {
            Input::Groups(merger) => merger.size(),
            Input::Rows { .. } => 0,
        };
        waiting + self.finish.kept.size()
    }

    /// The answer: the visible columns under their names (which may repeat).
    pub fn finish(self) -> Result<RecordBatch> {
        let mut finish = self.finish;
        if let Input::Groups(merger) = self.input {
            merger.finish(|columns, rows| finish.push(columns, rows))?;
        }
        finish.answer()
    }
}

impl Finish {
    fn is_satisfied(&self) -> bool {
        match &self.kept {
            Kept::All { rows, enough, .. } => self.order.is_empty() && rows >= enough,
            Kept::Top(_) => self.limit == Some(0),
        }
    }

    fn push(&mut self, columns: Vec<ArrayRef>, rows: usize) -> Result<()> {
        let (columns, rows) = filter(self.having.as_ref(), columns, rows)?;
        if rows == 0 {
            return Ok(());
        }
        let output = self.output.iter().map(|e| e.eval(&columns, rows)).collect::<Result<Vec<_>>>()?;
        self.kept.push(output, rows, self.order.is_empty())
    }

    fn answer(self) -> Result<RecordBatch> {
        let types: Vec<ArrowType> = self.output.iter().map(|e| e.ty().arrow()).collect();
        let (mut columns, ordered) = match self.kept {
            Kept::Top(top) => (top.finish()?.unwrap_or_else(|| empty(&types)), true),
            Kept::All { batches, .. } => (if batches.is_empty() { empty(&types) } else { concat(&batches)? }, false),
        };
        let rows = columns.first().map_or(0, |c| c.len());
        if !ordered && !self.order.is_empty() && rows > 1 {
            let keys: Vec<_> =
                self.order.iter().map(|key| (columns[key.index as usize].clone(), SortOptions::from(*key))).collect();
            columns = take(&columns[..self.visible], &sort_indices(&keys, None)?)?;
        }
        columns.truncate(self.visible);
        let start = self.offset.min(rows);
        let last = self.limit.map_or(rows, |limit| limit.saturating_add(self.offset));
        let end = last.min(rows).max(start);
        batch(columns.iter().map(|c| c.slice(start, end - start)).collect(), &self.names)
    }
}

impl Kept {
    fn size(&self) -> usize {
        match self {
            Kept::Top(top) => top.size(),
            Kept::All { bytes, .. } => *bytes,
        }
    }

    fn push(&mut self, output: Vec<ArrayRef>, rows: usize, any: bool) -> Result<()> {
        match self {
            Kept::Top(top) => top.push(&output),
            Kept::All { batches, rows: held, enough, bytes } => {
                let take = if any { rows.min(enough.saturating_sub(*held)) } else { rows };
                *held += take;
                let output: Vec<ArrayRef> = output.iter().map(|c| c.slice(0, take)).collect();
                *bytes += column_bytes(&output);
                batches.push(output);
                Ok(())
            }
        }
    }
}

/// The parts of a plan that evaluation takes for granted.
fn check(plan: &ReducePlan) -> Result<()> {
    let outputs = plan.output.len();
    if plan.visible == 0 || plan.visible > outputs || plan.names.len() != plan.visible {
        return Err(Error::Plan(format!(
            "{} of {outputs} outputs are visible under {} names",
            plan.visible,
            plan.names.len()
        )));
    }
    match plan.order.iter().find(|key| key.index as usize >= outputs) {
        Some(key) => Err(Error::Plan(format!("a sort key names output {} of {outputs}", key.index))),
        None => Ok(()),
    }
}

/// The rows for which `having` is true.
fn filter(having: Option<&BoundExpr>, columns: Vec<ArrayRef>, rows: usize) -> Result<(Vec<ArrayRef>, usize)> {
    let Some(having) = having else { return Ok((columns, rows)) };
    let mask = having.eval_filter(&columns, rows)?;
    let kept = mask.true_count();
    if kept == rows {
        return Ok((columns, rows));
    }
    let columns = columns
        .iter()
        .map(|c| arrow_select::filter::filter(c, &mask).map_err(|e| Error::Plan(format!("HAVING: {e}"))))
        .collect::<Result<_>>()?;
    Ok((columns, kept))
}

fn empty(types: &[ArrowType]) -> Vec<ArrayRef> {
    types.iter().map(arrow_array::new_empty_array).collect()
}

fn batch(columns: Vec<ArrayRef>, names: &[String]) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().zip(names).map(|(c, name)| Field::new(name, c.data_type().clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(columns.first().map(|c| c.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| Error::Plan(format!("the answer's columns: {e}")))
}
