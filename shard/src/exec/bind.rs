//! Binding a plan to one segment: columns, dictionaries, the filter in id space, the blocks that are left.
//!
//! Binding is work like any other: it may wait for a dictionary, and a predicate over a large dictionary is evaluated in
//! steps, so it keeps its state between slices.

use crate::error::{Error, Result};
use crate::exec::fast::KeyPlan;
use crate::exec::filter::{IdTest, Node, Verdict};
use crate::exec::indexes;
use crate::exec::predicate::Builder;
use crate::exec::request::LeafRequest;
use crate::kernels::set::IdSet;
use crate::rt::task::Slice;
use crate::source::stored::{DictionaryCell, Fetched, StoredColumn};
use crate::source::{ColumnHandle, ColumnKind, RowSource, virtual_column};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use shard_plan::group::GroupTable;
use shard_plan::{BoundExpr, ColumnRef, Error as PlanError, Expr, Output, Registry, Scalar, Type};
use std::sync::Arc;

/// Dictionaries up to this size are kept decoded.
const ENTRIES_KEPT: u32 = 4096;
/// Dictionary entries evaluated between two looks at the clock.
const EVALUATED: u32 = 256;

/// An open dictionary of a bound column.
#[derive(Debug)]
pub(crate) struct Dict {
    pub column: Arc<StoredColumn>,
    pub cell: Arc<DictionaryCell>,
    /// All entries, when there are few.
    pub entries: Option<ArrayRef>,
}

impl Dict {
    pub fn len(&self) -> u32 {
        self.cell.borrow_dependent().len()
    }
}

/// A column of the plan in one segment.
#[derive(Debug)]
pub(crate) struct BoundColumn {
    pub reference: ColumnRef,
    pub ty: Type,
    pub kind: ColumnKind,
    dict: Option<Dict>,
    /// One bit a row of the segment, when nulls count and there are some.
    pub nulls: Option<Arc<[u64]>>,
    /// Nulls count, and rows are null (also for sources whose nulls are in their arrays).
    pub nullable: bool,
}

impl BoundColumn {
    /// The dictionary of a column that has one.
    pub fn dict(&self) -> Result<&Dict> {
        self.dict
            .as_ref()
            .ok_or_else(|| PlanError::Plan(format!("column {} has no dictionary here", self.reference.name)).into())
    }

    /// The dictionary, for a single-value column of a segment.
    pub fn single_dict(&self) -> Option<&Dict> {
        self.dict.as_ref().filter(|_| !self.ty.multi)
    }

    pub fn has_dict(&self) -> Option<&Dict> {
        self.dict.as_ref()
    }

    pub fn stored(&self) -> Option<&Arc<StoredColumn>> {
        match &self.kind {
            ColumnKind::Stored(column) => Some(column),
            _ => None,
        }
    }

    pub fn broken(&self, e: segfmt::Error) -> Error {
        match self.stored() {
            Some(column) => column.broken(0, e),
            None => PlanError::Plan(e.to_string()).into(),
        }
    }

    #[inline]
    pub fn is_null(&self, row: u64) -> bool {
        self.nulls.as_ref().is_some_and(|words| words[(row / 64) as usize] >> (row % 64) & 1 == 1)
    }

    /// The validity of rows `first_row + rows[i]`; `None` when all are valid.
    pub fn null_buffer(&self, first_row: u64, rows: &[u32]) -> Option<NullBuffer> {
        self.nulls.as_ref()?;
        let buffer =
            NullBuffer::from(rows.iter().map(|r| !self.is_null(first_row + u64::from(*r))).collect::<Vec<bool>>());
        (buffer.null_count() > 0).then_some(buffer)
    }

    /// Null bits of word `w` of the segment.
    #[inline]
    pub fn null_word(&self, w: usize) -> u64 {
        self.nulls.as_ref().map_or(0, |words| words.get(w).copied().unwrap_or(0))
    }

    /// The set of rows that statistics must speak of.
    pub fn row_set(&self) -> segfmt::RowSet {
        if self.reference.nulls { segfmt::RowSet::NonNull } else { segfmt::RowSet::All }
    }
}

