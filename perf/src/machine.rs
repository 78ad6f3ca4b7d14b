//! What the measurements ask of the machine: which cores, how large its cache, memory on huge pages, threads that stay put.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io;

/// What a figure must be told with. Machines with the same `cpu` and `cores` are one class and share a baseline.
pub fn describe() -> Value {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim() == name).map_or("unknown", |(_, value)| value.trim())
    };
    let cpu = format!("{} family {} model {}", field("model name"), field("cpu family"), field("model"));
    json!({ "cpu": cpu, "cores": shard::usable_cpus().len(), "cache_bytes": last_cache_bytes() })
}

/// Keeps the calling thread on one core.
pub fn pin(cpu: usize) -> Result<()> {
    if cpu >= 8 * size_of::<libc::cpu_set_t>() {
        bail!("core {cpu} is past what sched_setaffinity can name");
    }
    // SAFETY: an all-zero `cpu_set_t` is the empty set, and the index is inside it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    // SAFETY: the set outlives the call and its size is given.
    if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } != 0 {
        return Err(io::Error::last_os_error()).with_context(|| format!("keep a thread on core {cpu}"));
    }
    Ok(())
}

/// Size of the last-level cache of the first core, as the kernel tells it; 32 MiB where it does not.
pub fn last_cache_bytes() -> usize {
    let size = |index: usize| -> Option<usize> {
        let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size")).ok()?;
        let (number, unit) = text.trim().split_at(text.trim().len().checked_sub(1)?);
        Some(number.parse::<usize>().ok()? << if unit == "M" { 20 } else { 10 })
    };
    (0..5).filter_map(size).max().unwrap_or(32 << 20)
}

/// Zeroed memory of its own mapping, on huge pages where the kernel grants them.
pub struct Pages {
    start: *mut u64,
    words: usize,
}

// SAFETY: the mapping belongs to this value alone and does not move.
unsafe impl Send for Pages {}
// SAFETY: shared access only reads.
unsafe impl Sync for Pages {}

impl Pages {
    pub fn new(bytes: usize) -> Result<Pages> {
        let bytes = bytes.next_multiple_of(2 << 20);
        // SAFETY: a new private mapping touches no memory that is there already.
        let start = unsafe {
            let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).with_context(|| format!("map {bytes} bytes of memory"));
        }
        // SAFETY: the range is the mapping just made. A refusal only costs speed, and it shows in the figures.
        unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
        Ok(Pages { start: start.cast(), words: bytes / 8 })
    }

    pub fn words(&self) -> &[u64] {
        // SAFETY: the mapping is readable, aligned, zeroed or written as u64, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.words) }
    }

    pub fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: as for `words`, and `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.words) }
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the same memory as `words`, and bytes need no alignment.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.words * 8) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.words * 8) }
    }

    /// Random words: bytes that neither a compressor nor a branch predictor gains from.
    pub fn random(bytes: usize) -> Result<Pages> {
        let mut pages = Pages::new(bytes)?;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for word in pages.words_mut() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state;
        }
        Ok(pages)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length and nothing borrows it any more.
        unsafe { libc::munmap(self.start.cast(), self.words * 8) };
    }
}

/// The sum of all words: the least that can be done with every byte of memory, so its speed is the limit of any scan.
pub fn sum(words: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU was asked.
        return unsafe { sum_avx2(words) };
    }
    sum_plain(words)
}

/// Which form of [`sum`] runs here.
pub fn sum_form() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        return "AVX2";
    }
    "plain"
}

fn sum_plain(words: &[u64]) -> u64 {
    let mut sums = [0u64; 8];
    let chunks = words.chunks_exact(8);
    let rest = chunks.remainder().iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
    for chunk in chunks {
        for (sum, word) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().fold(rest, |sum, part| sum.wrapping_add(*part))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_avx2(words: &[u64]) -> u64 {
    use std::arch::x86_64::{_mm256_add_epi64, _mm256_loadu_si256, _mm256_setzero_si256, _mm256_storeu_si256};
    let mut sums = [_mm256_setzero_si256(); 4];
    let chunks = words.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (part, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a chunk has 16 words, so four words from 4 * part on are inside it.
            *sum = unsafe { _mm256_add_epi64(*sum, _mm256_loadu_si256(chunk.as_ptr().add(4 * part).cast())) };
        }
    }
    let mut lanes = [0u64; 16];
    for (part, sum) in sums.iter().enumerate() {
        // SAFETY: `lanes` has room for four words from 4 * part on.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().add(4 * part).cast(), *sum) };
    }
    lanes.iter().chain(rest).fold(0u64, |sum, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sums_are_the_sum() {
        let pages = Pages::random(2 << 20).unwrap();
        for length in [0, 1, 7, 8, 15, 16, 17, 1000, pages.words().len()] {
            let words = &pages.words()[..length];
            let want = words.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
            assert_eq!(sum(words), want, "{length} words");
            assert_eq!(sum_plain(words), want, "{length} words");
        }
    }

    #[test]
    fn a_pinned_thread_has_one_core() {
        let cpu = *shard::usable_cpus().last().unwrap();
        let seen = std::thread::spawn(move || pin(cpu).map(|()| shard::usable_cpus())).join().unwrap().unwrap();
        assert_eq!(seen, [cpu]);
        assert!(pin(usize::MAX).is_err());
    }
}
