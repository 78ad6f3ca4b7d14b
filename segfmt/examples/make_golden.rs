//! Writes the golden files and the seeds of the fuzz corpora.
//!
//! `cargo run --release -p segfmt --example make_golden` for a new format version only: files of
//! a released version are never written again, since they prove that old segments stay readable.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use segfmt::fuzzing::{open_seed, read};
use segfmt::{DataType, RegionKind, Segment};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for golden in support::golden() {
        let file = golden.build();
        fs::write(support::path(golden.name), &file)?;
        println!("{} {} bytes", golden.name, file.len());
        if golden.name == "hashes.seg" {
            continue;
        }
        let stem = golden.name.trim_end_matches(".seg");
        fs::write(corpus.join("open").join(stem), open_seed(&file)?)?;
        let segment = Segment::open(&file, file.len() as u64)?;
        for column in segment.columns() {
            // The layout that `fuzzing::decode` takes: type, flags, rows, values, bytes.
            let what = DataType::ALL.iter().position(|t| *t == column.data_type()).unwrap_or(0) as u8;
            let seed = |name: String, flags: u8, rows: u32, values: u32, bytes: &[u8]| {
                let mut seed = vec![what, flags];
                seed.extend_from_slice(&rows.to_le_bytes()[..3]);
                seed.extend_from_slice(&values.to_le_bytes()[..3]);
                seed.extend_from_slice(bytes);
                fs::write(corpus.join("decode").join(name), seed)
            };
            for region in column.regions() {
                let bytes = read(&file, region.offset, region.len)?;
                let name = format!("{}-{}", column.name(), region.kind.name().replace(' ', "-"));
                let flags = match region.kind {
                    RegionKind::Dictionary => 8 << 4,
                    RegionKind::Inverted => 12 << 4,
                    RegionKind::Range => 13 << 4,
                    RegionKind::Bloom => 14 << 4,
                    _ => continue,
                };
                seed(name, flags, 0, 0, &bytes)?;
            }
            if column.blocks() == 0 {
                continue;
            }
            // The last block: the smaller one.
            let block = column.blocks() - 1;
            let at = column.page(block);
            let flags = u8::from(column.has_dictionary()) | u8::from(column.multi_value()) << 1;
            let zone = column.zone(block, segfmt::RowSet::All);
            let bytes = read(&file, at.offset, u64::from(at.len))?;
            seed(format!("{}-page", column.name()), flags, zone.rows, zone.values, &bytes)?;
        }
    }
    for t in 0..DataType::ALL.len() as u8 {
        for flags in [0b0100_1000, 0b0111_0111, 0b0011_0010, 0b0001_0101] {
            let mut seed = vec![t, flags, 2, 88];
            seed.extend((0..900u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
            fs::write(corpus.join("roundtrip").join(format!("type{t}-{flags:08b}")), seed)?;
        }
    }
    Ok(())
}
