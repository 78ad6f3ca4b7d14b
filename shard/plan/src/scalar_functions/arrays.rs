//! Functions of multi-value columns. Most keep, drop or reorder elements: they compute element positions, and one `take`
//! moves the values of any type.

use super::define::{Function, Site, coerce, common_type, kernel};
use super::shapes::build_texts;
use crate::cast::{can_cast, scalar_to_text};
use crate::error::{Error, Result};
use crate::eval::compare::compare_scalars;
use crate::eval::in_set::InSet;
use crate::eval::value::{Ints, Lists, Strings, into_array, list_of, scalar_at};
use crate::function::{Datum, Kernel, Registry, Signature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, ListArray, StringArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use segfmt::DataType;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    add(Function::typed("array", made_of, array).sees_nulls());
    add(Function::new("arraylength", "ARRAY", Type::INT, |_| {
        kernel(|args, rows| {
            let v = Lists::of(&args[0])?;
            Ok(Arc::new((0..rows).map(|i| v.get(i).map(|l| l.len() as i32)).collect::<Int32Array>()))
        })
    })
    .aliases(&["cardinality"]));
    add(Function::typed("arraymin", element, |s| extreme(s, Ordering::Less)));
    add(Function::typed("arraymax", element, |s| extreme(s, Ordering::Greater)));
    add(Function::typed("arraysum", total, |_| sum(false)));
    add(Function::typed("arrayaverage", total, |_| sum(true)));
    add(Function::typed(
        "arraycontains",
        |s| with_element(s, Type::BOOLEAN),
        |s| {
            search(s, |found, rows| {
                Ok(Arc::new((0..rows).map(|i| found(i).map(|at| at >= 0)).collect::<BooleanArray>()))
            })
        },
    )
    .aliases(&["arraycontainsint", "arraycontainsstring"]));
    add(Function::typed(
        "arrayindexof",
        |s| with_element(s, Type::INT),
        |s| search(s, |found, rows| Ok(Arc::new((0..rows).map(found).collect::<Int32Array>()))),
    )
    .aliases(&["arrayindexofint", "arrayindexofstring"]));
    add(Function::typed("arrayelementat", at_type, element_at).aliases(&[
        "arrayelementatint",
        "arrayelementatlong",
        "arrayelementatfloat",
        "arrayelementatdouble",
        "arrayelementatstring",
        "item",
    ]));
    add(Function::typed("arrayreverse", same, |s| moved(s, |_, range| Ok(range.rev().collect())))
        .aliases(&["arrayreverseint", "arrayreversestring"]));
    add(Function::typed("arraysort", same, |s| moved(s, sorted)).aliases(&["arraysortint", "arraysortstring"]));
    add(Function::typed("arraydistinct", same, |s| moved(s, distinct))
        .aliases(&["arraydistinctint", "arraydistinctstring"]));
    add(Function::typed("arrayslice", slice_type, slice).aliases(&[
        "arraysliceint",
        "arrayslicelong",
        "arrayslicestring",
    ]));
    add(Function::typed("valuein", value_in_type, value_in));
    add(Function::typed("arrayremove", |s| with_element(s, s.args.first().copied().unwrap_or(Type::INT)), remove)
        .aliases(&["arrayremoveint", "arrayremovestring"]));
    add(Function::typed("arrayconcat", pair, |s| concat(s, false)).aliases(&[
        "arrayconcatint",
        "arrayconcatlong",
        "arrayconcatfloat",
        "arrayconcatdouble",
        "arrayconcatstring",
    ]));
    add(Function::typed("arrayunion", pair, |s| concat(s, true)).aliases(&["arrayunionint", "arrayunionstring"]));
    add(Function::new("arraytostring", "ARRAY, STRING[, STRING]", Type::STRING, to_text));
    add(Function::new("split", "STRING, STRING[, INT]", Type::multi(DataType::String), split)
        .aliases(&["stringtoarray"]));
    add(Function::new("splitpart", "STRING, STRING, INT", Type::STRING, |_| split_part()));
    add(Function::typed("arraytomv", same, |_| kernel(|args, rows| into_array(args[0].clone(), rows))));
}

