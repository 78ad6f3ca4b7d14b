//! The pass over the syntax tree before planning (E-4): names are resolved and quoted, `*` written out, Pinot's and
//! SQL's special forms turned into calls, literals that may be parameters marked.
//!
//! After it every name is the catalog's own spelling in double quotes, and the planner needs no rule of its own.

mod calls;
mod chain;
mod expr;
mod query;
mod set_all;
mod syntax;

pub use calls::WINDOW_FUNCTIONS;
pub use query::OutputName;

use crate::catalog::{TableCatalog, TableInfo};
use crate::error::{Result, SqlError};
use crate::plan::Profile;
use crate::scope::{Column, Scope, closest};
use cluster_types::ErrorCode;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, Spanned};
use shard_plan::Registry;
use std::collections::HashMap;
use std::sync::Arc;

/// Prefix of the calls that stand for syntax between this pass and the analyzer.
pub const CAST: &str = "gamay_cast";
pub const TRY_CAST: &str = "gamay_try_cast";
pub const DECIMAL: &str = "gamay_decimal";
pub const PARAM: &str = "gamay_param";

/// How deep an expression may nest once AND and OR are flat.
pub const MAX_EXPRESSION_DEPTH: usize = 256;

/// Deepest nesting of subqueries inside of expressions: DataFusion checks each of them again for every one around it, so
/// that the time to plan doubles with each level (0.1 s at this depth).
const MAX_SUBQUERY_DEPTH: usize = 16;
/// How many queries a set operation may join on one side.
pub const MAX_SET_DEPTH: usize = 500;

/// What the pass knows and finds.
pub struct Rewriter<'a> {
    pub(crate) registry: &'a Registry,
    catalog: &'a dyn TableCatalog,
    pub(crate) profile: Profile,
    /// Milliseconds since 1970 that `now()` stands for.
    pub(crate) now_ms: i64,
    /// Position of a literal in the text to its ordinal in the fingerprint.
    pub(crate) literals: &'a HashMap<(u64, u64), u32>,
    pub(crate) scopes: Vec<Scope>,
    /// CTEs in sight, inner ones last: name and columns.
    pub(crate) ctes: Vec<(String, Vec<Column>)>,
    /// Tables of the query, by the name that the planner knows.
    pub tables: Vec<Arc<TableInfo>>,
    /// The plan depends on more than the text: it must not be cached.
    pub volatile: bool,
    pub(crate) depth: usize,
    /// Subqueries inside of expressions that are open now.
    pub(crate) subqueries: usize,
}

impl<'a> Rewriter<'a> {
    pub fn new(
        registry: &'a Registry,
        catalog: &'a dyn TableCatalog,
        profile: Profile,
        now_ms: i64,
        literals: &'a HashMap<(u64, u64), u32>,
    ) -> Rewriter<'a> {
        Rewriter {
            registry,
            catalog,
            profile,
            now_ms,
            literals,
            scopes: Vec::new(),
            ctes: Vec::new(),
            tables: Vec::new(),
            volatile: false,
            depth: 0,
            subqueries: 0,
        }
    }

    /// Rewrites the whole query; returns its output columns.
    pub fn run(&mut self, query: &mut Query) -> Result<Vec<OutputName>> {
        let names = self.query(query)?;
        if self.profile == Profile::Sse {
            syntax::default_limit(query);
        }
        Ok(names)
    }

    /// The table with this name, remembered as one of the query's.
    fn table(&mut self, name: &ObjectName) -> Result<Arc<TableInfo>> {
        let parts: Vec<&str> = name.0.iter().filter_map(ObjectNamePart::as_ident).map(|i| i.value.as_str()).collect();
        let written = parts.join(".");
        let place = name.span().start;
        match self.catalog.table(&written).map_err(|e| e.at(place.line, place.column))? {
            Some(table) => {
                if !self.tables.iter().any(|t| t.name == table.name) {
                    self.tables.push(table.clone());
                }
                Ok(table)
            }
            None => {
                let names = self.catalog.table_names();
                let hint = match closest(&written, names.iter().map(String::as_str)) {
                    Some(near) => format!("; did you mean {near}?"),
                    None => String::new(),
                };
                Err(SqlError::new(ErrorCode::TableDoesNotExist, format!("table {written} does not exist{hint}"))
                    .at(place.line, place.column))
            }
        }
    }
}

pub(crate) fn name_of(ident: Ident) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(ident)])
}
