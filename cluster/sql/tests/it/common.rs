//! Tables in memory and a leaf runner over them that goes row by row: slow, small, and by the book.

use cluster_sql::{
    ColumnInfo, ExecuteContext, LeafAnswer, LeafFuture, LeafRunner, LeafStats, Planner, Profile, QueryOptions,
    QueryResult, SqlError, SqlRequest, TableCatalog, TableInfo, execute,
};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{filter, take};
use datafusion::arrow::datatypes::{Field, Schema};
use serde_json::Value;
use shard_plan::eval::{BoundExpr, repeat, scalar_at};
use shard_plan::group::GroupTable;
use shard_plan::{LeafPlan, Output, Registry, Scalar, Type, cast_scalar};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A table: its columns and rows, cut into several batches as segments would be.
pub struct Table {
    pub info: Arc<TableInfo>,
    pub columns: Vec<Vec<Scalar>>,
}

/// All tables, and the runner over them.
pub struct World {
    pub registry: Arc<Registry>,
    pub planner: Planner,
    pub tables: BTreeMap<String, Table>,
}

pub fn registry() -> Registry {
    let mut registry = Registry::empty();
    shard_plan::scalar_functions::register_all(&mut registry);
    shard_plan::aggregate::register_all(&mut registry);
    registry
}

/// Pinot's default null value of a dimension.
pub fn default_of(ty: Type) -> Scalar {
    use segfmt::DataType as D;
    match ty.data {
        D::Int => Scalar::Int(i32::MIN),
        D::Long => Scalar::Long(i64::MIN),
        D::Float => Scalar::Float(f32::NEG_INFINITY),
        D::Double => Scalar::Double(f64::NEG_INFINITY),
        D::BigDecimal => cast_scalar(&Scalar::Int(0), Type::BIG_DECIMAL).unwrap(),
        D::Boolean => Scalar::Boolean(false),
        D::Timestamp => Scalar::Timestamp(0),
        D::String => Scalar::String("null".into()),
        D::Json => Scalar::Json("null".into()),
        D::Bytes => Scalar::Bytes(Arc::from([])),
    }
}

pub fn column(name: &str, ty: Type) -> ColumnInfo {
    ColumnInfo { name: name.to_owned(), ty, not_null: false, default: default_of(ty.element()) }
}

pub fn table_info(name: &str, columns: Vec<ColumnInfo>) -> TableInfo {
    TableInfo {
        name: name.to_owned(),
        columns,
        null_handling: Some(true),
        column_based_nulls: false,
        version: 1,
        timeout_ms: None,
    }
}

impl World {
    pub fn new() -> World {
        let registry = Arc::new(registry());
        World { planner: Planner::new(registry.clone()), registry, tables: BTreeMap::new() }
    }

    /// Adds a table of the case files: `schema` and `rows`.
    pub fn add_json(&mut self, name: &str, table: &Value) {
        let mut columns = Vec::new();
        for field in table["schema"].as_array().unwrap() {
            let data = segfmt::DataType::from_pinot_name(field["type"].as_str().unwrap()).unwrap();
            let multi = field["mv"].as_bool().unwrap_or(false);
            columns.push(column(field["name"].as_str().unwrap(), Type { data, multi }));
        }
        let mut values = vec![Vec::new(); columns.len()];
        for row in table["rows"].as_array().unwrap() {
            for (n, column) in columns.iter().enumerate() {
                values[n].push(scalar(&row[n], column.ty));
            }
        }
        self.add(table_info(name, columns), values);
    }

    pub fn add(&mut self, info: TableInfo, columns: Vec<Vec<Scalar>>) {
        self.tables.insert(info.name.clone(), Table { info: Arc::new(info), columns });
    }

    pub fn request(&self, sql: &str, options: &str, profile: Profile) -> SqlRequest {
        SqlRequest { sql: sql.to_owned(), options: QueryOptions::parse(options).unwrap(), profile }
    }

    /// Plans and runs.
    pub fn query(self: &Arc<Self>, sql: &str, options: &str, profile: Profile) -> Result<QueryResult, SqlError> {
        let planned = self.planner.plan(&self.request(sql, options, profile), self.as_ref())?;
        self.run(&planned)
    }

