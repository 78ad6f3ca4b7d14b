//! Opening a wide segment from memory, and packing and unpacking numbers.
//!
//! `cargo bench -p segfmt --bench footer`. The goal for the footer of 1,000 columns, 64 blocks
//! and 3 indexes a column, checked and validated, is below 1 ms.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use segfmt::encoding::packed::pack;
use segfmt::{
    BloomSpec, ColumnInput, ColumnSpec, DataType, EncodingHint, Packed, RowSet, Segment, SegmentInfo, SegmentWriter,
    Values,
};

/// The tail of a segment of `columns` columns with `blocks` blocks, and the length of its file.
fn wide_tail(columns: usize, blocks: usize) -> (Vec<u8>, u64) {
    let rows = blocks * 512;
    let info = SegmentInfo { name: "wide".to_owned(), rows: rows as u64, ..SegmentInfo::default() };
    let mut writer = SegmentWriter::with_block_rows(Vec::new(), info, 512).expect("block size");
    for c in 0..columns {
        let values: Vec<i32> = (0..rows).map(|r| ((r / 512 + r % 2 + c) % 4) as i32).collect();
        let spec = ColumnSpec {
            encoding: EncodingHint::Dictionary,
            inverted: true,
            range: true,
            bloom: Some(BloomSpec { fpp: 0.1, max_bytes: 64 }),
            ..ColumnSpec::new(format!("column_{c:04}"), DataType::Int)
        };
        writer
            .write_column(&spec, ColumnInput { values: Values::I32(&values), nulls: None, lists: None })
            .expect("column");
    }
    let file = writer.finish_into().expect("memory").1;
    let len = Segment::tail_len(&file).expect("trailer") as usize;
    (file[file.len() - len..].to_vec(), file.len() as u64)
}

fn footer(c: &mut Criterion) {
    let (tail, file_len) = wide_tail(1000, 64);
    println!("tail of 1,000 columns x 64 blocks x 3 indexes: {} bytes", tail.len());
    let shared: segfmt::reader::SharedBytes = Arc::new(tail.clone());
    let mut group = c.benchmark_group("footer");
    group.bench_function("open_shared", |b| {
        b.iter(|| Segment::open_shared(Arc::clone(black_box(&shared)), file_len).expect("open"));
    });
    group.bench_function("open_copying", |b| {
        b.iter(|| Segment::open(black_box(&tail), file_len).expect("open"));
    });
    let segment = Segment::open(&tail, file_len).expect("open");
    group.bench_function("prune_one_column", |b| {
        let column = segment.column("column_0500").expect("column");
        b.iter(|| (0..64).filter(|block| !column.zone(*block, RowSet::All).excludes(black_box(1), 1)).count());
    });
    group.finish();
}

fn packed(c: &mut Criterion) {
    const N: usize = 65_536;
    for width in [1u8, 4, 8, 12, 17, 24] {
        let values: Vec<u64> = (0..N as u64).map(|i| i.wrapping_mul(0x9e37_79b9) & ((1 << width) - 1)).collect();
        let mut bytes = Vec::new();
        pack(N, width, |i| values[i], &mut bytes);
        let mut group = c.benchmark_group(format!("packed_{width}_bits"));
        group.throughput(Throughput::Elements(N as u64));
        group.bench_function("pack", |b| {
            let mut out = Vec::with_capacity(bytes.len());
            b.iter(|| {
                out.clear();
                pack(N, width, |i| values[i], &mut out);
                out.len()
            });
        });
        group.bench_function("unpack_scalar", |b| {
            let packed = Packed::new(width, N, &bytes).expect("packed");
            let mut out = vec![0u32; N];
            b.iter(|| packed.decode_u32(0..N, black_box(&mut out)));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_millis(800)).warm_up_time(std::time::Duration::from_millis(200));
    targets = footer, packed
}
criterion_main!(benches);
