//! Functions that look at NULL and truth. CASE, IS NULL and comparisons are part of the plan itself.

use super::define::{Function, Site, common_type, kernel};
use crate::error::{Error, Result};
use crate::eval::compare::compare;
use crate::eval::logic;
use crate::eval::value::{Bools, into_array};
use crate::expr::CompareOp;
use crate::function::{Kernel, Registry, Signature};
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    add(Function::typed("coalesce", one_type, |_| coalesce()).aliases(&["ifnull", "nvl"]).sees_nulls());
    add(Function::typed("nullif", pair_type, nullif).sees_nulls());
    let truth = |name, bind| Function::new(name, "BOOLEAN", Type::BOOLEAN, bind).sees_nulls();
    add(truth("istrue", |_| is(Some(true), false)));
    add(truth("isfalse", |_| is(Some(false), false)));
    add(truth("isnottrue", |_| is(Some(true), true)));
    add(truth("isnotfalse", |_| is(Some(false), true)));
}

/// All arguments in one type; NULL literals fit any.
fn one_type(site: &Site) -> Result<Signature> {
    let takes = "X[, X...] of one type";
    let mut types = (0..site.args.len()).filter(|i| !site.is_null(*i)).map(|i| site.args[i]);
    let first = types.next().or(site.args.first().copied()).ok_or_else(|| site.mismatch(takes))?;
    let ty = types.try_fold(first, common_type).ok_or_else(|| site.mismatch(takes))?;
    Ok(Signature { args: vec![ty; site.args.len()], result: ty })
}

fn zip(mask: BooleanBuffer, yes: &ArrayRef, no: &ArrayRef) -> Result<ArrayRef> {
    arrow_select::zip::zip(&BooleanArray::new(mask, None), yes, no).map_err(|e| Error::Plan(e.to_string()))
}

fn coalesce() -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let mut best = into_array(args[0].clone(), rows)?;
        for other in &args[1..] {
            match best.nulls().filter(|n| n.null_count() > 0) {
                None => break,
                Some(valid) => best = zip(valid.inner().clone(), &best, &into_array(other.clone(), rows)?)?,
            }
        }
        Ok(best)
    })
}

/// nullIf(a, b) has the type of `a`; both are compared in their common type.
fn pair_type(site: &Site) -> Result<Signature> {
    match site.args {
        [_, _] => one_type(site),
        _ => Err(site.mismatch("X, X of one type")),
    }
}

fn nullif(_: &Site) -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let equal = logic::is_true(&compare(CompareOp::Eq, &args[0], &args[1], rows)?);
        let value = into_array(args[0].clone(), rows)?;
        zip(equal, &new_null_array(value.data_type(), rows), &value)
    })
}

fn is(what: Option<bool>, negated: bool) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let v = Bools::of(&args[0])?;
        Ok(Arc::new(BooleanArray::from(BooleanBuffer::collect_bool(rows, |i| (v.get(i) == what) != negated))))
    })
}