    pub fn run(self: &Arc<Self>, planned: &cluster_sql::Planned) -> Result<QueryResult, SqlError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let context = ExecuteContext::new(self.registry.clone(), runtime.handle().clone());
        runtime.block_on(execute(planned, self.clone(), &context))
    }
}

impl TableCatalog for World {
    fn table(&self, name: &str) -> Result<Option<Arc<TableInfo>>, SqlError> {
        let raw = name.strip_suffix("_OFFLINE").or_else(|| name.strip_suffix("_REALTIME")).unwrap_or(name);
        let found = self.tables.iter().find(|(n, _)| n.eq_ignore_ascii_case(raw) || n.eq_ignore_ascii_case(name));
        Ok(found.map(|(_, t)| t.info.clone()))
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
}

impl LeafRunner for World {
    fn run<'a>(&'a self, leaf: Arc<LeafPlan>, params: Arc<[Scalar]>) -> LeafFuture<'a> {
        Box::pin(async move {
            let table = &self.tables[&leaf.table];
            let rows = table.columns.first().map_or(0, Vec::len);
            let mut batches = Vec::new();
            // Three pieces, dealt round robin, so that merging takes part.
            for piece in 0..3 {
                let chosen: Vec<usize> = (piece..rows).step_by(3).collect();
                batches.push(answer(&self.registry, table, &leaf, &params, &chosen)?);
            }
            let stats = LeafStats {
                total_docs: rows as u64,
                num_servers_queried: 1,
                num_servers_responded: 1,
                ..LeafStats::default()
            };
            Ok(LeafAnswer { batches, merged: false, stats })
        })
    }
}

fn answer(
    registry: &Registry,
    table: &Table,
    leaf: &LeafPlan,
    params: &[Scalar],
    rows: &[usize],
) -> Result<RecordBatch, SqlError> {
    let mut columns: Vec<ArrayRef> = leaf
        .columns
        .iter()
        .map(|wanted| {
            let n = table.info.columns.iter().position(|c| c.name == wanted.name).unwrap();
            let values = rows.iter().map(|r| match &table.columns[n][*r] {
                value if value.is_null() && !wanted.nulls && wanted.ty.multi => {
                    Scalar::List(wanted.ty.data, [wanted.default.clone()].into())
                }
                value if value.is_null() && !wanted.nulls => wanted.default.clone(),
                value => value.clone(),
            });
            array(values.collect(), wanted.ty)
        })
        .collect();
    let mut count = rows.len();
    if let Some(condition) = &leaf.filter {
        let keep = BoundExpr::bind(condition, registry, params)?.eval_filter(&columns, count)?;
        columns = columns.iter().map(|c| filter(c, &keep).unwrap()).collect();
        count = keep.true_count();
    }
    let evaluate = |expr: &shard_plan::Expr, columns: &[ArrayRef], count: usize| -> Result<ArrayRef, SqlError> {
        Ok(BoundExpr::bind(expr, registry, params)?.eval(columns, count)?)
    };
    match &leaf.output {
        // Orders and limits are the reduce's too: sending everything is allowed.
        Output::Rows { exprs, .. } => {
            let arrays = exprs.iter().map(|e| evaluate(e, &columns, count)).collect::<Result<Vec<_>, _>>()?;
            Ok(batch(arrays, count))
        }
        Output::Groups { keys, aggregates, .. } => {
            let mut key_arrays = keys.iter().map(|e| evaluate(e, &columns, count)).collect::<Result<Vec<_>, _>>()?;
            for n in 0..keys.len() {
                if keys[n].ty().multi {
                    let (parents, elements) = unnest(&key_arrays[n]);
                    let spread = |a: &ArrayRef| take(a, &parents, None).unwrap();
                    columns = columns.iter().map(spread).collect();
                    key_arrays = key_arrays.iter().map(spread).collect();
                    key_arrays[n] = elements;
                    count = parents.len();
                }
            }
            let types: Vec<_> = key_arrays.iter().map(|k| k.data_type().clone()).collect();
            let mut table = GroupTable::new(&types)?;
            let mut groups = Vec::new();
            table.assign(&key_arrays, count, &mut groups)?;
            let mut out = table.keys()?;
            for call in aggregates {
                let function = registry.aggregate_at(&call.function, call.version)?;
                let types: Vec<Type> = call.args.iter().map(shard_plan::Expr::ty).collect();
                let mut states = function.accumulator(&types, &call.params, call.ty)?;
                states.resize(table.len());
                let args = call.args.iter().map(|e| evaluate(e, &columns, count)).collect::<Result<Vec<_>, _>>()?;
                let passed = match &call.filter {
                    Some(f) => Some(BoundExpr::bind(f, registry, params)?.eval_filter(&columns, count)?),
                    None => None,
                };
                states.update(&args, &groups, passed.as_ref())?;
                out.extend(states.state()?);
            }
            Ok(batch(out, table.len()))
        }
    }
}

