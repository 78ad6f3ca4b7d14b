//! Evaluation of a bound expression, one vector of rows at a time.
//!
//! Operands that may fail (casts, function calls) run only on the rows that still need them: an AND term on rows that no
//! earlier term made false, an OR term on rows that none made true, a CASE branch on the rows that reach it.

use super::compare::{compare, is_distinct};
use super::in_set::InSet;
use super::like::Like;
use super::logic;
use super::value::{check_type, into_array, nulls, repeat, scalar_at};
use crate::cast::{cast_array, cast_scalar_to};
use crate::error::{Error, Result};
use crate::expr::CompareOp;
use crate::function::{Datum, Kernel};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use std::sync::Arc;

#[derive(Debug)]
pub(super) enum Kind {
    Column(u32),
    Const(Scalar),
    Element,
    Compare {
        op: CompareOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    In {
        expr: Box<Node>,
        set: InSet,
        negated: bool,
    },
    Like {
        expr: Box<Node>,
        like: Like,
        negated: bool,
    },
    /// Terms that cannot fail come first.
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    IsNull {
        expr: Box<Node>,
        negated: bool,
    },
    IsDistinct {
        left: Box<Node>,
        right: Box<Node>,
        negated: bool,
    },
    Quantified {
        all: bool,
        list: Box<Node>,
        predicate: Box<Node>,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Cast {
        expr: Box<Node>,
        lenient: bool,
        text: Arc<str>,
    },
    Call {
        kernel: Arc<dyn Kernel>,
        strict: bool,
        args: Vec<Node>,
        text: Arc<str>,
    },
}

#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub ty: Type,
    /// May return an error for some value.
    pub fallible: bool,
    pub deterministic: bool,
    /// Input columns read, ascending.
    pub columns: Vec<u32>,
    /// Reads [`Kind::Element`] outside a quantifier of its own.
    pub element: bool,
}

/// The rows that a node is evaluated on.
pub(super) struct Context<'a> {
    pub columns: &'a [ArrayRef],
    pub element: Option<&'a ArrayRef>,
    pub rows: usize,
}

/// A context of some rows of another one. Only the columns that one node reads are there.
struct Selected {
    columns: Vec<ArrayRef>,
    element: Option<ArrayRef>,
    rows: usize,
}

impl Selected {
    fn context(&self) -> Context<'_> {
        Context { columns: &self.columns, element: self.element.as_ref(), rows: self.rows }
    }
}

fn arrow(e: arrow_schema::ArrowError) -> Error {
    Error::Plan(format!("an Arrow kernel failed: {e}"))
}

impl Context<'_> {
    /// The columns that `nodes` read, each through `narrow`.
    fn map(&self, nodes: &[&Node], rows: usize, narrow: &dyn Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<Selected> {
        let absent: ArrayRef = Arc::new(NullArray::new(0));
        let mut columns = vec![absent; self.columns.len()];
        let mut done = vec![false; self.columns.len()];
        for &index in nodes.iter().flat_map(|n| &n.columns) {
            let at = index as usize;
            if !std::mem::replace(done.get_mut(at).ok_or_else(|| no_column(index))?, true) {
                columns[at] = narrow(&self.columns[at])?;
            }
        }
        let element = match self.element {
            Some(element) if nodes.iter().any(|n| n.element) => Some(narrow(element)?),
            _ => None,
        };
        Ok(Selected { columns, element, rows })
    }

    fn select(&self, nodes: &[&Node], rows: &BooleanBuffer) -> Result<Selected> {
        let filter =
            arrow_select::filter::FilterBuilder::new(&BooleanArray::new(rows.clone(), None)).optimize().build();
        self.map(nodes, filter.count(), &|column| filter.filter(column).map_err(arrow))
    }
}

fn no_column(index: u32) -> Error {
    Error::Plan(format!("the expression reads column {index}, which the input does not have"))
}

/// Boolean result of a child as a column.
fn boolean(datum: Datum, rows: usize) -> Result<BooleanArray> {
    as_boolean(&into_array(datum, rows)?).cloned()
}

fn as_boolean(array: &ArrayRef) -> Result<&BooleanArray> {
    match array.as_boolean_opt() {
        Some(values) => Ok(values),
        None => Err(Error::Plan(format!("a condition has the Arrow type {}, it must be BOOLEAN", array.data_type()))),
    }
}

