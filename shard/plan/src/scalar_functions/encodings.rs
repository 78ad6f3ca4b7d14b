//! Text and bytes in other spellings: UTF-8, hexadecimal, Base64, percent-encoding.

use super::define::{Function, kernel};
use super::shapes::{build_texts, texts};
use crate::cast::{hex_text, parse_hex, shown};
use crate::error::{Error, Result};
use crate::eval::value::{Binaries, Strings};
use crate::function::{Kernel, Registry};
use crate::types::Type;
use arrow_array::BinaryArray;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    add(Function::new("toutf8", "STRING", Type::BYTES, |_| to_bytes(|s| Ok(s.as_bytes().to_vec()))));
    add(Function::new("fromutf8", "BYTES", Type::STRING, |_| {
        from_bytes(|b| {
            let text = String::from_utf8(b.to_vec());
            text.map_err(|e| {
                Error::evaluation(format!("bytes are not UTF-8 after {} bytes", e.utf8_error().valid_up_to()))
            })
        })
    }));
    add(Function::new("bytestohex", "BYTES", Type::STRING, |_| from_bytes(|b| Ok(hex_text(b)))).aliases(&["tohex"]));
    add(Function::new("hextobytes", "STRING", Type::BYTES, |_| {
        to_bytes(|s| parse_hex(s).ok_or_else(|| Error::evaluation(format!("'{}' is not hexadecimal", shown(s)))))
    })
    .aliases(&["fromhex"]));
    add(Function::new("tobase64", "BYTES", Type::STRING, |_| from_bytes(|b| Ok(base64(b)))).aliases(&["base64encode"]));
    add(Function::new("frombase64", "STRING", Type::BYTES, |_| {
        to_bytes(|s| from_base64(s).ok_or_else(|| Error::evaluation(format!("'{}' is not Base64", shown(s)))))
    })
    .aliases(&["base64decode"]));
    add(Function::new("encodeurl", "STRING", Type::STRING, |_| texts(|s| encode_url(s).into())).aliases(&["urlencode"]));
    add(Function::new("decodeurl", "STRING", Type::STRING, |_| {
        kernel(|args, rows| {
            let v = Strings::of(&args[0])?;
            build_texts(rows, |i| v.get(i).map(|s| decode_url(s).map(Cow::Owned)).transpose())
        })
    })
    .aliases(&["urldecode"]));
}

fn to_bytes(f: fn(&str) -> Result<Vec<u8>>) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        Ok(Arc::new((0..rows).map(|i| v.get(i).map(f).transpose()).collect::<Result<BinaryArray>>()?))
    })
}

fn from_bytes(f: fn(&[u8]) -> Result<String>) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let v = Binaries::of(&args[0])?;
        build_texts(rows, |i| v.get(i).map(|b| f(b).map(Cow::Owned)).transpose())
    })
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard alphabet with padding.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= chunk.len() { BASE64[digit] as char } else { '=' });
        }
    }
    out
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take(2).take_while(|b| **b == b'=').count();
    let digits = &bytes[..bytes.len() - padding];
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for chunk in digits.chunks(4) {
        let mut group = 0u32;
        for b in chunk {
            group = group << 6 | BASE64.iter().position(|d| d == b)? as u32;
        }
        group <<= 6 * (4 - chunk.len());
        // Digits past the last byte must be zero: one text per value.
        let kept = chunk.len() * 6 / 8;
        let whole = group.to_be_bytes();
        if whole[1 + kept..].iter().any(|b| *b != 0) {
            return None;
        }
        out.extend_from_slice(&whole[1..=kept]);
    }
    Some(out)
}

/// application/x-www-form-urlencoded, as Java's URLEncoder.
fn encode_url(s: &str) -> String {
    s.bytes().fold(String::with_capacity(s.len()), |mut out, b| {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(b as char),
            b' ' => out.push('+'),
            // Writing to a String cannot fail.
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
        out
    })
}

fn decode_url(s: &str) -> Result<String> {
    let bad = || Error::evaluation(format!("'{}' is not percent-encoded UTF-8", shown(s)));
    let bytes = s.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = s.get(at + 1..at + 3).and_then(parse_hex).ok_or_else(bad)?;
                out.extend(pair);
                at += 2;
            }
            b => out.push(b),
        }
        at += 1;
    }
    String::from_utf8(out).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_length() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("~~~?", "fn5+Pw==")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(from_base64(text).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Zg=", "Zh==", "Z===", "====", "Zm9v====", "Zm!v"] {
            assert_eq!(from_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls() {
        assert_eq!(encode_url("a b&ü/*"), "a+b%26%C3%BC%2F*");
        assert_eq!(decode_url("a+b%26%C3%BC%2F*").unwrap(), "a b&ü/*");
        for bad in ["%", "%4", "%GG", "%FF", "%é"] {
            assert!(decode_url(bad).is_err(), "{bad}");
        }
    }
}
