//! Integer arithmetic over columns on plain vectors: the argument of SUM(a * b) or SUM(a - b) without Arrow arrays between.

use crate::exec::bind::BoundSegment;
use segfmt::{DataType, Physical};
use shard_plan::{Expr, Scalar, Type};

/// Operands of one expression at once; more are left to the general evaluation.
const DEEPEST: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Add,
    Subtract,
    Multiply,
}

/// One step of a stack machine whose values are vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Column(usize),
    Value(i64),
    /// `int`: the result must fit INT.
    Op {
        op: Op,
        int: bool,
    },
}

/// An expression of `+`, `-`, `*` over integer columns and constants.
#[derive(Debug)]
pub(crate) struct Computed {
    steps: Vec<Step>,
    stack: Vec<Vec<i64>>,
}

impl Computed {
    /// `None`: something else, or a column that is not of plain integers. It is NULL where one of its columns is.
    pub fn of(expr: &Expr, segment: &BoundSegment) -> Option<Computed> {
        let is_plain = |column: usize| {
            let bound = &segment.columns[column];
            bound.stored().is_some()
                && !bound.ty.multi
                && (!bound.nullable || bound.nulls.is_some())
                && bound.ty.data.physical() == Physical::Int
                && matches!(bound.ty.data, DataType::Int | DataType::Long)
        };
        Computed::compile(expr, &is_plain)
    }

    fn compile(expr: &Expr, is_plain: &dyn Fn(usize) -> bool) -> Option<Computed> {
        let mut steps = Vec::new();
        push(expr, is_plain, &mut steps, 0)?;
        // A column alone has a cheaper way.
        (steps.len() > 1).then_some(Computed { steps, stack: Vec::new() })
    }

    /// The columns that it reads; one may come twice.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().filter_map(|step| if let Step::Column(column) = step { Some(*column) } else { None })
    }

    /// The values of `rows` rows. `load` gives those of a column. `Ok(None)`: a result does not fit its type.
    pub fn values<E>(
        &mut self,
        rows: usize,
        mut load: impl FnMut(usize, &mut Vec<i64>) -> Result<(), E>,
    ) -> Result<Option<&mut Vec<i64>>, E> {
        let mut top = 0;
        let mut fits = true;
        for step in &self.steps {
            if let Step::Op { op, int } = *step {
                top -= 1;
                let (below, above) = self.stack.split_at_mut(top);
                fits &= apply(op, int, &mut below[top - 1], &above[0]);
                continue;
            }
            if self.stack.len() == top {
                self.stack.push(Vec::new());
            }
            let target = &mut self.stack[top];
            match step {
                Step::Column(column) => load(*column, target)?,
                Step::Value(value) => {
                    target.clear();
                    target.resize(rows, *value);
                }
                Step::Op { .. } => {}
            }
            top += 1;
        }
        Ok(self.stack.first_mut().filter(|_| fits))
    }
}

/// Operands first, then the operation.
fn push(expr: &Expr, is_plain: &dyn Fn(usize) -> bool, steps: &mut Vec<Step>, depth: usize) -> Option<()> {
    if depth >= DEEPEST {
        return None;
    }
    match expr {
        Expr::Column { index, ty: Type::INT | Type::LONG } if is_plain(*index as usize) => {
            steps.push(Step::Column(*index as usize));
        }
        Expr::Literal(Scalar::Int(value)) => steps.push(Step::Value(i64::from(*value))),
        Expr::Literal(Scalar::Long(value)) => steps.push(Step::Value(*value)),
        Expr::Cast { expr, to: Type::LONG, .. } if matches!(expr.ty(), Type::INT | Type::LONG) => {
            push(expr, is_plain, steps, depth)?;
        }
        Expr::Call { function, version: 1, args, ty } => {
            let op = match function.as_str() {
                "plus" => Op::Add,
                "minus" => Op::Subtract,
                "times" => Op::Multiply,
                _ => return None,
            };
            let [left, right] = args.as_slice() else { return None };
            let int = match (left.ty(), right.ty(), *ty) {
                (Type::INT, Type::INT, Type::INT) => true,
                (Type::LONG, Type::LONG, Type::LONG) => false,
                _ => return None,
            };
            push(left, is_plain, steps, depth)?;
            push(right, is_plain, steps, depth + 1)?;
            steps.push(Step::Op { op, int });
        }
        _ => return None,
    }
    Some(())
}

