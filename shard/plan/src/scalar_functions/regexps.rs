//! Regular expressions, in time linear in the text. A literal pattern is compiled once per query; a pattern from a column
//! once per distinct text of a vector.

use super::define::{Function, Site, kernel};
use super::shapes::build_texts;
use crate::error::{Error, Result};
use crate::eval::value::{Ints, Strings};
use crate::function::{Datum, Kernel, Registry};
use crate::types::Type;
use arrow_array::{BooleanArray, Int32Array};
use regex::{Captures, Regex, RegexBuilder};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    add(Function::new("regexplike", "STRING, STRING[, STRING]", Type::BOOLEAN, like)
        .aliases(&["regexplikevar", "regexpmatches"]));
    add(Function::new("regexpextract", "STRING, STRING[, INT[, STRING]]", Type::STRING, extract)
        .aliases(&["regexpextractvar"])
        .sees_nulls());
    add(Function::new("regexpsubstr", "STRING, STRING", Type::STRING, substr));
    add(Function::new("regexpcount", "STRING, STRING", Type::INT, count));
    add(Function::new("regexpreplace", "STRING, STRING, STRING[, INT[, INT[, STRING]]]", Type::STRING, replace)
        .aliases(&["regexpreplacevar"]));
}

fn compile(pattern: &str, flags: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'c' => builder.case_insensitive(false),
            'm' => builder.multi_line(true),
            's' => builder.dot_matches_new_line(true),
            _ => return Err(Error::Signature(format!("regular expression flag '{flag}': use i, c, m or s"))),
        };
    }
    builder.build().map_err(|e| {
        let text = e.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Error::Signature(format!("regular expression '{}': {reason}", crate::cast::shown(pattern)))
    })
}

/// The pattern argument of one call site.
enum Patterns {
    Fixed(Regex),
    PerRow { flags: String },
}

impl Patterns {
    fn of(site: &Site, flags: Option<usize>) -> Result<Patterns> {
        let flags = match flags {
            Some(at) if at < site.args.len() && !site.is_null(at) => site.literal(at, "its flags")?,
            _ => "",
        };
        match site.text(1) {
            Some(pattern) => compile(pattern, flags).map(Patterns::Fixed),
            None => {
                compile("", flags)?;
                Ok(Patterns::PerRow { flags: flags.to_owned() })
            }
        }
    }

    fn rows<'a>(&'a self, datum: &Datum) -> Result<RowPatterns<'a>> {
        Ok(match self {
            Patterns::Fixed(regex) => {
                RowPatterns { fixed: Some(regex), texts: None, flags: "", seen: RefCell::default() }
            }
            Patterns::PerRow { flags } => {
                RowPatterns { fixed: None, texts: Some(Strings::of(datum)?), flags, seen: RefCell::default() }
            }
        })
    }
}

struct RowPatterns<'a> {
    fixed: Option<&'a Regex>,
    texts: Option<Strings>,
    flags: &'a str,
    seen: RefCell<HashMap<String, Regex>>,
}

impl RowPatterns<'_> {
    /// Calls `f` with the pattern of a row; `None` where it is NULL.
    fn with<T>(&self, row: usize, f: impl FnOnce(&Regex) -> T) -> Result<Option<T>> {
        if let Some(regex) = self.fixed {
            return Ok(Some(f(regex)));
        }
        let Some(text) = self.texts.as_ref().and_then(|t| t.get(row)) else { return Ok(None) };
        let mut seen = self.seen.borrow_mut();
        if !seen.contains_key(text) {
            let regex = compile(text, self.flags).map_err(|e| Error::evaluation(e.to_string()))?;
            seen.insert(text.to_owned(), regex);
        }
        Ok(seen.get(text).map(f))
    }
}

/// regexpLike(text, pattern[, flags]): the pattern is found anywhere in the text.
fn like(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.any_null() {
        return kernel(|_, rows| Ok(Arc::new(BooleanArray::new_null(rows))));
    }
    let patterns = Patterns::of(site, Some(2))?;
    kernel(move |args, rows| {
        let (s, p) = (Strings::of(&args[0])?, patterns.rows(&args[1])?);
        let one = |i| s.get(i).map_or(Ok(None), |s| p.with(i, |regex| regex.is_match(s)));
        Ok(Arc::new((0..rows).map(one).collect::<Result<BooleanArray>>()?))
    })
}