/// The one argument, an array; the result has its type.
fn same(site: &Site) -> Result<Signature> {
    let args = coerce(site, "ARRAY")?;
    Ok(Signature { result: args[0], args })
}

fn element(site: &Site) -> Result<Signature> {
    let args = coerce(site, "ARRAY")?;
    Ok(Signature { result: args[0].element(), args })
}

/// Numbers as DOUBLE.
fn total(site: &Site) -> Result<Signature> {
    match *site.args {
        [ty] if ty.multi && ty.element().is_numeric() => {
            Ok(Signature { args: vec![Type::multi(DataType::Double)], result: Type::DOUBLE })
        }
        _ => Err(site.mismatch("numeric ARRAY")),
    }
}

/// An array and a value of its element type.
fn with_element(site: &Site, result: Type) -> Result<Signature> {
    match *site.args {
        [list, value] if list.multi && (site.is_null(1) || fits(value, list.element())) => {
            Ok(Signature { args: vec![list, list.element()], result })
        }
        _ => Err(site.mismatch("ARRAY, element")),
    }
}

fn fits(value: Type, element: Type) -> bool {
    value == element || (value.is_numeric() && element.is_numeric() && can_cast(value, element))
}

fn at_type(site: &Site) -> Result<Signature> {
    let args = coerce(site, "ARRAY, INT")?;
    Ok(Signature { result: args[0].element(), args })
}

fn slice_type(site: &Site) -> Result<Signature> {
    let args = coerce(site, "ARRAY, INT, INT")?;
    Ok(Signature { result: args[0], args })
}

fn value_in_type(site: &Site) -> Result<Signature> {
    match site.args {
        [list, values @ ..] if list.multi && !values.is_empty() && values.iter().all(|v| fits(*v, list.element())) => {
            let args = std::iter::once(*list).chain(values.iter().map(|_| list.element())).collect();
            Ok(Signature { args, result: *list })
        }
        _ => Err(site.mismatch("ARRAY, element...")),
    }
}

fn pair(site: &Site) -> Result<Signature> {
    match *site.args {
        [a, b] if a.multi && a == b => Ok(Signature { args: vec![a, b], result: a }),
        _ => Err(site.mismatch("ARRAY, ARRAY of one type")),
    }
}

/// Single values in one type.
fn made_of(site: &Site) -> Result<Signature> {
    let takes = "X... of one type";
    let mut types = (0..site.args.len()).filter(|i| !site.is_null(*i)).map(|i| site.args[i]);
    let first = types.next().or(site.args.first().copied()).ok_or_else(|| site.mismatch(takes))?;
    let ty = types.try_fold(first, common_type).filter(|t| !t.multi).ok_or_else(|| site.mismatch(takes))?;
    Ok(Signature { args: vec![ty; site.args.len()], result: Type::multi(ty.data) })
}

/// array(a, b, ...): one list a row.
fn array(site: &Site) -> Result<Arc<dyn Kernel>> {
    let element = site.args[0];
    kernel(move |args, rows| {
        let columns = args.iter().map(|a| into_array(a.clone(), rows)).collect::<Result<Vec<_>>>()?;
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> = (0..rows).flat_map(|row| (0..columns.len()).map(move |c| (c, row))).collect();
        let values = arrow_select::interleave::interleave(&columns, &places).map_err(|e| Error::Plan(e.to_string()))?;
        list_of(element, OffsetBuffer::from_lengths(std::iter::repeat_n(columns.len(), rows)), values, None)
    })
}

fn lists_of(datum: &Datum, rows: usize) -> Result<ListArray> {
    let array = into_array(datum.clone(), rows)?;
    match array.as_list_opt::<i32>() {
        Some(lists) => Ok(lists.clone()),
        None => Err(Error::Plan(format!("an array function got Arrow {}", array.data_type()))),
    }
}

fn range_of(lists: &ListArray, row: usize) -> Range<usize> {
    let offsets = lists.value_offsets();
    if lists.is_valid(row) { offsets[row] as usize..offsets[row + 1] as usize } else { 0..0 }
}