/// A plan bound to one segment.
#[derive(Debug)]
pub(crate) struct BoundSegment {
    pub index: usize,
    pub source: Arc<dyn RowSource>,
    pub columns: Vec<BoundColumn>,
    /// `None`: every row passes.
    pub filter: Option<Node>,
    /// Blocks that may hold passing rows, and whether all of their rows pass.
    pub blocks: Vec<(u32, bool)>,
    pub filter_columns: Vec<usize>,
    /// How group keys are taken, when all of them can be taken as ids.
    pub keys: Option<Vec<KeyPlan>>,
}

impl BoundSegment {
    pub fn first_row(&self, block: u32) -> u64 {
        u64::from(block) * u64::from(self.source.rows_per_block())
    }
}

/// What a step of binding ended with.
pub(crate) enum Step {
    /// Out of time; go on.
    Again,
    /// A page is on its way.
    Waiting,
    Bound(BoundSegment),
    /// Nothing of the segment can pass, and why.
    Pruned(String),
}

/// A predicate over one dictionary column, evaluated entry by entry.
#[derive(Debug)]
pub(crate) struct DictEval {
    pub column: usize,
    pub expr: BoundExpr,
    /// What to scan with when an entry fails that no passing row may hold.
    pub fallback: Node,
    next: u32,
    set: IdSet,
    null_true: bool,
    pub failed: bool,
}

/// A group key over one dictionary column: entry ids to ids of distinct key values.
struct KeyEval {
    key: usize,
    column: usize,
    expr: BoundExpr,
    next: u32,
    map: Vec<u32>,
    table: GroupTable,
    scratch: Vec<u32>,
}

enum Phase {
    Columns,
    Filter,
    Evaluate,
    Indexes,
    Keys,
    Blocks,
}

/// The resumable binding of one segment.
pub(crate) struct Binder {
    index: usize,
    source: Arc<dyn RowSource>,
    phase: Phase,
    columns: Vec<BoundColumn>,
    filter: Option<Node>,
    evals: Vec<DictEval>,
    key_evals: Vec<KeyEval>,
    keys: Option<Vec<KeyPlan>>,
    /// Terms of the filter that indexes have been asked about.
    improved: usize,
}

impl Binder {
    pub fn new(index: usize, request: &LeafRequest, host: &str) -> Result<Binder> {
        let source = request.snapshot.source(index).clone();
        source.intact()?;
        let mut columns = Vec::with_capacity(request.plan.columns.len());
        for reference in &request.plan.columns {
            let handle = source
                .column(&reference.name)
                .or_else(|| virtual_column(&reference.name, &*source, host))
                .unwrap_or_else(|| ColumnHandle {
                    ty: reference.ty,
                    kind: ColumnKind::Constant(constant(reference)),
                    has_nulls: false,
                });
            if handle.ty != reference.ty {
                return Err(PlanError::Plan(format!(
                    "segment {} holds column {} as {}, the schema says {}: reload or rebuild the segment",
                    source.name(),
                    reference.name,
                    handle.ty,
                    reference.ty
                ))
                .into());
            }
            let nullable = reference.nulls && handle.has_nulls;
            columns.push(BoundColumn {
                reference: reference.clone(),
                ty: handle.ty,
                kind: handle.kind,
                dict: None,
                nulls: None,
                nullable,
            });
        }
        Ok(Binder {
            index,
            source,
            phase: Phase::Columns,
            columns,
            filter: None,
            evals: Vec::new(),
            key_evals: Vec::new(),
            keys: None,
            improved: 0,
        })
    }

