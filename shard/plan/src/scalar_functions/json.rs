//! Functions of JSON texts. Paths are `$`, `.key`, `['key']`, `[0]`, `.*`, `[*]`, `..key`. A path that leads nowhere, or
//! to null, gives the default, or NULL without one.

use super::define::{Function, Site, coerce, kernel};
use super::shapes::build_texts;
use crate::cast::{cast_array, shown};
use crate::error::{Error, Result};
use crate::eval::value::{Strings, into_array, list_of, nulls};
use crate::function::{Datum, Kernel, Registry, Signature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use segfmt::DataType;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    add(Function::typed("jsonextractscalar", extract_type, extract)
        .aliases(&["jsonextractscalarfast", "jsonextractscalarfirstmatch"])
        .sees_nulls());
    add(Function::new("jsonpathstring", "JSON, STRING[, STRING]", Type::STRING, |s| typed(s, Type::STRING))
        .sees_nulls());
    add(Function::new("jsonpathlong", "JSON, STRING[, LONG]", Type::LONG, |s| typed(s, Type::LONG)).sees_nulls());
    add(Function::new("jsonpathdouble", "JSON, STRING[, DOUBLE]", Type::DOUBLE, |s| typed(s, Type::DOUBLE))
        .sees_nulls());
    add(Function::new("jsonpath", "JSON, STRING", Type::STRING, |s| typed(s, Type::STRING))
        .aliases(&["jsonextractobject"]));
    add(Function::new("jsonpatharray", "JSON, STRING", Type::multi(DataType::String), |s| {
        many(s, Type::multi(DataType::String), false)
    }));
    add(Function::new("jsonpatharraydefaultempty", "JSON, STRING", Type::multi(DataType::String), |s| {
        many(s, Type::multi(DataType::String), true)
    }));
    add(Function::new("jsonpathexists", "JSON, STRING", Type::BOOLEAN, exists));
    add(Function::new("jsonextractkey", "JSON, STRING", Type::multi(DataType::String), keys));
    add(Function::typed(
        "jsonformat",
        |s| Ok(Signature { args: coerce(s, "TEXT")?, result: Type::STRING }),
        |_| kernel(|args, rows| into_array(args[0].clone(), rows)),
    ));
    add(Function::new("isjson", "STRING", Type::BOOLEAN, |_| {
        kernel(|args, rows| {
            let v = Strings::of(&args[0])?;
            let is_json = |t: &str| serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok();
            Ok(Arc::new((0..rows).map(|i| v.get(i).map(is_json)).collect::<BooleanArray>()))
        })
    }));
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(i64),
    All,
    /// The key at any depth.
    Deep(String),
    /// Everything at any depth.
    DeepAll,
}

/// A compiled path.
#[derive(Debug, Clone)]
struct Path {
    steps: Vec<Step>,
}

impl Path {
    fn parse(text: &str) -> Result<Path> {
        let bad = || {
            Error::Signature(format!("'{}' is no JSON path: use $, .key, ['key'], [0], .*, [*], ..key", shown(text)))
        };
        let mut rest = text.trim().strip_prefix('$').ok_or_else(bad)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("['").or_else(|| rest.strip_prefix("[\"")) {
                let quote = &rest[1..2];
                let end = after.find(&format!("{quote}]")).ok_or_else(bad)?;
                steps.push(Step::Key(after[..end].to_owned()));
                rest = &after[end + 2..];
            } else if let Some(after) = rest.strip_prefix('[') {
                let end = after.find(']').ok_or_else(bad)?;
                steps.push(match after[..end].trim() {
                    "*" => Step::All,
                    index => Step::Index(index.parse().map_err(|_| bad())?),
                });
                rest = &after[end + 1..];
            } else if let Some(after) = rest.strip_prefix('.') {
                let (deep, after) = match after.strip_prefix('.') {
                    Some(after) => (true, after),
                    None => (false, after),
                };
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let key = &after[..end];
                steps.push(match (key, deep) {
                    ("", false) if after.starts_with('[') => {
                        rest = after;
                        continue;
                    }
                    ("", _) => return Err(bad()),
                    ("*" | "**", true) => Step::DeepAll,
                    ("*", false) => Step::All,
                    (key, true) => Step::Deep(key.to_owned()),
                    (key, false) => Step::Key(key.to_owned()),
                });
                rest = &after[end..];
            } else {
                return Err(bad());
            }
        }
        Ok(Path { steps })
    }

    fn find<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                match (step, value) {
                    (Step::Key(key), Value::Object(map)) => next.extend(map.get(key)),
                    (Step::Index(at), Value::Array(items)) => {
                        let at = if *at < 0 { *at + items.len() as i64 } else { *at };
                        next.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
                    }
                    (Step::All, Value::Array(items)) => next.extend(items),
                    (Step::All, Value::Object(map)) => next.extend(map.values()),
                    (Step::Deep(key), value) => below(value, &mut |v| {
                        if let Value::Object(map) = v {
                            next.extend(map.get(key));
                        }
                    }),
                    (Step::DeepAll, value) => below(value, &mut |v| match v {
                        Value::Array(items) => next.extend(items),
                        Value::Object(map) => next.extend(map.values()),
                        _ => {}
                    }),
                    _ => {}
                }
            }
            found = next;
        }
        found
    }
}

