//! Profiles: what is good for a kind of machine, as TOML.

use std::collections::BTreeMap;

use toml::Value;

use crate::options::{Kind, OPTIONS};
use crate::{CpuSet, Error, Facts, Result};

/// A profile that has been read and checked; what it leaves out holds the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub description: String,
    pub matching: Matching,
    pub shards: Count,
    pub cpus: Option<CpuSet>,
    pub pin: Pin,
    pub edge_cpus: u32,
    pub limit_percent: u32,
    pub residency: Residency,
    pub madvise: Madvise,
    pub huge_pages: When,
    pub executor: Executor,
    pub queue_depth: u32,
    pub read_ahead_bytes: u64,
}

/// Which machines a profile is for. What is absent fits any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    pub sys_vendor: Option<String>,
    pub product_name: Option<String>,
    pub cpu_model: Option<String>,
    pub cpus_min: Option<u64>,
    pub cpus_max: Option<u64>,
    pub memory_bytes_min: Option<u64>,
    pub memory_bytes_max: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Auto,
    AtMost(u32),
}

/// Whether a shard stays on one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// How segments are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residency {
    Resident,
    Streamed,
    Mapped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Madvise {
    Normal,
    Random,
    Sequential,
    WillNeed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executor {
    Auto,
    Glommio,
    Threads,
}

const BUILT_IN: &[(&str, &str)] = &[
    ("generic", include_str!("../profiles/generic.toml")),
    ("small-container", include_str!("../profiles/small-container.toml")),
    ("aws-i4i-4xlarge", include_str!("../profiles/aws-i4i-4xlarge.toml")),
];

impl Profile {
    /// The profile that fits any machine.
    pub fn generic() -> Profile {
        Profile::built_in().swap_remove(0)
    }

    /// All profiles that come with Gamay; the first is [`Profile::generic`].
    pub fn built_in() -> Vec<Profile> {
        BUILT_IN
            .iter()
            .map(|(name, text)| Profile::parse(name, text).expect("a test reads every built-in profile"))
            .collect()
    }

    /// Reads a profile. `name` is what errors call it until it has said its own.
    pub fn parse(name: &str, text: &str) -> Result<Profile> {
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| Error::Toml { profile: name.to_owned(), reason: e.to_string() })?;
        let mut values = BTreeMap::new();
        flatten("", table, &mut values);
        let read = Reader::new(name, values)?;
        Ok(Profile {
            name: read.required_text("name")?,
            description: read.text("description").unwrap_or_default(),
            matching: Matching {
                sys_vendor: read.text("match.sys_vendor"),
                product_name: read.text("match.product_name"),
                cpu_model: read.text("match.cpu_model"),
                cpus_min: read.number("match.cpus_min"),
                cpus_max: read.number("match.cpus_max"),
                memory_bytes_min: read.number("match.memory_bytes_min"),
                memory_bytes_max: read.number("match.memory_bytes_max"),
            },
            shards: read.number("shards.count").map_or(Count::Auto, |n| Count::AtMost(n as u32)),
            cpus: read.text("shards.cpus").and_then(|text| CpuSet::parse(&text)).filter(|set| !set.is_empty()),
            pin: match read.word("shards.pin") {
                "always" => Pin::Always,
                "never" => Pin::Never,
                _ => Pin::Auto,
            },
            edge_cpus: read.number_or_default("shards.edge_cpus") as u32,
            limit_percent: read.number_or_default("memory.limit_percent") as u32,
            residency: match read.word("memory.residency") {
                "streamed" => Residency::Streamed,
                "mapped" => Residency::Mapped,
                _ => Residency::Resident,
            },
            madvise: match read.word("memory.madvise") {
                "random" => Madvise::Random,
                "sequential" => Madvise::Sequential,
                "willneed" => Madvise::WillNeed,
                _ => Madvise::Normal,
            },
            huge_pages: match read.word("memory.huge_pages") {
                "always" => When::Always,
                "never" => When::Never,
                _ => When::Auto,
            },
            executor: match read.word("io.executor") {
                "glommio" => Executor::Glommio,
                "threads" => Executor::Threads,
                _ => Executor::Auto,
            },
            queue_depth: read.number_or_default("io.queue_depth") as u32,
            read_ahead_bytes: read.number_or_default("io.read_ahead_bytes"),
        })
    }

    /// The profile that fits with the most facts; of several the first. [`Profile::generic`] where none fits.
    pub fn matching(facts: &Facts, profiles: &[Profile]) -> Profile {
        let mut best: Option<(usize, &Profile)> = None;
        for profile in profiles {
            if let Some(score) = profile.matching.score(facts)
                && best.is_none_or(|(highest, _)| score > highest)
            {
                best = Some((score, profile));
            }
        }
        best.map_or_else(Profile::generic, |(_, profile)| profile.clone())
    }
}