    /// Runs until the slice expires or the segment is bound.
    pub fn step(&mut self, request: &LeafRequest, registry: &Registry, slice: &Slice<'_>) -> Result<Step> {
        loop {
            match self.phase {
                Phase::Columns => {
                    if !self.open_columns(slice)? {
                        return Ok(Step::Waiting);
                    }
                    self.phase = Phase::Filter;
                }
                Phase::Filter => {
                    if let Some(filter) = &request.plan.filter {
                        let names = self.columns.iter().map(|c| c.reference.name.clone()).collect();
                        let mut builder = Builder {
                            columns: &self.columns,
                            registry,
                            params: &request.params,
                            names,
                            evals: Vec::new(),
                        };
                        let node = builder.build(filter, true)?;
                        self.evals = builder.evals;
                        self.filter = Some(node);
                    }
                    self.phase = Phase::Evaluate;
                }
                Phase::Evaluate => {
                    for i in 0..self.evals.len() {
                        while !self.evaluate(i)? {
                            if slice.expired() {
                                return Ok(Step::Again);
                            }
                        }
                    }
                    let evals = std::mem::take(&mut self.evals);
                    if let Some(node) = self.filter.take() {
                        let settled = settle(node, &mut evals.into_iter().map(Some).collect());
                        if let Node::Const(false) = settled {
                            return Ok(Step::Pruned(format!(
                                "segment {}: no value of its dictionaries or bounds passes the filter",
                                self.source.name()
                            )));
                        }
                        self.filter = (!matches!(settled, Node::Const(true))).then_some(settled);
                    }
                    self.phase = Phase::Indexes;
                }
                Phase::Indexes => {
                    if !self.use_indexes(request, slice)? {
                        return Ok(Step::Waiting);
                    }
                    if let Some(Node::Const(false)) = &self.filter {
                        return Ok(Step::Pruned(format!(
                            "segment {}: its indexes hold no value that passes the filter",
                            self.source.name()
                        )));
                    }
                    self.plan_keys(request, registry)?;
                    self.phase = Phase::Keys;
                }
                Phase::Keys => {
                    while let Some(eval) = self.key_evals.last_mut() {
                        match step_key(eval, &self.columns) {
                            Ok(false) if slice.expired() => return Ok(Step::Again),
                            Ok(false) => {}
                            Ok(true) => self.finish_key()?,
                            // An entry that no passing row may hold failed: leave the keys to the rows.
                            Err(_) => {
                                self.key_evals.clear();
                                self.keys = None;
                            }
                        }
                    }
                    self.phase = Phase::Blocks;
                }
                Phase::Blocks => return Ok(self.finish()),
            }
        }
    }

    fn open_columns(&mut self, slice: &Slice<'_>) -> Result<bool> {
        let mut complete = true;
        for column in &mut self.columns {
            let ColumnKind::Stored(stored) = &column.kind else { continue };
            if column.dict.is_none() {
                match stored.dictionary(slice)? {
                    Fetched::Later => complete = false,
                    Fetched::Here(None) => {}
                    Fetched::Here(Some(cell)) => {
                        let mut dict = Dict { column: stored.clone(), cell, entries: None };
                        if dict.len() <= ENTRIES_KEPT {
                            let all = 0..dict.len();
                            dict.entries = Some(stored.entries(|| dict.range(all))?);
                        }
                        column.dict = Some(dict);
                    }
                }
            }
            if column.nullable && column.nulls.is_none() {
                match stored.nulls(slice)? {
                    Fetched::Later => complete = false,
                    Fetched::Here(words) => column.nulls = words,
                }
            }
        }
        Ok(complete)
    }

    /// Evaluates some entries for predicate `i`; true when it is complete.
    fn evaluate(&mut self, i: usize) -> Result<bool> {
        let columns = &self.columns;
        let eval = &mut self.evals[i];
        let column = &columns[eval.column];
        let dict = column.dict()?;
        if eval.failed || eval.next >= dict.len() {
            return Ok(true);
        }
        let end = (eval.next + EVALUATED).min(dict.len());
        let array = match &dict.entries {
            Some(entries) => entries.slice(eval.next as usize, (end - eval.next) as usize),
            None => dict.range(eval.next..end)?,
        };
        let rows = array.len();
        match eval.expr.eval_filter(&at_column(columns, eval.column, array), rows) {
            Ok(passes) => {
                for id in passes.values().set_indices() {
                    eval.set.insert(eval.next + id as u32);
                }
                eval.next = end;
            }
            Err(_) => eval.failed = true,
        }
        if eval.next >= dict.len() && column.nullable {
            let null = shard_plan::eval::value::nulls(column.ty, 1);
            match eval.expr.eval_filter(&at_column(columns, eval.column, null), 1) {
                Ok(passes) => eval.null_true = passes.value(0),
                Err(_) => eval.failed = true,
            }
        }
        Ok(eval.failed || eval.next >= dict.len())
    }

