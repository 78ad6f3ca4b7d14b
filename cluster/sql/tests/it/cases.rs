//! Kinds of fault that hurt users of other engines, as SQL with expected answers: `cases/*.json`, in the mse profile.
//!
//! A case passes when the answer has the rows of `rows` (in order, if `ordered`), or when it is an error and `error_like`
//! is given. Numbers are compared by value, exactly unless `float_tol`.

use crate::common::{World, rows};
use cluster_sql::Profile;
use serde_json::Value;
use shard_plan::{Scalar, Type, cast_scalar};
use std::sync::Arc;

const THEMES: &[&str] = &[
    "aggregation",
    "datetime",
    "filters",
    "floats",
    "joins",
    "multivalue",
    "setops_cte",
    "strings_json",
    "subqueries",
    "syntax",
    "topn",
    "types",
    "windows",
];

fn decimal(scalar: &Scalar) -> Option<Vec<u8>> {
    match cast_scalar(scalar, Type::BIG_DECIMAL).ok()? {
        Scalar::BigDecimal(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

fn number_of(value: &Value) -> Option<Scalar> {
    match value {
        Value::Number(n) => cast_scalar(&Scalar::String(n.to_string().into()), Type::BIG_DECIMAL)
            .ok()
            .or_else(|| n.as_f64().map(Scalar::Double)),
        _ => None,
    }
}

fn cell(want: &Value, got: &Scalar, tolerance: Option<f64>) -> bool {
    match (want, got) {
        (Value::Null, got) => got.is_null(),
        (_, got) if got.is_null() => false,
        (Value::Array(want), Scalar::List(_, got)) => {
            want.len() == got.len() && want.iter().zip(got.iter()).all(|(w, g)| cell(w, g, tolerance))
        }
        (Value::Bool(want), Scalar::Boolean(got)) => want == got,
        (Value::String(want), Scalar::String(got) | Scalar::Json(got)) => want.as_str() == got.as_ref(),
        (Value::String(want), Scalar::Timestamp(_)) => {
            cast_scalar(&Scalar::String(want.as_str().into()), Type::TIMESTAMP).is_ok_and(|w| &w == got)
        }
        (Value::String(want), Scalar::Double(got)) => match want.as_str() {
            "NaN" => got.is_nan(),
            "Infinity" => *got == f64::INFINITY,
            "-Infinity" => *got == f64::NEG_INFINITY,
            _ => false,
        },
        (Value::String(want), Scalar::BigDecimal(_)) => {
            decimal(&Scalar::String(want.as_str().into())).is_some_and(|w| decimal(got) == Some(w))
        }
        (Value::Number(n), got) => {
            let Some(want) = number_of(want) else { return false };
            if decimal(&want).is_some() && decimal(&want) == decimal(got) {
                return true;
            }
            let (Some(tolerance), Some(want)) = (tolerance, n.as_f64()) else { return false };
            match cast_scalar(got, Type::DOUBLE) {
                Ok(Scalar::Double(got)) => (want - got).abs() <= tolerance * want.abs().max(got.abs()).max(1.0),
                _ => false,
            }
        }
        _ => false,
    }
}

fn row(want: &Value, got: &[Scalar], tolerance: Option<f64>) -> bool {
    let want = want.as_array().unwrap();
    want.len() == got.len() && want.iter().zip(got).all(|(w, g)| cell(w, g, tolerance))
}

fn compare(want: &[Value], got: &[Vec<Scalar>], ordered: bool, tolerance: Option<f64>) -> Result<(), String> {
    if want.len() != got.len() {
        return Err(format!(
            "wanted {} rows, got {}: {:?}",
            want.len(),
            got.len(),
            got.iter().take(5).collect::<Vec<_>>()
        ));
    }
    if ordered {
        return match want.iter().zip(got).position(|(w, g)| !row(w, g, tolerance)) {
            None => Ok(()),
            Some(at) => Err(format!("row {at}: wanted {}, got {:?}", want[at], got[at])),
        };
    }
    let mut left: Vec<&Vec<Scalar>> = got.iter().collect();
    for want in want {
        match left.iter().position(|g| row(want, g, tolerance)) {
            Some(at) => drop(left.swap_remove(at)),
            None => return Err(format!("wanted {want}, got {got:?}")),
        }
    }
    Ok(())
}

fn judge(world: &Arc<World>, case: &Value) -> Result<(), String> {
    let sql = case["sql"].as_str().unwrap();
    let error_allowed = case.get("error_like").is_some();
    let result = match world.query(sql, "", Profile::Mse) {
        Ok(result) => result,
        Err(_) if error_allowed => return Ok(()),
        Err(error) => return Err(format!("error {}: {error}", error.code.code())),
    };
    let got = rows(&result);
    if let Some(n) = case.get("grid").and_then(Value::as_i64) {
        let want: Vec<Value> = (0..n).flat_map(|i| (0..n).map(move |j| serde_json::json!([i, j]))).collect();
        return compare(&want, &got, true, None);
    }
    let Some(want) = case.get("rows").and_then(Value::as_array) else {
        return Err(format!("wanted an error, got {got:?}"));
    };
    if let Some(columns) = case.get("columns").and_then(Value::as_array) {
        let names: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
        if columns.iter().map(|c| c.as_str().unwrap()).collect::<Vec<_>>() != names {
            return Err(format!("columns are {names:?}"));
        }
    }
    compare(want, &got, case["ordered"].as_bool().unwrap_or(false), case.get("float_tol").and_then(Value::as_f64))
}

#[test]
fn every_case_passes() {
    let mut failed = Vec::new();
    let mut count = 0;
    for theme in THEMES {
        let path = format!("{}/tests/cases/{theme}.json", env!("CARGO_MANIFEST_DIR"));
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut world = World::new();
        for (name, table) in document["tables"].as_object().unwrap() {
            world.add_json(name, table);
        }
        let world = Arc::new(world);
        for case in document["cases"].as_array().unwrap() {
            count += 1;
            if let Err(reason) = judge(&world, case) {
                failed.push(format!(
                    "{}: {reason}\n    {:.200}",
                    case["id"].as_str().unwrap(),
                    case["sql"].as_str().unwrap()
                ));
            }
        }
    }
    assert!(count >= 90, "only {count} cases were found");
    assert!(failed.is_empty(), "{} of {count} cases failed:\n{}", failed.len(), failed.join("\n"));
}
