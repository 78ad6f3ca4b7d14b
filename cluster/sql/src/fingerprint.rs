//! One pass over a query's tokens: its shape, and the literals that may be parameters (E-3).
//!
//! Two queries of one shape differ in literals only, and those are of the same kinds: an INT is not a LONG, a fraction is
//! no integer. An IN list of one kind is one literal, so that its length is no part of the shape.

use crate::lexer::{Kind, Token};
use shard_plan::Scalar;
use std::collections::HashMap;

/// What is left of a query, and what was taken out.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    pub shape: Vec<u8>,
    pub literals: Vec<Literal>,
}

/// A literal of the text, or all of an IN list.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    One(Scalar),
    /// Signs applied.
    List(Vec<Scalar>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Int,
    Long,
    Double,
    Text,
}

impl Fingerprint {
    pub fn of(sql: &str, tokens: &[Token]) -> Fingerprint {
        let mut shape = Vec::with_capacity(sql.len() + tokens.len());
        let mut literals = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if let Some((list, class, next)) = in_list(sql, tokens, at) {
                shape.extend_from_slice(&[b'(', 0, b'*', class as u8, b')', b' ']);
                literals.push(Literal::List(list));
                at = next;
                continue;
            }
            let token = &tokens[at];
            match value(sql, token) {
                Some((scalar, class)) => {
                    shape.extend_from_slice(&[0, b'?', class as u8]);
                    literals.push(Literal::One(scalar));
                }
                None => shape.extend_from_slice(token.text(sql).as_bytes()),
            }
            shape.push(b' ');
            at += 1;
        }
        Fingerprint { shape, literals }
    }

    /// Where each literal stands (line and column), by its number. An IN list stands where its first value does.
    pub fn places(sql: &str, tokens: &[Token]) -> HashMap<(u64, u64), u32> {
        let mut places = HashMap::new();
        let mut cursor = Cursor { sql, offset: 0, line: 1, column: 1 };
        let (mut at, mut ordinal) = (0, 0u32);
        while at < tokens.len() {
            if let Some((_, _, next)) = in_list(sql, tokens, at) {
                let first = tokens[at..next].iter().find(|t| matches!(t.kind, Kind::Number | Kind::Text));
                if let Some(first) = first {
                    places.insert(cursor.at(first.start), ordinal);
                }
                ordinal += 1;
                at = next;
                continue;
            }
            if value(sql, &tokens[at]).is_some() {
                places.insert(cursor.at(tokens[at].start), ordinal);
                ordinal += 1;
            }
            at += 1;
        }
        places
    }
}

struct Cursor<'s> {
    sql: &'s str,
    offset: usize,
    line: u64,
    column: u64,
}

impl Cursor<'_> {
    /// Offsets ascend.
    fn at(&mut self, offset: usize) -> (u64, u64) {
        for c in self.sql[self.offset..offset].chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset = offset;
        (self.line, self.column)
    }
}

/// A token that is a literal whose value we can hold exactly as the planner does.
fn value(sql: &str, token: &Token) -> Option<(Scalar, Class)> {
    let text = token.text(sql);
    match token.kind {
        Kind::Text => {
            let inner = &text[1..text.len() - 1];
            let inner = if inner.contains('\'') { inner.replace("''", "'") } else { inner.to_owned() };
            Some((Scalar::String(inner.into()), Class::Text))
        }
        Kind::Number => {
            if let Ok(v) = text.parse::<i32>() {
                return Some((Scalar::Int(v), Class::Int));
            }
            if let Ok(v) = text.parse::<i64>() {
                return Some((Scalar::Long(v), Class::Long));
            }
            let digits = text.bytes().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').count();
            let exact = text.contains(['e', 'E']) || (text.contains('.') && digits <= 15);
            let value = if exact { text.parse::<f64>().ok() } else { None };
            value.map(|v| (Scalar::Double(segfmt::value::normalize_f64(v)), Class::Double))
        }
        _ => None,
    }
}

/// `IN ( literal , literal ... )` whose bracket is at `open`: values, class, index after the closing bracket.
fn in_list(sql: &str, tokens: &[Token], open: usize) -> Option<(Vec<Scalar>, Class, usize)> {
    if open == 0 || !tokens[open].is_mark(b'(') || !tokens[open - 1].is_word(sql, "IN") {
        return None;
    }
    let mut values = Vec::new();
    let mut widest: Option<Class> = None;
    let mut at = open + 1;
    loop {
        let negative = tokens.get(at)?.is_mark(b'-');
        at += usize::from(negative);
        let (scalar, class) = value(sql, tokens.get(at)?)?;
        if negative && class == Class::Text {
            return None;
        }
        widest = match widest {
            None => Some(class),
            // Texts and numbers do not mix.
            Some(known) if (known == Class::Text) != (class == Class::Text) => return None,
            Some(known) => Some(known.max(class)),
        };
        values.push(if negative { negated(&scalar)? } else { scalar });
        at += 1;
        match tokens.get(at)?.kind {
            Kind::Mark(b',') => at += 1,
            Kind::Mark(b')') => break,
            _ => return None,
        }
    }
    (values.len() > 1).then_some((values, widest?, at + 1))
}

/// The number with a minus before it.
pub fn negated(value: &Scalar) -> Option<Scalar> {
    Some(match value {
        Scalar::Int(v) => Scalar::Int(v.checked_neg()?),
        Scalar::Long(v) => Scalar::Long(v.checked_neg()?),
        Scalar::Double(v) => Scalar::Double(segfmt::value::normalize_f64(-v)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;

    fn of(sql: &str) -> Fingerprint {
        Fingerprint::of(sql, &tokens(sql).unwrap())
    }

    #[test]
    fn white_space_comments_and_values_do_not_matter() {
        let a = of("SELECT a FROM t WHERE x = 5 AND s IN ('a', 'b')");
        let b = of("SELECT  a /* c */ FROM t\nWHERE x=77 AND s IN('q','r','s') -- end");
        assert_eq!(a.shape, b.shape);
        assert_eq!(b.literals.len(), 2);
    }

    #[test]
    fn kinds_matter() {
        for (a, b) in
            [("x = 5", "x = 5.5"), ("x = 5", "x = 5000000000"), ("x = 5", "x = '5'"), ("x IN (1, 2)", "x IN (1, 2.5)")]
        {
            assert_ne!(of(a).shape, of(b).shape, "{a} / {b}");
        }
        assert_ne!(of("x = 5").shape, of("y = 5").shape);
    }

    #[test]
    fn places_are_those_of_the_parser() {
        let sql = "SELECT 1\n WHERE é = -2 AND z IN (-3, 4)";
        let places = Fingerprint::places(sql, &tokens(sql).unwrap());
        assert_eq!(places.get(&(1, 8)), Some(&0));
        assert_eq!(places.get(&(2, 13)), Some(&1));
        assert_eq!(places.get(&(2, 26)), Some(&2));
        assert_eq!(of(sql).literals[2], Literal::List(vec![Scalar::Int(-3), Scalar::Int(4)]));
    }
}