    /// Replaces the filter's terms by what indexes know; false while one is on its way.
    fn use_indexes(&mut self, request: &LeafRequest, slice: &Slice<'_>) -> Result<bool> {
        let Some(filter) = self.filter.take() else { return Ok(true) };
        let mut terms = match filter {
            Node::And(terms) => terms,
            term => vec![term],
        };
        while let Some(term) = terms.get_mut(self.improved) {
            if !indexes::improve(term, &self.columns, &request.plan.options.skip_indexes, self.source.rows(), slice)? {
                // The terms stay as they are, so that the next step goes on at this one.
                self.filter = Some(Node::And(terms));
                return Ok(false);
            }
            self.improved += 1;
        }
        self.filter = Some(Node::and(terms));
        Ok(true)
    }

    /// Decides whether group keys can be taken as ids.
    fn plan_keys(&mut self, request: &LeafRequest, registry: &Registry) -> Result<()> {
        let Output::Groups { keys, .. } = &request.plan.output else { return Ok(()) };
        let mut plans = Vec::with_capacity(keys.len());
        for (key, expr) in keys.iter().enumerate() {
            if expr.ty().multi {
                return Ok(());
            }
            let expr = substitute(expr, &self.columns);
            let bound = BoundExpr::bind(&expr, registry, &request.params)?;
            if let Some(value) = bound.constant() {
                plans.push(KeyPlan::Constant(value.clone()));
                continue;
            }
            let Some(column) = bound.single_column().map(|c| c as usize).filter(|_| bound.is_deterministic()) else {
                return Ok(());
            };
            let Some(dict) = self.columns[column].single_dict() else { return Ok(()) };
            if matches!(expr, Expr::Column { .. }) {
                plans.push(KeyPlan::Ids { column, cardinality: dict.len(), nullable: self.columns[column].nullable });
                continue;
            }
            if dict.len() > 1 << 20 || u64::from(dict.len()) > self.source.rows().max(1024) {
                return Ok(());
            }
            // Its place is taken when the entries have been evaluated.
            plans.push(KeyPlan::Constant(Scalar::Null(expr.ty())));
            let table = GroupTable::new(&[expr.ty().arrow()])?;
            self.key_evals.push(KeyEval {
                key,
                column,
                expr: bound,
                next: 0,
                map: Vec::new(),
                table,
                scratch: Vec::new(),
            });
        }
        self.keys = Some(plans);
        Ok(())
    }

    fn finish_key(&mut self) -> Result<()> {
        if let (Some(eval), Some(keys)) = (self.key_evals.pop(), &mut self.keys) {
            let values = eval.table.keys()?.pop().ok_or_else(|| PlanError::Plan("a key without values".into()))?;
            keys[eval.key] = KeyPlan::Remapped { column: eval.column, map: eval.map.into(), values };
        }
        Ok(())
    }

    fn finish(&mut self) -> Step {
        let filter = self.filter.take();
        let blocks = self.source.blocks();
        let mut kept = Vec::with_capacity(blocks as usize);
        for block in 0..blocks {
            match filter
                .as_ref()
                .map_or(Verdict::All, |f| f.verdict(block, self.source.rows_per_block(), &self.columns))
            {
                Verdict::None => {}
                Verdict::Some => kept.push((block, false)),
                Verdict::All => kept.push((block, true)),
            }
        }
        if kept.is_empty() && blocks > 0 {
            return Step::Pruned(format!(
                "segment {}: the zone maps of all {blocks} blocks exclude the filter",
                self.source.name()
            ));
        }
        let mut filter_columns = Vec::new();
        if let Some(filter) = &filter {
            filter.collect_columns(&mut filter_columns);
        }
        filter_columns.sort_unstable();
        filter_columns.dedup();
        Step::Bound(BoundSegment {
            index: self.index,
            source: self.source.clone(),
            columns: std::mem::take(&mut self.columns),
            filter,
            blocks: kept,
            filter_columns,
            keys: self.keys.take(),
        })
    }
}