/// The parent row of each element, and the elements.
fn unnest(list: &ArrayRef) -> (UInt32Array, ArrayRef) {
    use datafusion::arrow::array::{Array, ListArray};
    let list = list.as_any().downcast_ref::<ListArray>().unwrap();
    let mut parents = Vec::new();
    let mut places = Vec::new();
    for row in 0..list.len() {
        if list.is_null(row) {
            continue;
        }
        for at in list.value_offsets()[row]..list.value_offsets()[row + 1] {
            parents.push(row as u32);
            places.push(at as u32);
        }
    }
    (UInt32Array::from(parents), take(list.values(), &UInt32Array::from(places), None).unwrap())
}

fn batch(columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(n, c)| Field::new(format!("c{n}"), c.data_type().clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

/// One array of the values.
pub fn array(values: Vec<Scalar>, ty: Type) -> ArrayRef {
    if values.is_empty() {
        return datafusion::arrow::array::new_empty_array(&ty.arrow());
    }
    let null = Scalar::Null(ty);
    let parts: Vec<ArrayRef> = values.iter().map(|v| repeat(if v.is_null() { &null } else { v }, 1).unwrap()).collect();
    datafusion::arrow::compute::concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap()
}

/// A JSON value as the ingestion reads it.
pub fn scalar(value: &Value, ty: Type) -> Scalar {
    use segfmt::DataType as D;
    if value.is_null() {
        return Scalar::Null(ty);
    }
    if ty.multi {
        let elements = value.as_array().unwrap().iter().map(|v| scalar(v, ty.element())).collect::<Vec<_>>();
        return Scalar::List(ty.data, elements.into());
    }
    match (ty.data, value) {
        (D::Int, v) => Scalar::Int(v.as_i64().unwrap() as i32),
        (D::Long, v) => Scalar::Long(v.as_i64().unwrap()),
        (D::Float, v) => Scalar::Float(v.as_f64().unwrap() as f32),
        (D::Double, Value::String(s)) => Scalar::Double(segfmt::value::normalize_f64(match s.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => other.parse().unwrap(),
        })),
        (D::Double, v) => Scalar::Double(segfmt::value::normalize_f64(v.as_f64().unwrap())),
        (D::Boolean, v) => Scalar::Boolean(v.as_bool().unwrap()),
        (D::String, v) => Scalar::String(v.as_str().unwrap().into()),
        (D::Json, v) => Scalar::Json(v.as_str().unwrap().into()),
        (_, Value::String(s)) => cast_scalar(&Scalar::String(s.as_str().into()), ty).unwrap(),
        (_, other) => panic!("{other} for {ty}"),
    }
}

/// The rows of an answer.
pub fn rows(result: &QueryResult) -> Vec<Vec<Scalar>> {
    let mut out = Vec::new();
    for batch in &result.batches {
        for row in 0..batch.num_rows() {
            out.push(
                batch
                    .columns()
                    .iter()
                    .zip(&result.columns)
                    .map(|(array, column)| scalar_at(array.as_ref(), column.ty, row).unwrap())
                    .collect(),
            );
        }
    }
    out
}
