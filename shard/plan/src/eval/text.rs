//! Expressions as SQL-like text, for error messages and EXPLAIN.

use crate::expr::Expr;
use crate::scalar::Scalar;
use std::fmt::Write;

/// Longest text; what is past it becomes `...`.
const MAX_TEXT: usize = 240;
/// Deepest operand that is written out.
const MAX_NESTING: usize = 24;

/// The expression as SQL-like text, at most a few hundred characters. Columns without a name are `#index`.
pub fn expr_text(expr: &Expr, column_names: &[String]) -> String {
    let mut writer = Writer { out: String::new(), names: column_names };
    writer.expr(expr, 0);
    if writer.full() {
        let cut = writer.out.floor_char_boundary(MAX_TEXT);
        writer.out.truncate(cut);
        writer.out.push_str("...");
    }
    writer.out
}

/// A value as a SQL literal.
pub fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Null(_) => "NULL".to_owned(),
        Scalar::String(_) | Scalar::Json(_) | Scalar::Timestamp(_) => {
            format!("'{}'", crate::cast::scalar_to_text(scalar).replace('\'', "''"))
        }
        Scalar::Bytes(_) => format!("X'{}'", crate::cast::scalar_to_text(scalar)),
        Scalar::List(_, values) => {
            let mut out = String::from("(");
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                if out.len() > MAX_TEXT {
                    out.push_str("...");
                    break;
                }
                out.push_str(&scalar_text(value));
            }
            out.push(')');
            out
        }
        _ => crate::cast::scalar_to_text(scalar),
    }
}

/// How a function is written between its operands, and how strongly it binds.
fn infix(function: &str) -> Option<&'static str> {
    Some(match function {
        "plus" => "+",
        "minus" => "-",
        "times" => "*",
        "divide" | "intdiv" => "/",
        "mod" => "%",
        _ => return None,
    })
}

struct Writer<'a> {
    out: String,
    names: &'a [String],
}

impl Writer<'_> {
    fn full(&self) -> bool {
        self.out.len() > MAX_TEXT
    }

    fn list<'e>(&mut self, items: impl IntoIterator<Item = &'e Expr>, between: &str, depth: usize) {
        for (i, item) in items.into_iter().enumerate() {
            if self.full() {
                return;
            }
            if i > 0 {
                self.out.push_str(between);
            }
            self.expr(item, depth + 1);
        }
    }

    /// An operand of an operator, in parentheses when it is an operator itself.
    fn operand(&mut self, expr: &Expr, depth: usize) {
        let open = match expr {
            Expr::Call { function, args, .. } => infix(function).is_some() && args.len() == 2,
            Expr::Column { .. } | Expr::Literal(_) | Expr::Param { .. } | Expr::Element { .. } => false,
            Expr::Cast { .. } | Expr::Case { .. } => false,
            _ => true,
        };
        if open {
            self.out.push('(');
        }
        self.expr(expr, depth + 1);
        if open {
            self.out.push(')');
        }
    }

    fn expr(&mut self, expr: &Expr, depth: usize) {
        if self.full() {
            return;
        }
        if depth > MAX_NESTING {
            self.out.push_str("...");
            return;
        }
        let not = |negated: bool| if negated { "NOT " } else { "" };
        // Writing to a String cannot fail.
        match expr {
            Expr::Column { index, .. } => match self.names.get(*index as usize) {
                Some(name) => self.out.push_str(name),
                None => {
                    let _ = write!(self.out, "#{index}");
                }
            },
            Expr::Literal(value) => self.out.push_str(&scalar_text(value)),
            Expr::Param { index, .. } => {
                let _ = write!(self.out, "?{index}");
            }
            Expr::Element { .. } => self.out.push_str("element"),
            Expr::Compare { op, left, right } => {
                self.operand(left, depth);
                let _ = write!(self.out, " {} ", op.symbol());
                self.operand(right, depth);
            }
            Expr::In { expr, list, negated } => {
                self.operand(expr, depth);
                let _ = write!(self.out, " {}IN ", not(*negated));
                self.expr(list, depth + 1);
            }
            Expr::Like { expr, pattern, insensitive, negated, .. } => {
                self.operand(expr, depth);
                let word = if *insensitive { "ILIKE" } else { "LIKE" };
                let _ = write!(self.out, " {}{word} '{}'", not(*negated), pattern.replace('\'', "''"));
            }
            Expr::And(parts) => self.joined(parts, " AND ", depth),
            Expr::Or(parts) => self.joined(parts, " OR ", depth),
            Expr::Not(expr) => {
                self.out.push_str("NOT ");
                self.operand(expr, depth);
            }
            Expr::IsNull { expr, negated } => {
                self.operand(expr, depth);
                let _ = write!(self.out, " IS {}NULL", not(*negated));
            }
            Expr::IsDistinct { left, right, negated } => {
                self.operand(left, depth);
                let _ = write!(self.out, " IS {}DISTINCT FROM ", not(*negated));
                self.operand(right, depth);
            }
            Expr::Quantified { all, list, predicate } => {
                let _ = write!(self.out, "{}(", if *all { "all" } else { "any" });
                self.expr(list, depth + 1);
                self.out.push_str(": ");
                self.expr(predicate, depth + 1);
                self.out.push(')');
            }
            Expr::Case { branches, otherwise, .. } => {
                self.out.push_str("CASE");
                for (when, then) in branches {
                    if self.full() {
                        return;
                    }
                    self.out.push_str(" WHEN ");
                    self.expr(when, depth + 1);
                    self.out.push_str(" THEN ");
                    self.expr(then, depth + 1);
                }
                if let Some(otherwise) = otherwise {
                    self.out.push_str(" ELSE ");
                    self.expr(otherwise, depth + 1);
                }
                self.out.push_str(" END");
            }
            Expr::Cast { expr, to, lenient } => {
                self.out.push_str(if *lenient { "TRY_CAST(" } else { "CAST(" });
                self.expr(expr, depth + 1);
                let _ = write!(self.out, " AS {to})");
            }
            Expr::Call { function, args, .. } => match (infix(function), args.as_slice()) {
                (Some(symbol), [left, right]) => {
                    self.operand(left, depth);
                    let _ = write!(self.out, " {symbol} ");
                    self.operand(right, depth);
                }
                _ => {
                    self.out.push_str(function);
                    self.out.push('(');
                    self.list(args, ", ", depth);
                    self.out.push(')');
                }
            },
        }
    }

    fn joined(&mut self, parts: &[Expr], between: &str, depth: usize) {
        for (i, part) in parts.iter().enumerate() {
            if self.full() {
                return;
            }
            if i > 0 {
                self.out.push_str(between);
            }
            self.operand(part, depth);
        }
    }
}
