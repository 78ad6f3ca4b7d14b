//! Aggregates in DataFusion's plans: by name while SQL is planned, bound after the analyzer, run by our accumulators.
//!
//! Above joins and in windows a SUM is the same SUM as in a leaf: 128 bits inside, an error when the result overflows.

use crate::error::{Result, SqlError, external};
use crate::plan::Profile;
use crate::typing::{field, scalar_of, type_of};
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::datatypes::{DataType as ArrowType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use shard_plan::{Aggregate, AggregateCall, Scalar, Type};
use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

/// The name by which DataFusion tells calls apart: two percentiles of one column differ by their constants only.
fn label(aggregate: &dyn Aggregate, params: &[Scalar]) -> String {
    let constants: String = params.iter().map(|value| format!(" {}", shard_plan::eval::scalar_text(value))).collect();
    format!("{}{constants}", aggregate.name())
}

/// An aggregate before the analyzer has seen it: constants of the call are split off already.
#[derive(Debug)]
pub struct NamedAggregate {
    pub aggregate: Arc<dyn Aggregate>,
    pub params: Vec<Scalar>,
    pub profile: Profile,
    /// COUNT(*): DataFusion sees an argument, the aggregate none.
    pub counts_rows: bool,
    label: String,
    key: String,
    signature: Signature,
}

impl NamedAggregate {
    pub fn udaf(aggregate: &Arc<dyn Aggregate>, params: Vec<Scalar>, profile: Profile) -> Arc<AggregateUDF> {
        NamedAggregate::make(aggregate, params, profile, false)
    }

    fn rows(aggregate: &Arc<dyn Aggregate>, profile: Profile) -> Arc<AggregateUDF> {
        NamedAggregate::make(aggregate, Vec::new(), profile, true)
    }

    fn make(
        aggregate: &Arc<dyn Aggregate>,
        params: Vec<Scalar>,
        profile: Profile,
        counts_rows: bool,
    ) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::new_from_impl(NamedAggregate {
            label: label(aggregate.as_ref(), &params),
            key: format!("{}{params:?}{counts_rows}", aggregate.name()),
            aggregate: aggregate.clone(),
            params,
            profile,
            counts_rows,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    }

    /// Splits the constants that follow the values of a call off.
    pub fn split(
        aggregate: &Arc<dyn Aggregate>,
        args: Vec<Expr>,
        profile: Profile,
    ) -> Result<(Arc<AggregateUDF>, Vec<Expr>)> {
        let name = aggregate.name();
        // COUNT(*) and COUNT(1) count rows, COUNT(NULL) none. DataFusion counts the rows of a batch by its first argument,
        // so the literal stays there.
        if name == "count" && matches!(args.as_slice(), [] | [Expr::Literal(..)]) {
            let counts = !matches!(args.as_slice(), [Expr::Literal(value, _)] if value.is_null());
            if counts {
                let args = vec![Expr::Literal(ScalarValue::Int64(Some(1)), None)];
                return Ok((NamedAggregate::rows(aggregate, profile), args));
            }
        }
        let mut values = args;
        let most = *aggregate.arguments().end();
        let constants = if values.len() > most { values.split_off(most) } else { Vec::new() };
        let params = constants
            .iter()
            .map(|constant| match constant {
                Expr::Literal(value, _) => scalar_of(value).map(crate::calls::narrow),
                _ => None,
            })
            .collect::<Option<Vec<Scalar>>>()
            .ok_or_else(|| {
                SqlError::validation(format!("{name} takes {most} values of the row; what follows must be literals"))
            })?;
        Ok((NamedAggregate::udaf(aggregate, params, profile), values))
    }

    /// The result for arguments of these types, and the types they are cast to.
    pub fn resolve(&self, args: &[Type]) -> Result<(Vec<Type>, Type)> {
        let args = if self.counts_rows { &[] } else { args };
        let signature = self.aggregate.resolve(args, &self.params)?;
        let result = if self.profile == Profile::Sse { signature.result_sse } else { signature.result };
        Ok((signature.args, result))
    }
}

impl PartialEq for NamedAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for NamedAggregate {}

impl Hash for NamedAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl AggregateUDFImpl for NamedAggregate {
    fn name(&self) -> &str {
        &self.label
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[ArrowType]) -> DfResult<ArrowType> {
        Err(external(SqlError::planning(format!("{} was asked for its type without its arguments", self.name()))))
    }

    fn return_field(&self, args: &[FieldRef]) -> DfResult<FieldRef> {
        let types = args
            .iter()
            .map(|f| type_of(f).map(|ty| ty.unwrap_or(Type::STRING)))
            .collect::<Result<Vec<_>>>()
            .map_err(external)?;
        let (_, result) = self.resolve(&types).map_err(external)?;
        Ok(Arc::new(field(self.name(), result)))
    }

    fn coerce_types(&self, args: &[ArrowType]) -> DfResult<Vec<ArrowType>> {
        Ok(args.to_vec())
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Err(external(SqlError::planning(format!("{} was not bound by the analyzer", self.name()))))
    }
}

/// An aggregate that is ready to run.
#[derive(Debug)]
pub struct BoundAggregate {
    pub aggregate: Arc<dyn Aggregate>,
    pub args: Vec<Type>,
    pub params: Vec<Scalar>,
    pub result: Type,
    state: Vec<FieldRef>,
    label: String,
    key: String,
    signature: Signature,
}

impl BoundAggregate {
    pub fn udaf(named: &NamedAggregate, args: &[Type]) -> Result<Arc<AggregateUDF>> {
        let (args, result) = named.resolve(args)?;
        let state = named.aggregate.resolve(&args, &named.params)?.state.into_iter().map(Arc::new).collect();
        Ok(Arc::new(AggregateUDF::new_from_impl(BoundAggregate {
            label: named.label.clone(),
            key: format!("{}{args:?}{:?}{result:?}", named.aggregate.name(), named.params),
            aggregate: named.aggregate.clone(),
            args,
            params: named.params.clone(),
            result,
            state,
            signature: Signature::user_defined(Volatility::Immutable),
        })))
    }

    /// The leaf's form of a call.
    pub fn call(&self, args: Vec<shard_plan::Expr>, filter: Option<shard_plan::Expr>) -> AggregateCall {
        AggregateCall {
            function: self.aggregate.name().to_owned(),
            version: self.aggregate.state_version(),
            args,
            params: self.params.clone(),
            filter,
            ty: self.result,
        }
    }

    /// `text`: the call in errors.
    fn groups(&self, text: &str) -> DfResult<Groups> {
        Ok(Groups {
            text: text.to_owned(),
            aggregate: self.aggregate.clone(),
            args: self.args.clone(),
            params: self.params.clone(),
            result: self.result,
            inner: Mutex::new(self.aggregate.accumulator(&self.args, &self.params, self.result).map_err(external)?),
            groups: 0,
        })
    }
}

impl PartialEq for BoundAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for BoundAggregate {}

impl Hash for BoundAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl AggregateUDFImpl for BoundAggregate {
    fn name(&self) -> &str {
        &self.label
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[ArrowType]) -> DfResult<ArrowType> {
        Ok(self.result.arrow())
    }

    fn return_field(&self, _args: &[FieldRef]) -> DfResult<FieldRef> {
        Ok(Arc::new(field(self.name(), self.result)))
    }

    fn coerce_types(&self, args: &[ArrowType]) -> DfResult<Vec<ArrowType>> {
        Ok(args.to_vec())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        Ok(self
            .state
            .iter()
            .map(|f| Arc::new(f.as_ref().clone().with_name(format_state_name(args.name, f.name())).with_nullable(true)))
            .collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(One { groups: self.groups(args.name)? }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding { groups: self.groups(args.name)?, batches: VecDeque::new() }))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.groups(args.name)?))
    }

    fn default_value(&self, _data_type: &ArrowType) -> DfResult<ScalarValue> {
        let mut groups = self.groups(&self.label)?;
        groups.grow(1)?;
        ScalarValue::try_from_array(&groups.finished()?, 0)
    }
}

