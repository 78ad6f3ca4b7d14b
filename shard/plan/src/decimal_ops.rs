//! BIG_DECIMAL arithmetic and conversions on segfmt's canonical bytes (E-10).

use crate::error::{Error, Result};
use bigdecimal::num_bigint::BigInt;
use bigdecimal::rounding::RoundingMode;
use bigdecimal::{BigDecimal, Zero};
use segfmt::decimal;
use std::num::NonZeroU64;

/// Significant digits of a quotient, as Java's `MathContext.DECIMAL128`.
const QUOTIENT_DIGITS: NonZeroU64 = NonZeroU64::new(34).expect("34 is not zero");

pub fn decode(bytes: &[u8]) -> Result<BigDecimal> {
    decimal::decode(bytes).map_err(|e| Error::evaluation(e.to_string()))
}

/// # Errors
/// When the number has more digits or a larger exponent than BIG_DECIMAL holds.
pub fn encode(value: &BigDecimal) -> Result<Vec<u8>> {
    decimal::encode(value).map_err(|e| Error::evaluation(format!("BIG_DECIMAL overflow: {e}")))
}

pub fn add(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    encode(&(decode(a)? + decode(b)?))
}

pub fn subtract(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    encode(&(decode(a)? - decode(b)?))
}

pub fn multiply(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    encode(&(decode(a)? * decode(b)?))
}

fn nonzero(divisor: &BigDecimal) -> Result<()> {
    if divisor.is_zero() { Err(Error::evaluation("division by zero")) } else { Ok(()) }
}

/// The quotient to 34 significant digits, the last one rounded half to even.
pub fn divide(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    let (a, b) = (decode(a)?, decode(b)?);
    nonzero(&b)?;
    encode(&quotient(&a, &b))
}

/// Integer division of scaled numerators, with the remainder as a sticky digit: rounding then sees the exact quotient.
fn quotient(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let (x, p) = a.as_bigint_and_exponent();
    let (y, q) = b.as_bigint_and_exponent();
    let shift = (QUOTIENT_DIGITS.get() as i64 + 2 + b.digits() as i64 - a.digits() as i64).max(0);
    let scaled = x * BigInt::from(10).pow(shift as u32);
    let whole = &scaled / &y;
    let exact = &whole * &y == scaled;
    let sign = if (whole.sign() == bigdecimal::num_bigint::Sign::Minus)
        || (scaled.sign() == bigdecimal::num_bigint::Sign::Minus) != (y.sign() == bigdecimal::num_bigint::Sign::Minus)
    {
        -1
    } else {
        1
    };
    let sticky = whole * 10 + if exact { 0 } else { sign };
    let context = bigdecimal::Context::new(QUOTIENT_DIGITS, RoundingMode::HalfEven);
    BigDecimal::new(sticky, p - q + shift + 1).with_precision_round(context.precision(), context.rounding_mode())
}

/// The remainder, with the sign of the dividend.
pub fn remainder(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    let (a, b) = (decode(a)?, decode(b)?);
    nonzero(&b)?;
    let scale = a.as_bigint_and_exponent().1.max(b.as_bigint_and_exponent().1);
    let (x, y) = (a.with_scale(scale), b.with_scale(scale));
    encode(&BigDecimal::new(x.as_bigint_and_exponent().0 % y.as_bigint_and_exponent().0, scale))
}

/// The quotient without its fraction.
pub fn divide_whole(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    let (a, b) = (decode(a)?, decode(b)?);
    nonzero(&b)?;
    let scale = a.as_bigint_and_exponent().1.max(b.as_bigint_and_exponent().1);
    let (x, y) = (a.with_scale(scale), b.with_scale(scale));
    encode(&BigDecimal::new(x.as_bigint_and_exponent().0 / y.as_bigint_and_exponent().0, 0))
}

pub fn negate(a: &[u8]) -> Result<Vec<u8>> {
    encode(&-decode(a)?)
}

/// Rounds to `scale` digits after the point.
pub fn round(a: &[u8], scale: i64, mode: RoundingMode) -> Result<Vec<u8>> {
    encode(&decode(a)?.with_scale_round(scale, mode))
}

/// As DECIMAL(precision, scale): rounded half up to `scale` digits after the point.
///
/// # Errors
/// When more than `precision - scale` digits stand before the point.
pub fn to_precision(a: &[u8], precision: i64, scale: i64) -> Result<Vec<u8>> {
    let rounded = decode(a)?.with_scale_round(scale, RoundingMode::HalfUp);
    let (unscaled, _) = rounded.as_bigint_and_exponent();
    if unscaled.magnitude().to_str_radix(10).len() as i64 > precision && unscaled != BigInt::from(0) {
        return Err(Error::evaluation(format!("{} is out of range for DECIMAL({precision},{scale})", to_text(a)?)));
    }
    encode(&rounded)
}

pub fn from_i64(v: i64) -> Result<Vec<u8>> {
    encode(&BigDecimal::from(v))
}

