//! The filter of a bound segment: a tree of tests over packed ids and integers, one mask a vector.

use crate::error::Result;
use crate::exec::bind::BoundColumn;
use crate::exec::decode::{self, Scratch};
use crate::exec::masks::{float_mask, id_mask, int_mask, list_mask, missing, row_mask};
use crate::exec::selection::{self, Mask, Vector, WORDS};
use crate::kernels::set::IdSet;
use crate::kernels::{self, Simd};
use crate::source::BlockColumn;
use arrow_array::ArrayRef;
use roaring::RoaringBitmap;
use segfmt::value::ordered_i64;
use segfmt::{Page, PageValues};
use shard_plan::BoundExpr;
use std::collections::HashMap;
use std::sync::Arc;

/// Ranges up to this id are merged into a set of their column.
const MERGED_IDS: u32 = 1 << 24;

/// A test of one dictionary id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum IdTest {
    None,
    All,
    /// Ids `lo..=hi`, or all others.
    Range {
        lo: u32,
        hi: u32,
        negated: bool,
    },
    Set(Arc<IdSet>),
}

impl IdTest {
    /// Ids `from..to` of `n`.
    pub fn range(from: u32, to: u32, n: u32) -> IdTest {
        if from >= to {
            IdTest::None
        } else if from == 0 && to >= n {
            IdTest::All
        } else {
            IdTest::Range { lo: from, hi: to - 1, negated: false }
        }
    }

    /// The simplest form of a set.
    pub fn from_set(set: IdSet) -> IdTest {
        let Some((lo, hi)) = set.bounds() else { return IdTest::None };
        let count = set.count();
        if count == hi - lo + 1 {
            return IdTest::range(lo, hi + 1, set.universe());
        }
        IdTest::Set(Arc::new(set))
    }

    pub fn inverse(self, n: u32) -> IdTest {
        match self {
            IdTest::None => IdTest::All,
            IdTest::All => IdTest::None,
            IdTest::Range { lo, hi, negated } => IdTest::Range { lo, hi, negated: !negated },
            IdTest::Set(set) => {
                let mut other = IdSet::new(n);
                (0..n).filter(|id| !set.contains(*id)).for_each(|id| other.insert(id));
                IdTest::from_set(other)
            }
        }
    }

    pub fn contains(&self, id: u32) -> bool {
        match self {
            IdTest::None => false,
            IdTest::All => true,
            IdTest::Range { lo, hi, negated } => (*lo <= id && id <= *hi) != *negated,
            IdTest::Set(set) => set.contains(id),
        }
    }

    /// What the ids of a zone say.
    fn verdict(&self, min: u64, max: u64) -> Verdict {
        if min > max {
            return Verdict::None;
        }
        let (min, max) = (min.min(u64::from(u32::MAX)) as u32, max.min(u64::from(u32::MAX)) as u32);
        match self {
            IdTest::None => Verdict::None,
            IdTest::All => Verdict::All,
            IdTest::Range { lo, hi, negated } => {
                let inside = if max < *lo || min > *hi {
                    Verdict::None
                } else if *lo <= min && max <= *hi {
                    Verdict::All
                } else {
                    Verdict::Some
                };
                match (inside, negated) {
                    (Verdict::None, true) => Verdict::All,
                    (Verdict::All, true) => Verdict::None,
                    (v, _) => v,
                }
            }
            IdTest::Set(set) if !set.intersects(min, max) => Verdict::None,
            IdTest::Set(set) if min == max && set.contains(min) => Verdict::All,
            IdTest::Set(_) => Verdict::Some,
        }
    }

    pub fn describe(&self) -> String {
        match self {
            IdTest::None => "no id".to_owned(),
            IdTest::All => "all ids".to_owned(),
            IdTest::Range { lo, hi, negated } => format!("ids {}{lo}..={hi}", if *negated { "not " } else { "" }),
            IdTest::Set(set) => format!("{} ids", set.count()),
        }
    }
}

/// What statistics say about the rows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    None,
    Some,
    All,
}

