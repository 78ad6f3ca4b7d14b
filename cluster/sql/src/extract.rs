//! Finds the parts of a plan that one table can answer, and writes them as a leaf and its reduce (E-3).
//!
//! Filter, projection, aggregation, HAVING, DISTINCT, order and limit fold into one [`Leaf`] as long as each can stand
//! where the leaf and the reduce have a place for it; the first node that cannot ends the leaf below it.

use crate::aggregates::BoundAggregate;
use crate::calls::Expand;
use crate::catalog::TableInfo;
use crate::convert::{Converter, map_columns};
use crate::plan::ParamSlot;
use crate::provider::RawTable;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, FetchType, Limit, LogicalPlan, SkipType, Sort, TableScan};
use shard_plan::reduce::ReduceInput;
use shard_plan::{
    AggregateCall, ColumnRef, Expr as Ir, LeafOptions, LeafPlan, Output, ReducePlan, Scalar, SortKey, Type,
};
use std::sync::Arc;

/// A growing leaf: what the nodes seen so far ask of one table.
#[derive(Debug, Clone)]
pub struct Leaf {
    table: Arc<TableInfo>,
    filter: Vec<Ir>,
    groups: Option<Groups>,
    having: Vec<Ir>,
    /// Over the table's columns, or over keys and aggregates once there are groups.
    outputs: Vec<Ir>,
    order: Vec<(Ir, bool, bool)>,
    offset: u64,
    limit: Option<u64>,
}

#[derive(Debug, Clone)]
struct Groups {
    keys: Vec<Ir>,
    aggregates: Vec<AggregateCall>,
    /// What an aggregate over no rows is where nulls are off.
    of_no_rows: Vec<Option<Scalar>>,
}

impl Groups {
    /// An expression over keys and aggregates, for a table whose nulls are off: no aggregate is NULL.
    fn without_nulls(&self, expr: &Ir) -> Option<Ir> {
        map_columns(expr, &mut |index, ty| {
            let column = Ir::Column { index, ty };
            let value = (index as usize).checked_sub(self.keys.len()).and_then(|n| self.of_no_rows.get(n)?.clone());
            Some(match value {
                None => column,
                Some(value) => Ir::Case {
                    branches: vec![(Ir::IsNull { expr: Box::new(column.clone()), negated: false }, Ir::Literal(value))],
                    otherwise: Some(Box::new(column)),
                    ty,
                },
            })
        })
    }
}

/// Collects parameters while plans are folded.
pub struct Extractor<'a> {
    /// `None` keeps literals.
    pub params: Option<&'a mut Vec<ParamSlot>>,
}

