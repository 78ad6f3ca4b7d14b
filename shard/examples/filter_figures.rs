//! One thread, random ids, 256 MB packed, no zone maps: rows a second of a range filter with a count, and of a sum of a
//! 24-bit raw column under a 4-bit filter.
//!
//! `cargo run --release -p shard --example filter_figures`

use segfmt::encoding::packed::packed_bytes;
use shard::kernels::{GROUP, GROUP_WORDS, Simd, count_ones, range::range, sum::masked_sum};
use std::time::Instant;

const BYTES: usize = 256 << 20;

/// Random bytes are random ids of any width in this layout.
fn random(bytes: usize) -> Vec<u64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..bytes / 8)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
        .collect()
}

/// Best of a few rounds, in rows a second.
fn measure(rows: usize, mut run: impl FnMut() -> u64) -> (f64, u64) {
    let mut best = 0.0_f64;
    let mut result = 0;
    for _ in 0..5 {
        let start = Instant::now();
        result = std::hint::black_box(run());
        best = best.max(rows as f64 / start.elapsed().as_secs_f64());
    }
    (best, result)
}

fn main() {
    let simd = Simd::get();
    let words = random(BYTES);
    let bytes: &[u8] = bytemuck::cast_slice(&words);
    println!("{simd:?}; range filter and count, {} MB of packed ids", BYTES >> 20);
    println!("width  selectivity  G rows/s   GB/s  passed");
    for width in 1..=8u8 {
        let group = usize::from(width) * 64;
        let groups = bytes.len() / group;
        let values = 1u32 << width;
        for percent in [1u32, 10, 50] {
            let hi = (values * percent).div_ceil(100).max(1) - 1;
            let (rate, passed) = measure(groups * GROUP, || {
                let mut mask = [0; GROUP_WORDS];
                let mut passed = 0;
                for group in bytes[..groups * group].chunks_exact(group) {
                    range(simd, width, group, 0, hi, &mut mask);
                    passed += count_ones(&mask) as u64;
                }
                passed
            });
            println!(
                "{width:5}  {percent:9} %  {:8.2}  {:5.1}  {:.4}",
                rate / 1e9,
                rate * f64::from(width) / 8e9,
                passed as f64 / (groups * GROUP) as f64
            );
        }
    }
    // 24 bits a row of raw values beside 4 bits a row of ids.
    let rows = BYTES / 4 / GROUP * GROUP;
    let values = &bytes[..packed_bytes(24, rows)];
    let ids = &bytes[BYTES - packed_bytes(4, rows)..];
    println!("sum of a 24-bit column under a 4-bit filter, {} M rows", rows / 1_000_000);
    for percent in [1u32, 10, 50] {
        let hi = (16 * percent).div_ceil(100).max(1) - 1;
        let (rate, sum) = measure(rows, || {
            let mut mask = [0; GROUP_WORDS];
            let mut sum = 0;
            for (ids, values) in ids.chunks_exact(4 * 64).zip(values.chunks_exact(24 * 64)) {
                range(simd, 4, ids, 0, hi, &mut mask);
                sum += masked_sum(simd, 24, values, &mask);
            }
            sum
        });
        println!("       {percent:9} %  {:8.2}  sum {sum}", rate / 1e9);
    }
}
