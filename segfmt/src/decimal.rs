//! BIG_DECIMAL as bytes whose `memcmp` order is numeric order.
//!
//! Equal numbers have equal bytes (`1.50` and `1.5` are the same), so dictionaries, zone maps,
//! group-by and joins compare bytes and never parse a number. The layout is in SPEC.md,
//! "BIG_DECIMAL": a sign byte, a decimal exponent, then pairs of digits, all of it inverted for
//! negative numbers.

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};

use crate::error::{Error, Result};

/// The bytes of zero.
pub const ZERO: &[u8] = &[SIGN_ZERO];

/// Most decimal digits that a number may have.
pub const MAX_DIGITS: usize = 65_536;
/// Largest absolute decimal exponent: the number is `0.d1d2... * 10^exponent`.
pub const MAX_EXPONENT: i64 = 65_536;

const SIGN_NEGATIVE: u8 = 0x40;
const SIGN_ZERO: u8 = 0x80;
const SIGN_POSITIVE: u8 = 0xc0;
/// Ends a negative number, so that a longer one (of greater magnitude) sorts first.
const NEGATIVE_END: u8 = 0xff;

/// Canonical bytes of a number.
///
/// # Errors
/// [`Error::Decimal`] past [`MAX_DIGITS`] or [`MAX_EXPONENT`].
pub fn encode(value: &BigDecimal) -> Result<Vec<u8>> {
    let (unscaled, scale) = value.as_bigint_and_exponent();
    let negative = match unscaled.sign() {
        Sign::NoSign => return Ok(ZERO.to_vec()),
        Sign::Minus => true,
        Sign::Plus => false,
    };
    // A cheap bound on the digits before the conversion, whose cost is more than linear.
    if unscaled.bits() > (MAX_DIGITS as u64) * 4 {
        return Err(Error::Decimal { detail: format!("more than {MAX_DIGITS} digits") });
    }
    let text = unscaled.magnitude().to_str_radix(10);
    let digits = text.as_bytes();
    let exponent = i64::try_from(digits.len())
        .ok()
        .and_then(|n| n.checked_sub(scale))
        .ok_or_else(|| Error::Decimal { detail: "the exponent overflows".to_owned() })?;
    let significant = digits.iter().rposition(|d| *d != b'0').map_or(0, |p| p + 1);
    encode_digits(negative, exponent, &digits[..significant])
}

/// `digits` are ASCII, the first and the last not zero.
fn encode_digits(negative: bool, exponent: i64, digits: &[u8]) -> Result<Vec<u8>> {
    if digits.len() > MAX_DIGITS {
        return Err(Error::Decimal { detail: format!("more than {MAX_DIGITS} digits") });
    }
    if exponent.abs() > MAX_EXPONENT {
        return Err(Error::Decimal {
            detail: format!("the exponent {exponent} is outside -{MAX_EXPONENT}..={MAX_EXPONENT}"),
        });
    }
    let mut out = Vec::with_capacity(6 + digits.len().div_ceil(2));
    out.push(if negative { SIGN_NEGATIVE } else { SIGN_POSITIVE });
    let biased = (exponent as i32 as u32) ^ (1 << 31);
    out.extend_from_slice(&biased.to_be_bytes());
    for pair in digits.chunks(2) {
        let high = pair[0] - b'0';
        let low = pair.get(1).map_or(0, |d| d - b'0');
        out.push(high * 10 + low + 1);
    }
    if negative {
        for b in &mut out[1..] {
            *b = !*b;
        }
        out.push(NEGATIVE_END);
    }
    Ok(out)
}

struct Parts {
    negative: bool,
    exponent: i32,
    /// ASCII digits without trailing zeros; empty for zero.
    digits: Vec<u8>,
}

fn parts(bytes: &[u8]) -> Result<Parts> {
    let bad = |detail: &str| Error::corrupt(format!("BIG_DECIMAL bytes: {detail}"));
    let (&sign, rest) = bytes.split_first().ok_or_else(|| bad("empty"))?;
    let negative = match sign {
        SIGN_ZERO if rest.is_empty() => return Ok(Parts { negative: false, exponent: 0, digits: Vec::new() }),
        SIGN_NEGATIVE => true,
        SIGN_POSITIVE => false,
        _ => return Err(bad("unknown sign byte")),
    };
    let flip = if negative { 0xff } else { 0 };
    let body = if negative {
        match rest.split_last() {
            Some((&NEGATIVE_END, body)) => body,
            _ => return Err(bad("a negative number without its end")),
        }
    } else {
        rest
    };
    let (head, pairs) = body.split_first_chunk::<4>().ok_or_else(|| bad("no exponent"))?;
    let biased = u32::from_be_bytes(head.map(|b| b ^ flip));
    let exponent = (biased ^ (1 << 31)) as i32;
    if i64::from(exponent).abs() > MAX_EXPONENT {
        return Err(bad("exponent out of range"));
    }
    if pairs.is_empty() || pairs.len() > MAX_DIGITS.div_ceil(2) {
        return Err(bad("no digits, or too many"));
    }
    let mut digits = Vec::with_capacity(pairs.len() * 2);
    for &b in pairs {
        let b = b ^ flip;
        if !(1..=100).contains(&b) {
            return Err(bad("a digit pair is out of range"));
        }
        digits.push(b'0' + (b - 1) / 10);
        digits.push(b'0' + (b - 1) % 10);
    }
    if digits.first() == Some(&b'0') {
        return Err(bad("leading zero"));
    }
    if digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.last() == Some(&b'0') {
        return Err(bad("trailing zeros"));
    }
    Ok(Parts { negative, exponent, digits })
}

