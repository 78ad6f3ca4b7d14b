//! Queries, FROM clauses and output columns.

use super::{MAX_SET_DEPTH, MAX_SUBQUERY_DEPTH, Rewriter, name_of};
use crate::error::{Result, SqlError};
use crate::names::output_name;
use crate::scope::{Aliases, Column, Relation, Scope, quoted};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, NamedWindowExpr, ObjectName,
    ObjectNamePart, OrderBy, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier, Spanned, TableAlias, TableFactor, TableWithJoins, Value, Values,
    WildcardAdditionalOptions,
};

/// A column of a query's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputName {
    /// As clients see it; may repeat.
    pub visible: String,
    /// As the planner knows it; unique.
    pub internal: String,
}

impl Rewriter<'_> {
    /// A subquery inside of an expression.
    pub(crate) fn subquery(&mut self, query: &mut Query) -> Result<Vec<OutputName>> {
        if self.subqueries == MAX_SUBQUERY_DEPTH {
            return Err(SqlError::validation(format!(
                "subqueries inside of expressions are nested more than {MAX_SUBQUERY_DEPTH} deep; write joins or WITH"
            )));
        }
        self.subqueries += 1;
        let outputs = self.query(query);
        self.subqueries -= 1;
        outputs
    }

    pub(crate) fn query(&mut self, query: &mut Query) -> Result<Vec<OutputName>> {
        self.enter()?;
        let ctes = self.ctes.len();
        if let Some(with) = &mut query.with {
            if with.recursive {
                return Err(SqlError::validation("WITH RECURSIVE is not supported"));
            }
            for cte in &mut with.cte_tables {
                let outputs = self.query(&mut cte.query)?;
                let columns = self.alias_columns(Some(&mut cte.alias), outputs)?;
                let name = cte.alias.name.value.clone();
                cte.alias.name = quoted(&name, &cte.alias.name);
                self.ctes.push((name, columns));
            }
        }
        if let Some(pipe) = query.pipe_operators.first() {
            return Err(SqlError::validation(format!("|> {pipe} is not supported")));
        }
        let order_by = query.order_by.as_mut();
        let outputs = match query.body.as_mut() {
            SetExpr::Select(select) => self.select(select, order_by)?,
            body => {
                let outputs = self.set_expr(body, 0)?;
                if let Some(order_by) = order_by {
                    let columns = outputs.iter().map(|o| Column::new(o.internal.clone())).collect();
                    let relation = Relation { name: String::new(), also: Vec::new(), columns };
                    let aliases = outputs.iter().map(|o| (o.visible.clone(), o.internal.clone())).collect();
                    self.scopes.push(Scope { relations: vec![relation], aliases });
                    let done = self.order_by(order_by);
                    self.scopes.pop();
                    done?;
                }
                outputs
            }
        };
        if let Some(fetch) = query.fetch.take() {
            super::syntax::fetch_as_limit(query, &fetch)?;
        }
        if let Some(LimitClause::LimitOffset { limit_by, .. }) = &query.limit_clause
            && !limit_by.is_empty()
        {
            return Err(SqlError::validation("LIMIT BY is not supported"));
        }
        self.ctes.truncate(ctes);
        self.leave();
        Ok(outputs)
    }

    fn set_expr(&mut self, body: &mut SetExpr, depth: usize) -> Result<Vec<OutputName>> {
        if depth > MAX_SET_DEPTH {
            return Err(SqlError::parsing(format!("syntax error: more than {MAX_SET_DEPTH} set operations in a row")));
        }
        match body {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let outputs = self.set_expr(left, depth + 1)?;
                let others = self.set_expr(right, 0)?;
                if outputs.len() != others.len() {
                    return Err(SqlError::validation(format!(
                        "a set operation joins {} columns with {}",
                        outputs.len(),
                        others.len()
                    )));
                }
                if matches!(
                    set_quantifier,
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                ) {
                    return Err(SqlError::validation("BY NAME is not supported; set operations go by position"));
                }
                if *op == SetOperator::Minus {
                    *op = SetOperator::Except;
                }
                if *set_quantifier == SetQuantifier::All && *op != SetOperator::Union {
                    let names = |outputs: &[OutputName]| outputs.iter().map(|o| o.internal.clone()).collect::<Vec<_>>();
                    let empty =
                        || SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: Vec::new() });
                    let (l, r) =
                        (std::mem::replace(left.as_mut(), empty()), std::mem::replace(right.as_mut(), empty()));
                    *body = super::set_all::counted(*op, l, r, &names(&outputs), &names(&others))?;
                }
                Ok(outputs)
            }
            SetExpr::Values(values) => {
                let width = values.rows.first().map_or(0, |r| r.content.len());
                for row in &mut values.rows {
                    for value in &mut row.content {
                        self.expr(value, Aliases::None)?;
                    }
                }
                Ok((1..=width)
                    .map(|n| OutputName { visible: format!("column{n}"), internal: format!("column{n}") })
                    .collect())
            }
            other => Err(SqlError::validation(format!("only queries can be run, not: {other}"))),
        }
    }

    fn select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<Vec<OutputName>> {
        super::syntax::check_select(select)?;
        let mut scope = Scope::default();
        for from in &mut select.from {
            self.table_with_joins(from, &mut scope)?;
        }
        self.scopes.push(scope);
        if let Some(selection) = &mut select.selection {
            self.condition(selection)?;
        }
        let outputs = self.projection(&mut select.projection)?;
        for window in &mut select.named_window {
            window.0 = quoted(&window.0.value.to_lowercase(), &window.0);
            match &mut window.1 {
                NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec)?,
                NamedWindowExpr::NamedWindow(name) => *name = quoted(&name.value.to_lowercase(), name),
            }
        }
        match &mut select.group_by {
            GroupByExpr::All(_) => {}
            GroupByExpr::Expressions(exprs, modifiers) => {
                if let Some(modifier) = modifiers.first() {
                    return Err(SqlError::validation(format!(
                        "GROUP BY ... {modifier} is not supported; write ROLLUP(...)"
                    )));
                }
                for expr in exprs {
                    self.text_as_alias(expr);
                    self.expr(expr, Aliases::AfterColumns)?;
                }
            }
        }
        if let Some(having) = &mut select.having {
            self.expr(having, Aliases::AfterColumns)?;
        }
        if let Some(qualify) = &mut select.qualify {
            self.expr(qualify, Aliases::AfterColumns)?;
        }
        if let Some(order_by) = order_by {
            self.order_by(order_by)?;
        }
        self.scopes.pop();
        Ok(outputs)
    }

    /// Writes `*` out, resolves the expressions, and gives every column a name.
    fn projection(&mut self, items: &mut Vec<SelectItem>) -> Result<Vec<OutputName>> {
        let mut outputs: Vec<OutputName> = Vec::new();
        let mut rewritten = Vec::with_capacity(items.len());
        for item in std::mem::take(items) {
            match item {
                SelectItem::Wildcard(options) => {
                    let scope = self.scopes.last().cloned().unwrap_or_default();
                    if scope.relations.is_empty() {
                        return Err(SqlError::validation("SELECT * needs a FROM clause"));
                    }
                    let excluded = excluded(&options)?;
                    for relation in &scope.relations {
                        expand(relation, &excluded, &mut rewritten, &mut outputs);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let written = last_part(&name);
                    let scope = self.scopes.last().cloned().unwrap_or_default();
                    let Some(relation) = scope.relations.iter().find(|r| {
                        r.name.eq_ignore_ascii_case(&written) || r.also.iter().any(|n| n.eq_ignore_ascii_case(&written))
                    }) else {
                        let place = name.span().start;
                        return Err(SqlError::validation(format!("{name}.* names no table of FROM"))
                            .at(place.line, place.column));
                    };
                    let excluded = excluded(&options)?;
                    expand(relation, &excluded, &mut rewritten, &mut outputs);
                }
                SelectItem::QualifiedWildcard(other, _) => {
                    return Err(SqlError::validation(format!("{other}.* is not supported")));
                }
                SelectItem::UnnamedExpr(mut expr) => {
                    let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                    let mut visible = output_name(&expr);
                    self.expr(&mut expr, Aliases::None)?;
                    // A plain column is called what the schema calls it.
                    match &expr {
                        Expr::Identifier(ident) if is_column => visible = ident.value.clone(),
                        Expr::CompoundIdentifier(parts) if is_column && let Some(last) = parts.last() => {
                            visible = last.value.clone();
                        }
                        _ => {}
                    }
                    push(expr, visible, is_column, &mut rewritten, &mut outputs);
                }
                SelectItem::ExprWithAlias { mut expr, alias } => {
                    self.expr(&mut expr, Aliases::None)?;
                    push(expr, alias.value, false, &mut rewritten, &mut outputs);
                }
                SelectItem::ExprWithAliases { expr, .. } => {
                    return Err(SqlError::validation(format!("{expr} has several aliases; write one")));
                }
            }
        }
        *items = rewritten;
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases = outputs.iter().map(|o| (o.visible.clone(), o.internal.clone())).collect();
        }
        Ok(outputs)
    }

    /// Grafana quotes aliases like texts, and then groups and orders by them.
    fn text_as_alias(&self, expr: &mut Expr) {
        if let Expr::Value(value) = &*expr
            && let Value::SingleQuotedString(text) = &value.value
            && self.scopes.last().is_some_and(|s| s.aliases.iter().any(|(written, _)| written == text))
        {
            *expr = Expr::Identifier(Ident { value: text.clone(), quote_style: Some('"'), span: value.span });
        }
    }

    pub(crate) fn order_by(&mut self, order_by: &mut OrderBy) -> Result<()> {
        match &mut order_by.kind {
            OrderByKind::All(_) => Err(SqlError::validation("ORDER BY ALL is not supported; name the columns")),
            OrderByKind::Expressions(exprs) => {
                for item in exprs {
                    self.text_as_alias(&mut item.expr);
                    self.expr(&mut item.expr, Aliases::BeforeColumns)?;
                }
                Ok(())
            }
        }
    }

    fn table_with_joins(&mut self, from: &mut TableWithJoins, scope: &mut Scope) -> Result<()> {
        let first = scope.relations.len();
        self.factor(&mut from.relation, scope)?;
        for join in &mut from.joins {
            self.join(join, scope, first)?;
        }
        Ok(())
    }

    fn join(&mut self, join: &mut Join, scope: &mut Scope, first: usize) -> Result<()> {
        let before = scope.relations.len();
        self.factor(&mut join.relation, scope)?;
        let (right_wins, full, keeps_right) = match &join.join_operator {
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false, true),
            JoinOperator::FullOuter(_) => (false, true, true),
            JoinOperator::LeftSemi(_) | JoinOperator::Semi(_) | JoinOperator::LeftAnti(_) | JoinOperator::Anti(_) => {
                (false, false, false)
            }
            _ => (false, false, true),
        };
        match constraint(&mut join.join_operator) {
            Some(JoinConstraint::On(on)) => {
                self.scopes.push(scope.clone());
                let done = self.expr(on, Aliases::None);
                self.scopes.pop();
                done?;
            }
            Some(JoinConstraint::Using(columns)) => {
                if full {
                    return Err(SqlError::validation("FULL JOIN with USING is not supported; write ON"));
                }
                for column in columns {
                    let written = last_part(column);
                    let (left, right) = scope.relations.split_at_mut(before);
                    let left = find(&mut left[first..], &written);
                    let right = find(right, &written);
                    let (Some(left), Some(right)) = (left, right) else {
                        let place = column.span().start;
                        return Err(SqlError::new(
                            cluster_types::ErrorCode::UnknownColumn,
                            format!("unknown column {written} in USING: both sides must have it"),
                        )
                        .at(place.line, place.column));
                    };
                    if left.name != right.name {
                        return Err(SqlError::validation(format!(
                            "USING joins {} with {}, which are spelled differently; write ON",
                            left.name, right.name
                        )));
                    }
                    let ident = Ident { value: left.name.clone(), quote_style: Some('"'), span: column.span() };
                    let other = if right_wins { left } else { right };
                    (other.hidden, other.merged) = (true, true);
                    *column = name_of(ident);
                }
            }
            Some(JoinConstraint::Natural) => {
                return Err(SqlError::validation("NATURAL JOIN is not supported; write ON or USING"));
            }
            _ => {}
        }
        if !keeps_right {
            scope.relations.truncate(before);
        }
        Ok(())
    }

    fn factor(&mut self, factor: &mut TableFactor, scope: &mut Scope) -> Result<()> {
        self.enter()?;
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                if args.is_some() {
                    return Err(SqlError::validation(format!(
                        "{name} is called like a function; there are no table functions"
                    )));
                }
                let place = name.span();
                let written = last_part(name);
                let cte = (name.0.len() == 1)
                    .then(|| self.ctes.iter().rev().find(|(cte, _)| cte.eq_ignore_ascii_case(&written)).cloned())
                    .flatten();
                let (known, columns, also) = match cte {
                    Some((cte, columns)) => (cte, columns, Vec::new()),
                    None => {
                        let table = self.table(name)?;
                        let columns = table.columns.iter().map(|c| Column::new(c.name.clone())).collect();
                        let raw = table.name.rsplit('.').next().unwrap_or(&table.name).to_owned();
                        (table.name.clone(), columns, vec![written, raw])
                    }
                };
                *name = name_of(Ident { value: known.clone(), quote_style: Some('"'), span: place });
                let relation = match alias {
                    Some(alias) => {
                        let columns = rename(alias, columns)?;
                        alias.name = quoted(&alias.name.value, &alias.name);
                        Relation { name: alias.name.value.clone(), also: Vec::new(), columns }
                    }
                    None => Relation { name: known, also, columns },
                };
                add(scope, relation)?;
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                if *lateral {
                    self.scopes.push(scope.clone());
                }
                let outputs = self.query(subquery);
                if *lateral {
                    self.scopes.pop();
                }
                let columns = self.alias_columns(alias.as_mut(), outputs?)?;
                let name = match alias {
                    Some(alias) => {
                        alias.name = quoted(&alias.name.value, &alias.name);
                        alias.name.value.clone()
                    }
                    None => {
                        let name = format!("derived{}", scope.relations.len() + 1);
                        *alias = Some(TableAlias {
                            explicit: true,
                            name: Ident::with_quote('"', name.clone()),
                            columns: Vec::new(),
                            at: None,
                        });
                        name
                    }
                };
                add(scope, Relation { name, also: Vec::new(), columns })?;
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                if alias.is_some() {
                    return Err(SqlError::validation(
                        "a join in brackets cannot have an alias; give one to its tables",
                    ));
                }
                self.table_with_joins(table_with_joins, scope)?;
            }
            other => return Err(SqlError::validation(format!("{other} in FROM is not supported"))),
        }
        self.leave();
        Ok(())
    }

    /// The columns of a derived table or CTE, after `AS x(a, b)`.
    fn alias_columns(&mut self, alias: Option<&mut TableAlias>, outputs: Vec<OutputName>) -> Result<Vec<Column>> {
        let columns = outputs.into_iter().map(|o| Column { name: o.internal, hidden: false, merged: false }).collect();
        match alias {
            Some(alias) => rename(alias, columns),
            None => Ok(columns),
        }
    }
}

