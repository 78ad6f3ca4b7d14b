//! Functions of text. Lengths and positions count characters, never bytes. `substr`, `strpos` and `splitPart` count from
//! 0 as in Pinot, SQL's `SUBSTRING(s FROM i FOR n)` from 1.

use super::define::{Function, coerce, kernel};
use super::shapes::{build_texts, text_predicate, text_to_int, texts, to_int};
use crate::error::{Error, Result};
use crate::eval::value::{Ints, Strings};
use crate::function::{Kernel, Registry, Signature};
use crate::types::Type;
use arrow_array::Int32Array;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    let text = |name, bind| Function::new(name, "STRING", Type::STRING, bind);
    add(text("upper", |_| texts(|s| s.to_uppercase().into())).aliases(&["ucase"]));
    add(text("lower", |_| texts(|s| s.to_lowercase().into())).aliases(&["lcase"]));
    add(text("reverse", |_| texts(|s| s.chars().rev().collect::<String>().into())));
    add(text("initcap", |_| texts(|s| initcap(s).into())));
    add(Function::new("length", "STRING", Type::INT, |_| text_to_int(|s| to_int(characters(s)))).aliases(&[
        "charlength",
        "characterlength",
        "len",
    ]));
    add(Function::new("octetlength", "STRING", Type::INT, |_| text_to_int(|s| to_int(s.len()))));
    add(Function::new("bitlength", "STRING", Type::INT, |_| text_to_int(|s| to_int(s.len() * 8))));
    add(Function::new("codepoint", "STRING", Type::INT, |_| text_to_int(first_code)).aliases(&["ascii"]));
    add(Function::new("chr", "INT", Type::STRING, |_| chr()));
    add(Function::new("space", "INT", Type::STRING, |_| {
        kernel(|args, rows| {
            let n = Ints::of(&args[0])?;
            build_texts(rows, |i| n.get(i).map(|n| repeat(" ", "", n).map(Cow::Owned)).transpose())
        })
    }));
    add(Function::new("substr", "STRING, INT[, INT]", Type::STRING, |s| slice_kernel(s.args.len(), substr)));
    add(Function::new("substring", "STRING, INT[, INT]", Type::STRING, |s| slice_kernel(s.args.len(), substring)));
    add(Function::new("left", "STRING, INT", Type::STRING, |_| {
        slice_kernel(2, |n, count, _| Ok((0, clamp(count, n))))
    })
    .aliases(&["leftsubstr"]));
    add(Function::new("right", "STRING, INT", Type::STRING, |_| {
        slice_kernel(2, |n, count, _| Ok((n - clamp(count, n), n)))
    })
    .aliases(&["rightsubstr"]));
    add(Function::typed("concat", |s| Ok(Signature { args: coerce(s, "TEXT...")?, result: Type::STRING }), concat));
    add(Function::typed(
        "concatws",
        |s| Ok(Signature { args: coerce(s, "TEXT, TEXT...")?, result: Type::STRING }),
        |_| joined(0),
    )
    .sees_nulls());
    add(Function::new("trim", "STRING[, STRING, STRING]", Type::STRING, |s| match s.args.len() {
        3 => sql_trim(),
        _ => trim(1, true, true),
    }));
    add(Function::new("btrim", "STRING[, STRING]", Type::STRING, |s| trim(s.args.len(), true, true)));
    add(Function::new("ltrim", "STRING[, STRING]", Type::STRING, |s| trim(s.args.len(), true, false)));
    add(Function::new("rtrim", "STRING[, STRING]", Type::STRING, |s| trim(s.args.len(), false, true)));
    add(Function::new("startswith", "STRING, STRING", Type::BOOLEAN, |_| text_predicate(|s, x| s.starts_with(x))));
    add(Function::new("endswith", "STRING, STRING", Type::BOOLEAN, |_| text_predicate(|s, x| s.ends_with(x))));
    add(Function::new("contains", "STRING, STRING", Type::BOOLEAN, |_| text_predicate(|s, x| s.contains(x))));
    add(Function::new("strpos", "STRING, STRING[, INT]", Type::INT, |s| position(s.args.len(), true)));
    add(Function::new("strrpos", "STRING, STRING[, INT]", Type::INT, |s| position(s.args.len(), false)));
    add(Function::new("lpad", "STRING, INT[, STRING]", Type::STRING, |s| pad(s.args.len(), true)));
    add(Function::new("rpad", "STRING, INT[, STRING]", Type::STRING, |s| pad(s.args.len(), false)));
    add(Function::new("replace", "STRING, STRING, STRING", Type::STRING, |_| {
        three_texts(|s, from, to| if from.is_empty() { s.into() } else { s.replace(from, to).into() })
    }));
    add(Function::new("remove", "STRING, STRING", Type::STRING, |_| {
        kernel(|args, rows| {
            let (s, what) = (Strings::of(&args[0])?, Strings::of(&args[1])?);
            build_texts(rows, |i| {
                Ok(s.get(i)
                    .zip(what.get(i))
                    .map(|(s, what)| if what.is_empty() { Cow::Borrowed(s) } else { s.replace(what, "").into() }))
            })
        })
    }));
    add(Function::new("translate", "STRING, STRING, STRING", Type::STRING, |_| {
        three_texts(|s, from, to| translate(s, from, to).into())
    }));
    add(Function::typed(
        "repeat",
        |s| {
            let takes = if s.args.len() == 3 { "STRING, STRING, INT" } else { "STRING, INT" };
            Ok(Signature { args: coerce(s, takes)?, result: Type::STRING })
        },
        |s| {
            let separated = s.args.len() == 3;
            kernel(move |args, rows| {
                let (s, n) = (Strings::of(&args[0])?, Ints::of(&args[if separated { 2 } else { 1 }])?);
                let between = if separated { Some(Strings::of(&args[1])?) } else { None };
                build_texts(rows, |i| {
                    let separator = match &between {
                        Some(b) => b.get(i),
                        None => Some(""),
                    };
                    match (s.get(i), separator, n.get(i)) {
                        (Some(s), Some(separator), Some(n)) => repeat(s, separator, n).map(|t| Some(t.into())),
                        _ => Ok(None),
                    }
                })
            })
        },
    ));
    add(Function::new("overlay", "STRING, STRING, INT[, INT]", Type::STRING, |s| overlay(s.args.len())));
    let distance = |name, bind| Function::new(name, "STRING, STRING", Type::INT, bind);
    add(distance("strcmp", |_| two_texts_to_int(|a, b| Ok(a.cmp(b) as i32))));
    add(distance("hammingdistance", |_| two_texts_to_int(hamming)));
    add(distance("levenshteindistance", |_| two_texts_to_int(levenshtein)));
}