/// Rows of a vector where a condition holds.
#[derive(Debug)]
pub(crate) enum Node {
    Const(bool),
    /// A single-value dictionary column. `null_match`: null rows pass.
    Ids {
        column: usize,
        test: IdTest,
        null_match: bool,
    },
    /// A multi-value dictionary column: some (or all) elements pass. Null rows do not.
    ListIds {
        column: usize,
        test: IdTest,
        all: bool,
    },
    /// Raw integers in `lo..=hi` (or outside). Null rows do not pass.
    Ints {
        column: usize,
        lo: i64,
        hi: i64,
        negated: bool,
    },
    /// Raw numbers by their ordered key. Null rows do not pass.
    Floats {
        column: usize,
        lo: u64,
        hi: u64,
        negated: bool,
    },
    Null {
        column: usize,
        negated: bool,
    },
    /// Rows that an index found.
    Rows {
        rows: Arc<RoaringBitmap>,
        index: String,
    },
    /// Anything else, on decoded values of the rows that are still wanted.
    Expr {
        expr: Arc<BoundExpr>,
        columns: Vec<usize>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    /// Stands for a dictionary evaluation that is not done yet.
    Pending {
        eval: usize,
        list: Option<bool>,
    },
}

/// Where a vector's values come from.
pub(crate) struct Input<'a> {
    pub columns: &'a [BoundColumn],
    pub blocks: &'a [BlockColumn],
    /// Number of the block's first row in the segment.
    pub first_row: u64,
    pub simd: Simd,
}

impl Node {
    pub fn ids(column: usize, test: IdTest, null_match: bool) -> Node {
        match test {
            IdTest::None if !null_match => Node::Const(false),
            test => Node::Ids { column, test, null_match },
        }
    }

    pub fn list_ids(column: usize, test: IdTest, all: bool) -> Node {
        match test {
            IdTest::None if !all => Node::Const(false),
            test => Node::ListIds { column, test, all },
        }
    }

    pub fn expr(expr: BoundExpr) -> Node {
        let columns = expr.columns().iter().map(|c| *c as usize).collect();
        Node::Expr { expr: Arc::new(expr), columns }
    }

