//! Functions of numbers: roots, logarithms, trigonometry, rounding, extremes.

use super::define::{Function, Site, common_type, kernel};
use super::shapes::{double_predicate, doubles, doubles2, longs, longs2};
use crate::decimal_ops;
use crate::error::{Error, Result};
use crate::eval::compare::row_order;
use crate::eval::value::{Decimals, Doubles, Ints, Longs, Millis, as_timestamps, into_array};
use crate::function::{Datum, Kernel, Registry, Signature};
use crate::types::Type;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeBinaryArray, PrimitiveArray};
use arrow_buffer::BooleanBuffer;
use bigdecimal::rounding::RoundingMode;
use segfmt::DataType;
use segfmt::value::normalize_f64;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    let one = |name, bind| Function::new(name, "DOUBLE", Type::DOUBLE, bind);
    let two = |name, bind| Function::new(name, "DOUBLE, DOUBLE", Type::DOUBLE, bind);
    add(one("sqrt", |_| doubles(f64::sqrt)).monotone());
    add(one("cbrt", |_| doubles(f64::cbrt)).monotone());
    add(one("exp", |_| doubles(f64::exp)).monotone());
    add(one("exp2", |_| doubles(f64::exp2)).monotone());
    add(one("exp10", |_| doubles(|x| 10f64.powf(x))).monotone());
    add(one("ln", |_| doubles(f64::ln)).aliases(&["log"]));
    add(one("log2", |_| doubles(f64::log2)));
    add(one("log10", |_| doubles(f64::log10)));
    add(one("log1p", |_| doubles(f64::ln_1p)));
    add(one("sin", |_| doubles(f64::sin)));
    add(one("cos", |_| doubles(f64::cos)));
    add(one("tan", |_| doubles(f64::tan)));
    add(one("cot", |_| doubles(|x| 1.0 / x.tan())));
    add(one("asin", |_| doubles(f64::asin)));
    add(one("acos", |_| doubles(f64::acos)));
    add(one("atan", |_| doubles(f64::atan)));
    add(one("sinh", |_| doubles(f64::sinh)));
    add(one("cosh", |_| doubles(f64::cosh)));
    add(one("tanh", |_| doubles(f64::tanh)));
    add(one("asinh", |_| doubles(f64::asinh)));
    add(one("acosh", |_| doubles(f64::acosh)));
    add(one("atanh", |_| doubles(f64::atanh)));
    add(one("degrees", |_| doubles(f64::to_degrees)));
    add(one("radians", |_| doubles(f64::to_radians)));
    add(one("sigmoid", |_| doubles(|x| 1.0 / (1.0 + (-x).exp()))));
    add(two("atan2", |_| doubles2(f64::atan2)));
    add(two("power", |_| doubles2(f64::powf)).aliases(&["pow"]));
    add(two("hypot", |_| doubles2(f64::hypot)));
    add(Function::new("pi", "", Type::DOUBLE, |_| constant(std::f64::consts::PI)));
    add(Function::new("e", "", Type::DOUBLE, |_| constant(std::f64::consts::E)).aliases(&["euler"]));
    add(Function::new("isnan", "DOUBLE", Type::BOOLEAN, |_| double_predicate(f64::is_nan)));
    add(Function::new("isinfinite", "DOUBLE", Type::BOOLEAN, |_| double_predicate(f64::is_infinite)));
    add(Function::new("isfinite", "DOUBLE", Type::BOOLEAN, |_| double_predicate(f64::is_finite)));
    add(two("ifnotfinite", |_| doubles2(|x, other| if x.is_finite() { x } else { other })));
    add(Function::new("gcd", "LONG, LONG", Type::LONG, |_| longs2(|a, b| gcd(a, b).ok_or_else(long_overflow))));
    add(Function::new("lcm", "LONG, LONG", Type::LONG, |_| longs2(|a, b| lcm(a, b).ok_or_else(long_overflow))));
    add(Function::new("factorial", "LONG", Type::LONG, |_| longs(factorial)));
    add(Function::new("widthbucket", "DOUBLE, DOUBLE, DOUBLE, LONG", Type::LONG, |_| width_bucket()));
    add(Function::typed("abs", same, |s| shape(s, Shape::Abs)));
    add(Function::typed("ceil", same, |s| shape(s, Shape::Ceil)).aliases(&["ceiling"]).monotone());
    add(Function::typed("floor", same, |s| shape(s, Shape::Floor)).monotone());
    add(Function::typed("sign", same, |s| shape(s, Shape::Sign)).monotone());
    add(Function::typed("truncate", scaled, |s| round_to(s, RoundingMode::Down)).monotone());
    add(Function::typed("rounddecimal", scaled, |s| round_to(s, RoundingMode::HalfUp)).monotone());
    add(Function::typed("round", round_type, round).monotone());
    add(Function::new("casttodecimal", "BIG_DECIMAL, INT, INT", Type::BIG_DECIMAL, to_precision).monotone());
    add(Function::typed("greatest", extreme_type, |s| extreme(s, true)));
    add(Function::typed("least", extreme_type, |s| extreme(s, false)));
}