fn rename(alias: &mut TableAlias, mut columns: Vec<Column>) -> Result<Vec<Column>> {
    if alias.columns.len() > columns.len() {
        return Err(SqlError::validation(format!(
            "{} names {} columns and has {}",
            alias.name.value,
            alias.columns.len(),
            columns.len()
        )));
    }
    for (column, new) in columns.iter_mut().zip(&mut alias.columns) {
        new.name = quoted(&new.name.value, &new.name);
        column.name = new.name.value.clone();
    }
    Ok(columns)
}

fn add(scope: &mut Scope, relation: Relation) -> Result<()> {
    if scope.relations.iter().any(|r| r.name.eq_ignore_ascii_case(&relation.name)) {
        return Err(SqlError::validation(format!(
            "table name {} stands twice in FROM; give it an alias",
            relation.name
        )));
    }
    scope.relations.push(relation);
    Ok(())
}

fn find<'c>(relations: &'c mut [Relation], name: &str) -> Option<&'c mut Column> {
    relations.iter_mut().flat_map(|r| &mut r.columns).find(|c| !c.merged && c.name.eq_ignore_ascii_case(name))
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::CrossJoin(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::RightSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c)
        | JoinOperator::RightAnti(c)
        | JoinOperator::StraightJoin(c)
        | JoinOperator::AsOf { constraint: c, .. } => Some(c),
        _ => None,
    }
}

fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(ObjectNamePart::as_ident).map(|i| i.value.clone()).unwrap_or_default()
}

fn excluded(options: &WildcardAdditionalOptions) -> Result<Vec<String>> {
    use datafusion::sql::sqlparser::ast::ExcludeSelectItem;
    let mut names = Vec::new();
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => names.push(name.to_string()),
        Some(ExcludeSelectItem::Multiple(many)) => names.extend(many.iter().map(ToString::to_string)),
        None => {}
    }
    if let Some(except) = &options.opt_except {
        names.push(except.first_element.value.clone());
        names.extend(except.additional_elements.iter().map(|i| i.value.clone()));
    }
    if options.opt_replace.is_some() || options.opt_rename.is_some() || options.opt_ilike.is_some() {
        return Err(SqlError::validation("only EXCLUDE and EXCEPT may follow *"));
    }
    Ok(names.into_iter().map(|n| n.trim_matches('"').to_owned()).collect())
}

fn expand(relation: &Relation, excluded: &[String], items: &mut Vec<SelectItem>, outputs: &mut Vec<OutputName>) {
    for column in relation.columns.iter().filter(|c| !c.hidden) {
        if excluded.iter().any(|e| e.eq_ignore_ascii_case(&column.name)) {
            continue;
        }
        let expr = if relation.name.is_empty() {
            Expr::Identifier(Ident::with_quote('"', column.name.clone()))
        } else {
            Expr::CompoundIdentifier(vec![
                Ident::with_quote('"', relation.name.clone()),
                Ident::with_quote('"', column.name.clone()),
            ])
        };
        push(expr, column.name.clone(), true, items, outputs);
    }
}

/// Adds an output column under a name of its own.
fn push(expr: Expr, visible: String, is_column: bool, items: &mut Vec<SelectItem>, outputs: &mut Vec<OutputName>) {
    let taken = |name: &str, outputs: &[OutputName]| outputs.iter().any(|o| o.internal.eq_ignore_ascii_case(name));
    let mut internal = visible.clone();
    let mut n = 1;
    while internal.is_empty() || taken(&internal, outputs) {
        n += 1;
        internal = format!("{visible}#{n}");
    }
    let plain = is_column
        && match &expr {
            Expr::Identifier(ident) => ident.value == internal,
            Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|p| p.value == internal),
            _ => false,
        };
    items.push(if plain {
        SelectItem::UnnamedExpr(expr)
    } else {
        SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', internal.clone()) }
    });
    outputs.push(OutputName { visible, internal });
}