/// Whether the bytes are canonical.
///
/// # Errors
/// [`Error::Corrupt`] says what is wrong.
pub fn check(bytes: &[u8]) -> Result<()> {
    parts(bytes).map(|_| ())
}

/// The number that canonical bytes stand for.
///
/// # Errors
/// [`Error::Corrupt`] when they are not canonical.
pub fn decode(bytes: &[u8]) -> Result<BigDecimal> {
    let p = parts(bytes)?;
    if p.digits.is_empty() {
        return Ok(BigDecimal::from(0));
    }
    let unscaled =
        BigInt::parse_bytes(&p.digits, 10).ok_or_else(|| Error::corrupt("BIG_DECIMAL bytes: digits do not parse"))?;
    let scale = p.digits.len() as i64 - i64::from(p.exponent);
    Ok(BigDecimal::new(if p.negative { -unscaled } else { unscaled }, scale))
}

/// Canonical bytes of a decimal text such as `-12.50` or `1e3`.
///
/// # Errors
/// [`Error::Decimal`] when it is no number or past the limits.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    let text = text.trim();
    if text.len() > MAX_DIGITS + 64 {
        return Err(Error::Decimal { detail: format!("more than {MAX_DIGITS} digits") });
    }
    let value = text.parse::<BigDecimal>().map_err(|e| Error::Decimal { detail: format!("{text:?}: {e}") })?;
    encode(&value)
}

/// The number without an exponent, as Java's `toPlainString` of the number without trailing zeros.
///
/// # Errors
/// [`Error::Corrupt`] when the bytes are not canonical.
pub fn to_plain_string(bytes: &[u8]) -> Result<String> {
    let p = parts(bytes)?;
    if p.digits.is_empty() {
        return Ok("0".to_owned());
    }
    let mut out = String::with_capacity(p.digits.len() + 8);
    if p.negative {
        out.push('-');
    }
    let digits = p.digits.iter().map(|d| char::from(*d));
    match usize::try_from(p.exponent) {
        Err(_) | Ok(0) => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', p.exponent.unsigned_abs() as usize));
            out.extend(digits);
        }
        Ok(point) if point >= p.digits.len() => {
            out.extend(digits);
            out.extend(std::iter::repeat_n('0', point - p.digits.len()));
        }
        Ok(point) => {
            for (i, d) in digits.enumerate() {
                if i == point {
                    out.push('.');
                }
                out.push(d);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_decimal() -> impl Strategy<Value = BigDecimal> {
        (any::<i128>(), -40i64..40, 0u32..3).prop_map(|(v, scale, small)| {
            let v = if small == 0 { v } else { v % 1000 };
            BigDecimal::new(BigInt::from(v), scale)
        })
    }

    proptest! {
        #[test]
        fn bytes_keep_order_and_value(a in any_decimal(), b in any_decimal()) {
            let (x, y) = (encode(&a).unwrap(), encode(&b).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(decode(&x).unwrap(), a.clone());
            let text = to_plain_string(&x).unwrap();
            prop_assert_eq!(parse(&text).unwrap(), x);
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(v) = decode(&bytes) {
                prop_assert_eq!(encode(&v).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn plain_text() {
        for (from, to) in [
            ("1.50", "1.5"),
            ("100", "100"),
            ("1e3", "1000"),
            ("-0.00120", "-0.0012"),
            ("0.000", "0"),
            ("-12", "-12"),
            ("123.456", "123.456"),
            ("1E-3", "0.001"),
            ("0.5", "0.5"),
        ] {
            assert_eq!(to_plain_string(&parse(from).unwrap()).unwrap(), to, "{from}");
        }
        assert_eq!(parse("0").unwrap(), ZERO);
        for bad in ["", "abc", "1e999999999", "--1", "1e-999999999999"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
