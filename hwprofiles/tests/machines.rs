//! Detection on machines made of files: bare metal, containers of both control group versions, and ones that say nothing.

use std::path::Path;

use hwprofiles::{CpuSet, Facts, HugePageUse, NodeLimits, OPTIONS, ProcessFacts, Profile, Residency, Simd};

const GIB: u64 = 1 << 30;

struct Machine {
    root: tempfile::TempDir,
    process: ProcessFacts,
}

impl Machine {
    fn new(cpus: u32) -> Machine {
        let process = ProcessFacts {
            affinity: (0..cpus).collect(),
            memlock_bytes: None,
            simd: Simd { avx2: true, ..Simd::default() },
        };
        let machine = Machine { root: tempfile::tempdir().unwrap(), process };
        machine
            .file("sys/devices/system/cpu/online", &format!("0-{}\n", cpus - 1))
            .file(
                "proc/meminfo",
                "MemTotal:       16777216 kB\nHugePages_Free:        3\nHugepagesize:       2048 kB\n",
            )
            .file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
            .file("proc/cpuinfo", "processor\t: 0\nmodel name\t: Imaginary CPU 9000 @ 3.00GHz\n");
        machine
    }

    fn file(&self, name: &str, text: &str) -> &Machine {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn facts(&self) -> Facts {
        Facts::read(self.root.path(), self.process.clone())
    }

    fn limits(&self) -> NodeLimits {
        NodeLimits::new(&self.facts(), &Profile::generic()).unwrap()
    }

    fn cgroup_v2(&self, path: &str) -> &Machine {
        self.file("proc/self/cgroup", &format!("0::{path}\n"))
            .file("proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
    }

    fn cgroup_v1(&self, path: &str, part: &str) -> &Machine {
        let groups = format!("5:cpu,cpuacct:{path}\n4:memory:{path}\n3:cpuset:{path}\n1:name=systemd:{path}\n");
        let mount = |at: &str, controllers: &str| {
            format!("33 32 0:28 {part} /sys/fs/cgroup/{at} rw - cgroup cgroup rw,{controllers}\n")
        };
        let mounts = [mount("cpu,cpuacct", "cpu,cpuacct"), mount("memory", "memory"), mount("cpuset", "cpuset")];
        self.file("proc/self/cgroup", &groups).file("proc/self/mountinfo", &mounts.concat())
    }
}

/// The only line, or the line with this start.
fn line<'a>(limits: &'a NodeLimits, start: &str) -> &'a str {
    let found = limits.lines().iter().find(|l| l.starts_with(start));
    found.unwrap_or_else(|| panic!("no line about {start}: {:?}", limits.lines()))
}

#[test]
fn a_machine_without_limits_has_nothing_to_say() {
    let machine = Machine::new(8);
    let limits = machine.limits();
    assert_eq!(limits.lines(), Vec::<String>::new());
    assert_eq!((limits.shards, limits.pinned, limits.cpus.to_string()), (8, false, "0-7".into()));
    assert_eq!(limits.memory_bytes, 16 * GIB * 80 / 100);
    assert_eq!(limits.huge_pages, HugePageUse::Transparent);
    assert_eq!(limits.summary(), "profile generic: 8 shards on CPUs 0-7, 12.8 GiB of memory");
    assert_eq!(machine.facts().cpu_model, "Imaginary CPU 9000 @ 3.00GHz");
    assert_eq!(machine.facts().huge_pages.free, 3);
}

#[test]
fn a_quota_is_rounded_up_and_is_found_at_any_level() {
    for (text, at, shards) in [
        ("150000 100000", "a/b", 2),
        ("200000 100000", "a", 2),
        ("50000 100000", "a/b", 1),
        ("1000 100000", "", 1),
        ("900000 100000", "a", 4),
    ] {
        let machine = Machine::new(4);
        machine.cgroup_v2("/a/b").file(&format!("sys/fs/cgroup/{at}/cpu.max"), text);
        assert_eq!(machine.limits().shards, shards, "{text} at {at}");
    }
    let machine = Machine::new(4);
    machine
        .cgroup_v2("/a")
        .file("sys/fs/cgroup/cpu.max", "300000 100000")
        .file("sys/fs/cgroup/a/cpu.max", "max 100000");
    let limits = machine.limits();
    assert_eq!(limits.shards, 3);
    assert!(line(&limits, "CPU quota").starts_with("CPU quota: 3 of 4 CPUs; 3 shards"), "{:?}", limits.lines());
    // Of two limits the smaller counts.
    machine.file("sys/fs/cgroup/a/cpu.max", "150000 100000");
    assert_eq!(machine.limits().shards, 2);
}

