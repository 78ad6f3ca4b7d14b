//! The one interface of every scalar function and aggregate, native or adapted (E-1).

use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::sort::take;
use crate::types::Type;
use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use arrow_schema::Field;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

/// An argument of a kernel: a column of values or one value for all rows.
#[derive(Debug, Clone)]
pub enum Datum {
    Array(ArrayRef),
    Scalar(Scalar),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionFlags {
    /// Same arguments, same result: may be folded, cached, evaluated once per dictionary entry.
    pub deterministic: bool,
    /// NULL in any argument gives NULL.
    pub strict: bool,
    /// Non-decreasing in its first argument when the others are constant: keeps sort order and zone maps usable.
    pub monotone: bool,
}

/// What a function makes of its argument types.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// The types that the arguments are coerced to before the call.
    pub args: Vec<Type>,
    pub result: Type,
}

/// A scalar function.
pub trait ScalarFn: Send + Sync + Debug {
    /// Canonical name: lower case, no underscores (Pinot ignores both).
    fn name(&self) -> &'static str;
    /// Other names, canonical form.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }
    /// Changes only when results change.
    fn version(&self) -> u32 {
        1
    }
    fn flags(&self) -> FunctionFlags {
        FunctionFlags { deterministic: true, strict: true, monotone: false }
    }
    /// `constants[i]` is the value of argument `i` where it is a literal (a format, a zone, a unit).
    fn resolve(&self, args: &[Type], constants: &[Option<Scalar>]) -> Result<Signature>;
    /// Prepares one call site: compiles patterns, loads zones. `args` are the coerced types.
    fn bind(&self, args: &[Type], constants: &[Option<Scalar>]) -> Result<Arc<dyn Kernel>>;
}

/// One prepared call site.
pub trait Kernel: Send + Sync + Debug {
    /// Evaluates `rows` rows. Array arguments have that length and the coerced Arrow types.
    fn call(&self, args: &[Datum], rows: usize) -> Result<ArrayRef>;
}

/// What an aggregate makes of its argument types and constant parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateSignature {
    /// The types that the arguments are coerced to.
    pub args: Vec<Type>,
    /// Type of the finished value in the mse profile.
    pub result: Type,
    /// Type of the finished value in the sse profile (E-2).
    pub result_sse: Type,
    /// The state as Arrow columns: this is what travels, spills and merges (E-1).
    pub state: Vec<Field>,
}

pub trait Aggregate: Send + Sync + Debug {
    /// Canonical name: lower case, no underscores.
    fn name(&self) -> &'static str;
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }
    /// Version of the state encoding: its bytes never change under one version.
    fn state_version(&self) -> u32 {
        1
    }
    /// How many of the call's arguments are values of the row; those after them are constants and become `params`.
    fn arguments(&self) -> std::ops::RangeInclusive<usize> {
        1..=1
    }
    /// NULL arguments are skipped (all but COUNT(*)).
    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature>;
    /// What Pinot answers over no rows where nulls are off. `None`: the aggregate is never NULL, or NULL is all there is.
    fn of_no_rows(&self, _result: Type) -> Option<Scalar> {
        None
    }
    /// `result` is the type that `finish` returns: one of the signature's two results.
    fn accumulator(&self, args: &[Type], params: &[Scalar], result: Type) -> Result<Box<dyn Accumulator>>;
}

/// The states of one aggregate for many groups at once.
pub trait Accumulator: Send {
    /// Grows to `groups` groups; new ones hold the empty state.
    fn resize(&mut self, groups: usize);
    /// Adds rows: row `i` of the arguments goes to group `groups[i]`, if `filter` is absent or true at `i`.
    /// NULL arguments are skipped as the aggregate defines.
    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()>;
    /// Adds states: row `i` of the state columns goes into group `groups[i]`.
    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()>;
    /// The state columns, one row a group, in group order. Called once, at the end.
    fn state(&mut self) -> Result<Vec<ArrayRef>>;
    /// The state columns of some groups, in the order asked, where that is no more work than asking for all at once:
    /// a million groups are then handed over in small steps. `None`: only [`Accumulator::state`] is there.
    fn state_of(&mut self, _groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(None)
    }
    /// The finished values, one a group, in group order.
    fn finish(&mut self) -> Result<ArrayRef>;
    /// Bytes held, for the query's budget (E-17).
    fn size(&self) -> usize;
    /// Lets the scan use a native kernel for the states it knows.
    fn as_any_mut(&mut self) -> &mut dyn std::any::Any;
}