    /// All of the nodes, the cheap ones first.
    pub fn and(nodes: Vec<Node>) -> Node {
        let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Const(true) => {}
                Node::Const(false) => return Node::Const(false),
                Node::And(more) => kept.extend(more),
                node => kept.push(node),
            }
        }
        kept.sort_by_key(Node::cost);
        match kept.len() {
            0 => Node::Const(true),
            1 => kept.remove(0),
            _ => Node::And(kept),
        }
    }

    /// Any of the nodes. Tests of one column become one test.
    pub fn or(nodes: Vec<Node>) -> Node {
        let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
        let mut sets: Vec<(usize, bool, IdSet)> = Vec::new();
        for node in nodes {
            match node {
                Node::Const(false) => {}
                Node::Const(true) => return Node::Const(true),
                Node::Or(more) => kept.extend(more),
                node => kept.push(node),
            }
        }
        // Several tests of one column are one set.
        let mut tests: HashMap<(usize, bool), (usize, u32)> = HashMap::new();
        for node in &kept {
            if let Node::Ids { column, test: IdTest::Range { hi, negated: false, .. }, null_match } = node {
                let (count, last) = tests.entry((*column, *null_match)).or_default();
                *count += 1;
                *last = (*last).max(*hi);
            }
        }
        for ((column, null_match), (count, last)) in tests {
            let known = kept.iter().any(|n| matches!(n, Node::Ids { column: c, test: IdTest::Set(_), null_match: m } if (*c, *m) == (column, null_match)));
            // One id more than needed, so that a set from 0 on is not taken for all ids.
            if count > 2 && !known && last < MERGED_IDS {
                sets.push((column, null_match, IdSet::new(last + 2)));
            }
        }
        let mut merged = Vec::with_capacity(kept.len());
        for node in kept {
            match &node {
                Node::Ids { column, test: IdTest::Set(set), null_match } => {
                    match sets.iter_mut().find(|(c, n, _)| c == column && n == null_match) {
                        Some((_, _, all)) => all.union(set),
                        None => sets.push((*column, *null_match, (**set).clone())),
                    }
                }
                _ => merged.push(node),
            }
        }
        // Short ranges join a set of their column, and each other through one.
        let mut rest = Vec::with_capacity(merged.len());
        for node in merged {
            match &node {
                Node::Ids { column, test: IdTest::Range { lo, hi, negated: false }, null_match } => {
                    match sets.iter_mut().find(|(c, n, s)| c == column && n == null_match && *hi < s.universe()) {
                        Some((_, _, all)) => all.insert_range(*lo, *hi),
                        None => rest.push(node),
                    }
                }
                _ => rest.push(node),
            }
        }
        rest.extend(
            sets.into_iter().map(|(column, null_match, set)| Node::ids(column, IdTest::from_set(set), null_match)),
        );
        rest.sort_by_key(Node::cost);
        match rest.len() {
            0 => Node::Const(false),
            1 => rest.remove(0),
            _ => Node::Or(rest),
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Node::Const(_) | Node::Null { .. } | Node::Rows { .. } => 0,
            Node::Ids { test: IdTest::Range { .. }, .. } => 1,
            Node::Ints { .. } => 2,
            Node::Ids { .. } => 3,
            Node::Floats { .. } => 4,
            Node::ListIds { .. } => 10,
            Node::Pending { .. } => 5,
            Node::And(nodes) | Node::Or(nodes) => 1 + nodes.iter().map(Node::cost).sum::<u32>(),
            Node::Expr { .. } => 1000,
        }
    }

    pub fn collect_columns(&self, out: &mut Vec<usize>) {
        match self {
            Node::Ids { column, .. }
            | Node::ListIds { column, .. }
            | Node::Ints { column, .. }
            | Node::Floats { column, .. } => out.push(*column),
            Node::Expr { columns, .. } => out.extend(columns),
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|n| n.collect_columns(out)),
            Node::Const(_) | Node::Null { .. } | Node::Rows { .. } | Node::Pending { .. } => {}
        }
    }

    /// Whether a row-wise expression is part of the filter: its vectors must be short (E-16).
    pub fn is_slow(&self) -> bool {
        match self {
            Node::Expr { .. } => true,
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(Node::is_slow),
            _ => false,
        }
    }

    /// What zone maps say about a block.
    pub fn verdict(&self, block: u32, rows_per_block: u32, columns: &[BoundColumn]) -> Verdict {
        let zone = |column: usize| {
            let bound = &columns[column];
            bound.stored().map(|s| s.column().zone(block, bound.row_set()))
        };
        match self {
            Node::Const(true) => Verdict::All,
            Node::Const(false) => Verdict::None,
            Node::Ids { column, test, null_match } => {
                let Some(zone) = zone(*column) else { return Verdict::Some };
                let nulls = if columns[*column].nullable { zone.null_count } else { 0 };
                with_nulls(test.verdict(zone.min, zone.max), nulls, zone.rows, *null_match)
            }
            Node::ListIds { column, test, all } => {
                let Some(zone) = zone(*column) else { return Verdict::Some };
                match test.verdict(zone.min, zone.max) {
                    Verdict::None if !all => Verdict::None,
                    _ => Verdict::Some,
                }
            }
            Node::Ints { column, lo, hi, negated } => {
                let Some(zone) = zone(*column) else { return Verdict::Some };
                let nulls = if columns[*column].nullable { zone.null_count } else { 0 };
                with_nulls(key_verdict(zone, ordered_i64(*lo), ordered_i64(*hi), *negated), nulls, zone.rows, false)
            }
            Node::Floats { column, lo, hi, negated } => {
                let Some(zone) = zone(*column) else { return Verdict::Some };
                let nulls = if columns[*column].nullable { zone.null_count } else { 0 };
                with_nulls(key_verdict(zone, *lo, *hi, *negated), nulls, zone.rows, false)
            }
            Node::Null { column, negated } => {
                let Some(zone) = zone(*column) else { return Verdict::Some };
                match (zone.null_count, *negated) {
                    (0, true) => Verdict::All,
                    (0, false) => Verdict::None,
                    (n, false) if n == zone.rows => Verdict::All,
                    (n, true) if n == zone.rows => Verdict::None,
                    _ => Verdict::Some,
                }
            }
            Node::Rows { rows, .. } => {
                let first = u64::from(block) * u64::from(rows_per_block);
                // A segment has fewer than 2^32 rows; the last block ends where the rows do.
                match rows.range_cardinality(
                    first as u32..(first + u64::from(rows_per_block)).min(u64::from(u32::MAX)) as u32,
                ) {
                    0 => Verdict::None,
                    n if n == u64::from(rows_per_block) => Verdict::All,
                    _ => Verdict::Some,
                }
            }
            Node::And(nodes) => {
                let mut all = true;
                for node in nodes {
                    match node.verdict(block, rows_per_block, columns) {
                        Verdict::None => return Verdict::None,
                        Verdict::Some => all = false,
                        Verdict::All => {}
                    }
                }
                if all { Verdict::All } else { Verdict::Some }
            }
            Node::Or(nodes) => {
                let mut none = true;
                for node in nodes {
                    match node.verdict(block, rows_per_block, columns) {
                        Verdict::All => return Verdict::All,
                        Verdict::Some => none = false,
                        Verdict::None => {}
                    }
                }
                if none { Verdict::None } else { Verdict::Some }
            }
            Node::Expr { .. } | Node::Pending { .. } => Verdict::Some,
        }
    }

    /// Clears the bits of `mask` whose rows do not pass. Returns the entries looked at.
    pub fn apply(&self, input: &Input<'_>, vector: Vector, mask: &mut Mask, scratch: &mut Scratch) -> Result<u64> {
        match self {
            Node::Const(true) => Ok(0),
            Node::Const(false) | Node::Pending { .. } => {
                *mask = [0; WORDS];
                Ok(0)
            }
            Node::And(nodes) => {
                let mut entries = 0;
                for node in nodes {
                    if selection::is_empty(mask) {
                        break;
                    }
                    entries += node.apply(input, vector, mask, scratch)?;
                }
                Ok(entries)
            }
            Node::Or(nodes) => {
                let mut open = *mask;
                let mut passed = [0; WORDS];
                let mut entries = 0;
                for node in nodes {
                    if selection::is_empty(&open) {
                        break;
                    }
                    let mut here = open;
                    entries += node.apply(input, vector, &mut here, scratch)?;
                    for i in 0..WORDS {
                        passed[i] |= here[i];
                        open[i] &= !here[i];
                    }
                }
                *mask = passed;
                Ok(entries)
            }
            Node::Null { column, negated } => {
                let first = (input.first_row as usize + vector.start) / 64;
                for (i, word) in mask.iter_mut().enumerate().take(vector.len.div_ceil(64)) {
                    let nulls = input.columns[*column].null_word(first + i);
                    *word &= if *negated { !nulls } else { nulls };
                }
                Ok(0)
            }
            Node::Rows { rows, .. } => {
                row_mask(rows, input.first_row + vector.start as u64, vector, mask);
                Ok(0)
            }
            Node::Ids { column, test, null_match } => {
                let before = *mask;
                let Some(PageValues::Ids(page)) = input.blocks[*column].page().map(Page::values) else {
                    return Ok(missing(mask));
                };
                id_mask(page, test, vector, mask, input.simd);
                self.mask_nulls(input, *column, vector, &before, mask, *null_match);
                Ok(vector.len as u64)
            }
            Node::ListIds { column, test, all } => {
                let before = *mask;
                let Some(page) = input.blocks[*column].page() else { return Ok(missing(mask)) };
                let entries = list_mask(page, test, *all, vector, mask);
                self.mask_nulls(input, *column, vector, &before, mask, false);
                Ok(entries)
            }
            Node::Ints { column, lo, hi, negated } => {
                let before = *mask;
                let Some(PageValues::Ints(page)) = input.blocks[*column].page().map(Page::values) else {
                    return Ok(missing(mask));
                };
                int_mask(page, *lo, *hi, *negated, vector, mask, input.simd);
                self.mask_nulls(input, *column, vector, &before, mask, false);
                Ok(vector.len as u64)
            }
            Node::Floats { column, lo, hi, negated } => {
                let before = *mask;
                let Some(PageValues::Floats(page)) = input.blocks[*column].page().map(Page::values) else {
                    return Ok(missing(mask));
                };
                float_mask(page, *lo, *hi, *negated, vector, mask);
                self.mask_nulls(input, *column, vector, &before, mask, false);
                Ok(vector.len as u64)
            }
            Node::Expr { expr, columns } => {
                let mut rows = Vec::new();
                kernels::select::rows(input.simd, &mask[..vector.len.div_ceil(64)], vector.start as u32, &mut rows);
                let mut arrays: Vec<ArrayRef> = Vec::with_capacity(input.columns.len());
                for (i, bound) in input.columns.iter().enumerate().take(columns.last().map_or(0, |c| c + 1)) {
                    arrays.push(if columns.contains(&i) {
                        decode::column(bound, &input.blocks[i], input.first_row, &rows, scratch)?
                    } else {
                        decode::unread(&bound.ty.arrow())
                    });
                }
                let passes = expr.eval_filter(&arrays, rows.len())?;
                *mask = [0; WORDS];
                for i in decode::true_bits(&passes).set_indices() {
                    let at = rows[i] as usize - vector.start;
                    mask[at / 64] |= 1 << (at % 64);
                }
                Ok((rows.len() * columns.len()) as u64)
            }
        }
    }

    /// Null rows hold the default value in the page: take them out, or let them all pass.
    fn mask_nulls(
        &self,
        input: &Input<'_>,
        column: usize,
        vector: Vector,
        before: &Mask,
        mask: &mut Mask,
        null_match: bool,
    ) {
        let bound = &input.columns[column];
        if bound.nulls.is_none() {
            return;
        }
        let first = (input.first_row as usize + vector.start) / 64;
        for i in 0..vector.len.div_ceil(64) {
            let nulls = bound.null_word(first + i);
            mask[i] &= !nulls;
            if null_match {
                mask[i] |= before[i] & nulls;
            }
        }
    }

    /// One line for EXPLAIN.
    pub fn describe(&self, columns: &[BoundColumn]) -> String {
        let name = |c: &usize| columns[*c].reference.name.as_str();
        match self {
            Node::Const(value) => value.to_string(),
            Node::Ids { column, test, .. } => format!(
                "{}: {} of {}",
                name(column),
                test.describe(),
                columns[*column].single_dict().map_or(0, |d| d.len())
            ),
            Node::ListIds { column, test, all } => {
                format!("{} of {}: {}", if *all { "all" } else { "any" }, name(column), test.describe())
            }
            Node::Ints { column, lo, hi, negated } => {
                format!("{} {}in {lo}..={hi}", name(column), if *negated { "not " } else { "" })
            }
            Node::Floats { column, negated, .. } => {
                format!("{} {}in a range of numbers", name(column), if *negated { "not " } else { "" })
            }
            Node::Null { column, negated } => format!("{} is {}null", name(column), if *negated { "not " } else { "" }),
            Node::Expr { columns: used, .. } => {
                format!("expression over {}", used.iter().map(name).collect::<Vec<_>>().join(", "))
            }
            Node::And(nodes) => {
                format!("({})", nodes.iter().map(|n| n.describe(columns)).collect::<Vec<_>>().join(" and "))
            }
            Node::Or(nodes) => {
                format!("({})", nodes.iter().map(|n| n.describe(columns)).collect::<Vec<_>>().join(" or "))
            }
            Node::Rows { rows, index } => format!("{} rows by {index}", rows.len()),
            Node::Pending { .. } => "not evaluated yet".to_owned(),
        }
    }
}

fn with_nulls(verdict: Verdict, nulls: u32, rows: u32, null_match: bool) -> Verdict {
    if nulls == 0 {
        return verdict;
    }
    match (verdict, null_match) {
        (Verdict::None, false) | (Verdict::All, true) => verdict,
        (Verdict::None, true) if nulls == rows => Verdict::All,
        _ => Verdict::Some,
    }
}

fn key_verdict(zone: segfmt::Zone, lo: u64, hi: u64, negated: bool) -> Verdict {
    let inside = if zone.excludes(lo, hi) {
        Verdict::None
    } else if lo <= zone.min && zone.max <= hi {
        Verdict::All
    } else {
        Verdict::Some
    };
    match (inside, negated) {
        // An empty set of non-null rows: nothing to pass either way.
        _ if zone.is_empty() => Verdict::None,
        (Verdict::None, true) => Verdict::All,
        (Verdict::All, true) => Verdict::None,
        (v, _) => v,
    }
}
