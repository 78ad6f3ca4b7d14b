//! What control groups let the process use: CPU quota, memory limit, whether its CPU set is its alone.
//!
//! Version 2 and version 1 hierarchies are found by `/proc/self/mountinfo` and `/proc/self/cgroup`. A limit may stand at any
//! level between the process's group and the root of the mount, so all are read and the smallest counts.

use std::path::{Path, PathBuf};

/// Limits of the process's control groups; absent where there is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CgroupLimits {
    /// CPUs that may be used at once, as a fraction.
    pub cpu_quota: Option<f64>,
    pub memory_bytes: Option<u64>,
    /// The CPU set belongs to this group and no other.
    pub exclusive_cpus: bool,
}

impl CgroupLimits {
    /// Reads them below `root`, which is `/` but for tests.
    pub fn read(root: &Path) -> CgroupLimits {
        let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let mut limits = CgroupLimits::default();
        for group in groups.lines() {
            // `0::/path` is version 2; `4:cpu,cpuacct:/path` is version 1.
            let mut parts = group.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            if controllers.is_empty() {
                if let Some(mount) = mounts.iter().find(|m| m.v2) {
                    limits.read_v2(&mount.levels(root, path));
                }
                continue;
            }
            for controller in controllers.split(',') {
                if let Some(mount) = mounts.iter().find(|m| !m.v2 && m.controllers.iter().any(|c| c == controller)) {
                    limits.read_v1(controller, &mount.levels(root, path));
                }
            }
        }
        limits
    }

    fn read_v2(&mut self, levels: &[PathBuf]) {
        for level in levels {
            let text = |file: &str| std::fs::read_to_string(level.join(file)).unwrap_or_default();
            let cpu = text("cpu.max");
            let mut parts = cpu.split_whitespace();
            if let (Some(quota), Some(period)) = (number(parts.next()), number(parts.next())) {
                self.quota(quota as f64, period as f64);
            }
            for file in ["memory.max", "memory.high"] {
                if let Some(bytes) = number(Some(text(file).trim())) {
                    self.memory(bytes);
                }
            }
            let partition = text("cpuset.cpus.partition");
            if matches!(partition.trim(), "root" | "isolated") && levels.len() > 1 {
                self.exclusive_cpus = true;
            }
        }
    }

    fn read_v1(&mut self, controller: &str, levels: &[PathBuf]) {
        for (i, level) in levels.iter().enumerate() {
            let read = |file: &str| {
                let text = std::fs::read_to_string(level.join(file)).unwrap_or_default();
                text.trim().parse::<i64>().ok()
            };
            match controller {
                "cpu" => {
                    if let (Some(quota), Some(period)) = (read("cpu.cfs_quota_us"), read("cpu.cfs_period_us"))
                        && quota > 0
                    {
                        self.quota(quota as f64, period as f64);
                    }
                }
                "memory" => {
                    // No limit is written as the largest multiple of a page.
                    const UNLIMITED: i64 = i64::MAX - 65_536;
                    if let Some(bytes) = read("memory.limit_in_bytes").filter(|b| *b > 0 && *b < UNLIMITED) {
                        self.memory(bytes as u64);
                    }
                }
                // The root group always says that it is exclusive.
                "cpuset" if i + 1 < levels.len() && read("cpuset.cpu_exclusive") == Some(1) => {
                    self.exclusive_cpus = true
                }
                _ => {}
            }
        }
    }

    fn quota(&mut self, quota: f64, period: f64) {
        if period > 0.0 && quota > 0.0 {
            let cpus = quota / period;
            self.cpu_quota = Some(self.cpu_quota.map_or(cpus, |other| other.min(cpus)));
        }
    }

    fn memory(&mut self, bytes: u64) {
        if bytes > 0 {
            self.memory_bytes = Some(self.memory_bytes.map_or(bytes, |other| other.min(bytes)));
        }
    }
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

/// A mounted hierarchy.
struct Mount {
    /// Which part of the hierarchy is mounted.
    part: String,
    at: String,
    v2: bool,
    controllers: Vec<String>,
}

impl Mount {
    /// `36 25 0:31 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`
    fn parse(line: &str) -> Option<Mount> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split_whitespace().skip(3);
        let (part, at) = (fields.next()?, fields.next()?);
        let mut fields = after.split_whitespace();
        let kind = fields.next()?;
        if kind != "cgroup" && kind != "cgroup2" {
            return None;
        }
        let options = fields.nth(1).unwrap_or_default();
        Some(Mount {
            part: part.to_owned(),
            at: at.to_owned(),
            v2: kind == "cgroup2",
            controllers: options.split(',').map(str::to_owned).collect(),
        })
    }

    /// The folders of the process's group and of the groups around it, innermost first.
    fn levels(&self, root: &Path, group: &str) -> Vec<PathBuf> {
        let mount = root.join(self.at.trim_start_matches('/'));
        let inside = group.strip_prefix(self.part.trim_end_matches('/')).unwrap_or("");
        // A path that leads out of what is mounted says nothing about folders inside it.
        let inside = if inside.split('/').any(|part| part == "..") { "" } else { inside };
        let mut folder = mount.join(inside.trim_start_matches('/'));
        let mut levels = vec![folder.clone()];
        while folder != mount && folder.pop() {
            levels.push(folder.clone());
        }
        levels
    }
}
