//! From a request to a plan with its parameters bound.

use crate::analyze::analyze;
use crate::cache::PlanCache;
use crate::catalog::{TableCatalog, TableInfo};
use crate::dialect::{Explain, parse};
use crate::error::{Result, SqlError, from_datafusion};
use crate::extract::Extractor;
use crate::fingerprint::{Fingerprint, Literal, negated};
use crate::options::{QueryOptions, Statement, split};
use crate::plan::{Body, LeafQuery, ParamSlot, Plan, Profile, ResultColumn, SqlRequest};
use crate::provider::Provider;
use crate::rewrite::{OutputName, Rewriter};
use crate::typing::type_of;
use cluster_types::ErrorCode;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast;
use shard_plan::{LeafOptions, Registry, Scalar, Type, cast_scalar};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The planner's stack is its own: a hostile query never reaches the end of a caller's. Only touched pages cost memory.
const STACK_BYTES: usize = 256 << 20;

/// Limits and defaults.
#[derive(Debug, Clone)]
pub struct PlannerOptions {
    /// Longest SQL text.
    pub max_sql_bytes: usize,
    /// Deepest nesting of brackets.
    pub max_depth: usize,
    /// Standard SQL nulls where neither query nor table says otherwise.
    pub null_handling: bool,
    /// Plans kept.
    pub cache_entries: usize,
}

impl Default for PlannerOptions {
    fn default() -> PlannerOptions {
        PlannerOptions { max_sql_bytes: 1 << 20, max_depth: 200, null_handling: true, cache_entries: 1024 }
    }
}

/// Plans queries; one per process.
#[derive(Debug)]
pub struct Planner {
    registry: Arc<Registry>,
    options: PlannerOptions,
    cache: PlanCache,
}

/// A plan and the values of one query.
#[derive(Debug, Clone)]
pub struct Planned {
    pub plan: Arc<Plan>,
    /// By index of `Expr::Param`.
    pub params: Arc<[Scalar]>,
    /// Request and text merged.
    pub options: QueryOptions,
    pub explain: Option<Explain>,
    /// The statement without what was cut off, for EXPLAIN.
    pub sql: String,
    /// The plan came from the cache.
    pub cached: bool,
}

/// What [`Planner::begin`] found.
#[derive(Debug)]
pub enum Begun {
    Planned(Planned),
    Unplanned(Box<Unplanned>),
}

/// A statement without a plan.
#[derive(Debug)]
pub struct Unplanned {
    statement: Statement,
    print: Fingerprint,
    context: Vec<u8>,
    profile: Profile,
    /// Request and text merged.
    pub options: QueryOptions,
}

fn planning_thread() -> std::thread::Builder {
    std::thread::Builder::new().name("sql-plan".to_owned()).stack_size(STACK_BYTES)
}

fn no_thread(error: &std::io::Error) -> SqlError {
    SqlError::new(ErrorCode::ServerOutOfCapacity, format!("no thread to plan the query: {error}"))
}

fn panicked(panic: &(dyn Any + Send)) -> SqlError {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    SqlError::new(ErrorCode::Internal, format!("the planner panicked: {}", what.unwrap_or("no message")))
}

impl Planner {
    pub fn new(registry: Arc<Registry>) -> Planner {
        Planner::with_options(registry, PlannerOptions::default())
    }

