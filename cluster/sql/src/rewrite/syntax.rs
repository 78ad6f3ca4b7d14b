//! Clauses that are refused, and the limit that the `sse` profile adds.

use crate::error::{Result, SqlError};
use datafusion::sql::sqlparser::ast::{Distinct, Expr, Fetch, LimitClause, Query, Select, SelectFlavor, Value};

/// Rows that Pinot's single-stage engine answers when a query has no LIMIT.
const DEFAULT_LIMIT: u32 = 10;

/// Adds LIMIT 10 to a query without a limit (E-2).
pub fn default_limit(query: &mut Query) {
    let add = || Some(Expr::value(Value::Number(DEFAULT_LIMIT.to_string(), false)));
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset { limit: add(), offset: None, limit_by: Vec::new() });
        }
        Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => *limit = add(),
        _ => {}
    }
}

/// Refuses what is no part of the dialect, by name.
pub fn check_select(select: &Select) -> Result<()> {
    let refused = [
        (select.into.is_some(), "SELECT INTO"),
        (select.top.is_some(), "TOP"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.value_table_mode.is_some(), "SELECT AS VALUE"),
        (select.flavor != SelectFlavor::Standard, "FROM before SELECT"),
        (matches!(select.distinct, Some(Distinct::On(_))), "DISTINCT ON"),
    ];
    match refused.iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(SqlError::validation(format!("{what} is not supported"))),
        None => Ok(()),
    }
}

/// `FETCH FIRST n ROWS ONLY` as a LIMIT.
pub fn fetch_as_limit(query: &mut Query, fetch: &Fetch) -> Result<()> {
    if fetch.percent || fetch.with_ties {
        return Err(SqlError::validation("FETCH with PERCENT or WITH TIES is not supported"));
    }
    let quantity = fetch.quantity.clone().or_else(|| Some(Expr::value(Value::Number("1".to_owned(), false))));
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset { limit: quantity, offset: None, limit_by: Vec::new() })
        }
        Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => *limit = quantity,
        Some(_) => return Err(SqlError::validation("LIMIT and FETCH exclude each other")),
    }
    Ok(())
}
