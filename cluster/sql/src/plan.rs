//! What planning makes: a [`Plan`], immutable, run again with other parameters.

use crate::catalog::TableInfo;
use crate::options::QueryOptions;
use datafusion::logical_expr::LogicalPlan;
use shard_plan::{LeafPlan, ReducePlan, Type};
use std::sync::Arc;

/// The two readings of one SQL (E-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Pinot's single-stage engine: LIMIT 10 when none is given, SUM(INT) and `/` are DOUBLE.
    Sse,
    /// The multi-stage engine and every other door: no implicit LIMIT, SUM(INT) is LONG, integers divide to integers.
    Mse,
}

/// A query as it came in.
#[derive(Debug, Clone)]
pub struct SqlRequest {
    pub sql: String,
    /// Of the request; what the text says wins.
    pub options: QueryOptions,
    /// What the door implies when neither text nor request says `useMultistageEngine`.
    pub profile: Profile,
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    pub name: String,
    pub ty: Type,
}

/// Where a parameter's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSlot {
    /// The literal's number in the fingerprint.
    pub literal: u32,
    /// Written with a minus before it.
    pub negated: bool,
    /// The type that it is compared as; of one element for a list.
    pub ty: Type,
    /// An IN list.
    pub list: bool,
}

/// A planned query.
#[derive(Debug)]
pub struct Plan {
    pub columns: Vec<ResultColumn>,
    pub tables: Vec<Arc<TableInfo>>,
    pub profile: Profile,
    pub body: Body,
    /// The leaf's parameters, by index.
    pub params: Vec<ParamSlot>,
}

#[derive(Debug)]
pub enum Body {
    /// One query over one raw table: runs without DataFusion (E-3).
    Leaf { leaf: Arc<LeafPlan>, reduce: Arc<ReducePlan> },
    /// Joins, windows, set operations, subqueries over leaves; or no table at all.
    Above { plan: LogicalPlan, leaves: Vec<Arc<LeafQuery>> },
}

/// A leaf under a DataFusion plan.
#[derive(Debug)]
pub struct LeafQuery {
    /// In its plan, from 0.
    pub number: usize,
    pub leaf: Arc<LeafPlan>,
    pub reduce: Arc<ReducePlan>,
    pub types: Vec<Type>,
}

impl Plan {
    /// Every leaf, in no order.
    pub fn leaves(&self) -> Vec<&LeafPlan> {
        match &self.body {
            Body::Leaf { leaf, .. } => vec![leaf],
            Body::Above { leaves, .. } => leaves.iter().map(|l| l.leaf.as_ref()).collect(),
        }
    }
}