    pub fn with_options(registry: Arc<Registry>, options: PlannerOptions) -> Planner {
        let cache = PlanCache::new(options.cache_entries);
        Planner { registry, options, cache }
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Plans a query, or finds its plan, and binds its values. A query that is planned anew holds the caller up for as
    /// long as that takes: [`Planner::plan_aside`] does not.
    pub fn plan(&self, request: &SqlRequest, catalog: &dyn TableCatalog) -> Result<Planned> {
        match self.begin(request, catalog)? {
            Begun::Planned(planned) => Ok(planned),
            Begun::Unplanned(query) => std::thread::scope(|scope| {
                let thread = planning_thread()
                    .spawn_scoped(scope, || self.finish_unplanned(*query, catalog))
                    .map_err(|e| no_thread(&e))?;
                thread.join().unwrap_or_else(|panic| Err(panicked(&*panic)))
            }),
        }
    }

    /// Plans what [`Planner::begin`] left, on a thread of its own. Whoever stops waiting leaves the thread behind: it ends
    /// when the plan is made, drops `hold` then and keeps the plan for the next time.
    pub async fn plan_aside<H: Send + 'static>(
        self: &Arc<Self>,
        query: Box<Unplanned>,
        catalog: Arc<dyn TableCatalog>,
        hold: H,
    ) -> Result<Planned> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let planner = self.clone();
        let work = move || {
            let planning = std::panic::AssertUnwindSafe(|| planner.finish_unplanned(*query, &*catalog));
            let planned = std::panic::catch_unwind(planning).unwrap_or_else(|panic| Err(panicked(&*panic)));
            drop(hold);
            // The one who asked may be gone.
            let _ = sender.send(planned);
        };
        planning_thread().spawn(work).map_err(|e| no_thread(&e))?;
        receiver.await.unwrap_or_else(|_| Err(SqlError::new(ErrorCode::Internal, "the planner ended without a plan")))
    }

    /// Finds a query's plan; what has none is to be planned.
    pub fn begin(&self, request: &SqlRequest, catalog: &dyn TableCatalog) -> Result<Begun> {
        if request.sql.len() > self.options.max_sql_bytes {
            return Err(SqlError::parsing(format!(
                "the query is {} bytes long, the limit is {}; put long lists into a table and join it",
                request.sql.len(),
                self.options.max_sql_bytes
            ))
            .at(1, 1));
        }
        let statement = split(&request.sql, &request.options)?;
        let profile = match statement.options.boolean("useMultistageEngine") {
            Some(true) => Profile::Mse,
            Some(false) => Profile::Sse,
            None => request.profile,
        };
        let options = statement.options.clone();
        options.timeout_ms()?;
        let print = Fingerprint::of(&statement.sql, &statement.tokens);
        let context = self.context(&options, profile)?;
        if let Some(plan) = self.cache.get(&context, &print)
            && current(&plan, catalog)?
        {
            let params = bind(&plan.params, &print.literals)?;
            let sql = statement.sql;
            return Ok(Begun::Planned(Planned { plan, params, options, explain: None, sql, cached: true }));
        }
        Ok(Begun::Unplanned(Box::new(Unplanned { statement, print, context, profile, options })))
    }

    fn finish_unplanned(&self, query: Unplanned, catalog: &dyn TableCatalog) -> Result<Planned> {
        let Unplanned { statement, print, context, profile, options } = query;
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let (plan, explain, volatile, sql) = self.fresh(statement, profile, &options, catalog, now_ms)?;
        let plan = Arc::new(plan);
        let params = bind(&plan.params, &print.literals)?;
        if !volatile && explain.is_none() {
            self.cache.insert(&context, &print, &plan);
        }
        Ok(Planned { plan, params, options, explain, sql, cached: false })
    }

    /// Plans held in the cache.
    pub fn cached_plans(&self) -> usize {
        self.cache.len()
    }

    /// What a plan depends on besides text and tables.
    fn context(&self, options: &QueryOptions, profile: Profile) -> Result<Vec<u8>> {
        let mut key = vec![profile as u8];
        key.extend_from_slice(format!("{:?}", options.boolean("enableNullHandling")).as_bytes());
        key.extend_from_slice(format!("{:?}", leaf_options(options)?).as_bytes());
        Ok(key)
    }

    fn fresh(
        &self,
        mut statement: Statement,
        profile: Profile,
        options: &QueryOptions,
        catalog: &dyn TableCatalog,
        now_ms: i64,
    ) -> Result<(Plan, Option<Explain>, bool, String)> {
        let (explain, mut query) = parse(&mut statement, self.options.max_depth)?;
        // The text of an EXPLAIN has other literals than its query's: none is a parameter.
        let places = match explain {
            None => Fingerprint::places(&statement.sql, &statement.tokens),
            Some(_) => HashMap::new(),
        };
        let mut rewriter = Rewriter::new(&self.registry, catalog, profile, now_ms, &places);
        let names = rewriter.run(&mut query)?;
        let (tables, volatile) = (rewriter.tables, rewriter.volatile);
        let provider = Provider::new(&self.registry, profile, &tables);
        let parser_options = ParserOptions {
            parse_float_as_decimal: false,
            enable_ident_normalization: false,
            support_varchar_with_length: true,
            enable_options_value_normalization: false,
            collect_spans: false,
            map_string_types_to_utf8view: false,
            default_null_ordering: NullOrdering::NullsMax,
        };
        let logical = SqlToRel::new_with_options(&provider, parser_options)
            .sql_statement_to_plan(ast::Statement::Query(query))
            .map_err(|e| from_datafusion(e, ErrorCode::QueryPlanning))?;
        let logical = analyze(&self.registry, profile, logical)?;
        let plan = self.finish(logical, names, tables, profile, options)?;
        Ok((plan, explain, volatile, statement.sql))
    }

    fn finish(
        &self,
        logical: LogicalPlan,
        names: Vec<OutputName>,
        tables: Vec<Arc<TableInfo>>,
        profile: Profile,
        options: &QueryOptions,
    ) -> Result<Plan> {
        let mut columns = Vec::with_capacity(names.len());
        if names.len() != logical.schema().fields().len() {
            return Err(SqlError::planning(format!(
                "the plan has {} columns, the query {}",
                logical.schema().fields().len(),
                names.len()
            )));
        }
        for (name, field) in names.iter().zip(logical.schema().fields()) {
            columns.push(ResultColumn { name: name.visible.clone(), ty: type_of(field)?.unwrap_or(Type::STRING) });
        }
        let leaf_options = leaf_options(options)?;
        let by_query = options.boolean("enableNullHandling");
        let nulls = |table: &TableInfo, column: &str| {
            let standard = by_query.or(table.null_handling).unwrap_or(self.options.null_handling);
            let not_null = table.column_based_nulls && table.column(column).is_some_and(|c| c.not_null);
            standard && !not_null
        };
        let mut params = Vec::new();
        let whole = Extractor { params: Some(&mut params) }.leaf(&logical);
        if let Some(leaf) = whole {
            // The leaf knows the exact types: a JSON column behind an alias is still JSON.
            for (column, ty) in columns.iter_mut().zip(leaf.types()) {
                column.ty = ty;
            }
            let visible = names.iter().map(|n| n.visible.clone()).collect();
            let (leaf, reduce) = leaf
                .finish(visible, &nulls, leaf_options)
                .ok_or_else(|| SqlError::planning("LIMIT and OFFSET are too large together"))?;
            let body = Body::Leaf { leaf: Arc::new(leaf), reduce: Arc::new(reduce) };
            return Ok(Plan { columns, tables, profile, body, params });
        }
        let mut leaves: Vec<Arc<LeafQuery>> = Vec::new();
        let plan = crate::above::over_leaves(logical, &nulls, &leaf_options, &mut leaves)?;
        Ok(Plan { columns, tables, profile, body: Body::Above { plan, leaves }, params: Vec::new() })
    }
}

