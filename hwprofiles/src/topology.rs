//! NUMA nodes and caches, by libhwloc (feature `hwloc`) or from `/sys/devices/system`.

use std::path::Path;

use crate::CpuSet;

/// Memory and the CPUs that are near it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    pub id: u32,
    pub cpus: CpuSet,
    /// 0 where it is not known.
    pub memory_bytes: u64,
}

/// Sizes in bytes of one cache of each level; 0 where it is not known or not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caches {
    pub l1d_bytes: u64,
    pub l2_bytes: u64,
    pub l3_bytes: u64,
}

/// How CPUs, memory and caches hang together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// By number; empty where the layout cannot be read.
    pub nodes: Vec<NumaNode>,
    pub caches: Caches,
    /// CPUs that share a core: 2 with hyper-threading. 1 where it is not known.
    pub threads_per_core: u32,
}

impl Topology {
    /// Of this machine.
    pub fn detect() -> Topology {
        let from_sys = Topology::from_sys(Path::new("/"));
        #[cfg(feature = "hwloc")]
        if let Some(topology) = hwloc::read(from_sys.threads_per_core) {
            return topology;
        }
        from_sys
    }

    /// From the files below `root`, which is `/` but for tests.
    pub fn from_sys(root: &Path) -> Topology {
        Topology { nodes: nodes(root), caches: caches(root), threads_per_core: threads_per_core(root) }
    }

    /// The node that a CPU belongs to.
    pub fn node_of(&self, cpu: u32) -> Option<u32> {
        self.nodes.iter().find(|n| n.cpus.contains(cpu)).map(|n| n.id)
    }
}

fn nodes(root: &Path) -> Vec<NumaNode> {
    let folder = root.join("sys/devices/system/node");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut nodes: Vec<NumaNode> = entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
            let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
            let cpus = CpuSet::parse(&read("cpulist"))?;
            let meminfo = read("meminfo");
            // `Node 0 MemTotal:       16384 kB`
            let memory = meminfo.lines().find_map(|line| line.split_once("MemTotal:").map(|(_, rest)| rest));
            Some(NumaNode { id, cpus, memory_bytes: memory.and_then(kib).unwrap_or(0) })
        })
        // A node of memory only has no CPU to run a shard.
        .filter(|node| !node.cpus.is_empty())
        .collect();
    nodes.sort_by_key(|node| node.id);
    nodes
}

fn caches(root: &Path) -> Caches {
    let mut caches = Caches::default();
    let folder = root.join("sys/devices/system/cpu/cpu0/cache");
    for index in 0..8 {
        let read = |file: &str| {
            std::fs::read_to_string(folder.join(format!("index{index}")).join(file))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let size = size(&read("size")).unwrap_or(0);
        match (read("level").as_str(), read("type").as_str()) {
            ("1", "Data" | "Unified") => caches.l1d_bytes = size,
            ("2", _) => caches.l2_bytes = size,
            ("3", _) => caches.l3_bytes = size,
            _ => {}
        }
    }
    caches
}

fn threads_per_core(root: &Path) -> u32 {
    let file = root.join("sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
    let siblings = std::fs::read_to_string(file).ok().and_then(|text| CpuSet::parse(&text));
    siblings.map_or(1, |set| set.len().max(1) as u32)
}

/// `16384 kB` in bytes.
pub(crate) fn kib(text: &str) -> Option<u64> {
    text.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// `512K` or `32M` in bytes.
fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((end, unit)) => (&text[..end], unit),
        None => (text, 'B'),
    };
    let factor = match unit {
        'K' => 1 << 10,
        'M' => 1 << 20,
        'G' => 1 << 30,
        _ => 1,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(feature = "hwloc")]
mod hwloc {
    //! The same by libhwloc, which also knows machines whose firmware tells Linux little.

    use hwlocality::object::attributes::ObjectAttributes;
    use hwlocality::object::types::ObjectType;

    use super::{Caches, NumaNode, Topology};

    /// `None` where libhwloc cannot make a picture of the machine; the files below `/sys` are read then.
    pub(super) fn read(threads_per_core: u32) -> Option<Topology> {
        let topology = hwlocality::Topology::new().ok()?;
        let mut nodes: Vec<NumaNode> = topology
            .objects_with_type(ObjectType::NUMANode)
            .filter_map(|node| {
                let cpus = node.cpuset()?.iter_set().map(|i| usize::from(i) as u32).collect();
                let memory_bytes = match node.attributes() {
                    Some(ObjectAttributes::NUMANode(numa)) => numa.local_memory().map_or(0, |bytes| bytes.get()),
                    _ => 0,
                };
                Some(NumaNode { id: node.os_index()? as u32, cpus, memory_bytes })
            })
            .filter(|node| !node.cpus.is_empty())
            .collect();
        nodes.sort_by_key(|node| node.id);
        let cache = |kind| {
            let first = topology.objects_with_type(kind).next()?;
            match first.attributes() {
                Some(ObjectAttributes::Cache(cache)) => cache.size().map(|bytes| bytes.get()),
                _ => None,
            }
        };
        let caches = Caches {
            l1d_bytes: cache(ObjectType::L1Cache).unwrap_or(0),
            l2_bytes: cache(ObjectType::L2Cache).unwrap_or(0),
            l3_bytes: cache(ObjectType::L3Cache).unwrap_or(0),
        };
        Some(Topology { nodes, caches, threads_per_core })
    }
}
