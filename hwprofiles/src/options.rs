//! Every option of a profile: its default, unit and range. Profiles are read by this table, and the manual is printed from
//! it, so that an option cannot be there without both.

/// What an option's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A set of CPUs as the kernel writes it, `0-3,8`.
    CpuSet,
    /// A whole number in a range, both ends included.
    Number {
        min: i64,
        max: i64,
    },
    /// The word `auto` or a whole number.
    AutoOr {
        min: i64,
        max: i64,
    },
    Word(&'static [&'static str]),
}

/// One option. All need a restart of the node to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionDoc {
    /// With its table: `memory.limit_percent`.
    pub key: &'static str,
    pub kind: Kind,
    /// As it would be written; empty where there is none.
    pub default: &'static str,
    /// Empty where there is none.
    pub unit: &'static str,
    pub doc: &'static str,
}

const GIB: i64 = 1 << 30;

/// All options, in the order of the manual.
pub const OPTIONS: &[OptionDoc] = &[
    OptionDoc { key: "name", kind: Kind::Text, default: "", unit: "", doc: "what the profile is called; required" },
    OptionDoc { key: "description", kind: Kind::Text, default: "\"\"", unit: "", doc: "which machines it is for" },
    OptionDoc {
        key: "match.sys_vendor",
        kind: Kind::Text,
        default: "",
        unit: "",
        doc: "fits machines whose firmware names this vendor",
    },
    OptionDoc {
        key: "match.product_name",
        kind: Kind::Text,
        default: "",
        unit: "",
        doc: "fits machines whose firmware names this product",
    },
    OptionDoc {
        key: "match.cpu_model",
        kind: Kind::Text,
        default: "",
        unit: "",
        doc: "fits machines whose CPU's name has this text in it",
    },
    OptionDoc {
        key: "match.cpus_min",
        kind: Kind::Number { min: 1, max: 65_536 },
        default: "",
        unit: "CPUs",
        doc: "fits where the process may use at least so many CPUs",
    },
    OptionDoc {
        key: "match.cpus_max",
        kind: Kind::Number { min: 1, max: 65_536 },
        default: "",
        unit: "CPUs",
        doc: "fits where the process may use at most so many CPUs",
    },
    OptionDoc {
        key: "match.memory_bytes_min",
        kind: Kind::Number { min: 0, max: 1 << 50 },
        default: "",
        unit: "bytes",
        doc: "fits where the process may use at least so much memory",
    },
    OptionDoc {
        key: "match.memory_bytes_max",
        kind: Kind::Number { min: 0, max: 1 << 50 },
        default: "",
        unit: "bytes",
        doc: "fits where the process may use at most so much memory",
    },
    OptionDoc {
        key: "shards.count",
        kind: Kind::AutoOr { min: 1, max: 4_096 },
        default: "\"auto\"",
        unit: "shards",
        doc: "the most shards; auto is one for each CPU that the process may use",
    },
    OptionDoc {
        key: "shards.cpus",
        kind: Kind::CpuSet,
        default: "",
        unit: "",
        doc: "the CPUs that shards run on; without it all that the process may use",
    },
    OptionDoc {
        key: "shards.pin",
        kind: Kind::Word(&["auto", "always", "never"]),
        default: "\"auto\"",
        unit: "",
        doc: "whether a shard stays on one CPU; auto pins where the CPU set belongs to the node alone",
    },
    OptionDoc {
        key: "shards.edge_cpus",
        kind: Kind::Number { min: 0, max: 1_024 },
        default: "0",
        unit: "CPUs",
        doc: "CPUs left to edge and bulk threads where the process may use more than 4",
    },
    OptionDoc {
        key: "memory.limit_percent",
        kind: Kind::Number { min: 10, max: 95 },
        default: "80",
        unit: "percent",
        doc: "how much of the memory that the process may use the node plans with",
    },
    OptionDoc {
        key: "memory.residency",
        kind: Kind::Word(&["resident", "streamed", "mapped"]),
        default: "\"resident\"",
        unit: "",
        doc: "how segments are held: in memory up to the limit and streamed above it, always streamed, or mapped",
    },
    OptionDoc {
        key: "memory.madvise",
        kind: Kind::Word(&["normal", "random", "sequential", "willneed"]),
        default: "\"normal\"",
        unit: "",
        doc: "what the kernel is told about mapped segments",
    },
    OptionDoc {
        key: "memory.huge_pages",
        kind: Kind::Word(&["auto", "always", "never"]),
        default: "\"auto\"",
        unit: "",
        doc: "whether resident segments lie in huge pages; auto asks for them where the kernel gives them",
    },
    OptionDoc {
        key: "io.executor",
        kind: Kind::Word(&["auto", "glommio", "threads"]),
        default: "\"auto\"",
        unit: "",
        doc: "io_uring by glommio, or plain threads; auto tries io_uring first",
    },
    OptionDoc {
        key: "io.queue_depth",
        kind: Kind::Number { min: 1, max: 1_024 },
        default: "32",
        unit: "reads",
        doc: "reads of one shard that are under way at once",
    },
    OptionDoc {
        key: "io.read_ahead_bytes",
        kind: Kind::Number { min: 4_096, max: GIB },
        default: "1048576",
        unit: "bytes",
        doc: "how far a scan reads ahead",
    },
];