impl Extractor<'_> {
    /// The plan as a leaf, if it is one.
    pub fn leaf(&mut self, plan: &LogicalPlan) -> Option<Leaf> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.leaf(&alias.input),
            LogicalPlan::Projection(projection) => {
                let mut leaf = self.leaf(&projection.input)?;
                leaf.outputs = self.all(&projection.expr, &projection.input, &leaf)?;
                Some(leaf)
            }
            LogicalPlan::Filter(filter) => {
                let mut leaf = self.leaf(&filter.input)?;
                if leaf.is_cut() {
                    return None;
                }
                let condition = self.one(&filter.predicate, &filter.input, &leaf)?;
                let place = if leaf.groups.is_some() { &mut leaf.having } else { &mut leaf.filter };
                match condition {
                    Ir::And(parts) => place.extend(parts),
                    other => place.push(other),
                }
                Some(leaf)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let leaf = self.leaf(input)?;
                if leaf.is_cut() {
                    return None;
                }
                leaf.distinct()
            }
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            _ => None,
        }
    }

    fn one(&mut self, expr: &Expr, input: &LogicalPlan, leaf: &Leaf) -> Option<Ir> {
        let params = self.params.as_deref_mut();
        Converter { schema: input.schema(), outputs: &leaf.outputs, params }.convert(expr)
    }

    fn all(&mut self, exprs: &[Expr], input: &LogicalPlan, leaf: &Leaf) -> Option<Vec<Ir>> {
        exprs.iter().map(|e| self.one(e, input, leaf)).collect()
    }

    fn scan(&mut self, scan: &TableScan) -> Option<Leaf> {
        let table = scan.source.downcast_ref::<RawTable>()?.info.clone();
        let column = |n: usize| {
            let ty = table.columns.get(n)?.ty;
            Some(Ir::Column { index: u32::try_from(n).ok()?, ty })
        };
        let all = || (0..table.columns.len()).map(column).collect::<Option<Vec<_>>>();
        let outputs = match &scan.projection {
            Some(projection) => projection.iter().map(|n| column(*n)).collect::<Option<Vec<_>>>()?,
            None => all()?,
        };
        let mut leaf = Leaf {
            filter: Vec::new(),
            groups: None,
            having: Vec::new(),
            outputs: all()?,
            order: Vec::new(),
            offset: 0,
            limit: None,
            table: table.clone(),
        };
        if !scan.filters.is_empty() {
            // Pushed filters name any column of the table, not only those that are read.
            let source =
                datafusion::common::DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())
                    .ok()?;
            for filter in &scan.filters {
                let params = self.params.as_deref_mut();
                leaf.filter.push(Converter { schema: &source, outputs: &leaf.outputs, params }.convert(filter)?);
            }
        }
        leaf.outputs = outputs;
        leaf.limit = scan.fetch.map(|n| n as u64);
        Some(leaf)
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Option<Leaf> {
        let mut leaf = self.leaf(&aggregate.input)?;
        if leaf.groups.is_some() || leaf.is_cut() {
            return None;
        }
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            return None;
        }
        let mut keys = Vec::with_capacity(aggregate.group_expr.len());
        let mut outputs = Vec::new();
        // GROUP BY a, a: the aggregate's schema has each key once.
        for key in grouping_set_to_exprlist(&aggregate.group_expr).ok()? {
            let key = unalias(key);
            let key = match key {
                Expr::ScalarFunction(call) if call.func.inner().downcast_ref::<Expand>().is_some() => {
                    self.one(call.args.first()?, &aggregate.input, &leaf)?
                }
                other => {
                    let key = self.one(other, &aggregate.input, &leaf)?;
                    // Without its expansion a list is one value, which leaves do not group by.
                    if key.ty().multi {
                        return None;
                    }
                    key
                }
            };
            outputs.push(Ir::Column { index: u32::try_from(outputs.len()).ok()?, ty: key.ty().element() });
            keys.push(key);
        }
        let mut aggregates = Vec::with_capacity(aggregate.aggr_expr.len());
        let mut of_no_rows = Vec::with_capacity(aggregate.aggr_expr.len());
        for call in &aggregate.aggr_expr {
            let Expr::AggregateFunction(call) = unalias(call) else { return None };
            let bound = call.func.inner().downcast_ref::<BoundAggregate>()?;
            if call.params.distinct || !call.params.order_by.is_empty() {
                return None;
            }
            let args =
                self.all(&call.params.args[..bound.args.len().min(call.params.args.len())], &aggregate.input, &leaf)?;
            let filter = match &call.params.filter {
                Some(filter) => Some(self.one(filter, &aggregate.input, &leaf)?),
                None => None,
            };
            outputs.push(Ir::Column { index: u32::try_from(outputs.len()).ok()?, ty: bound.result });
            aggregates.push(bound.call(args, filter));
            of_no_rows.push(bound.aggregate.of_no_rows(bound.result));
        }
        (leaf.groups, leaf.outputs) = (Some(Groups { keys, aggregates, of_no_rows }), outputs);
        leaf.order.clear();
        Some(leaf)
    }

    fn sort(&mut self, sort: &Sort) -> Option<Leaf> {
        let mut leaf = self.leaf(&sort.input)?;
        if leaf.is_cut() {
            return None;
        }
        let mut order = Vec::with_capacity(sort.expr.len());
        for key in &sort.expr {
            let expr = self.one(&key.expr, &sort.input, &leaf)?;
            if expr.ty().multi {
                return None;
            }
            order.push((expr, !key.asc, key.nulls_first));
        }
        leaf.order = order;
        leaf.limit = sort.fetch.map(|n| n as u64);
        Some(leaf)
    }

    fn limit(&mut self, limit: &Limit) -> Option<Leaf> {
        let mut leaf = self.leaf(&limit.input)?;
        let skip = match limit.get_skip_type().ok()? {
            SkipType::Literal(n) => n as u64,
            SkipType::UnsupportedExpr => return None,
        };
        let fetch = match limit.get_fetch_type().ok()? {
            FetchType::Literal(n) => n.map(|n| n as u64),
            FetchType::UnsupportedExpr => return None,
        };
        let rest = leaf.limit.map(|n| n.saturating_sub(skip));
        leaf.limit = match (rest, fetch) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        leaf.offset = leaf.offset.checked_add(skip)?;
        Some(leaf)
    }
}