/// The states of a finished accumulator, some groups at a time, whether or not it can give them so.
#[derive(Debug, Default)]
pub struct States {
    /// All states, of an accumulator that gives them all at once.
    whole: Option<Vec<ArrayRef>>,
}

impl States {
    /// The state columns of `groups`, in that order. Nothing is added to the accumulator from the first call on.
    pub fn of(&mut self, accumulator: &mut dyn Accumulator, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        if self.whole.is_none()
            && let Some(columns) = accumulator.state_of(groups)?
        {
            return Ok(columns);
        }
        let whole = match &mut self.whole {
            Some(whole) => whole,
            whole => whole.insert(accumulator.state()?),
        };
        take(whole, &UInt32Array::from(groups.to_vec()))
    }
}

/// All functions of a process, by canonical name.
#[derive(Debug, Default)]
pub struct Registry {
    scalars: HashMap<String, Arc<dyn ScalarFn>>,
    aggregates: HashMap<String, Arc<dyn Aggregate>>,
}

/// Lower case without underscores: `DISTINCT_COUNT` and `distinctCount` are one function.
pub fn canonical_name(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

impl Registry {
    pub fn empty() -> Registry {
        Registry::default()
    }

    pub fn add_scalar(&mut self, function: Arc<dyn ScalarFn>) {
        for name in std::iter::once(&function.name()).chain(function.aliases()) {
            let before = self.scalars.insert((*name).to_owned(), function.clone());
            assert!(before.is_none(), "two scalar functions are named {name}");
        }
    }

    pub fn add_aggregate(&mut self, function: Arc<dyn Aggregate>) {
        for name in std::iter::once(&function.name()).chain(function.aliases()) {
            let before = self.aggregates.insert((*name).to_owned(), function.clone());
            assert!(before.is_none(), "two aggregates are named {name}");
        }
    }

    /// Looks a scalar function up by any spelling of its name.
    pub fn scalar(&self, name: &str) -> Option<&Arc<dyn ScalarFn>> {
        self.scalars.get(&canonical_name(name))
    }

    pub fn aggregate(&self, name: &str) -> Option<&Arc<dyn Aggregate>> {
        self.aggregates.get(&canonical_name(name))
    }

    /// A function by name and version, for a plan that came over the wire.
    pub fn scalar_at(&self, name: &str, version: u32) -> Result<&Arc<dyn ScalarFn>> {
        match self.scalar(name) {
            Some(function) if function.version() == version => Ok(function),
            Some(function) => Err(Error::Plan(format!(
                "function {name} is at version {}, the plan asks for {version}",
                function.version()
            ))),
            None => Err(Error::Plan(format!("function {name} is not known here"))),
        }
    }

    pub fn aggregate_at(&self, name: &str, version: u32) -> Result<&Arc<dyn Aggregate>> {
        match self.aggregate(name) {
            Some(function) if function.state_version() == version => Ok(function),
            Some(function) => Err(Error::Plan(format!(
                "aggregate {name} has state version {}, the plan asks for {version}",
                function.state_version()
            ))),
            None => Err(Error::Plan(format!("aggregate {name} is not known here"))),
        }
    }

    pub fn scalar_names(&self) -> impl Iterator<Item = &str> {
        self.scalars.keys().map(String::as_str)
    }

    pub fn aggregate_names(&self) -> impl Iterator<Item = &str> {
        self.aggregates.keys().map(String::as_str)
    }
}