/// A boolean column that is constant becomes a value, so that it is not repeated needlessly above.
fn truth(result: BooleanArray, constant: bool) -> Result<Datum> {
    let array: ArrayRef = Arc::new(result);
    if constant { Ok(Datum::Scalar(scalar_at(array.as_ref(), Type::BOOLEAN, 0)?)) } else { Ok(Datum::Array(array)) }
}

fn is_scalar(datum: &Datum) -> bool {
    matches!(datum, Datum::Scalar(_))
}

impl Node {
    /// Dispatch only: evaluation recurses, and a frame that held the locals of every kind would bound the depth.
    pub(super) fn eval(&self, cx: &Context) -> Result<Datum> {
        match &self.kind {
            Kind::Column(index) => self.column(*index, cx),
            Kind::Const(scalar) => Ok(Datum::Scalar(scalar.clone())),
            Kind::Element => self.element_of(cx),
            Kind::Compare { op, left, right } => pair(left, right, cx, &|a, b, rows| compare(*op, a, b, rows)),
            Kind::IsDistinct { left, right, negated } => {
                pair(left, right, cx, &|a, b, rows| is_distinct(a, b, *negated, rows))
            }
            Kind::In { expr, set, negated } => one(expr, cx, &|array| set.contains(array, *negated)),
            Kind::Like { expr, like, negated } => one(expr, cx, &|array| like_column(array, like, *negated)),
            Kind::Not(expr) => one(expr, cx, &|array| Ok(logic::not(as_boolean(array)?))),
            Kind::IsNull { expr, negated } => is_null(expr, *negated, cx),
            Kind::And(parts) => Ok(Datum::Array(Arc::new(and_terms(parts, cx, false)?))),
            Kind::Or(parts) => Ok(Datum::Array(Arc::new(or_terms(parts, cx)?))),
            Kind::Quantified { all, list, predicate } => quantified(*all, list, predicate, cx),
            Kind::Case { branches, otherwise } => case(self.ty, branches, otherwise.as_deref(), cx),
            Kind::Cast { expr, lenient, text } => self.cast(expr, *lenient, text, cx),
            Kind::Call { kernel, strict, args, text } => self.call(kernel.as_ref(), *strict, args, text, cx),
        }
    }

    #[inline(never)]
    fn column(&self, index: u32, cx: &Context) -> Result<Datum> {
        let column = cx.columns.get(index as usize).ok_or_else(|| no_column(index))?;
        check_type(column.as_ref(), self.ty)?;
        if column.len() != cx.rows {
            return Err(Error::Plan(format!("column {index} has {} rows, not {}", column.len(), cx.rows)));
        }
        Ok(Datum::Array(column.clone()))
    }

    #[inline(never)]
    fn element_of(&self, cx: &Context) -> Result<Datum> {
        match cx.element {
            Some(element) => {
                check_type(element.as_ref(), self.ty)?;
                Ok(Datum::Array(element.clone()))
            }
            None => Err(Error::Plan("an element stands outside any()/all()".to_owned())),
        }
    }

    #[inline(never)]
    fn cast(&self, expr: &Node, lenient: bool, text: &str, cx: &Context) -> Result<Datum> {
        let result = match expr.eval(cx)? {
            Datum::Scalar(scalar) => cast_scalar_to(&scalar, self.ty, lenient).map(Datum::Scalar),
            Datum::Array(array) => cast_array(&array, expr.ty, self.ty, lenient).map(Datum::Array),
        };
        result.map_err(|e| e.in_expression(|| text.to_owned()))
    }

    #[inline(never)]
    fn call(&self, kernel: &dyn Kernel, strict: bool, args: &[Node], text: &str, cx: &Context) -> Result<Datum> {
        let args: Vec<Datum> = args.iter().map(|a| a.eval(cx)).collect::<Result<_>>()?;
        self.call_kernel(kernel, strict, &args, text, cx)
    }

    #[inline(never)]
    fn call_kernel(
        &self,
        kernel: &dyn Kernel,
        strict: bool,
        args: &[Datum],
        text: &str,
        cx: &Context,
    ) -> Result<Datum> {
        if strict && args.iter().any(|a| matches!(a, Datum::Scalar(s) if s.is_null())) {
            return Ok(Datum::Scalar(Scalar::Null(self.ty)));
        }
        // A non-deterministic function has another value in every row.
        let constant = self.deterministic && args.iter().all(is_scalar);
        let rows = if constant { 1 } else { cx.rows };
        let result = kernel.call(args, rows).map_err(|e| e.in_expression(|| text.to_owned()))?;
        if result.len() != rows {
            return Err(Error::Plan(format!("{text} returned {} rows for {rows}", result.len())));
        }
        if constant { Ok(Datum::Scalar(scalar_at(result.as_ref(), self.ty, 0)?)) } else { Ok(Datum::Array(result)) }
    }