/// The decimal that a float is written as, in the fewest digits that read back as it.
pub fn from_f64(v: f64) -> Result<Vec<u8>> {
    if !v.is_finite() {
        return Err(Error::evaluation(format!("cannot cast {} to BIG_DECIMAL", crate::cast::double_text(v))));
    }
    parse(&format!("{v:e}"))
}

/// See [`from_f64`]; a FLOAT has fewer digits.
pub fn from_f32(v: f32) -> Result<Vec<u8>> {
    if !v.is_finite() {
        return from_f64(f64::from(v));
    }
    parse(&format!("{v:e}"))
}

pub fn parse(text: &str) -> Result<Vec<u8>> {
    decimal::parse(text.trim())
        .map_err(|_| Error::evaluation(format!("cannot cast '{}' to BIG_DECIMAL", crate::cast::shown(text))))
}

/// The nearest DOUBLE; past the largest one, infinity.
pub fn to_f64(a: &[u8]) -> Result<f64> {
    let (unscaled, scale) = decode(a)?.into_bigint_and_exponent();
    format!("{unscaled}e{}", -scale).parse().map_err(|_| Error::evaluation("a BIG_DECIMAL does not convert to DOUBLE"))
}

/// The integer part, `None` when a LONG cannot hold it.
pub fn to_i64(a: &[u8]) -> Result<Option<i64>> {
    let number = decode(a)?;
    let (_, scale) = number.as_bigint_and_exponent();
    // Past 20 digits before the point no LONG fits: do not build the digits of a huge exponent.
    if number.digits() as i64 - scale > 20 {
        return Ok(None);
    }
    let whole = number.with_scale_round(0, RoundingMode::Down);
    Ok(i64::try_from(whole.as_bigint_and_exponent().0).ok())
}

pub fn to_text(a: &[u8]) -> Result<String> {
    decimal::to_plain_string(a).map_err(|e| Error::evaluation(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Vec<u8> {
        parse(text).unwrap()
    }

    fn shows(bytes: Result<Vec<u8>>) -> String {
        to_text(&bytes.unwrap()).unwrap()
    }

    #[test]
    fn exact_arithmetic() {
        assert_eq!(shows(multiply(&d("-3.17"), &d("8.23"))), "-26.0891");
        assert_eq!(shows(add(&d("123456789012345678.123456789"), &d("0.000000001"))), "123456789012345678.12345679");
        assert_eq!(shows(subtract(&d("1"), &d("1.0"))), "0");
        assert_eq!(shows(remainder(&d("-7.5"), &d("2"))), "-1.5");
        assert_eq!(shows(divide_whole(&d("-7.5"), &d("2"))), "-3");
    }

    #[test]
    fn quotients_have_34_digits_half_even() {
        assert_eq!(shows(divide(&d("1"), &d("3"))), "0.3333333333333333333333333333333333");
        assert_eq!(shows(divide(&d("2"), &d("3"))), "0.6666666666666666666666666666666667");
        assert_eq!(shows(divide(&d("-2"), &d("3"))), "-0.6666666666666666666666666666666667");
        assert_eq!(shows(divide(&d("1"), &d("8"))), "0.125");
        // A tie goes to the even digit, anything past the tie goes up.
        assert_eq!(
            shows(divide(&d("10000000000000000000000000000000005"), &d("10"))),
            "1000000000000000000000000000000000"
        );
        assert_eq!(
            shows(divide(&d("10000000000000000000000000000000015"), &d("10"))),
            "1000000000000000000000000000000002"
        );
        assert_eq!(
            shows(divide(&d("100000000000000000000000000000000050000000000000000000000000001"), &d("1"))),
            "100000000000000000000000000000000100000000000000000000000000000"
        );
        assert!(divide(&d("1"), &d("0")).unwrap_err().to_string().contains("division by zero"));
    }

    #[test]
    fn precision_is_checked_after_rounding_half_up() {
        assert_eq!(shows(to_precision(&d("2.345"), 10, 2)), "2.35");
        assert_eq!(shows(to_precision(&d("-2.345"), 10, 2)), "-2.35");
        assert_eq!(shows(to_precision(&d("0"), 1, 0)), "0");
        assert!(
            to_precision(&d("7654321"), 8, 3)
                .unwrap_err()
                .to_string()
                .contains("7654321 is out of range for DECIMAL(8,3)")
        );
        assert!(to_precision(&d("99.995"), 4, 2).is_err());
    }

    #[test]
    fn floats_and_longs() {
        assert_eq!(shows(from_f64(0.1)), "0.1");
        assert_eq!(shows(from_f64(-1.5e-7)), "-0.00000015");
        assert_eq!(shows(from_f32(0.1)), "0.1");
        assert!(from_f64(f64::NAN).is_err());
        assert_eq!(to_f64(&d("123456789012345678.123456789")).unwrap(), 123_456_789_012_345_678.123_456_789);
        assert_eq!(to_i64(&d("-1.9")).unwrap(), Some(-1));
        assert_eq!(to_i64(&d("9223372036854775807.9")).unwrap(), Some(i64::MAX));
        assert_eq!(to_i64(&d("9223372036854775808")).unwrap(), None);
        assert_eq!(to_i64(&d("1e60000")).unwrap(), None);
    }
}
