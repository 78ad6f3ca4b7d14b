//! Everything that is known about the machine and the process.

use std::path::Path;

use crate::topology::kib;
use crate::{CgroupLimits, CpuSet, Topology};

/// What only the process can ask the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// CPUs that the scheduler may give it. Empty where the kernel does not say.
    pub affinity: CpuSet,
    /// Bytes that it may lock in memory; `None` is no limit.
    pub memlock_bytes: Option<u64>,
    pub simd: Simd,
}

/// Instruction sets that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Simd {
    pub avx2: bool,
    pub avx512: bool,
    pub neon: bool,
}

impl Simd {
    /// Of the CPU that runs this.
    pub fn detect() -> Simd {
        #[cfg(target_arch = "x86_64")]
        return Simd {
            avx2: std::arch::is_x86_feature_detected!("avx2"),
            avx512: std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl"),
            neon: false,
        };
        #[cfg(not(target_arch = "x86_64"))]
        Simd { avx2: false, avx512: false, neon: cfg!(target_arch = "aarch64") }
    }
}

impl ProcessFacts {
    pub fn current() -> ProcessFacts {
        let affinity = match rustix::thread::sched_getaffinity(None) {
            Ok(set) => {
                (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(|cpu| cpu as u32).collect()
            }
            Err(_) => CpuSet::default(),
        };
        let memlock_bytes = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
        ProcessFacts { affinity, memlock_bytes, simd: Simd::detect() }
    }
}

/// Memory in pages of 2 MiB and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HugePages {
    /// The kernel joins pages by itself, always or where a program asks.
    pub transparent: bool,
    /// Reserved pages that are free.
    pub free: u64,
    pub page_bytes: u64,
}

/// The machine and the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub process: ProcessFacts,
    pub cgroup: CgroupLimits,
    pub topology: Topology,
    pub online_cpus: CpuSet,
    /// 0 where it is not known.
    pub memory_bytes: u64,
    pub huge_pages: HugePages,
    /// Who made the machine and what it is called, as its firmware says. Empty where it does not.
    pub sys_vendor: String,
    pub product_name: String,
    pub cpu_model: String,
    pub kernel: String,
    /// `kernel.io_uring_disabled`: 0 allowed, 1 for some, 2 for none. `None` where the kernel has no such switch.
    pub io_uring_disabled: Option<u32>,
}

impl Facts {
    /// Of this machine and process.
    pub fn detect() -> Facts {
        Facts { topology: Topology::detect(), ..Facts::read(Path::new("/"), ProcessFacts::current()) }
    }

    /// From the files below `root`, which is `/` but for tests.
    pub fn read(root: &Path, process: ProcessFacts) -> Facts {
        let text = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let line = |file: &str| text(file).lines().next().unwrap_or_default().trim().to_owned();
        let meminfo = text("proc/meminfo");
        let meminfo_bytes = |key: &str| {
            meminfo
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix(':').map(str::to_owned))
                .and_then(|t| kib(&t))
        };
        let meminfo_count = |key: &str| {
            meminfo.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')?.trim().parse::<u64>().ok())
        };
        let cpuinfo = text("proc/cpuinfo");
        let cpu_model = cpuinfo
            .lines()
            .find_map(|l| l.strip_prefix("model name").or_else(|| l.strip_prefix("Model")))
            .and_then(|l| l.split_once(':'))
            .map(|(_, model)| model.trim().to_owned())
            .unwrap_or_default();
        // The chosen word stands in brackets: `always [madvise] never`.
        let transparent = text("sys/kernel/mm/transparent_hugepage/enabled");
        Facts {
            process,
            cgroup: CgroupLimits::read(root),
            topology: Topology::from_sys(root),
            online_cpus: CpuSet::parse(&text("sys/devices/system/cpu/online")).unwrap_or_default(),
            memory_bytes: meminfo_bytes("MemTotal").unwrap_or(0),
            huge_pages: HugePages {
                transparent: transparent.contains("[always]") || transparent.contains("[madvise]"),
                free: meminfo_count("HugePages_Free").unwrap_or(0),
                page_bytes: meminfo_bytes("Hugepagesize").unwrap_or(0),
            },
            sys_vendor: line("sys/class/dmi/id/sys_vendor"),
            product_name: line("sys/class/dmi/id/product_name"),
            cpu_model,
            kernel: line("proc/sys/kernel/osrelease"),
            io_uring_disabled: line("proc/sys/kernel/io_uring_disabled").parse().ok(),
        }
    }

    /// CPUs that the process may run on: its affinity, or all that are online where the kernel does not say.
    pub fn usable_cpus(&self) -> CpuSet {
        let known = if self.process.affinity.is_empty() { &self.online_cpus } else { &self.process.affinity };
        if known.is_empty() { CpuSet::from_iter([0]) } else { known.clone() }
    }

    /// Memory that the process may use: the machine's or the control group's, whichever is less; 0 where neither is known.
    pub fn usable_memory_bytes(&self) -> u64 {
        match (self.cgroup.memory_bytes, self.memory_bytes) {
            (Some(limit), 0) => limit,
            (Some(limit), total) => limit.min(total),
            (None, total) => total,
        }
    }
}
