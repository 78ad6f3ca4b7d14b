//! What a node may use, and what is less than it could be.

use crate::{Count, CpuSet, Error, Executor, Facts, Madvise, Pin, Profile, Residency, Result, When};

/// What the node is started with. Shards, caches and budgets read this and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeLimits {
    /// The profile's name.
    pub profile: String,
    /// At least 1.
    pub shards: u32,
    /// The CPUs that shards run on, one for each where shards are pinned.
    pub cpus: CpuSet,
    /// CPUs for edge and bulk threads alone; empty where they share those of the shards by priority.
    pub edge_cpus: CpuSet,
    /// Each shard stays on its CPU of `cpus`.
    pub pinned: bool,
    /// The NUMA node of each shard, where shards are pinned and the layout is known.
    pub shard_nodes: Vec<Option<u32>>,
    /// What the process must stay below, caches and all; budgets are shares of it.
    pub memory_bytes: u64,
    /// Bytes that may be locked; `None` is no limit.
    pub memlock_bytes: Option<u64>,
    pub huge_pages: HugePageUse,
    pub residency: Residency,
    pub madvise: Madvise,
    /// What the profile wants; the probe at start decides.
    pub executor: Executor,
    pub queue_depth: u32,
    pub read_ahead_bytes: u64,
    pub avx2: bool,
    lines: Vec<String>,
}

/// Whether resident segments ask for huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HugePageUse {
    Transparent,
    None,
}

/// Locked memory that glommio needs for each shard's rings; less than this and it does not start.
pub const MEMLOCK_PER_SHARD: u64 = 512 * 1024;

/// Locked memory with which each shard's read buffers are registered too.
const MEMLOCK_COMFORT: u64 = 24 * 1024 * 1024;

/// What is planned with where the machine does not say how much memory it has.
const MEMORY_UNKNOWN: u64 = 1 << 30;

/// Above so many usable CPUs edge and bulk may have CPUs of their own (E-15).
const SHARED_CPUS_MAX: usize = 4;

impl NodeLimits {
    /// What a profile makes of a machine.
    pub fn new(facts: &Facts, profile: &Profile) -> Result<NodeLimits> {
        let mut lines = Vec::new();
        let usable = facts.usable_cpus();
        let allowed = match &profile.cpus {
            None => usable.clone(),
            Some(wanted) => {
                let allowed = wanted.intersection(&usable);
                if allowed.is_empty() {
                    return Err(Error::NoCpu {
                        profile: profile.name.clone(),
                        wanted: wanted.to_string(),
                        usable: usable.to_string(),
                    });
                }
                if allowed.len() < wanted.len() {
                    lines.push(format!(
                        "CPUs: the profile names {wanted}, the process may use {usable}; shards run on {allowed} only"
                    ));
                }
                allowed
            }
        };
        let (cpus, edge_cpus) = split(&allowed, profile.edge_cpus);
        let shards = shard_count(facts, profile, &cpus, &mut lines);
        let pinned = match profile.pin {
            Pin::Always => true,
            Pin::Never => false,
            Pin::Auto => facts.cgroup.exclusive_cpus,
        };
        // Unpinned shards may run anywhere in the set; a pinned one has its own CPU.
        let cpus: CpuSet = if pinned { cpus.iter().take(shards as usize).collect() } else { cpus };
        let shard_nodes = match pinned {
            true => cpus.iter().map(|cpu| facts.topology.node_of(cpu)).collect(),
            false => vec![None; shards as usize],
        };
        if pinned && facts.topology.nodes.is_empty() {
            lines.push(
                "NUMA: the layout cannot be read; memory of all nodes is used as one, scans may cross nodes".to_owned(),
            );
        }
        if !pinned && facts.topology.nodes.len() > 1 {
            lines.push(format!(
                "NUMA: {} nodes, and shards are not pinned; scans cross nodes, set shards.pin = \"always\" where the machine is the node's alone",
                facts.topology.nodes.len()
            ));
        }
        let memory_bytes = memory(facts, profile, &mut lines);
        memlock(facts, shards, &mut lines);
        let huge_pages = huge_pages(facts, profile, &mut lines);
        if cfg!(target_arch = "x86_64") && !facts.process.simd.avx2 {
            lines.push("AVX2: this CPU has none; scans run portable kernels and take several times as long".to_owned());
        }
        if facts.io_uring_disabled.is_some_and(|level| level > 0) && profile.executor != Executor::Threads {
            lines.push(
                "io_uring: switched off by kernel.io_uring_disabled; plain threads read instead, cold data comes slower".to_owned(),
            );
        }
        Ok(NodeLimits {
            profile: profile.name.clone(),
            shards,
            cpus,
            edge_cpus,
            pinned,
            shard_nodes,
            memory_bytes,
            memlock_bytes: facts.process.memlock_bytes,
            huge_pages,
            residency: profile.residency,
            madvise: profile.madvise,
            executor: profile.executor,
            queue_depth: profile.queue_depth,
            read_ahead_bytes: profile.read_ahead_bytes,
            avx2: facts.process.simd.avx2,
            lines,
        })
    }