/// regexpExtract(text, pattern[, group[, default]]): the whole match is group 0, the default is ''.
fn extract(site: &Site) -> Result<Arc<dyn Kernel>> {
    if (0..3).any(|i| site.is_null(i)) {
        return kernel(|_, rows| Ok(crate::eval::value::nulls(Type::STRING, rows)));
    }
    let patterns = Patterns::of(site, None)?;
    let n = site.args.len();
    kernel(move |args, rows| {
        let (s, p) = (Strings::of(&args[0])?, patterns.rows(&args[1])?);
        let group = if n > 2 { Some(Ints::of(&args[2])?) } else { None };
        let default = if n > 3 { Some(Strings::of(&args[3])?) } else { None };
        build_texts(rows, |i| {
            let Some(text) = s.get(i) else { return Ok(None) };
            let group = match &group {
                Some(group) => match group.get(i) {
                    Some(group) => group,
                    None => return Ok(None),
                },
                None => 0,
            };
            let found = p.with(i, |regex| {
                let captures = regex.captures(text)?;
                captures.get(usize::try_from(group).ok()?).map(|m| Cow::Borrowed(m.as_str()))
            })?;
            let Some(found) = found else { return Ok(None) };
            Ok(match (found, &default) {
                (Some(found), _) => Some(found),
                (None, Some(default)) => default.get(i).map(Cow::Borrowed),
                (None, None) => Some("".into()),
            })
        })
    })
}

/// The first match, NULL when there is none.
fn substr(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.any_null() {
        return kernel(|_, rows| Ok(crate::eval::value::nulls(Type::STRING, rows)));
    }
    let patterns = Patterns::of(site, None)?;
    kernel(move |args, rows| {
        let (s, p) = (Strings::of(&args[0])?, patterns.rows(&args[1])?);
        build_texts(rows, |i| {
            let Some(text) = s.get(i) else { return Ok(None) };
            Ok(p.with(i, |regex| regex.find(text).map(|m| Cow::Borrowed(m.as_str())))?.flatten())
        })
    })
}

fn count(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.any_null() {
        return kernel(|_, rows| Ok(crate::eval::value::nulls(Type::INT, rows)));
    }
    let patterns = Patterns::of(site, None)?;
    kernel(move |args, rows| {
        let (s, p) = (Strings::of(&args[0])?, patterns.rows(&args[1])?);
        let one = |i| s.get(i).map_or(Ok(None), |s| p.with(i, |regex| regex.find_iter(s).count() as i32));
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int32Array>>()?))
    })
}

/// regexpReplace(text, pattern, replacement[, start[, occurrence[, flags]]]): `occurrence` -1 is all, 0 the first.
/// In the replacement `$1` is a group and `\` makes the next character plain, as in Java.
fn replace(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.any_null() {
        return kernel(|_, rows| Ok(crate::eval::value::nulls(Type::STRING, rows)));
    }
    let patterns = Patterns::of(site, Some(5))?;
    let n = site.args.len();
    kernel(move |args, rows| {
        let (s, p, by) = (Strings::of(&args[0])?, patterns.rows(&args[1])?, Strings::of(&args[2])?);
        let start = if n > 3 { Some(Ints::of(&args[3])?) } else { None };
        let occurrence = if n > 4 { Some(Ints::of(&args[4])?) } else { None };
        build_texts(rows, |i| {
            let (Some(text), Some(by)) = (s.get(i), by.get(i)) else { return Ok(None) };
            let start = start.as_ref().map_or(Some(0), |v| v.get(i));
            let occurrence = occurrence.as_ref().map_or(Some(-1), |v| v.get(i));
            let (Some(start), Some(occurrence)) = (start, occurrence) else { return Ok(None) };
            let skip = usize::try_from(start).unwrap_or(0);
            let at = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
            p.with(i, |regex| replaced(regex, text, at, by, occurrence))?.transpose()
        })
    })
}

fn replaced<'a>(regex: &Regex, text: &'a str, from: usize, by: &str, occurrence: i32) -> Result<Cow<'a, str>> {
    let mut out = String::new();
    let mut done = from;
    let mut any = false;
    let matches = regex.captures_iter(&text[from..]).enumerate();
    let wanted = matches.filter(|(k, _)| occurrence < 0 || *k as i64 == i64::from(occurrence));
    for (_, captures) in wanted {
        let Some(whole) = captures.get(0) else { continue };
        if !any {
            out.push_str(&text[..from]);
            any = true;
        }
        out.push_str(&text[done..from + whole.start()]);
        expand(&captures, by, &mut out)?;
        done = from + whole.end();
    }
    if !any {
        return Ok(text.into());
    }
    out.push_str(&text[done..]);
    Ok(out.into())
}

fn expand(captures: &Captures, by: &str, out: &mut String) -> Result<()> {
    let mut chars = by.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '$' => {
                let mut group = None;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let longer = group.unwrap_or(0) * 10 + digit as usize;
                    // As many digits as still name a group.
                    if group.is_some() && longer >= captures.len() {
                        break;
                    }
                    group = Some(longer);
                    chars.next();
                }
                match group {
                    Some(group) if group < captures.len() => {
                        out.push_str(captures.get(group).map_or("", |m| m.as_str()));
                    }
                    _ => {
                        return Err(Error::evaluation(format!("the replacement '{by}' names no group of the pattern")));
                    }
                }
            }
            c => out.push(c),
        }
    }
    Ok(())
}
