//! EXPLAIN: what was pushed into leaves, what runs above them; EXPLAIN ANALYZE: what it took.

use crate::error::{Result, SqlError};
use crate::execute::QueryResult;
use crate::plan::{Body, Plan, Profile, ResultColumn};
use crate::planner::Planned;
use crate::stats::LeafStats;
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Schema;
use shard_plan::eval::expr_text;
use shard_plan::{Expr, LeafPlan, Output, ReducePlan, SortKey, Type};
use std::sync::Arc;

/// A line of a plan's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub depth: usize,
    pub text: String,
}

/// The plan as a tree of lines.
pub fn lines(plan: &Plan) -> Vec<Line> {
    match &plan.body {
        Body::Leaf { leaf, reduce } => {
            let mut lines = reduce_lines(0, reduce, leaf);
            let depth = lines.last().map_or(0, |l| l.depth + 1);
            lines.extend(leaf_lines(depth, leaf));
            lines
        }
        Body::Above { plan, leaves } => {
            let mut lines = Vec::new();
            for line in plan.display_indent().to_string().lines() {
                let depth = (line.len() - line.trim_start().len()) / 2;
                lines.push(Line { depth, text: line.trim_start().to_owned() });
                let leaf = line
                    .split_once("TableScan: leaf_")
                    .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok())
                    .and_then(|number| leaves.iter().find(|l| l.number == number));
                if let Some(query) = leaf {
                    let reduce = reduce_lines(depth + 1, &query.reduce, &query.leaf);
                    let below = reduce.last().map_or(depth + 1, |l| l.depth + 1);
                    lines.extend(reduce);
                    lines.extend(leaf_lines(below, &query.leaf));
                }
            }
            lines
        }
    }
}

/// Names for the input of a reduce: keys and aggregates, or the leaf's expressions.
fn input_names(leaf: &LeafPlan) -> Vec<String> {
    let columns = column_names(leaf);
    match &leaf.output {
        Output::Rows { exprs, .. } => exprs.iter().map(|e| expr_text(e, &columns)).collect(),
        Output::Groups { keys, aggregates, .. } => keys
            .iter()
            .map(|k| expr_text(k, &columns))
            .chain(aggregates.iter().map(|call| {
                let mut args: Vec<String> = call.args.iter().map(|a| expr_text(a, &columns)).collect();
                if args.is_empty() {
                    args.push("*".to_owned());
                }
                args.extend(call.params.iter().map(shard_plan::eval::scalar_text));
                let filter = call.filter.as_ref().map(|f| format!(" FILTER(WHERE {})", expr_text(f, &columns)));
                format!("{}({}){}", call.function, args.join(","), filter.unwrap_or_default())
            }))
            .collect(),
    }
}

fn column_names(leaf: &LeafPlan) -> Vec<String> {
    leaf.columns.iter().map(|c| c.name.clone()).collect()
}

fn reduce_lines(depth: usize, reduce: &ReducePlan, leaf: &LeafPlan) -> Vec<Line> {
    let names = input_names(leaf);
    let texts = |exprs: &[Expr]| exprs.iter().map(|e| expr_text(e, &names)).collect::<Vec<_>>().join(", ");
    let mut parts = vec![format!("output:[{}]", texts(&reduce.output[..reduce.visible]))];
    if let Some(having) = &reduce.having {
        parts.push(format!("having:{}", expr_text(having, &names)));
    }
    if !reduce.order.is_empty() {
        let keys = reduce.order.iter().map(|k| sort_text(k, &reduce.output, &names)).collect::<Vec<_>>().join(", ");
        parts.push(format!("sort:[{keys}]"));
    }
    if reduce.offset > 0 {
        parts.push(format!("offset:{}", reduce.offset));
    }
    if let Some(limit) = reduce.limit {
        parts.push(format!("limit:{limit}"));
    }
    vec![Line { depth, text: format!("BROKER_REDUCE({})", parts.join(", ")) }]
}

fn sort_text(key: &SortKey, exprs: &[Expr], names: &[String]) -> String {
    let expr = exprs.get(key.index as usize).map(|e| expr_text(e, names)).unwrap_or_default();
    format!(
        "{expr} {} NULLS {}",
        if key.descending { "DESC" } else { "ASC" },
        if key.nulls_first { "FIRST" } else { "LAST" }
    )
}

