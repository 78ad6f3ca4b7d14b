//! What the shards would do for a plan, without doing it: EXPLAIN's lines.

use crate::exec::request::TableSnapshot;
use shard_plan::{LeafPlan, Output};

/// One line per decision that can be told without reading data.
pub fn explain(plan: &LeafPlan, snapshot: &TableSnapshot) -> Vec<String> {
    let names: Vec<String> = plan.columns.iter().map(|c| c.name.clone()).collect();
    let text = |e: &shard_plan::Expr| shard_plan::expr_text(e, &names);
    let mut lines = vec![format!(
        "scan {}: {} segments, {} rows, columns {}",
        plan.table,
        snapshot.segments.len(),
        snapshot.rows(),
        names.join(", ")
    )];
    if let Some(filter) = &plan.filter {
        lines.push(format!("filter: {}", text(filter)));
    }
    match &plan.output {
        Output::Rows { exprs, order, limit } => {
            lines.push(format!("rows: {}", exprs.iter().map(text).collect::<Vec<_>>().join(", ")));
            if !order.is_empty() {
                let keys: Vec<String> = order
                    .iter()
                    .map(|k| {
                        format!(
                            "{}{}",
                            exprs.get(k.index as usize).map(text).unwrap_or_default(),
                            if k.descending { " desc" } else { "" }
                        )
                    })
                    .collect();
                lines.push(format!("order: {}", keys.join(", ")));
            }
            if let Some(limit) = limit {
                lines.push(format!("limit: {limit}"));
            }
        }
        Output::Groups { keys, aggregates, limit } => {
            lines.push(format!(
                "group by: {}",
                if keys.is_empty() {
                    "all rows".to_owned()
                } else {
                    keys.iter().map(text).collect::<Vec<_>>().join(", ")
                }
            ));
            for call in aggregates {
                let args = if call.args.is_empty() {
                    "*".to_owned()
                } else {
                    call.args.iter().map(text).collect::<Vec<_>>().join(", ")
                };
                let filter = call.filter.as_ref().map(|f| format!(" filter {}", text(f))).unwrap_or_default();
                lines.push(format!("aggregate: {}({args}){filter}", call.function));
            }
            if let Some(limit) = limit {
                lines.push(format!("limit: {limit} groups"));
            }
        }
    }
    for segment in &snapshot.segments {
        lines.push(format!(
            "segment {}: {} rows, {} blocks, {}",
            segment.name(),
            segment.rows(),
            segment.source().blocks(),
            segment.residency()
        ));
    }
    lines
}
