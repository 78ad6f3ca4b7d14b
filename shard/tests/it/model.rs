//! What a plan means, worked out row by row over the whole table at once.

use crate::registry;
use crate::table::Table;
use arrow_array::{Array, ArrayRef, UInt32Array};
use shard::LeafAnswer;
use shard_plan::eval::value::from_scalars;
use shard_plan::merge::GroupMerger;
use shard_plan::sort::{SortOptions, concat, sort_indices, take};
use shard_plan::{BoundExpr, LeafPlan, Output, Scalar, Type, repeat, scalar_at};
use std::collections::BTreeMap;

/// Rows as text, sorted unless the plan orders them.
pub type Rows = Vec<String>;

pub fn columns(table: &Table, plan: &LeafPlan) -> Vec<ArrayRef> {
    plan.columns
        .iter()
        .map(|reference| {
            let column = &table.columns[table.column(&reference.name)];
            let default = if column.ty.multi {
                Scalar::List(column.ty.data, [column.default.clone()].into())
            } else {
                column.default.clone()
            };
            let values: Vec<Scalar> = column
                .values
                .iter()
                .map(|v| if v.is_null() && !reference.nulls { default.clone() } else { v.clone() })
                .collect();
            if column.ty.multi {
                let rows: Vec<Vec<ArrayRef>> = values.iter().map(|v| vec![repeat(v, 1).unwrap()]).collect();
                return concat(&rows).unwrap().remove(0);
            }
            from_scalars(column.ty, &values).unwrap()
        })
        .collect()
}

fn text(row: &[Scalar]) -> String {
    row.iter()
        .map(|v| match v {
            Scalar::Double(v) => format!("{:?}", segfmt::value::normalize_f64(*v)),
            Scalar::Float(v) => format!("{:?}", segfmt::value::normalize_f32(*v)),
            Scalar::Null(_) => "NULL".to_owned(),
            v => format!("{v:?}"),
        })
        .collect::<Vec<_>>()
        .join(" | ")
}

fn rows_of(columns: &[ArrayRef], types: &[Type]) -> Rows {
    let rows = columns.first().map_or(0, |c| c.len());
    (0..rows)
        .map(|row| text(&columns.iter().zip(types).map(|(c, ty)| scalar_at(c, *ty, row).unwrap()).collect::<Vec<_>>()))
        .collect()
}

