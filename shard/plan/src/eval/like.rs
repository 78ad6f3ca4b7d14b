//! SQL LIKE, compiled once: each pattern shape has the cheapest matcher that is linear in the text.

use crate::error::{Error, Result};
use regex::Regex;

/// A compiled LIKE pattern. `%` is any run of characters, line ends too, `_` is any one character.
#[derive(Debug, Clone)]
pub struct Like {
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    All,
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// Literal pieces between `%`: the first at the start, the last at the end, the others in order between them. Taking
    /// the leftmost place of each piece is right, because a later place leaves less room for those after it.
    Pieces {
        first: String,
        middle: Vec<String>,
        last: String,
    },
    Pattern(Regex),
}

#[derive(Debug, PartialEq)]
enum Token {
    Char(char),
    One,
    Many,
}

fn tokens(pattern: &str, escape: Option<char>) -> Result<Vec<Token>> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(if Some(c) == escape {
            match chars.next() {
                Some(next) => Token::Char(next),
                None => {
                    return Err(Error::Signature(format!(
                        "LIKE pattern '{pattern}' ends with its escape character '{c}', which must precede a character"
                    )));
                }
            }
        } else {
            match c {
                '%' if out.last() == Some(&Token::Many) => continue,
                '%' => Token::Many,
                '_' => Token::One,
                c => Token::Char(c),
            }
        });
    }
    Ok(out)
}

impl Like {
    /// # Errors
    /// When the pattern ends in its escape character or is too large to compile.
    pub fn new(pattern: &str, escape: Option<char>, insensitive: bool) -> Result<Like> {
        let tokens = tokens(pattern, escape)?;
        let matcher = if insensitive || tokens.contains(&Token::One) {
            Matcher::Pattern(compile(pattern, &tokens, insensitive)?)
        } else {
            by_pieces(&tokens)
        };
        Ok(Like { matcher })
    }

    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::All => true,
            Matcher::Exact(s) => text == s,
            Matcher::Prefix(s) => text.starts_with(s.as_str()),
            Matcher::Suffix(s) => text.ends_with(s.as_str()),
            Matcher::Contains(s) => memchr::memmem::find(text.as_bytes(), s.as_bytes()).is_some(),
            Matcher::Pieces { first, middle, last } => {
                let Some(rest) = text.as_bytes().strip_prefix(first.as_bytes()) else { return false };
                let Some(mut rest) = rest.strip_suffix(last.as_bytes()) else { return false };
                for piece in middle {
                    match memchr::memmem::find(rest, piece.as_bytes()) {
                        Some(at) => rest = &rest[at + piece.len()..],
                        None => return false,
                    }
                }
                true
            }
            Matcher::Pattern(regex) => regex.is_match(text),
        }
    }

    /// The text that every match starts with, for index and zone pruning. Empty when there is none.
    pub fn prefix(&self) -> &str {
        match &self.matcher {
            Matcher::Exact(s) | Matcher::Prefix(s) | Matcher::Pieces { first: s, .. } => s,
            _ => "",
        }
    }

    /// The one text that matches, for patterns without wildcards.
    pub fn exact(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Exact(s) => Some(s),
            _ => None,
        }
    }
}

fn by_pieces(tokens: &[Token]) -> Matcher {
    let mut pieces = vec![String::new()];
    for token in tokens {
        match token {
            Token::Char(c) => pieces.last_mut().expect("starts with one piece").push(*c),
            Token::Many | Token::One => pieces.push(String::new()),
        }
    }
    let last = pieces.pop().unwrap_or_default();
    if pieces.is_empty() {
        return Matcher::Exact(last);
    }
    let mut middle = pieces.split_off(1);
    let first = pieces.pop().unwrap_or_default();
    match (first.is_empty(), middle.len(), last.is_empty()) {
        (true, 0, true) => Matcher::All,
        (false, 0, true) => Matcher::Prefix(first),
        (true, 0, false) => Matcher::Suffix(last),
        (true, 1, true) => Matcher::Contains(middle.pop().unwrap_or_default()),
        _ => Matcher::Pieces { first, middle, last },
    }
}

fn compile(pattern: &str, tokens: &[Token], insensitive: bool) -> Result<Regex> {
    let mut source = String::from(if insensitive { r"(?si)\A" } else { r"(?s)\A" });
    let mut buffer = [0; 4];
    for token in tokens {
        match token {
            Token::Char(c) => source.push_str(&regex::escape(c.encode_utf8(&mut buffer))),
            Token::One => source.push('.'),
            Token::Many => source.push_str(".*?"),
        }
    }
    source.push_str(r"\z");
    Regex::new(&source).map_err(|e| Error::Signature(format!("LIKE pattern '{pattern}' is too large: {e}")))
}
