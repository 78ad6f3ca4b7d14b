//! `EXCEPT ALL` and `INTERSECT ALL`: copies are told apart by a number, then the DISTINCT form is exact.

use crate::dialect::PinotDialect;
use crate::error::{Result, SqlError};
use datafusion::sql::sqlparser::ast::{Query, SetExpr, SetOperator, TableFactor};
use datafusion::sql::sqlparser::parser::Parser;

/// `left op ALL right` where the sides' columns are called `left_names` and `right_names`.
pub fn counted(
    op: SetOperator,
    left: SetExpr,
    right: SetExpr,
    left_names: &[String],
    right_names: &[String],
) -> Result<SetExpr> {
    let list = |table: &str, names: &[String]| {
        names.iter().map(|n| format!("\"{table}\".\"{}\"", n.replace('"', "\"\""))).collect::<Vec<_>>().join(", ")
    };
    let side = |table: &str, names: &[String]| {
        let columns = list(table, names);
        format!(
            "(SELECT {columns}, \"row_number\"() OVER (PARTITION BY {columns}) AS \"gamay_copy\" FROM (SELECT 1) AS \"{table}\")"
        )
    };
    let text = format!(
        "SELECT {} FROM ({} {op} {}) AS \"both\"",
        list("both", left_names),
        side("left", left_names),
        side("right", right_names)
    );
    let broken = || SqlError::planning(format!("{op} ALL could not be written out"));
    let mut query = Parser::new(&PinotDialect)
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_query())
        .map_err(|_| broken())?;
    let both = derived(&mut query).ok_or_else(broken)?;
    let SetExpr::SetOperation { left: left_side, right: right_side, .. } = both.body.as_mut() else {
        return Err(broken());
    };
    for (place, sides) in [(left_side, left), (right_side, right)] {
        let SetExpr::Query(query) = place.as_mut() else { return Err(broken()) };
        *derived(query).ok_or_else(broken)?.body = sides;
    }
    Ok(SetExpr::Query(query))
}

/// The query in the FROM of a query.
fn derived(query: &mut Query) -> Option<&mut Query> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    match &mut select.from.first_mut()?.relation {
        TableFactor::Derived { subquery, .. } => Some(subquery),
        _ => None,
    }
}