/// The answer of a plan.
pub fn expected(table: &Table, plan: &LeafPlan, params: &[Scalar]) -> Rows {
    let registry = registry();
    let bind = |e: &shard_plan::Expr| BoundExpr::bind(e, &registry, params).unwrap();
    let all = columns(table, plan);
    let passing: UInt32Array = match &plan.filter {
        None => (0..table.rows as u32).collect::<Vec<_>>().into(),
        Some(filter) => bind(filter)
            .eval_filter(&all, table.rows)
            .unwrap()
            .values()
            .set_indices()
            .map(|i| i as u32)
            .collect::<Vec<_>>()
            .into(),
    };
    let all = take(&all, &passing).unwrap();
    let n = passing.len();
    match &plan.output {
        Output::Rows { exprs, order, limit } => {
            let mut values: Vec<ArrayRef> = exprs.iter().map(|e| bind(e).eval(&all, n).unwrap()).collect();
            let types: Vec<Type> = exprs.iter().map(|e| e.ty()).collect();
            if order.is_empty() {
                let mut rows = rows_of(&values, &types);
                rows.sort();
                return rows;
            }
            let keys: Vec<_> =
                order.iter().map(|k| (values[k.index as usize].clone(), SortOptions::from(*k))).collect();
            values = take(&values, &sort_indices(&keys, None).unwrap()).unwrap();
            let mut rows = rows_of(&values, &types);
            rows.truncate(limit.map_or(usize::MAX, |l| l as usize));
            rows
        }
        Output::Groups { keys, aggregates, .. } => {
            let key_arrays: Vec<ArrayRef> = keys.iter().map(|e| bind(e).eval(&all, n).unwrap()).collect();
            let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for row in 0..n {
                let mut combinations = vec![Vec::new()];
                for (array, key) in key_arrays.iter().zip(keys) {
                    let value = scalar_at(array, key.ty(), row).unwrap();
                    let elements = match &value {
                        Scalar::List(_, elements) => elements.to_vec(),
                        Scalar::Null(_) => vec![Scalar::Null(key.ty().element())],
                        value => vec![value.clone()],
                    };
                    combinations = combinations
                        .iter()
                        .flat_map(|c: &Vec<Scalar>| {
                            elements.iter().map(move |e| [c.as_slice(), std::slice::from_ref(e)].concat())
                        })
                        .collect();
                }
                for combination in combinations {
                    groups.entry(text(&combination)).or_default().push(row as u32);
                }
            }
            if keys.is_empty() {
                groups.entry(String::new()).or_default();
            }
            let args: Vec<Vec<ArrayRef>> =
                aggregates.iter().map(|a| a.args.iter().map(|e| bind(e).eval(&all, n).unwrap()).collect()).collect();
            let filters: Vec<_> =
                aggregates.iter().map(|a| a.filter.as_ref().map(|f| bind(f).eval_filter(&all, n).unwrap())).collect();
            let mut rows: Rows = groups
                .iter()
                .map(|(key, rows)| {
                    let mut line = vec![key.clone()];
                    for ((call, args), filter) in aggregates.iter().zip(&args).zip(&filters) {
                        let types: Vec<Type> = call.args.iter().map(|a| a.ty()).collect();
                        let mut accumulator = registry
                            .aggregate(&call.function)
                            .unwrap()
                            .accumulator(&types, &call.params, call.ty)
                            .unwrap();
                        accumulator.resize(1);
                        let kept: Vec<u32> = rows
                            .iter()
                            .copied()
                            .filter(|r| filter.as_ref().is_none_or(|f| f.value(*r as usize)))
                            .collect();
                        let args = take(args, &UInt32Array::from(kept.clone())).unwrap();
                        accumulator.update(&args, &vec![0; kept.len()], None).unwrap();
                        line.push(text(&[scalar_at(&accumulator.finish().unwrap(), call.ty, 0).unwrap()]));
                    }
                    line.join(" # ")
                })
                .collect();
            rows.sort();
            rows
        }
    }
}

/// What the shards answered, in the same form.
pub fn answered(plan: &LeafPlan, answer: &LeafAnswer) -> Rows {
    match &plan.output {
        Output::Rows { exprs, order, .. } => {
            let types: Vec<Type> = exprs.iter().map(|e| e.ty()).collect();
            let mut rows: Rows = answer.batches.iter().flat_map(|b| rows_of(b.columns(), &types)).collect();
            if order.is_empty() {
                rows.sort();
            }
            rows
        }
        Output::Groups { keys, aggregates, .. } => {
            let types: Vec<Type> = keys.iter().map(|k| k.ty().element()).collect();
            let mut merger = GroupMerger::new(&types, aggregates, &registry()).unwrap();
            for batch in &answer.batches {
                merger.push(batch.columns()).unwrap();
            }
            let mut finished = Vec::new();
            merger
                .finish(|columns, _| {
                    finished.push(columns);
                    Ok(())
                })
                .unwrap();
            let columns = shard_plan::sort::concat(&finished).unwrap();
            let groups = columns.first().map_or(0, |c| c.len());
            let mut rows: Rows = (0..groups)
                .map(|row| {
                    let key: Vec<Scalar> =
                        columns.iter().zip(&types).map(|(c, ty)| scalar_at(c, *ty, row).unwrap()).collect();
                    let mut line = vec![text(&key)];
                    for (column, call) in columns[keys.len()..].iter().zip(aggregates) {
                        line.push(text(&[scalar_at(column, call.ty, row).unwrap()]));
                    }
                    line.join(" # ")
                })
                .collect();
            rows.sort();
            rows
        }
    }
}
