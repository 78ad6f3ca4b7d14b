//! Pinot's SQL for the parser (E-4), and the guard that keeps hostile nesting from the stack.

use crate::error::{Result, SqlError};
use crate::lexer;
use crate::options::{Statement, deepest};
use datafusion::sql::sqlparser::ast::{self, Expr};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError, ParserOptions};

/// `$` starts an identifier, single quotes may quote an alias, double quotes and backticks quote names.
#[derive(Debug)]
pub struct PinotDialect;

impl Dialect for PinotDialect {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"' || ch == '`'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }

    fn supports_extract_comma_syntax(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }

    /// `a IS [NOT] DISTINCT FROM b AND c`: the parser itself would read `b AND c` as the right side.
    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        let negated = if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
            false
        } else if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
            true
        } else {
            return None;
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(right.map(|right| {
            let (left, right) = (Box::new(expr.clone()), Box::new(right));
            if negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) }
        }))
    }
}

/// What EXPLAIN asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// The plan.
    Plan,
    /// Run it, and the plan with times, rows and bytes.
    Analyze,
}

/// Parses one query. `EXPLAIN PLAN FOR`, `EXPLAIN PLAN WITHOUT IMPLEMENTATION FOR`, `EXPLAIN IMPLEMENTATION PLAN FOR`,
/// `EXPLAIN` and `EXPLAIN ANALYZE` may stand before it.
pub fn parse(statement: &mut Statement, max_depth: usize) -> Result<(Option<Explain>, Box<ast::Query>)> {
    let explain = cut_explain(statement)?;
    let sql = statement.sql.as_str();
    let (depth, at) = deepest(sql, &statement.tokens);
    if depth > max_depth {
        let (line, column) = lexer::position(sql, at);
        return Err(SqlError::parsing(format!(
            "syntax error: brackets, signs and NOTs are nested {depth} deep, the limit is {max_depth}; write the query flatter"
        ))
        .at(line, column));
    }
    let failed = |error: ParserError| parser_error(sql, error, max_depth);
    let mut parser = Parser::new(&PinotDialect)
        .with_recursion_limit(max_depth * 8)
        .with_options(ParserOptions::new().with_trailing_commas(false))
        .try_with_sql(sql)
        .map_err(failed)?;
    let first = parser.peek_token();
    if !starts_query(&first.token.to_string()) {
        return Err(SqlError::parsing(format!(
            "syntax error: expected SELECT, WITH, VALUES, EXPLAIN or SET, found `{}`",
            first.token
        ))
        .at(first.span.start.line, first.span.start.column));
    }
    let query = parser.parse_query().map_err(failed)?;
    let rest = parser.peek_token();
    if rest.token != datafusion::sql::sqlparser::tokenizer::Token::EOF {
        return Err(SqlError::parsing(format!("syntax error: unexpected `{}`", rest.token))
            .at(rest.span.start.line, rest.span.start.column));
    }
    Ok((explain, query))
}

fn starts_query(word: &str) -> bool {
    ["SELECT", "WITH", "VALUES", "(", "FROM", "TABLE"].iter().any(|w| w.eq_ignore_ascii_case(word))
}

fn cut_explain(statement: &mut Statement) -> Result<Option<Explain>> {
    let sql = statement.sql.clone();
    let tokens = &statement.tokens;
    if !tokens[0].is_word(&sql, "EXPLAIN") {
        return Ok(None);
    }
    let words = |from: usize, expected: &[&str]| {
        expected.iter().enumerate().all(|(i, word)| tokens.get(from + i).is_some_and(|t| t.is_word(&sql, word)))
    };
    let (explain, count) = if words(1, &["ANALYZE"]) {
        (Explain::Analyze, 2 + usize::from(words(2, &["VERBOSE"])))
    } else if words(1, &["PLAN", "WITHOUT", "IMPLEMENTATION", "FOR"]) {
        (Explain::Plan, 5)
    } else if words(1, &["IMPLEMENTATION", "PLAN", "FOR"]) {
        (Explain::Plan, 4)
    } else if words(1, &["PLAN", "FOR"]) {
        (Explain::Plan, 3)
    } else {
        (Explain::Plan, 1)
    };
    let Some(first) = tokens.get(count) else {
        let (line, column) = lexer::position(&sql, tokens[0].start);
        return Err(SqlError::parsing("syntax error: EXPLAIN without a query").at(line, column));
    };
    let (start, end) = (tokens[0].start, first.start);
    statement.sql.replace_range(start..end, &blank(&sql[start..end]));
    statement.tokens.drain(..count);
    Ok(Some(explain))
}

/// Spaces in place of a text, line ends kept.
fn blank(text: &str) -> String {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

fn parser_error(sql: &str, error: ParserError, max_depth: usize) -> SqlError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            return SqlError::parsing(format!(
                "syntax error: the query is nested too deeply (the limit is about {max_depth} levels)"
            ));
        }
    };
    // sqlparser appends " at Line: 1, Column: 8".
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return SqlError::parsing(format!("syntax error: {}", lower_first(&text)))
            .at(lexer::position(sql, sql.len()).0, lexer::position(sql, sql.len()).1);
    };
    let mut numbers = place.split(", Column: ").filter_map(|n| n.trim().parse::<u64>().ok());
    let (line, column) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
    SqlError::parsing(format!("syntax error: {}", lower_first(message))).at(line, column)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
