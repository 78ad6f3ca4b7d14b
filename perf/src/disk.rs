//! How fast a disk reads: io_uring with O_DIRECT, from one read at a time to 64, in sequence by 1 MiB and at random by 16 KiB.

use crate::limits::refused;
use crate::machine::Pages;
use anyhow::{Context, Result, bail};
use io_uring::{IoUring, opcode, types::Fd};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

const DEPTHS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const SEQUENTIAL: usize = 1 << 20;
const RANDOM: usize = 16 << 10;
/// The longest that one depth is measured.
const LIMIT: Duration = Duration::from_millis(1500);

/// Writes a file of `bytes` into `dir`, reads it at every depth, removes it.
pub fn measure(dir: &Path, bytes: u64) -> Result<Value> {
    let path = dir.join(format!("gamay-perf-{}.disk", std::process::id()));
    write(&path, bytes).inspect_err(|_| drop(std::fs::remove_file(&path)))?;
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path);
    // Gone by name at once, so that it goes for good however this ends.
    std::fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            return Ok(refused(format!(
                "the file system of {} has no O_DIRECT; name a folder on a disk",
                dir.display()
            )));
        }
        Err(e) => return Err(e).with_context(|| format!("open {} past the page cache", path.display())),
    };
    let mut ring = match IoUring::new(64) {
        Ok(ring) => ring,
        Err(e) => return Ok(refused(format!("io_uring: {e}; a container's seccomp profile may forbid it"))),
    };
    let mut found = Vec::new();
    for (pattern, block) in [("sequential", SEQUENTIAL), ("random", RANDOM)] {
        for depth in DEPTHS {
            let (read, took) = reads(&mut ring, &file, bytes, block, depth, pattern == "random")?;
            found.push(json!({
                "pattern": pattern, "block_bytes": block, "depth": depth,
                "bytes_per_second": (read as f64 / took.as_secs_f64()).round(),
                "reads_per_second": (read as f64 / block as f64 / took.as_secs_f64()).round(),
            }));
        }
    }
    Ok(Value::Array(found))
}

fn write(path: &Path, bytes: u64) -> Result<()> {
    let context = || format!("write {}", path.display());
    let block = Pages::random(8 << 20)?;
    let mut file = File::create_new(path).with_context(context)?;
    let mut left = bytes as usize;
    while left > 0 {
        let now = left.min(block.bytes().len());
        file.write_all(&block.bytes()[..now]).with_context(context)?;
        left -= now;
    }
    file.sync_all().with_context(context)
}

/// Keeps `depth` reads of `block` bytes under way until the file was read once or the time is up; bytes read, and in what time.
fn reads(
    ring: &mut IoUring,
    file: &File,
    bytes: u64,
    block: usize,
    depth: usize,
    random: bool,
) -> Result<(u64, Duration)> {
    let blocks = bytes / block as u64;
    let mut buffers = Pages::new(block * depth)?;
    let memory = buffers.bytes_mut().as_mut_ptr();
    let fd = Fd(file.as_raw_fd());
    let (mut next, mut under_way, mut read) = (0u64, 0usize, 0u64);
    let started = Instant::now();
    let mut free: Vec<usize> = (0..depth).collect();
    loop {
        while next < blocks && started.elapsed() < LIMIT {
            let Some(slot) = free.pop() else { break };
            // An odd factor visits every block once where their number is a power of two, and no two in a row elsewhere.
            let at = if random { next.wrapping_mul(0x9e37_79b9_7f4a_7c15) % blocks } else { next };
            // SAFETY: slots are below `depth`, so the block is inside of `buffers`.
            let target = unsafe { memory.add(slot * block) };
            let entry =
                opcode::Read::new(fd, target, block as u32).offset(at * block as u64).build().user_data(slot as u64);
            // SAFETY: buffer and file outlive the read: this function returns only when nothing is under way. A slot is
            // not used again before its read is complete.
            unsafe { ring.submission().push(&entry) }.context("more reads than the ring holds")?;
            next += 1;
            under_way += 1;
        }
        if under_way == 0 {
            return Ok((read, started.elapsed()));
        }
        if let Err(e) = wait(ring) {
            // The kernel may still write into them.
            std::mem::forget(buffers);
            return Err(e).context("wait for reads");
        }
        let mut failed = None;
        for done in ring.completion() {
            under_way -= 1;
            free.push(done.user_data() as usize);
            match done.result() {
                n if n as usize == block => read += block as u64,
                n => failed = Some(n),
            }
        }
        if let Some(code) = failed {
            while under_way > 0 && wait(ring).is_ok() {
                under_way -= ring.completion().count();
            }
            if under_way > 0 {
                std::mem::forget(buffers);
            }
            if code < 0 {
                return Err(std::io::Error::from_raw_os_error(-code)).context("read past the page cache");
            }
            bail!("a read of {block} bytes gave {code}; the file was changed while it was measured");
        }
    }
}

fn wait(ring: &IoUring) -> std::io::Result<()> {
    loop {
        match ring.submit_and_wait(1) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_at_every_depth_and_leaves_nothing_behind() {
        let dir = std::env::current_dir().unwrap();
        let found = measure(&dir, 8 << 20).unwrap();
        match found.as_array() {
            Some(lines) => {
                assert_eq!(lines.len(), 2 * DEPTHS.len());
                assert!(lines.iter().all(|l| l["bytes_per_second"].as_f64().unwrap() > 0.0), "{found}");
            }
            None => assert!(found["refused"].is_string(), "{found}"),
        }
        let name = format!("gamay-perf-{}.disk", std::process::id());
        assert!(!dir.join(name).exists());
    }
}