fn leaf_lines(depth: usize, leaf: &LeafPlan) -> Vec<Line> {
    let columns = column_names(leaf);
    let names = input_names(leaf);
    let head = match &leaf.output {
        Output::Rows { exprs, order, limit } => {
            let mut parts = vec![format!("selectList:[{}]", names.join(", "))];
            if !order.is_empty() {
                parts.push(format!(
                    "sort:[{}]",
                    order.iter().map(|k| sort_text(k, exprs, &columns)).collect::<Vec<_>>().join(", ")
                ));
            }
            if let Some(limit) = limit {
                parts.push(format!("limit:{limit}"));
            }
            let name = if order.is_empty() { "SELECT" } else { "SELECT_ORDERBY" };
            format!("{name}({})", parts.join(", "))
        }
        Output::Groups { keys, aggregates, limit } => {
            let (keys, calls) = names.split_at(keys.len());
            let limit = limit.map(|l| format!(", limit:{l}")).unwrap_or_default();
            match (keys.is_empty(), aggregates.is_empty()) {
                (true, _) => format!("AGGREGATE(aggregations:[{}])", calls.join(", ")),
                (false, true) => format!("DISTINCT(keyColumns:[{}]{limit})", keys.join(", ")),
                (false, false) => {
                    format!("GROUP_BY(groupKeys:[{}], aggregations:[{}]{limit})", keys.join(", "), calls.join(", "))
                }
            }
        }
    };
    let read: Vec<String> = leaf
        .columns
        .iter()
        .map(|c| format!("{} {}{}", c.name, c.ty, if c.nulls { "" } else { " DEFAULTS FOR NULLS" }))
        .collect();
    let mut lines = vec![
        Line { depth, text: format!("LEAF(table:{})", leaf.table) },
        Line { depth: depth + 1, text: head },
        Line { depth: depth + 2, text: format!("PROJECT({})", read.join(", ")) },
    ];
    lines.push(Line {
        depth: depth + 3,
        text: match &leaf.filter {
            Some(filter) => format!("FILTER({})", expr_text(filter, &columns)),
            None => "FILTER_MATCH_ENTIRE_SEGMENT()".to_owned(),
        },
    });
    lines
}

/// The answer to EXPLAIN: Pinot's three columns in `sse`, its two in `mse`.
pub fn explain(planned: &Planned) -> Result<QueryResult> {
    table(planned, lines(&planned.plan), LeafStats::default())
}

/// The answer to EXPLAIN ANALYZE, from the answer to the query itself.
pub fn explain_analyze(planned: &Planned, result: &QueryResult, nanos: u64) -> Result<QueryResult> {
    let mut all = lines(&planned.plan);
    let line = |depth: usize, text: String| Line { depth, text };
    let bytes: usize = result.batches.iter().map(RecordBatch::get_array_memory_size).sum();
    all.push(line(0, format!("TOTAL(time:{:.3}ms, rows:{}, bytes:{bytes})", nanos as f64 / 1e6, result.rows())));
    all.push(line(1, format!("REDUCE(time:{:.3}ms)", result.reduce_nanos as f64 / 1e6)));
    let s = &result.stats;
    all.push(line(
        1,
        format!(
            "LEAVES(docsScanned:{}, totalDocs:{}, entriesInFilter:{}, entriesPostFilter:{}, bytes:{}, segmentsQueried:{}, \
             segmentsProcessed:{}, segmentsMatched:{}, prunedByServer:{}, prunedByValue:{}, prunedByLimit:{}, prunedByBroker:{})",
            s.num_docs_scanned,
            s.total_docs,
            s.num_entries_scanned_in_filter,
            s.num_entries_scanned_post_filter,
            s.bytes_scanned,
            s.num_segments_queried,
            s.num_segments_processed,
            s.num_segments_matched,
            s.num_segments_pruned_by_server,
            s.num_segments_pruned_by_value,
            s.num_segments_pruned_by_limit,
            s.num_segments_pruned_by_broker
        ),
    ));
    all.extend(s.profile.iter().map(|text| line(2, text.clone())));
    if let Some(operators) = &result.operators {
        for text in operators.lines() {
            let depth = (text.len() - text.trim_start().len()) / 2;
            all.push(line(1 + depth, text.trim_start().to_owned()));
        }
    }
    table(planned, all, s.clone())
}

fn table(planned: &Planned, lines: Vec<Line>, stats: LeafStats) -> Result<QueryResult> {
    let (columns, arrays): (Vec<ResultColumn>, Vec<ArrayRef>) = match planned.plan.profile {
        Profile::Sse => {
            // Parents by depth.
            let mut above: Vec<i32> = Vec::new();
            let mut ids = Vec::with_capacity(lines.len());
            let mut parents = Vec::with_capacity(lines.len());
            for (n, line) in lines.iter().enumerate() {
                let id = i32::try_from(n).map_err(|_| SqlError::planning("the plan has too many lines"))? + 1;
                above.truncate(line.depth);
                parents.push(above.last().copied().unwrap_or(0));
                above.push(id);
                ids.push(id);
            }
            let texts = StringArray::from_iter_values(lines.iter().map(|l| &l.text));
            (
                vec![named("Operator", Type::STRING), named("Operator_Id", Type::INT), named("Parent_Id", Type::INT)],
                vec![Arc::new(texts), Arc::new(Int32Array::from(ids)), Arc::new(Int32Array::from(parents))],
            )
        }
        Profile::Mse => {
            let mut text = String::new();
            for line in &lines {
                text.push_str(&"  ".repeat(line.depth));
                text.push_str(&line.text);
                text.push('\n');
            }
            let sql = StringArray::from_iter_values([planned.sql.trim()]);
            (
                vec![named("SQL", Type::STRING), named("PLAN", Type::STRING)],
                vec![Arc::new(sql), Arc::new(StringArray::from_iter_values([text]))],
            )
        }
    };
    let fields = columns.iter().map(|c| crate::typing::field(&c.name, c.ty)).collect::<Vec<_>>();
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| SqlError::planning(e.to_string()))?;
    Ok(QueryResult { columns, batches: vec![batch], stats, reduce_nanos: 0, operators: None })
}

fn named(name: &str, ty: Type) -> ResultColumn {
    ResultColumn { name: name.to_owned(), ty }
}