fn constant(v: f64) -> Result<Arc<dyn Kernel>> {
    kernel(move |_, rows| Ok(Arc::new(Float64Array::from_value(v, rows))))
}

fn long_overflow() -> Error {
    Error::evaluation("LONG overflow")
}

fn gcd(a: i64, b: i64) -> Option<i64> {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i64::try_from(a).ok()
}

fn lcm(a: i64, b: i64) -> Option<i64> {
    if a == 0 || b == 0 {
        return Some(0);
    }
    (a / gcd(a, b)?).checked_mul(b)?.checked_abs()
}

fn factorial(n: i64) -> Result<i64> {
    if n < 0 {
        return Err(Error::evaluation(format!("factorial of the negative number {n}")));
    }
    (1..=n.min(21)).try_fold(1i64, i64::checked_mul).ok_or_else(long_overflow)
}

/// Which of `n` equal buckets of `low..high` holds a value: 0 below, n + 1 above, counted down when low > high.
fn width_bucket() -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let (x, low, high) = (Doubles::of(&args[0])?, Doubles::of(&args[1])?, Doubles::of(&args[2])?);
        let n = Longs::of(&args[3])?;
        let one = |i| {
            let (Some(x), Some(low), Some(high), Some(n)) = (x.get(i), low.get(i), high.get(i), n.get(i)) else {
                return Ok(None);
            };
            if n < 1 || low == high || !low.is_finite() || !high.is_finite() {
                return Err(Error::evaluation(format!(
                    "widthbucket needs two different bounds and a positive count, got {n}"
                )));
            }
            let place = (x - low) / (high - low);
            Ok(Some(if place < 0.0 {
                0
            } else if place >= 1.0 || x.is_nan() {
                n.saturating_add(1)
            } else {
                (place * n as f64) as i64 + 1
            }))
        };
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int64Array>>()?))
    })
}