fn characters(s: &str) -> usize {
    if s.is_ascii() { s.len() } else { s.chars().count() }
}

/// Characters `from..to` of a text.
fn slice(s: &str, from: usize, to: usize) -> &str {
    if from >= to {
        return "";
    }
    if s.is_ascii() {
        return s.get(from.min(s.len())..to.min(s.len())).unwrap_or("");
    }
    let mut places = s.char_indices().map(|(at, _)| at).chain([s.len()]);
    let Some(start) = places.nth(from) else { return "" };
    let end = places.nth(to - from - 1).unwrap_or(s.len());
    &s[start..end]
}

fn clamp(v: i64, max: i64) -> i64 {
    v.clamp(0, max)
}

/// A function that cuts `from..to` (in characters) out of a text, given its length and one or two numbers.
fn slice_kernel(
    count: usize,
    bounds: impl Fn(i64, i64, Option<i64>) -> Result<(i64, i64)> + Send + Sync + 'static,
) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (s, a) = (Strings::of(&args[0])?, Ints::of(&args[1])?);
        let b = if count > 2 { Some(Ints::of(&args[2])?) } else { None };
        build_texts(rows, |i| {
            let second = match &b {
                Some(b) => match b.get(i) {
                    Some(v) => Some(i64::from(v)),
                    None => return Ok(None),
                },
                None => None,
            };
            let (Some(s), Some(first)) = (s.get(i), a.get(i)) else { return Ok(None) };
            let n = characters(s) as i64;
            let (from, to) = bounds(n, i64::from(first), second)?;
            Ok(Some(slice(s, clamp(from, n) as usize, clamp(to, n) as usize).into()))
        })
    })
}

/// Pinot's substr(s, begin[, end]): from 0, end excluded, -1 is the end; other negative places count from the end.
fn substr(n: i64, begin: i64, end: Option<i64>) -> Result<(i64, i64)> {
    let place = |p: i64| if p < 0 { (p + n).max(0) } else { p };
    Ok((place(begin), end.map_or(n, |e| if e == -1 { n } else { place(e) })))
}

/// SQL's SUBSTRING(s FROM i FOR n): from 1; characters before the first count towards the length.
fn substring(n: i64, from: i64, length: Option<i64>) -> Result<(i64, i64)> {
    match length {
        Some(length) if length < 0 => Err(Error::evaluation(format!("SUBSTRING got the negative length {length}"))),
        Some(length) => Ok((from - 1, from - 1 + length)),
        None => Ok((from - 1, n)),
    }
}

