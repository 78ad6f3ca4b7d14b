//! Names in sight of an expression: relations of FROM with their columns, aliases of SELECT, outer queries.

use crate::error::{Result, SqlError};
use cluster_types::ErrorCode;
use datafusion::sql::sqlparser::ast::{Expr, Ident};

/// One relation of a FROM clause.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The qualifier that the planner knows it by.
    pub name: String,
    /// Further names that users may write before the dot.
    pub also: Vec<String>,
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    /// Left out by `*`: a virtual column, or the other side of USING.
    pub hidden: bool,
    /// Not to be found without its relation's name: the other side of USING.
    pub merged: bool,
}

impl Column {
    pub fn new(name: impl Into<String>) -> Column {
        let name = name.into();
        Column { hidden: name.starts_with('$'), name, merged: false }
    }
}

/// The relations of one SELECT, and its output aliases once they are known.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub relations: Vec<Relation>,
    /// (as written, as the planner knows it)
    pub aliases: Vec<(String, String)>,
}

/// Whether output aliases are in sight, and which wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aliases {
    None,
    /// GROUP BY, HAVING: a column of FROM first.
    AfterColumns,
    /// ORDER BY: an alias first.
    BeforeColumns,
}

pub fn quoted(name: &str, like: &Ident) -> Ident {
    Ident { value: name.to_owned(), quote_style: Some('"'), span: like.span }
}

fn same(a: &str, b: &str) -> bool {
    a == b || a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

impl Relation {
    fn answers_to(&self, name: &str) -> bool {
        same(&self.name, name) || self.also.iter().any(|n| same(n, name))
    }

    /// Exactly, else in any case.
    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name).or_else(|| self.columns.iter().find(|c| same(&c.name, name)))
    }
}

impl Scope {
    /// The alias as the planner knows it.
    fn alias(&self, name: &str) -> Option<&str> {
        let exact = self.aliases.iter().find(|(written, _)| written == name);
        exact
            .or_else(|| self.aliases.iter().find(|(written, _)| same(written, name)))
            .map(|(_, internal)| internal.as_str())
    }

    /// Every (relation, column) that an unqualified name may mean here.
    fn matches<'s>(&'s self, name: &str) -> Vec<(&'s Relation, &'s Column)> {
        let found: Vec<_> =
            self.relations.iter().filter_map(|r| r.column(name).filter(|c| !c.merged).map(|c| (r, c))).collect();
        let exact: Vec<_> = found.iter().filter(|(_, c)| c.name == name).copied().collect();
        if exact.is_empty() { found } else { exact }
    }
}

/// Resolves a possibly qualified name against `scopes`, innermost last. `aliases` says how the innermost scope's output
/// aliases take part.
pub fn resolve(scopes: &[Scope], parts: &[Ident], aliases: Aliases) -> Result<Expr> {
    let last = &parts[parts.len() - 1];
    let place = last.span.start;
    for (depth, scope) in scopes.iter().rev().enumerate() {
        let with_aliases = if depth == 0 { aliases } else { Aliases::None };
        if parts.len() == 1 {
            if with_aliases == Aliases::BeforeColumns
                && let Some(alias) = scope.alias(&last.value)
            {
                return Ok(Expr::Identifier(quoted(alias, last)));
            }
            if let Some(found) = unqualified(scope, last)? {
                return Ok(found);
            }
            if with_aliases == Aliases::AfterColumns
                && let Some(alias) = scope.alias(&last.value)
            {
                return Ok(Expr::Identifier(quoted(alias, last)));
            }
        } else {
            // `rel.col`, `db.rel.col`; and a dotted column written without quotes.
            let qualifier = &parts[parts.len() - 2].value;
            if let Some(relation) = scope.relations.iter().find(|r| r.answers_to(qualifier)) {
                if let Some(column) = relation.column(&last.value) {
                    return Ok(Expr::CompoundIdentifier(vec![
                        quoted(&relation.name, &parts[0]),
                        quoted(&column.name, last),
                    ]));
                }
                let names = relation.columns.iter().filter(|c| !c.hidden).map(|c| c.name.as_str());
                return Err(
                    unknown(&format!("{qualifier}.{}", last.value), &last.value, names).at(place.line, place.column)
                );
            }
            let dotted = parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".");
            let whole = Ident { value: dotted, quote_style: None, span: parts[0].span };
            if let Some(found) = unqualified(scope, &whole)? {
                return Ok(found);
            }
        }
    }
    let written = parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".");
    let names = scopes
        .iter()
        .rev()
        .flat_map(|s| s.relations.iter().flat_map(|r| &r.columns).filter(|c| !c.hidden).map(|c| c.name.as_str()));
    Err(unknown(&written, &last.value, names).at(parts[0].span.start.line, parts[0].span.start.column))
}

fn unqualified(scope: &Scope, ident: &Ident) -> Result<Option<Expr>> {
    let found = scope.matches(&ident.value);
    match found.as_slice() {
        [] => Ok(None),
        [(relation, column)] => Ok(Some(if relation.name.is_empty() {
            Expr::Identifier(quoted(&column.name, ident))
        } else {
            Expr::CompoundIdentifier(vec![quoted(&relation.name, ident), quoted(&column.name, ident)])
        })),
        many => {
            let all: Vec<String> = many.iter().map(|(r, c)| format!("{}.{}", r.name, c.name)).collect();
            Err(SqlError::validation(format!("column name {} is ambiguous: {}", ident.value, all.join(", ")))
                .at(ident.span.start.line, ident.span.start.column))
        }
    }
}

fn unknown<'n>(written: &str, name: &str, known: impl Iterator<Item = &'n str>) -> SqlError {
    let hint = match closest(name, known) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    SqlError::new(ErrorCode::UnknownColumn, format!("unknown column {written}{hint}"))
}

/// The known name nearest to `name`, if one is near at all.
pub fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let name: String = name.to_lowercase().chars().take(128).collect();
    let allowed = name.chars().count().div_ceil(3);
    known
        .filter(|k| k.len() <= 256)
        .map(|known| (distance(&name, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Letters to insert, remove, replace or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_are_one_step() {
        assert_eq!(distance("cuont", "count"), 1);
        assert_eq!(distance("distanze", "distance"), 1);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(closest("cuont", ["cot", "count"].into_iter()), Some("count"));
        assert_eq!(closest("carrier", ["distance"].into_iter()), None);
    }
}