/// A list column of some elements of another: `pick` gives the positions for a row.
fn pick(ty: Type, lists: &ListArray, pick: impl Fn(usize, Range<usize>) -> Result<Vec<usize>>) -> Result<ArrayRef> {
    let mut at: Vec<u32> = Vec::with_capacity(lists.values().len());
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let picked = pick(row, range_of(lists, row))?;
        lengths.push(picked.len());
        at.extend(picked.into_iter().map(|i| i as u32));
    }
    let values = arrow_select::take::take(lists.values().as_ref(), &UInt32Array::from(at), None)
        .map_err(|e| Error::Plan(e.to_string()))?;
    list_of(ty.element(), OffsetBuffer::from_lengths(lengths), values, lists.nulls().cloned())
}

fn moved(site: &Site, order: fn(&[Scalar], Range<usize>) -> Result<Vec<usize>>) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    kernel(move |args, rows| {
        let lists = lists_of(&args[0], rows)?;
        pick(ty, &lists, |_, range| {
            let values = scalars(&lists, ty, range.clone())?;
            order(&values, range)
        })
    })
}

fn scalars(lists: &ListArray, ty: Type, range: Range<usize>) -> Result<Vec<Scalar>> {
    range.map(|i| scalar_at(lists.values().as_ref(), ty.element(), i)).collect()
}

fn order(a: &Scalar, b: &Scalar) -> Ordering {
    compare_scalars(a, b).unwrap_or_else(|| a.is_null().cmp(&b.is_null()))
}

fn sorted(values: &[Scalar], range: Range<usize>) -> Result<Vec<usize>> {
    let mut at: Vec<usize> = (0..values.len()).collect();
    at.sort_by(|a, b| order(&values[*a], &values[*b]));
    Ok(at.into_iter().map(|i| range.start + i).collect())
}

/// The first of each value, in order.
fn distinct(values: &[Scalar], range: Range<usize>) -> Result<Vec<usize>> {
    let mut by_value: Vec<usize> = (0..values.len()).collect();
    by_value.sort_by(|a, b| order(&values[*a], &values[*b]).then(a.cmp(b)));
    by_value.dedup_by(|b, a| order(&values[*a], &values[*b]).is_eq());
    by_value.sort_unstable();
    Ok(by_value.into_iter().map(|i| range.start + i).collect())
}

fn extreme(site: &Site, wanted: Ordering) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    kernel(move |args, rows| {
        let lists = lists_of(&args[0], rows)?;
        let mut at: Vec<Option<u32>> = Vec::with_capacity(rows);
        for row in 0..rows {
            let range = range_of(&lists, row);
            let values = scalars(&lists, ty, range.clone())?;
            let mut best: Option<usize> = None;
            for i in (0..values.len()).filter(|i| !values[*i].is_null()) {
                if best.is_none_or(|b| compare_scalars(&values[i], &values[b]) == Some(wanted)) {
                    best = Some(i);
                }
            }
            at.push(best.map(|b| (range.start + b) as u32));
        }
        arrow_select::take::take(lists.values().as_ref(), &UInt32Array::from(at), None)
            .map_err(|e| Error::Plan(e.to_string()))
    })
}

fn sum(average: bool) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let lists = lists_of(&args[0], rows)?;
        let Some(values) = lists.values().as_primitive_opt::<arrow_array::types::Float64Type>() else {
            return Err(Error::Plan("a sum of elements that are not DOUBLE".to_owned()));
        };
        let one = |row| {
            let numbers: Vec<f64> =
                range_of(&lists, row).filter(|i| values.is_valid(*i)).map(|i| values.value(i)).collect();
            if lists.is_null(row) || (average && numbers.is_empty()) {
                return None;
            }
            let sum: f64 = numbers.iter().sum();
            Some(segfmt::value::normalize_f64(if average { sum / numbers.len() as f64 } else { sum }))
        };
        Ok(Arc::new((0..rows).map(one).collect::<Float64Array>()))
    })
}

type Found<'a> = &'a dyn Fn(usize) -> Option<i32>;