/// overlay(text, new, from[, count]): `count` characters from place `from`, counted from 1, become the new text.
fn overlay(count: usize) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (s, new, from) = (Strings::of(&args[0])?, Strings::of(&args[1])?, Ints::of(&args[2])?);
        let length = if count > 3 { Some(Ints::of(&args[3])?) } else { None };
        build_texts(rows, |i| {
            let (Some(s), Some(new), Some(from)) = (s.get(i), new.get(i), from.get(i)) else { return Ok(None) };
            let length = match &length {
                Some(length) => match length.get(i) {
                    Some(length) => i64::from(length),
                    None => return Ok(None),
                },
                None => characters(new) as i64,
            };
            let n = characters(s) as i64;
            let start = clamp(i64::from(from) - 1, n);
            let end = clamp(i64::from(from) - 1 + length, n);
            Ok(Some([slice(s, 0, start as usize), new, slice(s, end as usize, n as usize)].concat().into()))
        })
    })
}

fn initcap(s: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_alphanumeric();
    }
    out
}

fn first_code(s: &str) -> Result<i32> {
    Ok(s.chars().next().map_or(0, |c| c as i32))
}

fn chr() -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let v = Ints::of(&args[0])?;
        build_texts(rows, |i| match v.get(i) {
            None => Ok(None),
            Some(code) => match u32::try_from(code).ok().and_then(char::from_u32) {
                Some(c) => Ok(Some(c.to_string().into())),
                None => Err(Error::evaluation(format!("{code} is no Unicode code point"))),
            },
        })
    })
}

/// Pinot's concat(a, b, separator) of three; of any other number the texts in order.
fn concat(site: &super::define::Site) -> Result<Arc<dyn Kernel>> {
    if site.args.len() == 3 {
        return three_texts(|a, b, separator| [a, separator, b].concat().into());
    }
    kernel(|args, rows| {
        let parts = args.iter().map(Strings::of).collect::<Result<Vec<_>>>()?;
        build_texts(rows, |i| {
            let mut out = String::new();
            for part in &parts {
                match part.get(i) {
                    Some(text) => out.push_str(text),
                    None => return Ok(None),
                }
            }
            Ok(Some(out.into()))
        })
    })
}

/// concatWs(separator, a, b, ...): NULL parts are left out, a NULL separator gives NULL.
fn joined(separator: usize) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let parts = args.iter().map(Strings::of).collect::<Result<Vec<_>>>()?;
        build_texts(rows, |i| {
            let Some(between) = parts[separator].get(i) else { return Ok(None) };
            let mut out = String::new();
            let mut first = true;
            for text in parts[separator + 1..].iter().filter_map(|p| p.get(i)) {
                if !std::mem::take(&mut first) {
                    out.push_str(between);
                }
                out.push_str(text);
            }
            Ok(Some(out.into()))
        })
    })
}

fn three_texts(
    f: impl for<'a> Fn(&'a str, &str, &str) -> Cow<'a, str> + Send + Sync + 'static,
) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (a, b, c) = (Strings::of(&args[0])?, Strings::of(&args[1])?, Strings::of(&args[2])?);
        build_texts(rows, |i| {
            Ok(match (a.get(i), b.get(i), c.get(i)) {
                (Some(a), Some(b), Some(c)) => Some(f(a, b, c)),
                _ => None,
            })
        })
    })
}

fn two_texts_to_int(f: fn(&str, &str) -> Result<i32>) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (a, b) = (Strings::of(&args[0])?, Strings::of(&args[1])?);
        let one = |i| a.get(i).zip(b.get(i)).map(|(a, b)| f(a, b)).transpose();
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int32Array>>()?))
    })
}

fn hamming(a: &str, b: &str) -> Result<i32> {
    if characters(a) != characters(b) {
        return Ok(-1);
    }
    to_int(a.chars().zip(b.chars()).filter(|(x, y)| x != y).count())
}

/// Cuts white space, or any of the characters of the second argument, off the ends.
fn trim(count: usize, start: bool, end: bool) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let s = Strings::of(&args[0])?;
        let set = if count > 1 { Some(Strings::of(&args[1])?) } else { None };
        build_texts(rows, |i| {
            let Some(text) = s.get(i) else { return Ok(None) };
            Ok(match &set {
                None => Some(trimmed(text, start, end, char::is_whitespace).into()),
                Some(set) => set.get(i).map(|set| trimmed(text, start, end, |c| set.contains(c)).into()),
            })
        })
    })
}