fn unalias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unalias(&alias.expr),
        other => other,
    }
}

impl Leaf {
    /// Rows were cut off: nothing that chooses rows may come after.
    fn is_cut(&self) -> bool {
        self.limit.is_some() || self.offset > 0
    }

    fn distinct(mut self) -> Option<Leaf> {
        match &self.groups {
            None => {
                let keys = std::mem::take(&mut self.outputs);
                if keys.iter().any(|k| k.ty().multi) {
                    return None;
                }
                self.outputs = columns(keys.iter().map(Ir::ty))?;
                self.groups = Some(Groups { keys, aggregates: Vec::new(), of_no_rows: Vec::new() });
                self.order.clear();
                Some(self)
            }
            // Groups that show all their keys differ already.
            Some(groups) => {
                let shown = |n: usize| {
                    self.outputs.iter().any(|o| matches!(o, Ir::Column { index, .. } if *index as usize == n))
                };
                (0..groups.keys.len()).all(shown).then_some(self)
            }
        }
    }

    /// A leaf that only counts rows still needs a column: adds a constant when there is none.
    pub fn with_a_column(mut self, names: &mut Vec<String>) -> Leaf {
        if self.outputs.is_empty() {
            self.outputs.push(Ir::Literal(Scalar::Boolean(true)));
            names.push("row".to_owned());
        }
        self
    }

    pub fn types(&self) -> Vec<Type> {
        self.outputs.iter().map(Ir::ty).collect()
    }