/// Place of a value in each row's list, -1 where it is not in it.
fn search(site: &Site, finish: fn(Found, usize) -> Result<ArrayRef>) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    kernel(move |args, rows| {
        let lists = lists_of(&args[0], rows)?;
        let wanted = into_array(args[1].clone(), rows)?;
        let mut places = Vec::with_capacity(rows);
        for row in 0..rows {
            let value = scalar_at(wanted.as_ref(), ty.element(), row)?;
            if value.is_null() || lists.is_null(row) {
                places.push(None);
                continue;
            }
            let values = scalars(&lists, ty, range_of(&lists, row))?;
            let at = values.iter().position(|v| compare_scalars(v, &value) == Some(Ordering::Equal));
            places.push(Some(at.map_or(-1, |at| at as i32)));
        }
        finish(&|i| places[i], rows)
    })
}

/// The element at a place that is counted from 1; NULL outside.
fn element_at(_: &Site) -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let (lists, place) = (lists_of(&args[0], rows)?, Ints::of(&args[1])?);
        let one = |row| {
            let range = range_of(&lists, row);
            let at = range.start + usize::try_from(place.get(row)?).ok()?.checked_sub(1)?;
            (at < range.end).then_some(at as u32)
        };
        let at: UInt32Array = (0..rows).map(one).collect();
        arrow_select::take::take(lists.values().as_ref(), &at, None).map_err(|e| Error::Plan(e.to_string()))
    })
}

/// arraySlice(list, from, to): counted from 0, `to` excluded.
fn slice(site: &Site) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    kernel(move |args, rows| {
        let (lists, from, to) = (lists_of(&args[0], rows)?, Ints::of(&args[1])?, Ints::of(&args[2])?);
        let place = |v: Option<i32>, range: &Range<usize>| {
            range.start + usize::try_from(v.unwrap_or(0)).unwrap_or(0).min(range.len())
        };
        pick(ty, &lists, |row, range| Ok((place(from.get(row), &range)..place(to.get(row), &range)).collect()))
    })
}

/// valueIn(list, a, b, ...): the elements that are among the values.
fn value_in(site: &Site) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    let values: Option<Vec<Scalar>> = site.constants[1..].iter().cloned().collect();
    let Some(values) = values else {
        return Err(Error::Signature("valuein takes its values as literals".to_owned()));
    };
    let set = InSet::new(&Scalar::List(ty.data, values.into()))?;
    kernel(move |args, rows| {
        let lists = lists_of(&args[0], rows)?;
        let among = set.contains(lists.values(), false)?;
        pick(ty, &lists, |_, range| Ok(range.filter(|i| among.is_valid(*i) && among.value(*i)).collect()))
    })
}

/// arrayRemove(list, value): without its first occurrence, as Apache Commons.
fn remove(site: &Site) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    kernel(move |args, rows| {
        let lists = lists_of(&args[0], rows)?;
        let wanted = into_array(args[1].clone(), rows)?;
        pick(ty, &lists, |row, range| {
            let value = scalar_at(wanted.as_ref(), ty.element(), row)?;
            let values = scalars(&lists, ty, range.clone())?;
            let gone = values.iter().position(|v| compare_scalars(v, &value) == Some(Ordering::Equal));
            Ok(range.clone().filter(|i| Some(i - range.start) != gone).collect())
        })
    })
}

fn concat(site: &Site, union: bool) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    kernel(move |args, rows| {
        let (a, b) = (lists_of(&args[0], rows)?, lists_of(&args[1], rows)?);
        let both = arrow_select::concat::concat(&[a.values().as_ref(), b.values().as_ref()])
            .map_err(|e| Error::Plan(e.to_string()))?;
        let shift = a.values().len();
        let mut at: Vec<u32> = Vec::with_capacity(both.len());
        let mut lengths = Vec::with_capacity(rows);
        for row in 0..rows {
            let places: Vec<usize> = range_of(&a, row).chain(range_of(&b, row).map(|i| i + shift)).collect();
            let kept = if union {
                let values: Vec<Scalar> =
                    places.iter().map(|i| scalar_at(both.as_ref(), ty.element(), *i)).collect::<Result<_>>()?;
                distinct(&values, 0..values.len())?.into_iter().map(|k| places[k]).collect()
            } else {
                places
            };
            lengths.push(kept.len());
            at.extend(kept.into_iter().map(|i| i as u32));
        }
        let values = arrow_select::take::take(both.as_ref(), &UInt32Array::from(at), None)
            .map_err(|e| Error::Plan(e.to_string()))?;
        list_of(ty.element(), OffsetBuffer::from_lengths(lengths), values, NullBuffer::union(a.nulls(), b.nulls()))
    })
}