/// `left[i] = left[i] op right[i]`; false when a result does not fit.
fn apply(op: Op, int: bool, left: &mut [i64], right: &[i64]) -> bool {
    let long: fn(i64, i64) -> (i64, bool) = match op {
        Op::Add => i64::overflowing_add,
        Op::Subtract => i64::overflowing_sub,
        Op::Multiply => i64::overflowing_mul,
    };
    let mut misfit = false;
    if !int {
        for (l, r) in left.iter_mut().zip(right) {
            let (value, wrapped) = long(*l, *r);
            *l = value;
            misfit |= wrapped;
        }
        return !misfit;
    }
    // Both sides are INT, so that a LONG holds every result.
    let mut each = |f: fn(i64, i64) -> i64| {
        for (l, r) in left.iter_mut().zip(right) {
            *l = f(*l, *r);
            misfit |= *l != i64::from(*l as i32);
        }
    };
    match op {
        Op::Add => each(|a, b| a.wrapping_add(b)),
        Op::Subtract => each(|a, b| a.wrapping_sub(b)),
        Op::Multiply => each(|a, b| a.wrapping_mul(b)),
    }
    !misfit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column(index: u32, ty: Type) -> Expr {
        Expr::Column { index, ty }
    }

    fn call(function: &str, left: Expr, right: Expr) -> Expr {
        let ty = left.ty();
        Expr::Call { function: function.to_owned(), version: 1, args: vec![left, right], ty }
    }

    fn run(expr: &Expr, columns: &[Vec<i64>]) -> Option<Vec<i64>> {
        let mut computed = Computed::compile(expr, &|_| true).expect("arithmetic");
        let load = |c: usize, out: &mut Vec<i64>| {
            out.clone_from(&columns[c]);
            Ok::<(), ()>(())
        };
        computed.values(columns[0].len(), load).expect("loads").cloned()
    }

    proptest! {
        #[test]
        fn equals_checked_arithmetic(rows in proptest::collection::vec((any::<i32>(), -70_000i32..70_000, any::<i64>()), 0..40), shift in 0u32..40) {
            let a: Vec<i64> = rows.iter().map(|r| i64::from(r.0 >> (shift / 2).min(31))).collect();
            let b: Vec<i64> = rows.iter().map(|r| i64::from(r.1)).collect();
            let c: Vec<i64> = rows.iter().map(|r| r.2 >> shift).collect();
            let columns = [a.clone(), b.clone(), c.clone()];
            let int = |f: fn(i32, i32) -> Option<i32>| a.iter().zip(&b).map(|(a, b)| f(*a as i32, *b as i32).map(i64::from)).collect::<Option<Vec<_>>>();
            let (x, y) = (column(0, Type::INT), column(1, Type::INT));
            prop_assert_eq!(run(&call("plus", x.clone(), y.clone()), &columns), int(i32::checked_add));
            prop_assert_eq!(run(&call("minus", x.clone(), y.clone()), &columns), int(i32::checked_sub));
            prop_assert_eq!(run(&call("times", x.clone(), y.clone()), &columns), int(i32::checked_mul));
            // (c - LONG(a)) * (c + 3)
            let wide = Expr::Cast { expr: Box::new(x), to: Type::LONG, lenient: false };
            let z = column(2, Type::LONG);
            let expr = call("times", call("minus", z.clone(), wide), call("plus", z, Expr::Literal(Scalar::Long(3))));
            let expected = a.iter().zip(&c).map(|(a, c)| c.checked_sub(*a)?.checked_mul(c.checked_add(3)?)).collect::<Option<Vec<_>>>();
            prop_assert_eq!(run(&expr, &columns), expected);
        }
    }

    #[test]
    fn what_it_does_not_know_is_left_to_others() {
        let (x, y) = (column(0, Type::INT), column(1, Type::INT));
        let known = |expr: &Expr| Computed::compile(expr, &|c| c < 2).is_some();
        assert!(known(&call("times", x.clone(), y.clone())));
        assert!(!known(&x));
        assert!(!known(&call("mod", x.clone(), y.clone())));
        assert!(!known(&call("plus", x.clone(), column(2, Type::INT))));
        assert!(!known(&call("plus", column(0, Type::DOUBLE), column(1, Type::DOUBLE))));
        let mut deep = y;
        for _ in 0..20 {
            deep = call("plus", x.clone(), deep);
        }
        assert!(!known(&deep));
    }
}