/// Whether the plan's tables are still what they were.
fn current(plan: &Plan, catalog: &dyn TableCatalog) -> Result<bool> {
    for table in &plan.tables {
        match catalog.table(&table.name)? {
            Some(now) if now.version == table.version => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn leaf_options(options: &QueryOptions) -> Result<LeafOptions> {
    Ok(LeafOptions {
        use_star_tree: options.boolean("useStarTree").unwrap_or(true),
        skip_indexes: options.skip_indexes(),
        num_groups_limit: options.number("numGroupsLimit")?,
    })
}

/// The values of the parameters, from the literals of this query's text.
fn bind(slots: &[ParamSlot], literals: &[Literal]) -> Result<Arc<[Scalar]>> {
    let missing = || SqlError::planning("a parameter has no literal in the text");
    slots
        .iter()
        .map(|slot| match literals.get(slot.literal as usize).ok_or_else(missing)? {
            Literal::One(value) if !slot.list => {
                let value = if slot.negated { negated(value).ok_or_else(missing)? } else { value.clone() };
                Ok(cast_scalar(&value, slot.ty)?)
            }
            Literal::List(values) if slot.list => {
                let values = values.iter().map(|v| Ok(cast_scalar(v, slot.ty)?)).collect::<Result<Vec<_>>>()?;
                Ok(Scalar::List(slot.ty.data, values.into()))
            }
            _ => Err(missing()),
        })
        .collect()
}