fn trimmed(mut text: &str, start: bool, end: bool, cut: impl Fn(char) -> bool) -> &str {
    if start {
        text = text.trim_start_matches(&cut);
    }
    if end {
        text = text.trim_end_matches(&cut);
    }
    text
}

/// trim('BOTH' | 'LEADING' | 'TRAILING', characters, text), which SQL's TRIM(... FROM ...) becomes.
fn sql_trim() -> Result<Arc<dyn Kernel>> {
    kernel(|args, rows| {
        let (side, set, s) = (Strings::of(&args[0])?, Strings::of(&args[1])?, Strings::of(&args[2])?);
        build_texts(rows, |i| {
            let (Some(side), Some(set), Some(s)) = (side.get(i), set.get(i), s.get(i)) else { return Ok(None) };
            let (start, end) = match side.to_ascii_uppercase().as_str() {
                "BOTH" => (true, true),
                "LEADING" => (true, false),
                "TRAILING" => (false, true),
                _ => return Err(Error::evaluation(format!("trim takes BOTH, LEADING or TRAILING, got '{side}'"))),
            };
            Ok(Some(trimmed(s, start, end, |c| set.contains(c)).into()))
        })
    })
}

/// Place of the n-th occurrence from the start or the end, -1 when there is none.
fn position(count: usize, forward: bool) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (s, find) = (Strings::of(&args[0])?, Strings::of(&args[1])?);
        let nth = if count > 2 { Some(Ints::of(&args[2])?) } else { None };
        let one = |i| {
            let n = match &nth {
                Some(nth) => match nth.get(i) {
                    Some(n) => n,
                    None => return Ok(None),
                },
                None => 1,
            };
            let (Some(s), Some(find)) = (s.get(i), find.get(i)) else { return Ok(None) };
            let Some(skip) = n.checked_sub(1).and_then(|n| usize::try_from(n).ok()) else { return Ok(Some(-1)) };
            let at = if forward { overlapping(s, find).nth(skip) } else { overlapping_back(s, find).nth(skip) };
            at.map_or(Ok(-1), |at| to_int(characters(&s[..at]))).map(Some)
        };
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int32Array>>()?))
    })
}

/// Byte places of all occurrences, overlapping ones too.
fn overlapping<'a>(s: &'a str, find: &'a str) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + s.get(from..)?.find(find)?;
        from = at + s[at..].chars().next().map_or(1, char::len_utf8);
        Some(at)
    })
}

fn overlapping_back<'a>(s: &'a str, find: &'a str) -> impl Iterator<Item = usize> + 'a {
    let mut end = Some(s.len());
    std::iter::from_fn(move || {
        let at = s.get(..end?)?.rfind(find)?;
        // The next one may overlap this: it ends before this one's last character.
        end = s[..(at + find.len())].char_indices().next_back().map(|(last, _)| last);
        Some(at)
    })
}

/// Pads to a number of characters; a text that is longer stays as it is.
fn pad(count: usize, left: bool) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (s, size) = (Strings::of(&args[0])?, Ints::of(&args[1])?);
        let fill = if count > 2 { Some(Strings::of(&args[2])?) } else { None };
        build_texts(rows, |i| {
            let fill = match &fill {
                Some(fill) => fill.get(i),
                None => Some(" "),
            };
            let (Some(s), Some(size), Some(fill)) = (s.get(i), size.get(i), fill) else { return Ok(None) };
            let missing = usize::try_from(size).unwrap_or(0).saturating_sub(characters(s));
            if missing == 0 || fill.is_empty() {
                return Ok(Some(s.into()));
            }
            too_long(missing)?;
            let padding: String = fill.chars().cycle().take(missing).collect();
            Ok(Some(if left { padding + s } else { [s, &padding].concat() }.into()))
        })
    })
}

fn too_long(length: usize) -> Result<()> {
    if length > super::shapes::MAX_TEXT {
        return Err(Error::evaluation(format!("a text of {length} characters is too long")));
    }
    Ok(())
}

fn repeat(s: &str, separator: &str, n: i32) -> Result<String> {
    let n = usize::try_from(n).unwrap_or(0);
    too_long((s.len() + separator.len()).saturating_mul(n))?;
    if separator.is_empty() { Ok(s.repeat(n)) } else { Ok(vec![s; n].join(separator)) }
}

/// Replaces each character of `from` by the one at the same place in `to`, or drops it where `to` is shorter.
fn translate(s: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    s.chars()
        .filter_map(|c| match from.chars().position(|f| f == c) {
            Some(at) => to.get(at).copied(),
            None => Some(c),
        })
        .collect()
}

fn levenshtein(a: &str, b: &str) -> Result<i32> {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    to_int(row[b.len()])
}
