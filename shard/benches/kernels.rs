//! Kernels in cache, one block of rows each.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use segfmt::encoding::packed::pack;
use shard::kernels::set::{IdSet, members};
use shard::kernels::{GROUP, GROUP_WORDS, Simd, range::range, select, sum::masked_sum, unpack::unpack};

const ROWS: usize = 65_536;

fn column(width: u8) -> Vec<u8> {
    let mask = u64::MAX >> (64 - u32::from(width));
    let mut out = Vec::new();
    pack(ROWS, width, |i| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) & mask, &mut out);
    out
}

fn kernels(c: &mut Criterion) {
    for simd in [Simd::Avx2, Simd::Portable] {
        let mut group = c.benchmark_group(format!("{simd:?}"));
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(20);
        for width in [1u8, 4, 7, 8, 12, 17, 24] {
            let bytes = column(width);
            let groups = || bytes.chunks_exact(usize::from(width) * 64);
            let hi = (u32::MAX >> (32 - u32::from(width))) / 2;
            let mut ids = IdSet::new(hi.max(1));
            (0..hi.max(1)).step_by(3).for_each(|id| ids.insert(id));
            group.bench_function(BenchmarkId::new("range", width), |b| {
                let mut mask = [0; GROUP_WORDS];
                b.iter(|| groups().for_each(|g| range(simd, width, g, 1, hi, std::hint::black_box(&mut mask))));
            });
            group.bench_function(BenchmarkId::new("set", width), |b| {
                let mut mask = [0; GROUP_WORDS];
                b.iter(|| groups().for_each(|g| members(simd, width, g, &ids, std::hint::black_box(&mut mask))));
            });
            group.bench_function(BenchmarkId::new("unpack", width), |b| {
                let mut out = [0; GROUP];
                b.iter(|| groups().for_each(|g| unpack(simd, width, g, std::hint::black_box(&mut out))));
            });
            group.bench_function(BenchmarkId::new("sum", width), |b| {
                b.iter(|| {
                    groups().map(|g| masked_sum(simd, width, g, &[0x5555_aaaa_f0f0_0f0f; GROUP_WORDS])).sum::<u64>()
                });
            });
        }
        let mask: Vec<u64> = (0..ROWS as u64 / 64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        group.bench_function("select", |b| {
            let mut rows = Vec::new();
            b.iter(|| {
                rows.clear();
                select::rows(simd, &mask, 0, &mut rows);
                rows.len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
