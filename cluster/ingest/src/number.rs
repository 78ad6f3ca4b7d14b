//! Numbers in text: what kind a cell is, and its exact value.

/// What a cell looks like. Inference joins these over a whole column; conversion only parses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Fits 32 bits.
    Int,
    /// Fits 64 bits and a double holds it exactly.
    Long,
    /// Fits 64 bits, above 2^53.
    WideLong,
    /// An integer past 64 bits.
    BigInteger,
    /// Has a point or a signed exponent, at most 17 significant digits.
    Fraction,
    /// More than 17 significant digits: a double would drop some.
    LongFraction,
    /// `12E4`: a number in some files, a code in others.
    BareExponent,
    /// NaN and the infinities.
    Special,
    /// Digits that begin with 0, or with a plus sign: a code.
    Code,
    Other,
}

pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut b = bytes;
    while let [b' ' | b'\t', rest @ ..] = b {
        b = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = b {
        b = rest;
    }
    b
}

/// Longer texts are not numbers, whatever their characters.
const DIGITS_MAX: usize = 4_096;

/// Classifies the text of a cell.
pub(crate) fn look(bytes: &[u8]) -> Look {
    let b = trim(bytes);
    if b.len() > DIGITS_MAX {
        return Look::Other;
    }
    let (sign, rest) = match b {
        [s @ (b'-' | b'+'), rest @ ..] => (Some(*s), rest),
        _ => (None, b),
    };
    let whole = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    if whole == 0 && rest.first() != Some(&b'.') {
        return if special(b).is_some() { Look::Special } else { Look::Other };
    }
    let mut at = whole;
    let mut digits = whole;
    let mut point = false;
    if rest.get(at) == Some(&b'.') {
        point = true;
        at += 1;
        let part = rest[at..].iter().take_while(|c| c.is_ascii_digit()).count();
        at += part;
        digits += part;
    }
    if digits == 0 {
        return Look::Other;
    }
    let mantissa = &rest[..at];
    let mut exponent = false;
    let mut exponent_sign = false;
    if let Some(b'e' | b'E') = rest.get(at) {
        exponent = true;
        at += 1;
        if let Some(b'+' | b'-') = rest.get(at) {
            exponent_sign = true;
            at += 1;
        }
        let part = rest[at..].iter().take_while(|c| c.is_ascii_digit()).count();
        if part == 0 || part > 9 {
            return Look::Other;
        }
        at += part;
    }
    if at != rest.len() {
        return Look::Other;
    }
    if whole > 1 && rest[0] == b'0' {
        return Look::Code;
    }
    if !point && !exponent {
        if sign == Some(b'+') {
            return Look::Code;
        }
        return match int(b) {
            Some(v) if i32::try_from(v).is_ok() => Look::Int,
            Some(v) if v.unsigned_abs() <= 1 << 53 => Look::Long,
            Some(_) => Look::WideLong,
            None => Look::BigInteger,
        };
    }
    // An exponent that a double cannot hold is no number that could be summed: its text is kept.
    if exponent && double(b).is_none_or(|v| v.is_infinite() || (v == 0.0 && significant_digits(mantissa) > 0)) {
        return Look::Other;
    }
    if exponent && !exponent_sign && !point {
        return if sign == Some(b'+') { Look::Code } else { Look::BareExponent };
    }
    if significant_digits(mantissa) > 17 { Look::LongFraction } else { Look::Fraction }
}

fn significant_digits(mantissa: &[u8]) -> usize {
    let digits: &[u8] = mantissa;
    let mut count = 0;
    let mut pending = 0;
    for &c in digits {
        if c == b'0' {
            // Leading zeros do not count; inner ones do once another digit follows.
            if count > 0 {
                pending += 1;
            }
        } else if c.is_ascii_digit() {
            count += pending + 1;
            pending = 0;
        }
    }
    count
}

/// NaN and the infinities in their usual spellings, whatever the case.
pub(crate) fn special(b: &[u8]) -> Option<f64> {
    let (negative, word) = match b {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, b),
    };
    if word.eq_ignore_ascii_case(b"nan") {
        return Some(f64::NAN);
    }
    if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") {
        return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    None
}

/// A 64-bit integer in decimal digits with an optional sign; nothing else.
#[inline]
pub(crate) fn int(b: &[u8]) -> Option<i64> {
    let (negative, digits) = match b {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, b),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let mut v: i64 = 0;
        for &c in digits {
            let d = c.wrapping_sub(b'0');
            if d > 9 {
                return None;
            }
            v = v * 10 + i64::from(d);
        }
        return Some(if negative { -v } else { v });
    }
    let mut v: i64 = 0;
    for &c in digits {
        let d = c.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        // Counting down reaches i64::MIN, which has no positive twin.
        v = v.checked_mul(10)?.checked_sub(i64::from(d))?;
    }
    if negative { Some(v) } else { v.checked_neg() }
}