    /// Rows where the condition is true. Conditions are not worked out further where they can no longer become true.
    pub(super) fn eval_filter(&self, cx: &Context) -> Result<BooleanBuffer> {
        let result = match &self.kind {
            Kind::And(parts) => and_terms(parts, cx, true)?,
            _ => boolean(self.eval(cx)?, cx.rows)?,
        };
        Ok(logic::is_true(&result))
    }
}

/// A condition over one operand.
#[inline(never)]
fn one(expr: &Node, cx: &Context, f: &dyn Fn(&ArrayRef) -> Result<BooleanArray>) -> Result<Datum> {
    let value = expr.eval(cx)?;
    let constant = is_scalar(&value);
    truth(f(&into_array(value, 1)?)?, constant)
}

/// A condition over two operands and a count of rows.
#[inline(never)]
fn pair(
    left: &Node,
    right: &Node,
    cx: &Context,
    f: &dyn Fn(&Datum, &Datum, usize) -> Result<BooleanArray>,
) -> Result<Datum> {
    let (a, b) = (left.eval(cx)?, right.eval(cx)?);
    let constant = is_scalar(&a) && is_scalar(&b);
    truth(f(&a, &b, if constant { 1 } else { cx.rows })?, constant)
}

#[inline(never)]
fn is_null(expr: &Node, negated: bool, cx: &Context) -> Result<Datum> {
    Ok(match expr.eval(cx)? {
        Datum::Scalar(scalar) => Datum::Scalar(Scalar::Boolean(scalar.is_null() != negated)),
        Datum::Array(array) => {
            let valid = match array.nulls() {
                Some(nulls) => nulls.inner().clone(),
                None => BooleanBuffer::new_set(cx.rows),
            };
            Datum::Array(Arc::new(BooleanArray::new(if negated { valid } else { !&valid }, None)))
        }
    })
}

fn like_column(array: &ArrayRef, like: &Like, negated: bool) -> Result<BooleanArray> {
    let Some(texts) = array.as_string_opt::<i32>() else {
        return Err(Error::Plan(format!("LIKE over Arrow {}", array.data_type())));
    };
    let found =
        BooleanBuffer::collect_bool(texts.len(), |i| texts.is_valid(i) && like.matches(texts.value(i)) != negated);
    Ok(BooleanArray::new(found, texts.nulls().cloned()))
}

/// Evaluates a term on `open` rows only when it may fail, and spreads its result over all rows.
#[inline(never)]
fn term(part: &Node, open: &BooleanBuffer, rest: bool, cx: &Context) -> Result<BooleanArray> {
    if !part.fallible || open.count_set_bits() == cx.rows {
        return boolean(part.eval(cx)?, cx.rows);
    }
    let selected = cx.select(&[part], open)?;
    let result = boolean(part.eval(&selected.context())?, selected.rows)?;
    Ok(logic::spread(&result, open, rest))
}

/// `truth_only`: the caller cares only for true, so NULL rows are closed like false ones.
#[inline(never)]
fn and_terms(parts: &[Node], cx: &Context, truth_only: bool) -> Result<BooleanArray> {
    let mut sofar = BooleanArray::new(BooleanBuffer::new_set(cx.rows), None);
    for part in parts {
        let open = if truth_only { logic::is_true(&sofar) } else { !&logic::is_false(&sofar) };
        if open.count_set_bits() == 0 {
            break;
        }
        sofar = logic::and(&sofar, &term(part, &open, true, cx)?);
    }
    Ok(sofar)
}

#[inline(never)]
fn or_terms(parts: &[Node], cx: &Context) -> Result<BooleanArray> {
    let mut sofar = BooleanArray::new(BooleanBuffer::new_unset(cx.rows), None);
    for part in parts {
        let open = !&logic::is_true(&sofar);
        if open.count_set_bits() == 0 {
            break;
        }
        sofar = logic::or(&sofar, &term(part, &open, false, cx)?);
    }
    Ok(sofar)
}

