//! A leaf as DataFusion sees it: a table, and the operator that reads it.

use crate::error::{SqlError, external};
use crate::execute::LeafContext;
use crate::plan::LeafQuery;
use crate::typing::conform;
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use std::fmt;
use std::sync::Arc;

/// One leaf of a plan.
#[derive(Debug)]
pub struct LeafTable {
    pub query: Arc<LeafQuery>,
    schema: SchemaRef,
}

impl LeafTable {
    pub fn new(query: Arc<LeafQuery>, schema: SchemaRef) -> LeafTable {
        LeafTable { query, schema }
    }
}

#[async_trait]
impl TableProvider for LeafTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(LeafExec::try_new(self.query.clone(), &self.schema, projection.cloned())?))
    }
}

/// Runs a leaf and its reduce, and yields the rows.
#[derive(Debug)]
pub struct LeafExec {
    query: Arc<LeafQuery>,
    projection: Option<Vec<usize>>,
    full: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl LeafExec {
    fn try_new(query: Arc<LeafQuery>, full: &SchemaRef, projection: Option<Vec<usize>>) -> DfResult<LeafExec> {
        let schema = match &projection {
            Some(projection) => Arc::new(full.project(projection)?),
            None => full.clone(),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(LeafExec { query, projection, full: full.clone(), properties: Arc::new(properties) })
    }
}

impl DisplayAs for LeafExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeafExec: leaf_{} table={}", self.query.number, self.query.leaf.table)
    }
}

impl ExecutionPlan for LeafExec {
    fn name(&self) -> &str {
        "LeafExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(external(SqlError::execution(format!(
                "a leaf has one partition, not a partition {partition}"
            ))));
        }
        let Some(leaves) = context.session_config().get_extension::<LeafContext>() else {
            return Err(external(SqlError::execution("a leaf was run outside of a query")));
        };
        let (query, full, projection) = (self.query.clone(), self.full.clone(), self.projection.clone());
        let rows = context.session_config().batch_size().max(1);
        let schema = self.schema();
        let answer = async move {
            let batch = leaves.run(&query).await.map_err(external)?;
            let columns = batch
                .columns()
                .iter()
                .zip(&query.types)
                .map(|(column, ty)| conform(column, *ty))
                .collect::<Result<Vec<_>, _>>()
                .map_err(external)?;
            let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let batch = RecordBatch::try_new_with_options(full, columns, &options)?;
            let batch = match &projection {
                Some(projection) => batch.project(projection)?,
                None => batch,
            };
            let slices: Vec<_> = (0..batch.num_rows())
                .step_by(rows)
                .map(|start| Ok(batch.slice(start, rows.min(batch.num_rows() - start))))
                .collect();
            Ok::<_, datafusion::error::DataFusionError>(stream::iter(slices))
        };
        let stream = stream::once(answer).try_flatten().boxed();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
