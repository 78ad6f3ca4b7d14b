//! Bit operations. INT stays INT when all operands are INT, otherwise they are LONG; shift counts are taken modulo the
//! width, as in Java.

use super::define::{Function, Site, kernel};
use super::shapes::longs2;
use crate::error::Result;
use crate::eval::value::{Ints, Longs};
use crate::function::{Kernel, Registry, Signature};
use crate::types::Type;
use arrow_array::{Int32Array, Int64Array};
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    add(Function::typed("bitand", two, |s| binary(s, |a, b| a & b, |a, b| a & b)));
    add(Function::typed("bitor", two, |s| binary(s, |a, b| a | b, |a, b| a | b)));
    add(Function::typed("bitxor", two, |s| binary(s, |a, b| a ^ b, |a, b| a ^ b)));
    add(Function::typed("bitshiftleft", shift, |s| {
        binary(s, |a, b| a.wrapping_shl(b as u32), |a, b| a.wrapping_shl(b as u32))
    }));
    add(Function::typed("bitshiftright", shift, |s| {
        binary(s, |a, b| a.wrapping_shr(b as u32), |a, b| a.wrapping_shr(b as u32))
    }));
    add(Function::typed("bitshiftrightunsigned", shift, |s| {
        binary(s, |a, b| (a as u32).wrapping_shr(b as u32) as i32, |a, b| (a as u64).wrapping_shr(b as u32) as i64)
    })
    .aliases(&["bitshiftrightlogical"]));
    add(Function::typed("bitnot", one, |s| unary(s, |a| !a, |a| !a)));
    add(Function::typed(
        "byteswapint",
        |_| Ok(Signature { args: vec![Type::INT], result: Type::INT }),
        |s| unary(s, i32::swap_bytes, i64::swap_bytes),
    ));
    add(Function::typed(
        "byteswaplong",
        |_| Ok(Signature { args: vec![Type::LONG], result: Type::LONG }),
        |s| unary(s, i32::swap_bytes, i64::swap_bytes),
    ));
    add(Function::typed(
        "bitcount",
        |s| Ok(Signature { result: Type::INT, ..one(s)? }),
        |s| {
            let narrow = s.args[0] == Type::INT;
            kernel(move |args, rows| {
                let counts: Int32Array = if narrow {
                    let v = Ints::of(&args[0])?;
                    (0..rows).map(|i| v.get(i).map(|v| v.count_ones() as i32)).collect()
                } else {
                    let v = Longs::of(&args[0])?;
                    (0..rows).map(|i| v.get(i).map(|v| v.count_ones() as i32)).collect()
                };
                Ok(Arc::new(counts))
            })
        },
    ));
    add(Function::new("bitmask", "LONG, LONG", Type::LONG, |_| longs2(|a, b| Ok(a & b))));
    add(Function::new("bitextract", "LONG, LONG", Type::LONG, |_| longs2(|a, b| Ok(a.wrapping_shr(b as u32) & 1))));
}

fn one(site: &Site) -> Result<Signature> {
    match *site.args {
        [ty] if ty.is_integer() => Ok(Signature { args: vec![ty], result: ty }),
        _ => Err(site.mismatch("INT or LONG")),
    }
}

fn two(site: &Site) -> Result<Signature> {
    match *site.args {
        [a, b] if a.is_integer() && b.is_integer() => {
            let ty = if a == b { a } else { Type::LONG };
            Ok(Signature { args: vec![ty, ty], result: ty })
        }
        _ => Err(site.mismatch("LONG, LONG")),
    }
}

/// The count does not widen the value.
fn shift(site: &Site) -> Result<Signature> {
    match *site.args {
        [a, b] if a.is_integer() && b.is_integer() => Ok(Signature { args: vec![a, a], result: a }),
        _ => Err(site.mismatch("LONG, INT")),
    }
}

fn binary(site: &Site, narrow: fn(i32, i32) -> i32, wide: fn(i64, i64) -> i64) -> Result<Arc<dyn Kernel>> {
    if site.args[0] == Type::LONG {
        return longs2(move |a, b| Ok(wide(a, b)));
    }
    kernel(move |args, rows| {
        let (a, b) = (Ints::of(&args[0])?, Ints::of(&args[1])?);
        Ok(Arc::new((0..rows).map(|i| Some(narrow(a.get(i)?, b.get(i)?))).collect::<Int32Array>()))
    })
}

fn unary(site: &Site, narrow: fn(i32) -> i32, wide: fn(i64) -> i64) -> Result<Arc<dyn Kernel>> {
    let is_int = site.args[0] == Type::INT;
    kernel(move |args, rows| {
        if is_int {
            let v = Ints::of(&args[0])?;
            return Ok(Arc::new((0..rows).map(|i| v.get(i).map(narrow)).collect::<Int32Array>()));
        }
        let v = Longs::of(&args[0])?;
        Ok(Arc::new((0..rows).map(|i| v.get(i).map(wide)).collect::<Int64Array>()))
    })
}