#[test]
fn memory_of_the_control_group() {
    let machine = Machine::new(2);
    machine
        .cgroup_v2("/a")
        .file("sys/fs/cgroup/a/memory.max", "2147483648\n")
        .file("sys/fs/cgroup/memory.max", "max\n");
    let limits = machine.limits();
    assert_eq!(limits.memory_bytes, 2 * GIB * 80 / 100);
    assert!(line(&limits, "memory").contains("allows 2 GiB of the machine's 16 GiB"), "{:?}", limits.lines());
}

#[test]
fn version_1_in_a_container_and_outside() {
    // In a container the folder of the group is the root of the mount.
    for (path, part, folder) in
        [("/docker/ab", "/docker/ab", ""), ("/docker/ab", "/", "docker/ab/"), ("/../..", "/", "")]
    {
        let machine = Machine::new(8);
        machine
            .cgroup_v1(path, part)
            .file(&format!("sys/fs/cgroup/cpu,cpuacct/{folder}cpu.cfs_quota_us"), "250000\n")
            .file(&format!("sys/fs/cgroup/cpu,cpuacct/{folder}cpu.cfs_period_us"), "100000\n")
            .file(&format!("sys/fs/cgroup/memory/{folder}memory.limit_in_bytes"), "4294967296\n")
            .file("sys/fs/cgroup/cpuset/cpuset.cpu_exclusive", "1\n");
        let limits = machine.limits();
        assert_eq!((limits.shards, limits.memory_bytes), (3, 4 * GIB * 80 / 100), "{path} {part}");
        assert!(!limits.pinned, "the root group is exclusive on every machine");
    }
    let machine = Machine::new(8);
    machine
        .cgroup_v1("/docker/ab", "/")
        .file("sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "-1\n")
        .file("sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us", "100000\n")
        .file("sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(machine.limits().lines(), Vec::<String>::new());
}

#[test]
fn shards_are_pinned_where_the_cpus_are_the_nodes_alone() {
    let machine = Machine::new(8);
    machine.cgroup_v2("/a").file("sys/fs/cgroup/a/cpuset.cpus.partition", "root\n");
    assert!(machine.limits().pinned);
    let machine = Machine::new(8);
    machine.cgroup_v2("/a").file("sys/fs/cgroup/a/cpuset.cpus.partition", "member\n");
    assert!(!machine.limits().pinned);
}

#[test]
fn a_smaller_cpu_set_is_followed_and_said() {
    let mut machine = Machine::new(8);
    machine.process.affinity = CpuSet::parse("2,4-5").unwrap();
    let limits = machine.limits();
    assert_eq!((limits.shards, limits.cpus.to_string()), (3, "2,4-5".into()));
    assert_eq!(line(&limits, "CPU set"), "CPU set: the process may use 2,4-5 of 8 CPUs");
}

#[test]
fn a_profile_chooses_cpus_shards_and_edge() {
    let machine = Machine::new(8);
    machine
        .file("sys/devices/system/node/node0/cpulist", "0-3\n")
        .file("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       8388608 kB\n")
        .file("sys/devices/system/node/node1/cpulist", "4-7\n")
        .file("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:       8388608 kB\n")
        .file("sys/devices/system/node/node2/cpulist", "\n")
        .file("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n")
        .file("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n")
        .file("sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n")
        .file("sys/devices/system/cpu/cpu0/cache/index3/level", "3\n")
        .file("sys/devices/system/cpu/cpu0/cache/index3/type", "Unified\n")
        .file("sys/devices/system/cpu/cpu0/cache/index3/size", "16M\n")
        .file("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4\n");
    let facts = machine.facts();
    assert_eq!(
        facts.topology.nodes.iter().map(|n| (n.id, n.memory_bytes)).collect::<Vec<_>>(),
        [(0, 8 * GIB), (1, 8 * GIB)]
    );
    assert_eq!((facts.topology.caches.l1d_bytes, facts.topology.caches.l3_bytes), (32 << 10, 16 << 20));
    assert_eq!(facts.topology.threads_per_core, 2);
    let profile = |text: &str| Profile::parse("p", &format!("name = \"p\"\n{text}")).unwrap();
    let limits = NodeLimits::new(&facts, &profile("shards.pin = \"always\"\nshards.edge_cpus = 2")).unwrap();
    assert_eq!((limits.shards, limits.cpus.to_string(), limits.edge_cpus.to_string()), (6, "0-5".into(), "6-7".into()));
    assert_eq!(limits.shard_nodes, [Some(0), Some(0), Some(0), Some(0), Some(1), Some(1)]);
    let limits = NodeLimits::new(&facts, &profile("shards.cpus = \"4-9\"\nshards.count = 3")).unwrap();
    assert_eq!(limits.shards, 3);
    assert!(line(&limits, "CPUs").contains("names 4-9"), "{:?}", limits.lines());
    assert!(line(&limits, "shards").contains("3 of 4"), "{:?}", limits.lines());
    assert!(line(&limits, "NUMA").contains("2 nodes"), "{:?}", limits.lines());
    let error = NodeLimits::new(&facts, &profile("shards.cpus = \"20-21\"")).unwrap_err().to_string();
    assert!(error.contains("20-21") && error.contains("0-7"), "{error}");
}

#[test]
fn each_missing_thing_is_one_line_with_its_cost() {
    let mut machine = Machine::new(2);
    machine.process.memlock_bytes = Some(64 * 1024);
    machine.process.simd = Simd::default();
    machine
        .file("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n")
        .file("proc/sys/kernel/io_uring_disabled", "2\n");
    let limits = machine.limits();
    assert!(line(&limits, "memlock").contains("64 KiB may be locked, and io_uring needs 1 MiB for 2 shards"));
    assert!(line(&limits, "huge pages").contains("gives none"));
    assert!(line(&limits, "io_uring").contains("io_uring_disabled"));
    if cfg!(target_arch = "x86_64") {
        assert!(line(&limits, "AVX2").contains("portable kernels"));
    }
    assert_eq!(limits.huge_pages, HugePageUse::None);
    assert_eq!(limits.memlock_bytes, Some(65_536));
    machine.process.memlock_bytes = Some(8 << 20);
    assert!(line(&machine.limits(), "memlock").contains("not registered"));
    assert!(limits.lines().iter().all(|l| !l.contains('\n')));
}

#[test]
fn a_machine_that_says_nothing_still_runs() {
    let root = tempfile::tempdir().unwrap();
    let process = ProcessFacts { affinity: CpuSet::default(), memlock_bytes: Some(0), simd: Simd::default() };
    let limits = NodeLimits::new(&Facts::read(root.path(), process), &Profile::generic()).unwrap();
    assert_eq!(limits.shards, 1);
    assert!(limits.memory_bytes > 0);
    assert!(line(&limits, "memory").contains("does not say"));
}

#[test]
fn garbage_in_files_is_no_fact() {
    let machine = Machine::new(2);
    machine
        .file("proc/self/cgroup", "\u{0}\n:::\n0::\n7:cpu\n5:cpu:/x\n")
        .file("proc/self/mountinfo", "- cgroup2\nx - cgroup2 a b\n1 2 3 / /sys/fs/cgroup rw - cgroup2 c rw\n")
        .file("sys/fs/cgroup/cpu.max", "-1 0\n")
        .file("sys/fs/cgroup/memory.max", "99999999999999999999\n")
        .file("sys/devices/system/cpu/online", "zero")
        .file("sys/devices/system/node/node0/cpulist", "5-1");
    assert_eq!(machine.limits().shards, 2);
    assert_eq!(machine.facts().topology.nodes, []);
    let machine = Machine::new(2);
    machine.cgroup_v2("/a").file("sys/fs/cgroup/a/cpu.max", "100000 0\n");
    assert_eq!(machine.limits().shards, 2);
}

#[test]
fn the_profile_that_fits_most_is_taken() {
    let built_in = Profile::built_in();
    let name = |machine: &Machine| Profile::matching(&machine.facts(), &built_in).name;
    let big = Machine::new(16);
    assert_eq!(name(&big), "generic");
    big.file("sys/class/dmi/id/sys_vendor", "Amazon EC2\n").file("sys/class/dmi/id/product_name", "i4i.4xlarge\n");
    assert_eq!(name(&big), "aws-i4i-4xlarge");
    let small = Machine::new(2);
    assert_eq!(name(&small), "generic", "16 GiB are not small");
    small.cgroup_v2("/").file("sys/fs/cgroup/memory.max", "2147483648\n");
    assert_eq!(name(&small), "small-container");
    assert_eq!(Profile::matching(&small.facts(), &built_in).residency, Residency::Streamed);
}

#[test]
fn profiles_are_checked_by_the_table_of_options() {
    let error = |text: &str| Profile::parse("p", text).unwrap_err().to_string();
    let check = |text: &str, parts: &[&str]| {
        let message = error(text);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    check(
        "name = \"p\"\n[memory]\nlimit_percnt = 5",
        &["`memory.limit_percnt`", "did you mean `memory.limit_percent`?"],
    );
    check("name = \"p\"\n[shard]\ncount = 5", &["`shard.count`", "did you mean `shards.count`?"]);
    check("name = \"p\"\nqueue_depth = 5", &["`queue_depth`", "did you mean `io.queue_depth`?"]);
    check("name = \"p\"\nmemory.limit_percent = 5", &["`memory.limit_percent` is 5", "from 10 to 95"]);
    check("name = \"p\"\nmemory.limit_percent = \"5\"", &["`memory.limit_percent` is \"5\""]);
    check("name = \"p\"\nshards.count = \"many\"", &["\"auto\" or a whole number"]);
    check("name = \"p\"\nshards.pin = \"sometimes\"", &["one of \"auto\", \"always\", \"never\""]);
    check("name = \"p\"\nshards.cpus = \"3-1\"", &["`shards.cpus`", "0-3,8"]);
    check("description = \"x\"", &["`name` is missing"]);
    check("name = ", &["cannot be read", "line 1"]);
    check("name = \"p\"\nentirely_else = 1", &["`entirely_else`"]);
    assert!(!error("name = \"p\"\nentirely_else = 1").contains("did you mean"));
}

#[test]
fn a_profile_of_defaults_is_the_table_of_options() {
    let mut text = String::new();
    for option in OPTIONS.iter().filter(|o| !o.default.is_empty()) {
        text.push_str(&format!("{} = {}\n", option.key, option.default));
        assert!(!option.doc.is_empty());
    }
    let written = Profile::parse("p", &format!("name = \"p\"\n{text}")).unwrap();
    assert_eq!(written, Profile::parse("p", "name = \"p\"").unwrap());
    assert_eq!(Profile::built_in().len(), 3);
    assert_eq!(Profile::generic().name, "generic");
}

#[test]
fn this_machine() {
    let limits = hwprofiles::detect(None).unwrap();
    assert!(limits.shards >= 1 && limits.memory_bytes > 0 && !limits.cpus.is_empty());
    let facts = Facts::detect();
    assert!(facts.usable_cpus().len() >= limits.shards as usize);
    // libhwloc and /sys, where both can be read, see the same nodes.
    let from_sys = hwprofiles::Topology::from_sys(Path::new("/"));
    if !from_sys.nodes.is_empty() {
        let ids = |t: &hwprofiles::Topology| t.nodes.iter().map(|n| n.id).collect::<Vec<_>>();
        assert_eq!(ids(&facts.topology), ids(&from_sys));
    }
}
