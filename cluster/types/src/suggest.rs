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
    let length = folded.chars().count();
    let budget = if length < 3 { 0 } else { (length / 3).max(1) };
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == name || candidate.len() > LONGEST {
            continue;
        }
        let candidate_folded = fold(candidate);
        // The distance costs length times length, and ten thousand columns may be compared.
        if candidate_folded.chars().count().abs_diff(length) > budget {
            continue;
        }
        let distance = strsim::osa_distance(&folded, &candidate_folded);
        if distance <= budget && best.is_none_or(|(d, c)| (distance, candidate) < (d, c)) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
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
