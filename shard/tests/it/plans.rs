//! Random plans over the random tables.

use crate::registry;
use crate::table::{Rng, Table, string};
use shard_plan::{AggregateCall, CompareOp, Expr, LeafOptions, LeafPlan, Output, Scalar, SortKey, Type};

pub struct Plans<'a> {
    pub table: &'a Table,
    pub rng: Rng,
    pub params: Vec<Scalar>,
}

const OPS: [CompareOp; 6] =
    [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq];

pub fn aggregate(function: &str, args: Vec<Expr>, filter: Option<Expr>) -> AggregateCall {
    let registry = registry();
    let found = registry.aggregate(function).unwrap();
    let types: Vec<Type> = args.iter().map(|a| a.ty()).collect();
    let signature = found.resolve(&types, &[]).unwrap();
    let args = args
        .into_iter()
        .zip(&signature.args)
        .map(|(a, to)| if a.ty() == *to { a } else { Expr::Cast { expr: a.into(), to: *to, lenient: false } })
        .collect();
    AggregateCall {
        function: function.to_owned(),
        version: found.state_version(),
        args,
        params: vec![],
        filter,
        ty: signature.result,
    }
}

pub fn call(function: &str, args: Vec<Expr>) -> Expr {
    let registry = registry();
    let found = registry.scalar(function).unwrap();
    let types: Vec<Type> = args.iter().map(|a| a.ty()).collect();
    let constants: Vec<Option<Scalar>> =
        args.iter().map(|a| if let Expr::Literal(v) = a { Some(v.clone()) } else { None }).collect();
    let ty = found.resolve(&types, &constants).unwrap().result;
    Expr::Call { function: found.name().to_owned(), version: found.version(), args, ty }
}