    /// One line for each thing that is less than it could be, and what that costs. Empty where nothing is.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What was chosen, in one line.
    pub fn summary(&self) -> String {
        format!(
            "profile {}: {} shard{} on CPUs {}{}, {} of memory",
            self.profile,
            self.shards,
            if self.shards == 1 { "" } else { "s" },
            self.cpus,
            if self.pinned { " (pinned)" } else { "" },
            show_bytes(self.memory_bytes),
        )
    }
}

/// The last CPUs of the set go to edge and bulk, if enough are left.
fn split(allowed: &CpuSet, edge: u32) -> (CpuSet, CpuSet) {
    let edge = edge as usize;
    if edge == 0 || allowed.len() <= SHARED_CPUS_MAX || allowed.len() <= edge {
        return (allowed.clone(), CpuSet::default());
    }
    let shards = allowed.len() - edge;
    (allowed.iter().take(shards).collect(), allowed.iter().skip(shards).collect())
}

fn shard_count(facts: &Facts, profile: &Profile, cpus: &CpuSet, lines: &mut Vec<String>) -> u32 {
    let mut shards = cpus.len() as u32;
    if let Some(quota) = facts.cgroup.cpu_quota {
        let whole = (quota.ceil().max(1.0) as u32).min(shards);
        if quota < f64::from(shards) {
            lines.push(format!(
                "CPU quota: {quota} of {} CPUs; {whole} shard{}, and the kernel pauses the process when the quota of a period is used up, which shows as slow queries",
                cpus.len(),
                if whole == 1 { "" } else { "s" },
            ));
        }
        shards = whole;
    }
    if let Count::AtMost(most) = profile.shards
        && most < shards
    {
        lines.push(format!("shards: the profile allows {most} of {shards}; a query uses no more CPUs than that"));
        shards = most;
    }
    if cpus.len() < facts.online_cpus.len() && profile.cpus.is_none() && facts.cgroup.cpu_quota.is_none() {
        let free = facts.usable_cpus();
        if free.len() < facts.online_cpus.len() {
            lines.push(format!("CPU set: the process may use {free} of {} CPUs", facts.online_cpus.len()));
        }
    }
    shards.max(1)
}

fn memory(facts: &Facts, profile: &Profile, lines: &mut Vec<String>) -> u64 {
    let mut usable = facts.usable_memory_bytes();
    if usable == 0 {
        usable = MEMORY_UNKNOWN;
        lines.push(format!(
            "memory: the machine does not say how much there is; {} are planned with",
            show_bytes(usable)
        ));
    }
    let planned = (u128::from(usable) * u128::from(profile.limit_percent) / 100) as u64;
    if let Some(limit) = facts.cgroup.memory_bytes
        && (facts.memory_bytes == 0 || limit < facts.memory_bytes)
    {
        lines.push(format!(
            "memory: the control group allows {} of the machine's {}; the node plans with {}, what does not fit is read from disk",
            show_bytes(limit),
            show_bytes(facts.memory_bytes),
            show_bytes(planned),
        ));
    }
    planned
}

fn memlock(facts: &Facts, shards: u32, lines: &mut Vec<String>) {
    let Some(limit) = facts.process.memlock_bytes else { return };
    let needed = MEMLOCK_PER_SHARD * u64::from(shards);
    if limit < needed {
        lines.push(format!(
            "memlock: {} may be locked, and io_uring needs {} for {shards} shard{}; plain threads read instead, cold data comes slower (raise it with `ulimit -l` or LimitMEMLOCK=)",
            show_bytes(limit),
            show_bytes(needed),
            if shards == 1 { "" } else { "s" },
        ));
    } else if limit < MEMLOCK_COMFORT * u64::from(shards) {
        lines.push(format!(
            "memlock: {} may be locked; read buffers are not registered with the kernel, which costs a few percent of cold reads",
            show_bytes(limit)
        ));
    }
}

fn huge_pages(facts: &Facts, profile: &Profile, lines: &mut Vec<String>) -> HugePageUse {
    match (profile.huge_pages, facts.huge_pages.transparent) {
        (When::Never, _) => HugePageUse::None,
        (_, true) => HugePageUse::Transparent,
        (_, false) => {
            lines.push(
                "huge pages: the kernel gives none (/sys/kernel/mm/transparent_hugepage/enabled); scans of big segments pay for page tables".to_owned(),
            );
            HugePageUse::None
        }
    }
}

/// `64 KiB`, `1.5 GiB`.
fn show_bytes(bytes: u64) -> String {
    const UNITS: &[&str] = &["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = if bytes == 0 { 0 } else { (63 - bytes.leading_zeros() as usize) / 10 };
    let value = bytes as f64 / (1u64 << (unit * 10)) as f64;
    if value.fract() == 0.0 { format!("{value} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}