impl Matching {
    /// How many facts the profile names, all of which fit; `None` where one does not.
    pub fn score(&self, facts: &Facts) -> Option<usize> {
        let cpus = facts.usable_cpus().len() as u64;
        let memory = facts.usable_memory_bytes();
        let checks = [
            self.sys_vendor.as_ref().map(|v| v.eq_ignore_ascii_case(&facts.sys_vendor)),
            self.product_name.as_ref().map(|v| v.eq_ignore_ascii_case(&facts.product_name)),
            self.cpu_model.as_ref().map(|v| facts.cpu_model.contains(v.as_str())),
            self.cpus_min.map(|v| cpus >= v),
            self.cpus_max.map(|v| cpus <= v),
            // Memory that is not known fits no bound.
            self.memory_bytes_min.map(|v| memory >= v),
            self.memory_bytes_max.map(|v| memory > 0 && memory <= v),
        ];
        let named: Vec<bool> = checks.into_iter().flatten().collect();
        named.iter().all(|fits| *fits).then_some(named.len())
    }
}

fn flatten(prefix: &str, table: toml::Table, values: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, values),
            value => {
                values.insert(key, value);
            }
        }
    }
}

struct Reader<'a> {
    profile: &'a str,
    values: BTreeMap<String, Value>,
}

impl<'a> Reader<'a> {
    /// Checks every key and value against [`OPTIONS`].
    fn new(profile: &'a str, values: BTreeMap<String, Value>) -> Result<Reader<'a>> {
        for (key, value) in &values {
            let Some(option) = OPTIONS.iter().find(|o| o.key == key) else {
                return Err(Error::UnknownOption { profile: profile.to_owned(), key: key.clone(), hint: hint(key) });
            };
            let in_range = |n: &i64, min, max| (min..=max).contains(n);
            let (fits, expected) = match (option.kind, value) {
                (Kind::Text, value) => (value.is_str(), "a text".to_owned()),
                (Kind::CpuSet, value) => {
                    let fits = value.as_str().is_some_and(|text| CpuSet::parse(text).is_some());
                    (fits, "a text like \"0-3,8\"".to_owned())
                }
                (Kind::Number { min, max }, value) => {
                    (value.as_integer().is_some_and(|n| in_range(&n, min, max)), range(min, max, option.unit))
                }
                (Kind::AutoOr { min, max }, value) => {
                    let fits =
                        value.as_str() == Some("auto") || value.as_integer().is_some_and(|n| in_range(&n, min, max));
                    (fits, format!("\"auto\" or {}", range(min, max, option.unit)))
                }
                (Kind::Word(words), value) => {
                    let fits = value.as_str().is_some_and(|word| words.contains(&word));
                    (fits, format!("one of \"{}\"", words.join("\", \"")))
                }
            };
            if !fits {
                let found = value.to_string();
                return Err(Error::Value { profile: profile.to_owned(), key: key.clone(), found, expected });
            }
        }
        Ok(Reader { profile, values })
    }

    fn required_text(&self, key: &str) -> Result<String> {
        self.text(key).filter(|text| !text.is_empty()).ok_or_else(|| Error::Value {
            profile: self.profile.to_owned(),
            key: key.to_owned(),
            found: "missing".to_owned(),
            expected: "a text".to_owned(),
        })
    }

    fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).and_then(Value::as_str).map(str::to_owned)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.values.get(key).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok())
    }

    fn number_or_default(&self, key: &str) -> u64 {
        let default = || OPTIONS.iter().find(|o| o.key == key).and_then(|o| o.default.parse().ok());
        self.number(key).or_else(default).expect("a test reads the default of every number")
    }

    fn word(&self, key: &str) -> &str {
        let default = || OPTIONS.iter().find(|o| o.key == key).map(|o| o.default.trim_matches('"'));
        self.values.get(key).and_then(Value::as_str).or_else(default).unwrap_or_default()
    }
}

fn range(min: i64, max: i64, unit: &str) -> String {
    format!("a whole number of {unit} from {min} to {max}")
}

/// The option whose key, or last part of the key, is nearest to a wrong one.
fn hint(key: &str) -> Option<String> {
    const NEAR: usize = 3;
    let last = |key: &'_ str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let nearest = OPTIONS.iter().map(|option| {
        let whole = strsim::osa_distance(key, option.key);
        let part = strsim::osa_distance(&last(key), &last(option.key));
        (whole.min(part), option.key)
    });
    nearest.min().filter(|(distance, _)| *distance <= NEAR.min(key.len() / 2)).map(|(_, key)| key.to_owned())
}