/// arrayToString(list, separator[, text for NULL]): NULL elements are left out without the third argument.
fn to_text(site: &Site) -> Result<Arc<dyn Kernel>> {
    let ty = site.args[0];
    let with_null = site.args.len() > 2;
    kernel(move |args, rows| {
        let (lists, between) = (lists_of(&args[0], rows)?, Strings::of(&args[1])?);
        let null_text = if with_null { Some(Strings::of(&args[2])?) } else { None };
        build_texts(rows, |row| {
            let Some(between) = between.get(row).filter(|_| lists.is_valid(row)) else { return Ok(None) };
            let mut parts = Vec::new();
            for value in scalars(&lists, ty, range_of(&lists, row))? {
                match (&value, &null_text) {
                    (Scalar::Null(_), Some(text)) => parts.extend(text.get(row).map(str::to_owned)),
                    (Scalar::Null(_), None) => {}
                    (value, _) => parts.push(scalar_to_text(value)),
                }
            }
            Ok(Some(parts.join(between).into()))
        })
    })
}

/// The parts between separators; separators that stand together count as one, as in Pinot. With a limit, the last part
/// holds the rest.
fn parts<'a>(text: &'a str, separator: &str, limit: Option<usize>) -> Vec<&'a str> {
    if separator.is_empty() {
        return text.split_whitespace().collect();
    }
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        while let Some(after) = rest.strip_prefix(separator) {
            rest = after;
        }
        if rest.is_empty() {
            return out;
        }
        match rest.find(separator).filter(|_| limit.is_none_or(|n| n == 0 || out.len() + 1 < n)) {
            Some(at) => {
                out.push(&rest[..at]);
                rest = &rest[at..];
            }
            None => {
                out.push(rest);
                return out;
            }
        }
    }
}

fn split(site: &Site) -> Result<Arc<dyn Kernel>> {
    let limited = site.args.len() > 2;
    kernel(move |args, rows| {
        let (s, by) = (Strings::of(&args[0])?, Strings::of(&args[1])?);
        let limit = if limited { Some(Ints::of(&args[2])?) } else { None };
        let mut texts: Vec<&str> = Vec::new();
        let mut lengths = Vec::with_capacity(rows);
        let mut valid = Vec::with_capacity(rows);
        for row in 0..rows {
            let limit = limit.as_ref().and_then(|l| l.get(row)).map(|l| usize::try_from(l).unwrap_or(0));
            let found = s.get(row).zip(by.get(row)).map(|(s, by)| parts(s, by, limit));
            valid.push(found.is_some());
            let found = found.unwrap_or_default();
            lengths.push(found.len());
            texts.extend(found);
        }
        let values: ArrayRef = Arc::new(StringArray::from(texts));
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        list_of(Type::STRING, OffsetBuffer::from_lengths(lengths), values, nulls)
    })
}

/// splitPart(text, separator, place): counted from 0, negative from the end; the word null outside, as Pinot.
fn split_part() -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let (s, by, place) = (Strings::of(&args[0])?, Strings::of(&args[1])?, Ints::of(&args[2])?);
        build_texts(rows, |row| {
            let (Some(s), Some(by), Some(place)) = (s.get(row), by.get(row), place.get(row)) else { return Ok(None) };
            let parts = parts(s, by, None);
            let place = if place < 0 { i64::from(place) + parts.len() as i64 } else { i64::from(place) };
            Ok(Some(usize::try_from(place).ok().and_then(|at| parts.get(at)).copied().unwrap_or("null").into()))
        })
    })
}
