//! Where and with which priority a shard's thread runs. Refusals are told, never fatal.

use std::io;

/// Binds the calling thread to one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if cpu >= 8 * size_of::<libc::cpu_set_t>() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no CPU {cpu}")));
    }
    // SAFETY: `cpu` is inside the set, checked above.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set outlives the call and its size is given.
    let done = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct sched_attr` of sched_setattr(2), in its first version.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// The shortest time slice that Linux takes, in nanoseconds.
const SHORTEST_SLICE: u64 = 100_000;

/// Puts the calling thread behind threads of normal priority (E-15): SCHED_BATCH, `nice`, and a slice of 100 µs.
///
/// Without the short slice a thread that wakes up on this one's CPU waits for milliseconds, whatever its priority: since
/// Linux 6.6 a running thread keeps the CPU to the end of its slice. Kernels before 6.12 ignore the slice.
pub fn yield_to_edge(nice: i32) -> io::Result<()> {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_BATCH as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SHORTEST_SLICE,
        deadline: 0,
        period: 0,
    };
    // SAFETY: `attr` outlives the call and says its own size; pid 0 is the calling thread.
    if unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The soft limit of locked memory in bytes; `None` is no limit.
pub(crate) fn memlock_limit() -> io::Result<Option<u64>> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place to write to.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

/// CPUs that this process may run on.
pub fn usable_cpus() -> Vec<usize> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call and its size is given.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return (0..std::thread::available_parallelism().map_or(1, usize::from)).collect();
    }
    // SAFETY: the index is inside the set.
    (0..8 * size_of::<libc::cpu_set_t>()).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect()
}
