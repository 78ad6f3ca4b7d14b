//! Query options: from the request, `SET k = v;` around the query, and `OPTION(k=v)` after it.
//!
//! Names are case-insensitive; unknown ones are kept, as Pinot does. What is said in the text wins over the request.

use crate::error::{Result, SqlError};
use crate::lexer::{Kind, Token, position, tokens};
use std::collections::BTreeMap;

/// Options by lower-cased name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryOptions {
    values: BTreeMap<String, (String, String)>,
}

impl QueryOptions {
    /// Reads `k=v;k=v`, as the body's `queryOptions` has it; empty parts are skipped, a part without `=` is an error.
    pub fn parse(text: &str) -> Result<QueryOptions> {
        let mut options = QueryOptions::default();
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return Err(SqlError::validation(format!("query option `{part}` is not of the form name=value")));
            };
            options.set(name, value);
        }
        Ok(options)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        let (name, value) = (name.trim(), value.trim());
        let value = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).unwrap_or(value);
        self.values.insert(name.to_ascii_lowercase(), (name.to_owned(), value.to_owned()));
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(&name.to_ascii_lowercase()).map(|(_, value)| value.as_str())
    }

    /// Names as they were written, with values; in the order of the lower-cased names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.values().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn merge(&mut self, later: QueryOptions) {
        self.values.extend(later.values);
    }

    /// `true` or `false`; anything else (Cube sends `undefined`) counts as not given.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        if value.eq_ignore_ascii_case("true") {
            Some(true)
        } else if value.eq_ignore_ascii_case("false") {
            Some(false)
        } else {
            None
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.parse().map(Some).map_err(|_| {
                SqlError::validation(format!(
                    "query option {name} is `{value}`, which is not a whole number of 0 or more"
                ))
            }),
        }
    }

    /// `timeoutMs`; 0 is refused.
    pub fn timeout_ms(&self) -> Result<Option<u64>> {
        match self.number("timeoutMs")? {
            Some(0) => Err(SqlError::validation("query option timeoutMs must be greater than 0")),
            other => Ok(other),
        }
    }

    /// `skipIndexes=col=inverted,range&col2=bloom`.
    pub fn skip_indexes(&self) -> Vec<(String, String)> {
        let Some(value) = self.get("skipIndexes") else { return Vec::new() };
        value
            .split('&')
            .filter_map(|part| part.split_once('='))
            .flat_map(|(column, kinds)| kinds.split(',').map(|kind| (column.trim().to_owned(), kind.trim().to_owned())))
            .collect()
    }
}

/// A query's text and the options around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text of one statement; what was cut off is blank, so that positions stay true.
    pub sql: String,
    pub options: QueryOptions,
    /// The tokens of `sql`.
    pub tokens: Vec<Token>,
}

/// Cuts options off the text and merges them over those of the request.
pub fn split(sql: &str, request: &QueryOptions) -> Result<Statement> {
    let all = tokens(sql)?;
    let mut options = request.clone();
    let mut kept = sql.as_bytes().to_vec();
    let mut blank = |from: usize, to: usize| kept[from..to].fill(b' ');
    let mut statement: Option<&[Token]> = None;
    for part in all.split(|t| t.is_mark(b';')) {
        let Some(first) = part.first() else { continue };
        let last = part[part.len() - 1];
        if first.is_word(sql, "SET") {
            let later = set_statement(sql, part)?;
            options.merge(later);
            blank(first.start, last.end);
            continue;
        }
        if statement.is_some() {
            let (line, column) = position(sql, first.start);
            return Err(
                SqlError::parsing("syntax error: more than one statement; send them one by one").at(line, column)
            );
        }
        let end = option_suffix(sql, part, &mut options)?;
        if end < part.len() {
            blank(part[end].start, last.end);
        }
        statement = Some(&part[..end]);
    }
    for mark in all.iter().filter(|t| t.is_mark(b';')) {
        blank(mark.start, mark.end);
    }
    let Some(statement) = statement.filter(|s| !s.is_empty()) else {
        return Err(SqlError::parsing("syntax error: the text holds no query"));
    };
    let tokens = statement.to_vec();
    // Only whole tokens were blanked, so the text is still UTF-8.
    let sql = String::from_utf8(kept).map_err(|_| SqlError::parsing("syntax error: the text is not UTF-8"))?;
    Ok(Statement { sql, options, tokens })
}