/// Keeps the type of its number; FLOAT becomes DOUBLE.
fn same(site: &Site) -> Result<Signature> {
    match *site.args {
        [Type::FLOAT] => Ok(Signature { args: vec![Type::DOUBLE], result: Type::DOUBLE }),
        [ty] if ty.is_numeric() => Ok(Signature { args: vec![ty], result: ty }),
        _ => Err(site.mismatch("NUMBER")),
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Abs,
    Ceil,
    Floor,
    Sign,
}

fn shape(site: &Site, shape: Shape) -> Result<Arc<dyn Kernel>> {
    match site.args[0].data {
        DataType::Int => kernel(move |args, rows| {
            let v = Ints::of(&args[0])?;
            let one = |x: i32| match shape {
                Shape::Abs => x.checked_abs().ok_or_else(|| Error::evaluation("INT overflow")),
                Shape::Sign => Ok(x.signum()),
                Shape::Ceil | Shape::Floor => Ok(x),
            };
            Ok(Arc::new(
                (0..rows).map(|i| v.get(i).map(one).transpose()).collect::<Result<PrimitiveArray<Int32Type>>>()?,
            ))
        }),
        DataType::Long => kernel(move |args, rows| {
            let v = Longs::of(&args[0])?;
            let one = |x: i64| match shape {
                Shape::Abs => x.checked_abs().ok_or_else(long_overflow),
                Shape::Sign => Ok(x.signum()),
                Shape::Ceil | Shape::Floor => Ok(x),
            };
            Ok(Arc::new(
                (0..rows).map(|i| v.get(i).map(one).transpose()).collect::<Result<PrimitiveArray<Int64Type>>>()?,
            ))
        }),
        DataType::BigDecimal => kernel(move |args, rows| {
            let v = Decimals::of(&args[0])?;
            let zero = segfmt::decimal::ZERO;
            let one = |x: &[u8]| match shape {
                Shape::Abs if x < zero => decimal_ops::negate(x),
                Shape::Abs => Ok(x.to_vec()),
                Shape::Sign => decimal_ops::from_i64(i64::from(x > zero) - i64::from(x < zero)),
                Shape::Ceil => decimal_ops::round(x, 0, RoundingMode::Ceiling),
                Shape::Floor => decimal_ops::round(x, 0, RoundingMode::Floor),
            };
            Ok(Arc::new((0..rows).map(|i| v.get(i).map(one).transpose()).collect::<Result<LargeBinaryArray>>()?))
        }),
        _ => match shape {
            Shape::Abs => doubles(f64::abs),
            Shape::Ceil => doubles(f64::ceil),
            Shape::Floor => doubles(f64::floor),
            Shape::Sign => doubles(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        },
    }
}

/// `f(x)` or `f(x, scale)`: digits after the point, negative ones before it. BIG_DECIMAL stays, all else is DOUBLE.
fn scaled(site: &Site) -> Result<Signature> {
    let number = match site.args.first() {
        Some(ty) if site.is_null(0) || ty.is_numeric() => {
            if *ty == Type::BIG_DECIMAL {
                *ty
            } else {
                Type::DOUBLE
            }
        }
        _ => return Err(site.mismatch("NUMBER[, INT]")),
    };
    match site.args[1..] {
        [] => Ok(Signature { args: vec![number], result: number }),
        [scale] if scale.is_integer() || site.is_null(1) => {
            Ok(Signature { args: vec![number, Type::INT], result: number })
        }
        _ => Err(site.mismatch("NUMBER[, INT]")),
    }
}

/// Rounds the shortest decimal that reads back as the number, as Java's `BigDecimal.valueOf(x).setScale` does.
fn round_double(x: f64, scale: i32, mode: RoundingMode) -> f64 {
    // A DOUBLE has at most 17 significant digits, and those end before the 324th place.
    if !x.is_finite() || scale > 340 {
        return x;
    }
    if scale < -310 {
        return 0.0;
    }
    // Away from a tie (or, cutting, from a whole number) binary arithmetic cannot go wrong.
    if (0..=15).contains(&scale) {
        let factor = 10f64.powi(scale);
        let up = x * factor;
        if up.abs() < 4.5e15 {
            let fraction = (up - up.floor() - if mode == RoundingMode::Down { 0.0 } else { 0.5 }).abs();
            if fraction > 1e-4 && fraction < 1.0 - 1e-4 {
                let whole = if mode == RoundingMode::Down { up.trunc() } else { up.round() };
                return whole / factor;
            }
        }
    }
    let exact = decimal_ops::from_f64(x)
        .and_then(|d| decimal_ops::round(&d, i64::from(scale), mode))
        .and_then(|d| decimal_ops::to_f64(&d));
    exact.unwrap_or(x)
}

fn round_to(site: &Site, mode: RoundingMode) -> Result<Arc<dyn Kernel>> {
    let has_scale = site.args.len() == 2;
    let scales = move |args: &[Datum]| has_scale.then(|| Ints::of(&args[1])).transpose();
    let scale_at = |scales: &Option<Ints>, i: usize| match scales {
        Some(scales) => scales.get(i),
        None => Some(0),
    };
    if site.args[0] == Type::BIG_DECIMAL {
        return kernel(move |args, rows| {
            let (v, scales) = (Decimals::of(&args[0])?, scales(args)?);
            let one = |i| match (v.get(i), scale_at(&scales, i)) {
                (Some(x), Some(s)) => decimal_ops::round(x, i64::from(s.clamp(-66_000, 66_000)), mode).map(Some),
                _ => Ok(None),
            };
            Ok(Arc::new((0..rows).map(one).collect::<Result<LargeBinaryArray>>()?))
        });
    }
    kernel(move |args, rows| {
        let (v, scales) = (Doubles::of(&args[0])?, scales(args)?);
        let one = |i| Some(normalize_f64(round_double(v.get(i)?, scale_at(&scales, i)?, mode)));
        Ok(Arc::new((0..rows).map(one).collect::<Float64Array>()))
    })
}

/// Pinot's `round(value, multiple)` puts integers and times into buckets; of other numbers it is SQL's ROUND(x[, scale]).
fn round_type(site: &Site) -> Result<Signature> {
    match *site.args {
        [value, by] if value.is_integer() && by.is_integer() => {
            Ok(Signature { args: vec![Type::LONG, Type::LONG], result: Type::LONG })
        }
        [Type::TIMESTAMP, by] if by.is_integer() => {
            Ok(Signature { args: vec![Type::TIMESTAMP, Type::LONG], result: Type::TIMESTAMP })
        }
        [value] if value.is_integer() => Ok(Signature { args: vec![value], result: value }),
        _ => scaled(site),
    }
}

fn round(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.args.len() == 1 && site.args[0].is_integer() {
        return kernel(|args, rows| into_array(args[0].clone(), rows));
    }
    if site.args.len() == 2 && matches!(site.args[0], Type::LONG | Type::TIMESTAMP) {
        let times = site.args[0] == Type::TIMESTAMP;
        return kernel(move |args, rows| {
            let (v, by) = (Millis::of(&args[0])?, Longs::of(&args[1])?);
            let one = |i| match (v.get(i), by.get(i)) {
                (Some(_), Some(by)) if by <= 0 => {
                    Err(Error::evaluation(format!("round needs a positive multiple, got {by}")))
                }
                (Some(x), Some(by)) => Ok(Some(crate::datetime::unit::floor_to(x, by))),
                _ => Ok(None),
            };
            let rounded = (0..rows).map(one).collect::<Result<Int64Array>>()?;
            Ok(if times { as_timestamps(rounded) } else { Arc::new(rounded) as ArrayRef })
        });
    }
    round_to(site, RoundingMode::HalfUp)
}

/// CAST(x AS DECIMAL(precision, scale)).
fn to_precision(site: &Site) -> Result<Arc<dyn Kernel>> {
    let (Some(precision), Some(scale)) = (site.integer(1), site.integer(2)) else {
        return Err(Error::Signature("casttodecimal takes its precision and scale as literals".to_owned()));
    };
    if !(1..=segfmt::decimal::MAX_DIGITS as i64).contains(&precision) || !(0..=precision).contains(&scale) {
        return Err(Error::Signature(format!("there is no DECIMAL({precision},{scale})")));
    }
    kernel(move |args, rows| {
        let v = Decimals::of(&args[0])?;
        let one = |i| v.get(i).map(|x| decimal_ops::to_precision(x, precision, scale)).transpose();
        Ok(Arc::new((0..rows).map(one).collect::<Result<LargeBinaryArray>>()?))
    })
}

fn extreme_type(site: &Site) -> Result<Signature> {
    let takes = "X, X... of one type";
    let mut types = (0..site.args.len()).filter(|i| !site.is_null(*i)).map(|i| site.args[i]);
    let first = types.next().or(site.args.first().copied()).ok_or_else(|| site.mismatch(takes))?;
    let ty = types.try_fold(first, common_type).filter(|t| !t.multi).ok_or_else(|| site.mismatch(takes))?;
    Ok(Signature { args: vec![ty; site.args.len()], result: ty })
}

/// The greatest or least of each row, in the order that comparisons use (NaN is greatest).
fn extreme(_: &Site, greatest: bool) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let mut best = into_array(args[0].clone(), rows)?;
        for arg in &args[1..] {
            let other = into_array(arg.clone(), rows)?;
            let keep = {
                let order = row_order(&best, &other)?;
                // A NULL on either side must win, so that it reaches the end.
                BooleanBuffer::collect_bool(rows, |i| {
                    best.is_null(i) || (other.is_valid(i) && if greatest { order(i).is_ge() } else { order(i).is_le() })
                })
            };
            best = arrow_select::zip::zip(&BooleanArray::new(keep, None), &best, &other)
                .map_err(|e| Error::Plan(e.to_string()))?;
        }
        Ok(best)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_sees_the_written_decimal() {
        for (x, scale, want) in [
            (1.005, 2, 1.01),
            (-1.005, 2, -1.01),
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (1234.567, -2, 1200.0),
            (0.1, 400, 0.1),
            (1e300, 2, 1e300),
            (9.995, 2, 10.0),
            (f64::INFINITY, 1, f64::INFINITY),
        ] {
            assert_eq!(round_double(x, scale, RoundingMode::HalfUp), want, "{x} to {scale}");
        }
        assert_eq!(round_double(-1.999, 2, RoundingMode::Down), -1.99);
        assert_eq!(round_double(0.29, 2, RoundingMode::Down), 0.29);
    }

    #[test]
    fn divisors_and_multiples() {
        assert_eq!(gcd(-12, 18), Some(6));
        assert_eq!(gcd(i64::MIN, 0), None);
        assert_eq!(lcm(4, 6), Some(12));
        assert_eq!(lcm(i64::MAX, 2), None);
        assert_eq!(factorial(20).unwrap(), 2_432_902_008_176_640_000);
        assert!(factorial(21).is_err());
    }
}