    /// The finished pair. `names` are the client's.
    pub fn finish(
        self,
        names: Vec<String>,
        nulls: &dyn Fn(&TableInfo, &str) -> bool,
        options: LeafOptions,
    ) -> Option<(LeafPlan, ReducePlan)> {
        let visible = self.outputs.len();
        let end = match self.limit {
            Some(limit) => Some(limit.checked_add(self.offset)?),
            None => None,
        };
        let mut pruner = Pruner { table: &self.table, used: Vec::new() };
        let filter = pruner.conjunction(&self.filter)?;
        let (output, input, reduce_output, order, having) = match &self.groups {
            None => {
                let mut exprs: Vec<Ir> = Vec::new();
                let mut place = |expr: &Ir| -> Option<u32> {
                    let at = exprs.iter().position(|e| e == expr).unwrap_or_else(|| {
                        exprs.push(expr.clone());
                        exprs.len() - 1
                    });
                    u32::try_from(at).ok()
                };
                let mut output = Vec::with_capacity(visible);
                for expr in &self.outputs {
                    output.push(Ir::Column { index: place(expr)?, ty: expr.ty() });
                }
                let mut order = Vec::with_capacity(self.order.len());
                let mut leaf_order = Vec::with_capacity(self.order.len());
                for (expr, descending, nulls_first) in &self.order {
                    let at = place(expr)?;
                    leaf_order.push(SortKey { index: at, descending: *descending, nulls_first: *nulls_first });
                    let column = Ir::Column { index: at, ty: expr.ty() };
                    order.push(SortKey {
                        index: add(&mut output, column)?,
                        descending: *descending,
                        nulls_first: *nulls_first,
                    });
                }
                let types = exprs.iter().map(Ir::ty).collect();
                let exprs = exprs.iter().map(|e| pruner.expr(e)).collect::<Option<Vec<_>>>()?;
                // Without a limit the reduce sorts.
                let leaf_order = if end.is_some() { leaf_order } else { Vec::new() };
                (
                    Output::Rows { exprs, order: leaf_order, limit: end },
                    ReduceInput::Rows { types },
                    output,
                    order,
                    None,
                )
            }
            Some(groups) => {
                let keys = groups.keys.iter().map(|k| pruner.expr(k)).collect::<Option<Vec<_>>>()?;
                let aggregates = groups
                    .aggregates
                    .iter()
                    .map(|call| {
                        let args = call.args.iter().map(|a| pruner.expr(a)).collect::<Option<Vec<_>>>()?;
                        let filter = match &call.filter {
                            Some(filter) => Some(pruner.expr(filter)?),
                            None => None,
                        };
                        Some(AggregateCall { args, filter, ..call.clone() })
                    })
                    .collect::<Option<Vec<_>>>()?;
                // No column's name: whether nulls are on for the query at all.
                let standard = nulls(&self.table, "");
                let shown = |expr: &Ir| if standard { Some(expr.clone()) } else { groups.without_nulls(expr) };
                let mut output = self.outputs.iter().map(shown).collect::<Option<Vec<_>>>()?;
                let mut order = Vec::with_capacity(self.order.len());
                for (expr, descending, nulls_first) in &self.order {
                    let index = add(&mut output, shown(expr)?)?;
                    order.push(SortKey { index, descending: *descending, nulls_first: *nulls_first });
                }
                let mut having = self.having.iter().map(shown).collect::<Option<Vec<_>>>()?;
                let having = if having.len() > 1 { Some(Ir::And(having)) } else { having.pop() };
                let limit = if keys.is_empty() || having.is_some() || !order.is_empty() { None } else { end };
                let types = keys.iter().map(|k| k.ty().element()).collect();
                let input = ReduceInput::Groups { keys: types, aggregates: aggregates.clone() };
                (Output::Groups { keys, aggregates, limit }, input, output, order, having)
            }
        };
        let columns = pruner.columns(nulls)?;
        let leaf = LeafPlan { table: self.table.name.clone(), columns, filter, output, options };
        let reduce = ReducePlan {
            input,
            having,
            output: reduce_output,
            names,
            visible,
            order,
            offset: self.offset,
            limit: self.limit,
        };
        Some((leaf, reduce))
    }
}

fn columns(types: impl Iterator<Item = Type>) -> Option<Vec<Ir>> {
    types.enumerate().map(|(n, ty)| Some(Ir::Column { index: u32::try_from(n).ok()?, ty })).collect()
}

/// The place of an output expression, new or known.
fn add(output: &mut Vec<Ir>, expr: Ir) -> Option<u32> {
    let at = output.iter().position(|e| *e == expr).unwrap_or_else(|| {
        output.push(expr);
        output.len() - 1
    });
    u32::try_from(at).ok()
}

/// Numbers the columns that are read.
struct Pruner<'a> {
    table: &'a TableInfo,
    used: Vec<u32>,
}

impl Pruner<'_> {
    fn expr(&mut self, expr: &Ir) -> Option<Ir> {
        map_columns(expr, &mut |index, ty| {
            let at = self.used.iter().position(|u| *u == index).unwrap_or_else(|| {
                self.used.push(index);
                self.used.len() - 1
            });
            Some(Ir::Column { index: u32::try_from(at).ok()?, ty })
        })
    }

    fn conjunction(&mut self, parts: &[Ir]) -> Option<Option<Ir>> {
        let mut parts = parts.iter().map(|p| self.expr(p)).collect::<Option<Vec<_>>>()?;
        // `WHERE NULL` has no type of its own; as a condition it is an unknown BOOLEAN.
        for part in &mut parts {
            if matches!(part, Ir::Literal(Scalar::Null(_))) {
                *part = Ir::Literal(Scalar::Null(Type::BOOLEAN));
            }
        }
        Some(match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Ir::And(parts)),
        })
    }

    fn columns(&self, nulls: &dyn Fn(&TableInfo, &str) -> bool) -> Option<Vec<ColumnRef>> {
        self.used
            .iter()
            .map(|index| {
                let column = self.table.columns.get(*index as usize)?;
                Some(ColumnRef {
                    name: column.name.clone(),
                    ty: column.ty,
                    nulls: nulls(self.table, &column.name),
                    default: column.default.clone(),
                })
            })
            .collect()
    }
}
