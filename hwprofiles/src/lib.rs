//! What the machine is, and what a node may use of it.
//!
//! ```text
//!   /proc, /sys, the process's limits --probe--> Facts --matching--> Profile --limits--> NodeLimits
//! ```
//!
//! Hardware facts are data: [`Profile`]s are TOML files, one for each kind of machine, and [`generic`](Profile::generic) fits
//! all. Detection needs no root and no tool: whatever cannot be read is a fact that is not known, with a line that says what
//! it costs (E-14). A shard reads [`NodeLimits`], never `/sys`.

#![forbid(unsafe_code)]

mod cgroup;
mod cpuset;
mod error;
mod facts;
mod limits;
mod options;
mod profile;
mod topology;

pub use cgroup::CgroupLimits;
pub use cpuset::CpuSet;
pub use error::{Error, Result};
pub use facts::{Facts, HugePages, ProcessFacts, Simd};
pub use limits::{HugePageUse, NodeLimits};
pub use options::{OPTIONS, OptionDoc};
pub use profile::{Count, Executor, Madvise, Matching, Pin, Profile, Residency, When};
pub use topology::{Caches, NumaNode, Topology};

/// Looks at the machine and the process, takes the profile that fits best (or the one given), and says what the node may use.
pub fn detect(profile: Option<Profile>) -> Result<NodeLimits> {
    let facts = Facts::detect();
    let profile = match profile {
        Some(profile) => profile,
        None => Profile::matching(&facts, &Profile::built_in()),
    };
    NodeLimits::new(&facts, &profile)
}