/// Visits a value and all below it. serde_json limits nesting to 128 levels.
fn below<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|v| below(v, visit)),
        Value::Object(map) => map.values().for_each(|v| below(v, visit)),
        _ => {}
    }
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| Error::evaluation(format!("'{}' is not JSON: {e}", shown(text))))
}

/// A scalar as its text, an object or array as JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn path_of(site: &Site) -> Result<Path> {
    Path::parse(site.literal(1, "a JSON path")?)
}

fn extract_type(site: &Site) -> Result<Signature> {
    let takes = "JSON, STRING, STRING[, ANY]";
    let mut args = coerce(site, takes)?;
    let result = result_type(site)?;
    if args.len() > 3 {
        args[3] = if site.is_null(3) { result.element() } else { Type::STRING };
        if site.args[3].multi {
            return Err(site.mismatch(takes));
        }
        // The default is read as the result type, as Pinot does: '0' for INT.
        args[3] = Type::STRING;
    }
    Ok(Signature { args, result })
}

fn result_type(site: &Site) -> Result<Type> {
    let name = site.literal(2, "a type")?.to_ascii_uppercase();
    let (element, multi) = match name.strip_suffix("_ARRAY") {
        Some(element) => (element, true),
        None => (name.as_str(), false),
    };
    match DataType::from_pinot_name(element) {
        Some(data) => Ok(Type { data, multi }),
        None => Err(Error::Signature(format!("jsonextractscalar knows no result type '{name}'"))),
    }
}

/// jsonExtractScalar(json, path, type[, default]).
fn extract(site: &Site) -> Result<Arc<dyn Kernel>> {
    let ty = result_type(site)?;
    if site.is_null(0) || site.is_null(1) {
        return kernel(move |_, rows| Ok(nulls(ty, rows)));
    }
    if ty.multi { many(site, ty, false) } else { scalar(path_of(site)?, ty, (site.args.len() > 3).then_some(3)) }
}

fn typed(site: &Site, ty: Type) -> Result<Arc<dyn Kernel>> {
    if site.is_null(0) || site.is_null(1) {
        return kernel(move |_, rows| Ok(nulls(ty, rows)));
    }
    scalar(path_of(site)?, ty, (site.args.len() > 2).then_some(2))
}

fn scalar(path: Path, ty: Type, default: Option<usize>) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        let default = match default {
            None => None,
            Some(at) => {
                let text = match &args[at] {
                    Datum::Scalar(scalar) if scalar.is_null() => Datum::Scalar(Scalar::Null(Type::STRING)),
                    Datum::Scalar(scalar) => Datum::Scalar(Scalar::String(crate::cast::scalar_to_text(scalar).into())),
                    Datum::Array(array) if array.data_type() == &Type::STRING.arrow() => args[at].clone(),
                    Datum::Array(array) => Datum::Array(cast_array(array, ty, Type::STRING, false)?),
                };
                Some(Strings::of(&text)?)
            }
        };
        let texts = build_texts(rows, |i| {
            let Some(text) = v.get(i) else { return Ok(None) };
            let root = match (parse(text), &default) {
                (Ok(root), _) => root,
                (Err(_), Some(default)) => return Ok(default.get(i).map(Cow::Borrowed)),
                (Err(e), None) => return Err(e),
            };
            let default = default.as_ref().and_then(|d| d.get(i));
            let found = path.find(&root).into_iter().find(|v| !v.is_null()).map(|v| Cow::Owned(text_of(v)));
            Ok(found.or(default.map(Cow::Borrowed)))
        })?;
        if ty == Type::STRING { Ok(texts) } else { cast_array(&texts, Type::STRING, ty, false) }
    })
}