fn set_statement(sql: &str, part: &[Token]) -> Result<QueryOptions> {
    let wrong = |token: &Token| {
        let (line, column) = position(sql, token.start);
        SqlError::parsing("syntax error: SET takes `name = value`").at(line, column)
    };
    let Some(equals) = part.iter().position(|t| t.is_mark(b'=')) else { return Err(wrong(&part[0])) };
    if equals < 2 || equals + 1 >= part.len() {
        return Err(wrong(&part[0]));
    }
    let name = sql[part[1].start..part[equals - 1].end].trim_matches(|c| c == '"' || c == '`');
    let value = &sql[part[equals + 1].start..part[part.len() - 1].end];
    let mut options = QueryOptions::default();
    options.set(name, &unescape(value));
    Ok(options)
}

fn unescape(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => value.to_owned(),
    }
}

/// Reads `OPTION(k=v, ...)` groups at the end; returns how many tokens are left before them.
fn option_suffix(sql: &str, part: &[Token], options: &mut QueryOptions) -> Result<usize> {
    let mut end = part.len();
    while end > 3 && part[end - 1].is_mark(b')') {
        let Some(open) = part[..end].iter().rposition(|t| t.is_mark(b'(')) else { break };
        if open == 0 || !part[open - 1].is_word(sql, "OPTION") {
            break;
        }
        // A function or alias cannot precede: `OPTION (` follows a finished query only, and needs an equals sign.
        if !part[open..end].iter().any(|t| t.is_mark(b'=')) {
            break;
        }
        let mut later = QueryOptions::default();
        for pair in part[open + 1..end - 1].split(|t| t.is_mark(b',')) {
            let Some(equals) = pair.iter().position(|t| t.is_mark(b'=')) else { continue };
            if equals == 0 || equals + 1 >= pair.len() {
                let (line, column) = position(sql, part[open - 1].start);
                return Err(SqlError::parsing("syntax error: OPTION takes `name = value` pairs").at(line, column));
            }
            let name = sql[pair[0].start..pair[equals - 1].end].trim();
            later.set(name, &unescape(&sql[pair[equals + 1].start..pair[pair.len() - 1].end]));
        }
        options.merge(later);
        end = open - 1;
    }
    Ok(end)
}

/// The deepest nesting of brackets and of signs and NOTs that stand in a row, with the place where it is reached first.
pub fn deepest(sql: &str, tokens: &[Token]) -> (usize, usize) {
    let (mut depth, mut prefixes, mut deepest, mut at) = (0usize, 0usize, 0usize, 0usize);
    for token in tokens {
        match token.kind {
            Kind::Mark(b'(' | b'[') => depth += 1,
            Kind::Mark(b')' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let prefix = matches!(token.kind, Kind::Mark(b'-' | b'+' | b'~')) || token.is_word(sql, "NOT");
        prefixes = if prefix { prefixes + 1 } else { 0 };
        if depth + prefixes > deepest {
            (deepest, at) = (depth + prefixes, token.start);
        }
    }
    (deepest, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(sql: &str) -> (String, Vec<(String, String)>) {
        let statement = split(sql, &QueryOptions::default()).unwrap();
        let options = statement.options.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        (statement.sql.split_whitespace().collect::<Vec<_>>().join(" "), options)
    }

    #[test]
    fn set_before_and_after() {
        let (sql, options) = cut("SET useMultistageEngine = true;\nSELECT 'a;b' FROM t;\n\nSET timeoutMs=1;");
        assert_eq!(sql, "SELECT 'a;b' FROM t");
        assert_eq!(options, [("timeoutMs".into(), "1".into()), ("useMultistageEngine".to_owned(), "true".to_owned())]);
    }

    #[test]
    fn option_suffix_and_not_a_column_called_option() {
        let (sql, options) =
            cut("SELECT a FROM t WHERE b = 'it''s option(a=1)' OPTION(preserveType='true', timeoutMs=5)");
        assert_eq!(sql, "SELECT a FROM t WHERE b = 'it''s option(a=1)'");
        assert_eq!(options, [("preserveType".to_owned(), "true".to_owned()), ("timeoutMs".to_owned(), "5".to_owned())]);
        assert_eq!(cut("SELECT option (1)").0, "SELECT option (1)");
    }

    #[test]
    fn body_options() {
        let options =
            QueryOptions::parse(";timeoutMs=5;useMultiStageEngine=TRUE;enableNullHandling=undefined").unwrap();
        assert_eq!(options.timeout_ms().unwrap(), Some(5));
        assert_eq!(options.boolean("usemultistageengine"), Some(true));
        assert_eq!(options.boolean("enableNullHandling"), None);
        assert!(QueryOptions::parse("nonsense").is_err());
    }

    #[test]
    fn two_statements_are_refused() {
        let error = split("SELECT 1; SELECT 2", &QueryOptions::default()).unwrap_err();
        assert_eq!(error.position.map(|p| p.column), Some(11));
        assert!(split(" -- nothing\n;", &QueryOptions::default()).is_err());
    }
}