/// An integer that may be written with a point or exponent as long as its value is whole: `1.0`, `1e2`.
pub(crate) fn whole(b: &[u8]) -> Option<i64> {
    if let Some(v) = int(b) {
        return Some(v);
    }
    match look(b) {
        Look::Fraction | Look::LongFraction | Look::BareExponent => {}
        _ => return None,
    }
    let (mantissa, exponent) = match b.iter().position(|c| matches!(c, b'e' | b'E')) {
        Some(at) => (&b[..at], int(&b[at + 1..])?),
        None => (b, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|c| *c == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let mut digits: Vec<u8> = whole.to_vec();
    digits.extend_from_slice(fraction);
    let mut scale = i64::try_from(fraction.len()).ok()? - exponent;
    while scale > 0 && digits.last() == Some(&b'0') {
        digits.pop();
        scale -= 1;
    }
    if digits.iter().all(|c| matches!(c, b'0' | b'-' | b'+')) {
        return Some(0);
    }
    if !(-19..=0).contains(&scale) {
        return None;
    }
    digits.resize(digits.len() + usize::try_from(-scale).ok()?, b'0');
    int(&digits)
}

/// A double in any of the usual spellings.
#[inline]
pub(crate) fn double(b: &[u8]) -> Option<f64> {
    // Digits alone are exact up to 2^53 and much faster than the general way.
    if b.len() <= 15
        && let Some(v) = int(b)
    {
        return Some(v as f64);
    }
    match b.first()? {
        b'0'..=b'9' | b'-' | b'+' | b'.' => {
            let text = std::str::from_utf8(b).ok()?;
            // The standard parser also takes "inf" and "nan" after a sign, which are wanted too.
            text.parse().ok()
        }
        _ => special(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks() {
        for (text, want) in [
            ("0", Look::Int),
            ("-0", Look::Int),
            (" 5 ", Look::Int),
            ("-2147483648", Look::Int),
            ("2147483648", Look::Long),
            ("9007199254740993", Look::WideLong),
            ("-9223372036854775808", Look::WideLong),
            ("9223372036854775808", Look::BigInteger),
            ("00391", Look::Code),
            ("-007", Look::Code),
            ("+49", Look::Code),
            ("00.5", Look::Code),
            ("0.5", Look::Fraction),
            (".5", Look::Fraction),
            ("5.", Look::Fraction),
            ("1e-7", Look::Fraction),
            ("1.5E3", Look::Fraction),
            ("12E4", Look::BareExponent),
            ("0.10000000000000001", Look::Fraction),
            ("0.1234567890123456789", Look::LongFraction),
            ("nan", Look::Special),
            ("+Inf", Look::Special),
            ("-Infinity", Look::Special),
            ("", Look::Other),
            (".", Look::Other),
            ("-", Look::Other),
            ("1e", Look::Other),
            ("1.2.3", Look::Other),
            ("0x10", Look::Other),
            ("1_000", Look::Other),
            ("info", Look::Other),
            ("1e999", Look::Other),
            ("1.5e-999", Look::Other),
            ("0e-999", Look::Fraction),
        ] {
            assert_eq!(look(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn integers_are_exact() {
        for v in [0, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1, 9_007_199_254_740_993] {
            assert_eq!(int(v.to_string().as_bytes()), Some(v));
        }
        assert_eq!(int(b"9223372036854775808"), None);
        assert_eq!(int(b"-9223372036854775809"), None);
        assert_eq!(int(b"00000000000000000000000000000012"), Some(12));
        assert_eq!(int(b""), None);
        assert_eq!(int(b"-"), None);
        assert_eq!(whole(b"1.0"), Some(1));
        assert_eq!(whole(b"-1.50e1"), Some(-15));
        assert_eq!(whole(b"9007199254740993.000"), Some(9_007_199_254_740_993));
        assert_eq!(whole(b"0.0"), Some(0));
        assert_eq!(whole(b"1e3"), Some(1000));
        assert_eq!(whole(b"1.5"), None);
        assert_eq!(whole(b"1e30"), None);
        assert_eq!(whole(b"1e-3"), None);
    }

    #[test]
    fn doubles() {
        assert_eq!(double(b"1e2"), Some(100.0));
        assert_eq!(double(b"-0.1"), Some(-0.1));
        assert_eq!(double(b"-inf"), Some(f64::NEG_INFINITY));
        assert!(double(b"NaN").is_some_and(f64::is_nan));
        assert_eq!(double(b"x"), None);
        assert_eq!(double(b"infx"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_safe(text in "[-+.eE0-9 infaINF]{0,24}") {
            let b = text.as_bytes();
            if matches!(look(b), Look::Int | Look::Long | Look::WideLong) {
                proptest::prop_assert_eq!(int(trim(b)), trim(b).iter().map(|c| *c as char).collect::<String>().parse().ok());
            }
            if matches!(look(b), Look::Fraction | Look::LongFraction | Look::BareExponent) {
                proptest::prop_assert!(double(trim(b)).is_some());
            }
            whole(b);
        }
    }
}