#[inline(never)]
fn quantified(all: bool, list: &Node, predicate: &Node, cx: &Context) -> Result<Datum> {
    let value = list.eval(cx)?;
    // A constant list over rows that the predicate reads is as long as they are.
    let constant = is_scalar(&value) && predicate.columns.is_empty();
    let rows = if constant { 1 } else { cx.rows };
    let array = into_array(value, rows)?;
    let Some(lists) = array.as_list_opt::<i32>() else {
        return Err(Error::Plan(format!("any()/all() over Arrow {}", array.data_type())));
    };
    let offsets = lists.value_offsets();
    let (start, end) = (offsets[0] as usize, offsets[rows] as usize);
    let elements = lists.values().slice(start, end - start);
    let count = elements.len();
    let answers = if predicate.columns.is_empty() {
        let inner = Context { columns: cx.columns, element: Some(&elements), rows: count };
        boolean(predicate.eval(&inner)?, count)?
    } else {
        let owners =
            offsets.windows(2).enumerate().flat_map(|(row, w)| std::iter::repeat_n(row as u32, (w[1] - w[0]) as usize));
        let owners = UInt32Array::from_iter_values(owners);
        let selected = cx.map(&[predicate], count, &|column| {
            arrow_select::take::take(column.as_ref(), &owners, None).map_err(arrow)
        })?;
        let inner = Context { columns: &selected.columns, element: Some(&elements), rows: count };
        boolean(predicate.eval(&inner)?, count)?
    };
    // any: one true decides; all: one false decides; otherwise one NULL makes NULL.
    let mut values = arrow_buffer::BooleanBufferBuilder::new(rows);
    let mut valid = arrow_buffer::BooleanBufferBuilder::new(rows);
    for row in 0..rows {
        let range = offsets[row] as usize - start..offsets[row + 1] as usize - start;
        let mut unknown = false;
        let mut decided = false;
        if lists.is_valid(row) {
            for i in range {
                if answers.is_null(i) {
                    unknown = true;
                } else if answers.value(i) != all {
                    decided = true;
                    break;
                }
            }
        }
        valid.append(lists.is_valid(row) && (decided || !unknown));
        values.append(decided != all);
    }
    let nulls = Some(NullBuffer::new(valid.finish())).filter(|n| n.null_count() > 0);
    truth(BooleanArray::new(values.finish(), nulls), constant)
}

#[inline(never)]
fn case(ty: Type, branches: &[(Node, Node)], otherwise: Option<&Node>, cx: &Context) -> Result<Datum> {
    let mut open = BooleanBuffer::new_set(cx.rows);
    // Row -> (source, position in the source). Sources of one value serve all their rows.
    let mut sources: Vec<ArrayRef> = vec![nulls(ty, 1)];
    let mut places: Vec<(usize, usize)> = vec![(0, 0); cx.rows];
    let mut take = |then: &Node, rows: &BooleanBuffer, sources: &mut Vec<ArrayRef>| -> Result<Option<Datum>> {
        let count = rows.count_set_bits();
        if count == 0 {
            return Ok(None);
        }
        if count == cx.rows {
            return then.eval(cx).map(Some);
        }
        let source = sources.len();
        let selected;
        let (datum, dense) = if then.fallible {
            selected = cx.select(&[then], rows)?;
            (then.eval(&selected.context())?, true)
        } else {
            (then.eval(cx)?, false)
        };
        match datum {
            Datum::Scalar(scalar) => {
                sources.push(repeat(&scalar, 1)?);
                rows.set_indices().for_each(|row| places[row] = (source, 0));
            }
            Datum::Array(array) => {
                sources.push(array);
                let place = |(k, row): (usize, usize)| places[row] = (source, if dense { k } else { row });
                rows.set_indices().enumerate().for_each(place);
            }
        }
        Ok(None)
    };
    for (when, then) in branches {
        if open.count_set_bits() == 0 {
            break;
        }
        let condition = term(when, &open, false, cx)?;
        let taken = &logic::is_true(&condition) & &open;
        if let Some(whole) = take(then, &taken, &mut sources)? {
            return Ok(whole);
        }
        open = &open & &!&taken;
    }
    if let Some(otherwise) = otherwise
        && let Some(whole) = take(otherwise, &open, &mut sources)?
    {
        return Ok(whole);
    }
    let sources: Vec<&dyn Array> = sources.iter().map(AsRef::as_ref).collect();
    if sources.len() == 1 {
        return Ok(Datum::Scalar(Scalar::Null(ty)));
    }
    arrow_select::interleave::interleave(&sources, &places).map(Datum::Array).map_err(arrow)
}
