//! "Did you mean ...": the known name that is nearest to one that is not known.

use std::fmt;

/// The candidate nearest to `name`, if one is near enough to be what was meant.
///
/// Names that differ only in case, `_` or `-` always match; else the edit distance (a swap of two neighbours counts
/// as one edit) must be at most a third of the name's length, and at least one edit is always forgiven for names of
/// three letters or more. Of equally near candidates the first in byte order wins, so that the answer does not
/// depend on the order of a map.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // An identifier of this length is a mistake of another kind, and the distance costs length squared.
    const LONGEST: usize = 256;
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let folded = fold(name);
    let budget = if folded.len() < 3 { 0 } else { (folded.len() / 3).max(1) };
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == name || candidate.len() > LONGEST {
            continue;
        }
        let distance = edit_distance(&folded, &fold(candidate), budget);
        let Some(distance) = distance else { continue };
        if best.is_none_or(|(d, c)| (distance, candidate) < (d, c)) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// The optimal string alignment distance, or `None` above `limit`.
fn edit_distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let width = b.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    let mut row = vec![0; width];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..width {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut d = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d = d.min(before_last[j - 2] + 1);
            }
            row[j] = d;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    let distance = last[b.len()];
    (distance <= limit).then_some(distance)
}

/// Prints `, did you mean ...?` or nothing.
pub struct Hint<'a>(pub &'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, ", did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_or_none() {
        let columns = ["carrier", "origin", "dest", "arr_delay", "dep_delay"];
        let check = |name: &str, want: Option<&str>| assert_eq!(did_you_mean(name, columns), want, "{name}");
        check("carier", Some("carrier"));
        check("ORIGIN", Some("origin"));
        check("arrDelay", Some("arr_delay"));
        check("arr_dealy", Some("arr_delay"));
        check("dst", Some("dest"));
        check("passenger", None);
        check("", None);
        check("x", None);
        check("carrier", None);
    }

    #[test]
    fn ties_do_not_depend_on_order() {
        assert_eq!(did_you_mean("abcx", ["abcz", "abcy"]), Some("abcy"));
        assert_eq!(did_you_mean("abcx", ["abcy", "abcz"]), Some("abcy"));
    }

    #[test]
    fn a_very_long_name_is_not_compared() {
        let long = "a".repeat(100_000);
        assert_eq!(did_you_mean(&long, ["aaa"]), None);
    }
}