impl Plans<'_> {
    pub fn column(&self, name: &str) -> Expr {
        let index = self.table.column(name);
        Expr::Column { index: index as u32, ty: self.table.columns[index].ty }
    }

    /// A value of a column, or one that it does not hold; as literal or parameter.
    fn value(&mut self, name: &str) -> Expr {
        let column = &self.table.columns[self.table.column(name)];
        let mut value = self.rng.pick(&column.values).clone();
        if let Scalar::List(_, elements) = &value {
            value = elements[0].clone();
        }
        if value.is_null() {
            value = column.default.clone();
        }
        if self.rng.chance(20) {
            value = match value {
                Scalar::Int(v) => Scalar::Int(v.wrapping_add(1_000_000)),
                Scalar::Long(v) => Scalar::Long(v - 1_000_000),
                Scalar::String(_) => string("m"),
                other => other,
            };
        }
        if self.rng.chance(30) {
            let ty = value.ty();
            self.params.push(value);
            return Expr::Param { index: self.params.len() as u32 - 1, ty };
        }
        Expr::Literal(value)
    }

    pub fn filter(&mut self, depth: usize) -> Expr {
        if depth > 0 && self.rng.chance(45) {
            let n = 2 + self.rng.below(2);
            let parts = (0..n).map(|_| self.filter(depth - 1)).collect();
            return match self.rng.below(3) {
                0 => Expr::And(parts),
                1 => Expr::Or(parts),
                _ => Expr::Not(Box::new(Expr::And(parts))),
            };
        }
        let single = ["i", "run", "l", "ts", "f", "d", "dd", "b", "s", "u", "t", "dec", "y"];
        let name = *self.rng.pick(&single);
        match self.rng.below(10) {
            0..=3 => {
                let op = *self.rng.pick(&OPS);
                let (left, right) = (self.column(name), self.value(name));
                if self.rng.chance(20) {
                    Expr::Compare { op, left: right.into(), right: left.into() }
                } else {
                    Expr::Compare { op, left: left.into(), right: right.into() }
                }
            }
            4 => {
                let name = *self.rng.pick(&["i", "s", "l", "u", "dd"]);
                let data = self.table.columns[self.table.column(name)].ty.data;
                let mut values = Vec::new();
                for _ in 0..1 + self.rng.below(5) {
                    if let Expr::Literal(v) = self.value(name) {
                        values.push(v);
                    }
                }
                if self.rng.chance(20) {
                    values.push(Scalar::Null(Type::single(data)));
                }
                let list = Expr::Literal(Scalar::List(data, values.into()));
                Expr::In { expr: self.column(name).into(), list: list.into(), negated: self.rng.chance(40) }
            }
            5 => Expr::IsNull { expr: self.column(name).into(), negated: self.rng.chance(50) },
            6 => {
                let pattern = (*self.rng.pick(&["%a%", "g%", "%a and 1%", "_eta", "%/0000%", "null"])).to_owned();
                let name = *self.rng.pick(&["s", "u", "t"]);
                Expr::Like {
                    expr: self.column(name).into(),
                    pattern,
                    escape: None,
                    insensitive: self.rng.chance(30),
                    negated: self.rng.chance(30),
                }
            }
            7 => {
                // A function of one column, true for NULL now and then.
                let name = *self.rng.pick(&["s", "u", "t"]);
                let text = call("upper", vec![self.column(name)]);
                let text = Expr::Case {
                    branches: vec![(
                        Expr::IsNull { expr: self.column(name).into(), negated: false },
                        Expr::Literal(string("GAMMA")),
                    )],
                    otherwise: Some(text.into()),
                    ty: Type::STRING,
                };
                Expr::Compare {
                    op: *self.rng.pick(&OPS),
                    left: text.into(),
                    right: Expr::Literal(string("GAMMA")).into(),
                }
            }
            8 => {
                let name = *self.rng.pick(&["mi", "ms"]);
                let element = Type::single(self.table.columns[self.table.column(name)].ty.data);
                let op = *self.rng.pick(&OPS);
                let right = self.value(name);
                let predicate = Expr::Compare { op, left: Expr::Element { ty: element }.into(), right: right.into() };
                Expr::Quantified {
                    all: self.rng.chance(50),
                    list: self.column(name).into(),
                    predicate: predicate.into(),
                }
            }
            _ => Expr::Compare {
                op: *self.rng.pick(&OPS),
                left: self.column("d").into(),
                right: self.column("dd").into(),
            },
        }
    }

    fn key(&mut self) -> Expr {
        match self.rng.below(9) {
            0 => self.column("mi"),
            1 => self.column("ms"),
            2 => call("upper", vec![self.column("s")]),
            3 => Expr::IsNull { expr: self.column("i").into(), negated: false },
            _ => {
                let name = *self.rng.pick(&["i", "run", "s", "u", "b", "dd", "f", "dec", "t", "y"]);
                self.column(name)
            }
        }
    }

    fn aggregates(&mut self) -> Vec<AggregateCall> {
        let n = self.rng.below(4);
        (0..n)
            .map(|_| {
                let filter = self.rng.chance(20).then(|| self.filter(0));
                let numeric = *self.rng.pick(&["i", "l", "f", "d", "dd", "run"]);
                let any = *self.rng.pick(&["i", "l", "ts", "f", "d", "dd", "b", "s", "u", "t", "dec", "y"]);
                match self.rng.below(9) {
                    0 => aggregate("count", vec![], filter),
                    1 => aggregate("count", vec![self.column(any)], filter),
                    2 | 3 => aggregate("sum", vec![self.column(numeric)], filter),
                    4 => aggregate("avg", vec![self.column(numeric)], filter),
                    5 => aggregate("min", vec![self.column(any)], filter),
                    6 => aggregate("max", vec![self.column(any)], filter),
                    7 => {
                        let long = |e: Expr| Expr::Cast { expr: e.into(), to: Type::LONG, lenient: false };
                        let op = *self.rng.pick(&["plus", "minus", "times"]);
                        let function = *self.rng.pick(&["sum", "avg"]);
                        let filter = filter.filter(|_| self.rng.chance(50));
                        let args = vec![long(self.column("i")), long(self.column("run"))];
                        aggregate(function, vec![call(op, args)], filter)
                    }
                    _ => aggregate("distinctcount", vec![self.column(any)], filter),
                }
            })
            .collect()
    }

    /// A plan whose answer does not depend on the order of rows.
    pub fn plan(&mut self) -> LeafPlan {
        let nulls = self.rng.chance(60);
        let filter = self.rng.chance(80).then(|| self.filter(2));
        let output = if self.rng.chance(70) {
            let n = self.rng.below(4);
            let keys: Vec<Expr> = (0..n).map(|_| self.key()).collect();
            let mut aggregates = self.aggregates();
            if keys.is_empty() && aggregates.is_empty() {
                // One group without any column cannot be told from none here.
                aggregates.push(aggregate("count", vec![], None));
            }
            Output::Groups { keys, aggregates, limit: None }
        } else {
            let names = ["i", "l", "ts", "f", "d", "b", "s", "u", "t", "dec", "y", "mi", "ms"];
            let mut exprs = Vec::new();
            for _ in 0..1 + self.rng.below(4) {
                let name = *self.rng.pick(&names);
                exprs.push(self.column(name));
            }
            if self.rng.chance(50) {
                Output::Rows { exprs, order: vec![], limit: None }
            } else {
                exprs.truncate(2);
                // A last key without ties between different rows makes the order total.
                exprs.push(self.column("ts"));
                let last = exprs.len() as u32 - 1;
                let first = if exprs[0].ty().multi { last } else { 0 };
                let key = |index, r: &mut Rng| SortKey { index, descending: r.chance(50), nulls_first: r.chance(50) };
                let order = vec![key(first, &mut self.rng), key(last, &mut self.rng)];
                Output::Rows { exprs, order, limit: Some(self.rng.below(60)) }
            }
        };
        LeafPlan {
            table: "t".to_owned(),
            columns: self.table.references(nulls),
            filter,
            output,
            options: LeafOptions::default(),
        }
    }
}