/// Columns that the output reads, ascending.
pub(crate) fn output_columns(output: &Output) -> Vec<usize> {
    let mut found = Vec::new();
    let mut add = |e: &Expr| found.extend(e.columns().into_iter().map(|c| c as usize));
    match output {
        Output::Rows { exprs, .. } => exprs.iter().for_each(&mut add),
        Output::Groups { keys, aggregates, .. } => {
            keys.iter().for_each(&mut add);
            aggregates.iter().flat_map(|a| a.args.iter().chain(&a.filter)).for_each(&mut add);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What a segment without the column holds in every row.
fn constant(reference: &ColumnRef) -> Scalar {
    if reference.ty.multi && !reference.default.ty().multi {
        return Scalar::List(reference.ty.data, Arc::from([reference.default.clone()]));
    }
    reference.default.clone()
}

/// Plan columns with only one of them there.
fn at_column(columns: &[BoundColumn], column: usize, array: ArrayRef) -> Vec<ArrayRef> {
    columns
        .iter()
        .take(column)
        .map(|c| crate::exec::decode::unread(&c.ty.arrow()))
        .chain(std::iter::once(array))
        .collect()
}

fn step_key(eval: &mut KeyEval, columns: &[BoundColumn]) -> Result<bool> {
    let column = &columns[eval.column];
    let dict = column.dict()?;
    if eval.next < dict.len() {
        let end = (eval.next + EVALUATED).min(dict.len());
        let array = match &dict.entries {
            Some(entries) => entries.slice(eval.next as usize, (end - eval.next) as usize),
            None => dict.range(eval.next..end)?,
        };
        let rows = array.len();
        let keys = eval.expr.eval(&at_column(columns, eval.column, array), rows)?;
        eval.table.assign(&[keys], rows, &mut eval.scratch)?;
        eval.map.extend_from_slice(&eval.scratch);
        eval.next = end;
        if eval.next < dict.len() {
            return Ok(false);
        }
    }
    // The entry after the last is the null row's.
    let null = shard_plan::eval::value::nulls(column.ty, 1);
    if column.nullable {
        let key = eval.expr.eval(&at_column(columns, eval.column, null), 1)?;
        eval.table.assign(&[key], 1, &mut eval.scratch)?;
        eval.map.extend_from_slice(&eval.scratch);
    }
    Ok(true)
}

/// Puts constant columns into an expression as literals.
pub(crate) fn substitute(expr: &Expr, columns: &[BoundColumn]) -> Expr {
    crate::exec::predicate::rewrite(expr, &|e| match e {
        Expr::Column { index, .. } => match columns.get(*index as usize).map(|c| &c.kind) {
            Some(ColumnKind::Constant(value)) => Some(Expr::Literal(value.clone())),
            _ => None,
        },
        _ => None,
    })
}

impl DictEval {
    pub fn new(column: usize, cardinality: u32, expr: BoundExpr, fallback: Node) -> DictEval {
        DictEval { column, expr, fallback, next: 0, set: IdSet::new(cardinality), null_true: false, failed: false }
    }
}

/// Puts the results of dictionary evaluation into the filter.
fn settle(node: Node, evals: &mut Vec<Option<DictEval>>) -> Node {
    match node {
        Node::Pending { eval, list } => match evals.get_mut(eval).and_then(Option::take) {
            None => Node::Const(false),
            Some(eval) if eval.failed => eval.fallback,
            Some(eval) => {
                let test = IdTest::from_set(eval.set);
                match list {
                    Some(all) => Node::list_ids(eval.column, test, all),
                    None => Node::ids(eval.column, test, eval.null_true),
                }
            }
        },
        Node::And(nodes) => Node::and(nodes.into_iter().map(|n| settle(n, evals)).collect()),
        Node::Or(nodes) => Node::or(nodes.into_iter().map(|n| settle(n, evals)).collect()),
        other => other,
    }
}