/// Our accumulator behind DataFusion's interfaces.
struct Groups {
    text: String,
    aggregate: Arc<dyn Aggregate>,
    args: Vec<Type>,
    params: Vec<Scalar>,
    result: Type,
    /// A mutex only because DataFusion wants `Sync`; it is never contended.
    inner: Mutex<Box<dyn shard_plan::Accumulator>>,
    groups: usize,
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups")
            .field("aggregate", &self.aggregate)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl Groups {
    fn inner(&mut self) -> DfResult<&mut Box<dyn shard_plan::Accumulator>> {
        self.inner.get_mut().map_err(|_| external(SqlError::execution("an aggregate panicked before")))
    }

    fn fresh(&self) -> DfResult<Box<dyn shard_plan::Accumulator>> {
        self.aggregate.accumulator(&self.args, &self.params, self.result).map_err(external)
    }

    fn grow(&mut self, groups: usize) -> DfResult<()> {
        self.groups = self.groups.max(groups);
        let groups = self.groups;
        self.inner()?.resize(groups);
        Ok(())
    }

    fn update(&mut self, values: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> DfResult<()> {
        let values = &values[..self.args.len().min(values.len())];
        self.inner()?.update(values, groups, filter).map_err(external)
    }

    /// Takes the state of all groups out, leaving it in place too.
    fn states(&mut self) -> DfResult<Vec<ArrayRef>> {
        let states = self.inner()?.state().map_err(external)?;
        self.restore(&states, self.groups)?;
        Ok(states)
    }

    /// Starts over from states.
    fn restore(&mut self, states: &[ArrayRef], groups: usize) -> DfResult<()> {
        let mut fresh = self.fresh()?;
        fresh.resize(groups);
        let ids: Vec<u32> = ids(groups)?;
        fresh.merge(states, &ids).map_err(external)?;
        *self.inner()? = fresh;
        self.groups = groups;
        Ok(())
    }

    fn finish(&self, accumulator: &mut Box<dyn shard_plan::Accumulator>) -> DfResult<ArrayRef> {
        accumulator.finish().map_err(|e| external(e.in_expression(|| self.text.clone())))
    }

    /// The finished values of all groups; the states stay.
    fn finished(&mut self) -> DfResult<ArrayRef> {
        let states = self.states()?;
        let mut last = self.fresh()?;
        last.resize(self.groups);
        last.merge(&states, &ids(self.groups)?).map_err(external)?;
        self.finish(&mut last)
    }

    /// Takes the first groups out and moves the others down.
    fn take_states(&mut self, emit: EmitTo) -> DfResult<(Vec<ArrayRef>, usize)> {
        let states = self.inner()?.state().map_err(external)?;
        let count = match emit {
            EmitTo::All => self.groups,
            EmitTo::First(n) => n.min(self.groups),
        };
        let rest: Vec<ArrayRef> = states.iter().map(|s| s.slice(count, self.groups - count)).collect();
        let taken = states.iter().map(|s| s.slice(0, count)).collect();
        self.restore(&rest, self.groups - count)?;
        Ok((taken, count))
    }
}

fn ids(groups: usize) -> DfResult<Vec<u32>> {
    let groups = u32::try_from(groups).map_err(|_| external(SqlError::execution("more than 4 billion groups")))?;
    Ok((0..groups).collect())
}

fn narrow_ids(groups: &[usize]) -> DfResult<Vec<u32>> {
    groups
        .iter()
        .map(|g| u32::try_from(*g).map_err(|_| external(SqlError::execution("more than 4 billion groups"))))
        .collect()
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.grow(total_num_groups)?;
        self.update(values, &narrow_ids(group_indices)?, opt_filter)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        if matches!(emit_to, EmitTo::All) {
            let mut last = self.fresh()?;
            std::mem::swap(self.inner()?, &mut last);
            let values = self.finish(&mut last)?;
            self.groups = 0;
            return Ok(values);
        }
        let (states, count) = self.take_states(emit_to)?;
        let mut last = self.fresh()?;
        last.resize(count);
        last.merge(&states, &ids(count)?).map_err(external)?;
        self.finish(&mut last)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        self.take_states(emit_to).map(|(states, _)| states)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> DfResult<()> {
        self.grow(total_num_groups)?;
        let groups = narrow_ids(group_indices)?;
        self.inner()?.merge(values, &groups).map_err(external)
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let rows = values.first().map(|v| v.len()).or_else(|| opt_filter.map(Array::len)).unwrap_or(0);
        let mut each = self.fresh()?;
        each.resize(rows);
        each.update(&values[..self.args.len().min(values.len())], &ids(rows)?, opt_filter).map_err(external)?;
        each.state().map_err(external)
    }

    fn size(&self) -> usize {
        self.inner.lock().map(|inner| inner.size()).unwrap_or(0)
    }
}

/// All rows are one group.
#[derive(Debug)]
struct One {
    groups: Groups,
}

impl One {
    fn row_count(values: &[ArrayRef]) -> usize {
        values.first().map_or(0, |v| v.len())
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.groups.grow(1)?;
        self.groups.update(values, &vec![0; One::row_count(values)], None)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.groups.grow(1)?;
        ScalarValue::try_from_array(&self.groups.finished()?, 0)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.groups.grow(1)?;
        self.groups.states()?.iter().map(|s| ScalarValue::try_from_array(s, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.groups.grow(1)?;
        let rows = One::row_count(states);
        self.groups.inner()?.merge(states, &vec![0; rows]).map_err(external)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&self.groups)
    }
}

/// A window that loses rows at its front: the rows are kept and added up again. Exact for every aggregate, floating point
/// included, at a cost of the frame's width.
#[derive(Debug)]
struct Sliding {
    groups: Groups,
    batches: VecDeque<Vec<ArrayRef>>,
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        if One::row_count(values) > 0 {
            // Copied, because a slice would hold the whole partition.
            let rows = u32::try_from(One::row_count(values))
                .map_err(|_| external(SqlError::execution("a frame of 4 billion rows")))?;
            let all = UInt32Array::from_iter_values(0..rows);
            let own = values.iter().map(|v| take(v.as_ref(), &all, None)).collect::<Result<Vec<_>, _>>()?;
            self.batches.push_back(own);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let mut rows = One::row_count(values);
        while rows > 0 {
            let Some(front) = self.batches.front_mut() else {
                return Err(external(SqlError::execution("a window frame lost more rows than it had")));
            };
            let held = One::row_count(front);
            if held <= rows {
                rows -= held;
                self.batches.pop_front();
            } else {
                for column in front.iter_mut() {
                    *column = column.slice(rows, held - rows);
                }
                rows = 0;
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let mut last = self.groups.fresh()?;
        last.resize(1);
        if let Some(first) = self.batches.front() {
            let columns = (0..first.len())
                .map(|i| concat(&self.batches.iter().map(|b| b[i].as_ref()).collect::<Vec<_>>()))
                .collect::<Result<Vec<_>, _>>()?;
            let rows = One::row_count(&columns);
            let args = self.groups.args.len().min(columns.len());
            last.update(&columns[..args], &vec![0; rows], None).map_err(external)?;
        }
        ScalarValue::try_from_array(&last.finish().map_err(external)?, 0)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Err(external(SqlError::execution("a sliding window has no partial state")))
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> DfResult<()> {
        Err(external(SqlError::execution("a sliding window has no partial state")))
    }

    fn size(&self) -> usize {
        self.batches.iter().flatten().map(|a| a.get_array_memory_size()).sum()
    }
}
