//! One look at the machine before shards start: can glommio run here? (E-14)
//!
//! glommio panics inside its thread where io_uring is refused, so this is asked before it is started.

use crate::rt::affinity;

/// What glommio gets per shard for its registered buffers, and the least that is worth it.
const IO_MEMORY_WANTED: u64 = 8 << 20;
const IO_MEMORY_LEAST: u64 = 256 << 10;
/// glommio fails below this.
const RINGS: u64 = 512 << 10;

/// Why glommio can run here (with how much IO memory a shard), or why it cannot.
pub(crate) fn glommio(shards: usize) -> Result<usize, String> {
    let ring = io_uring::IoUring::new(8).map_err(|e| match e.raw_os_error() {
        Some(libc::EPERM) => {
            "io_uring is refused (EPERM: a seccomp profile such as Docker's default, or kernel.io_uring_disabled)"
                .to_owned()
        }
        Some(libc::ENOSYS) => "this kernel has no io_uring".to_owned(),
        _ => format!("io_uring cannot be set up: {e}"),
    })?;
    let mut probe = io_uring::Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|e| format!("io_uring cannot be probed: {e}"))?;
    use io_uring::opcode;
    let needed = [
        ("READ", opcode::Read::CODE),
        ("READ_FIXED", opcode::ReadFixed::CODE),
        ("RECV", opcode::Recv::CODE),
        ("POLL_ADD", opcode::PollAdd::CODE),
        ("TIMEOUT", opcode::Timeout::CODE),
        ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
        ("OPENAT", opcode::OpenAt::CODE),
        ("CLOSE", opcode::Close::CODE),
        ("STATX", opcode::Statx::CODE),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(_, code)| !probe.is_supported(*code)).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return Err(format!("io_uring of this kernel lacks {}", missing.join(", ")));
    }
    let limit = affinity::memlock_limit().map_err(|e| format!("the memlock limit cannot be read: {e}"))?;
    let Some(limit) = limit else { return Ok(IO_MEMORY_WANTED as usize) };
    // glommio charges its IO memory three times a shard.
    let share = limit / shards.max(1) as u64;
    let io_memory = (share.saturating_sub(RINGS) / 3).min(IO_MEMORY_WANTED) & !4095;
    if io_memory < IO_MEMORY_LEAST {
        return Err(format!(
            "memlock is {} KiB, {shards} shards of glommio need {} KiB (ulimit -l, LimitMEMLOCK=)",
            limit / 1024,
            (RINGS + 3 * IO_MEMORY_LEAST) * shards as u64 / 1024
        ));
    }
    Ok(io_memory as usize)
}