/// All values on the path, the items of an array that it ends in.
fn many(site: &Site, ty: Type, empty: bool) -> Result<Arc<dyn Kernel>> {
    if site.is_null(0) || site.is_null(1) {
        return kernel(move |_, rows| Ok(nulls(ty, rows)));
    }
    let path = path_of(site)?;
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        lists(rows, ty, |i| {
            let Some(text) = v.get(i) else { return Ok(None) };
            let root = parse(text)?;
            let found = path.find(&root);
            let items: Vec<String> = match found.as_slice() {
                [Value::Array(items)] => items.iter().map(text_of).collect(),
                [] | [Value::Null] if !empty => return Ok(None),
                [Value::Null] => Vec::new(),
                many => many.iter().map(|v| text_of(v)).collect(),
            };
            Ok(Some(items))
        })
    })
}

fn lists(rows: usize, ty: Type, f: impl Fn(usize) -> Result<Option<Vec<String>>>) -> Result<ArrayRef> {
    let mut texts: Vec<String> = Vec::new();
    let mut lengths = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    for i in 0..rows {
        let items = f(i)?;
        valid.push(items.is_some());
        let items = items.unwrap_or_default();
        lengths.push(items.len());
        texts.extend(items);
    }
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    let values = cast_array(&texts, Type::STRING, ty.element(), false)?;
    let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
    list_of(ty.element(), OffsetBuffer::from_lengths(lengths), values, nulls)
}

fn exists(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.any_null() {
        return kernel(|_, rows| Ok(nulls(Type::BOOLEAN, rows)));
    }
    let path = path_of(site)?;
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        let one = |i| v.get(i).map(|text| Ok(!path.find(&parse(text)?).is_empty())).transpose();
        Ok(Arc::new((0..rows).map(one).collect::<Result<BooleanArray>>()?))
    })
}

/// jsonExtractKey(json, '$.*' or '$..*'): the paths of all members, as `$['a']['b']`.
fn keys(site: &Site) -> Result<Arc<dyn Kernel>> {
    let ty = Type::multi(DataType::String);
    if site.any_null() {
        return kernel(move |_, rows| Ok(nulls(ty, rows)));
    }
    let mut path = path_of(site)?;
    let deep = match path.steps.pop() {
        Some(Step::All) => false,
        Some(Step::DeepAll) => true,
        _ => return Err(Error::Signature("jsonextractkey takes a path that ends in .* or ..*".to_owned())),
    };
    let mut base = String::from("$");
    for step in &path.steps {
        match step {
            Step::Key(key) => base += &format!("['{key}']"),
            Step::Index(at) => base += &format!("[{at}]"),
            _ => return Err(Error::Signature("jsonextractkey takes one wildcard, at the end of its path".to_owned())),
        }
    }
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        lists(rows, ty, |i| {
            let Some(text) = v.get(i) else { return Ok(None) };
            let root = parse(text)?;
            let mut out = Vec::new();
            path.find(&root).into_iter().for_each(|value| members(value, &base, deep, &mut out));
            Ok(Some(out))
        })
    })
}

fn members(value: &Value, at: &str, deep: bool, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, v)| (format!("{at}['{key}']"), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (format!("{at}[{i}]"), v)).collect(),
        _ => Vec::new(),
    };
    for (path, child) in children {
        out.push(path.clone());
        if deep {
            members(child, &path, deep, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let root: Value = serde_json::from_str(r#"{"a":{"b":[10,{"k":"v"}],"x y":1},"k":2}"#).unwrap();
        let find = |path: &str| {
            let texts: Vec<String> = Path::parse(path).unwrap().find(&root).into_iter().map(text_of).collect();
            texts.join("|")
        };
        for (path, want) in [
            ("$.a.b[0]", "10"),
            ("$.a.b[-1].k", "v"),
            ("$['a']['x y']", "1"),
            ("$.a.b[*]", r#"10|{"k":"v"}"#),
            ("$..k", "2|v"),
            ("$.*", r#"{"b":[10,{"k":"v"}],"x y":1}|2"#),
            ("$.nope.b", ""),
            ("$.k[0]", ""),
            ("$.a.['b'][0]", "10"),
        ] {
            assert_eq!(find(path), want, "{path}");
        }
        for bad in ["a", "$.", "$[", "$['a", "$[x]", "$a", ""] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
