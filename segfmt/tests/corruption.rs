//! I-8: a damaged file is an error, never a panic or another answer.

use segfmt::fuzzing::{self, Decoded, decode_column, read};
use segfmt::{Error, Result, Segment, verify};

fn all_types() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/goldenfiles/v1/all-types.seg")).unwrap()
}

fn verify(file: &[u8]) -> Result<verify::Report> {
    verify::verify_segment(|offset, len| read(file, offset, len as u64).map(|b| b.to_vec()), file.len() as u64)
}

fn decode(file: &[u8]) -> Result<Vec<Decoded>> {
    let segment = Segment::open(file, file.len() as u64)?;
    segment.columns().iter().map(|c| decode_column(file, c)).collect()
}

/// A bit of every byte that is not padding, of each 64th all bits; of the padding every 61st byte.
#[test]
fn every_flipped_byte_is_found_or_harmless() {
    let good = all_types();
    let expected = decode(&good).unwrap();
    let mut file = good.clone();
    let (mut flips, mut found) = (0, 0);
    for at in 0..good.len() {
        let padding = good[at.saturating_sub(32)..(at + 32).min(good.len())].iter().all(|b| *b == 0);
        if padding && at % 61 != 0 {
            continue;
        }
        let bits = if at % 64 == 0 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            file[at] ^= 1 << bit;
            flips += 1;
            match verify(&file) {
                Err(_) => found += 1,
                Ok(_) => assert_eq!(decode(&file).unwrap(), expected, "bit {bit} of byte {at} changes the answer"),
            }
            file[at] = good[at];
        }
    }
    assert!(flips > 15_000, "{flips} flips");
    assert_eq!(found, flips, "every byte is covered by a checksum or known to be zero");
}

#[test]
fn every_truncation_is_found() {
    let good = all_types();
    for len in 0..good.len() {
        assert!(Segment::open(&good[..len], len as u64).is_err(), "cut to {len}");
        // The right tail of a file of another length.
        assert!(Segment::open(&good[good.len() - len..], len as u64).is_err() || len == good.len());
    }
    for len in (0..good.len()).step_by(509) {
        assert!(verify(&good[..len]).is_err(), "cut to {len}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(matches!(Segment::open(&longer, longer.len() as u64), Err(Error::NotASegment { .. })));
    assert!(Segment::open(&good, good.len() as u64 + 1).is_err());
    let mut moved = vec![0; 4096];
    moved.extend_from_slice(&good);
    assert!(Segment::open(&moved, moved.len() as u64).is_err());
}

fn number(file: &[u8], at: usize) -> usize {
    u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize
}

/// Writes the checksums of the tail anew, as an attacker would.
fn sign(file: &mut [u8]) {
    let t = file.len() - 64;
    let (directory, footer) = (number(file, t + 16), number(file, t + 32));
    let crc = segfmt::checksum::crc32c(&file[directory..directory + number(file, t + 24)]);
    file[t + 48..t + 52].copy_from_slice(&crc.to_le_bytes());
    let crc = segfmt::checksum::crc32c(&file[footer..footer + number(file, t + 40)]);
    file[t + 52..t + 56].copy_from_slice(&crc.to_le_bytes());
    let crc = segfmt::checksum::crc32c(&file[t..t + 60]);
    file[t + 60..t + 64].copy_from_slice(&crc.to_le_bytes());
}

/// Wrong bytes in block directory and footer under right checksums: refused, or read without a
/// panic; what verifies also decodes.
#[test]
fn hostile_tails_do_not_panic() {
    let good = all_types();
    let t = good.len() - 64;
    let directory = number(&good, t + 16);
    let mut refused = 0;
    for at in directory..t {
        let mut file = good.clone();
        file[at] ^= [0x01, 0xff, 0x80][at % 3];
        sign(&mut file);
        if let Ok(segment) = Segment::open(&file, file.len() as u64) {
            let decoded: Vec<Result<Decoded>> = segment.columns().iter().map(|c| decode_column(&file, c)).collect();
            for column in segment.columns() {
                for block in 0..column.blocks() {
                    column.zone(block, segfmt::RowSet::All);
                    column.page(block);
                }
            }
            assert!(verify(&file).is_err() || decoded.iter().all(|d| d.is_ok()), "byte {at}");
        } else {
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused}");
}

/// Offsets and lengths in the trailer that lead anywhere.
#[test]
fn hostile_trailers_are_refused() {
    let good = all_types();
    let t = good.len() - 64;
    for field in [16, 24, 32, 40] {
        let right = number(&good, t + field) as u64;
        for value in [0, 1, 64, right + 64, right.wrapping_sub(64), u64::MAX, u64::MAX - 63, 1 << 62, 1 << 40] {
            if value == right {
                continue;
            }
            let mut file = good.clone();
            file[t + field..t + field + 8].copy_from_slice(&value.to_le_bytes());
            let crc = segfmt::checksum::crc32c(&file[t..t + 60]);
            file[t + 60..t + 64].copy_from_slice(&crc.to_le_bytes());
            assert!(Segment::open(&file, file.len() as u64).is_err(), "field {field} = {value}");
            assert!(verify(&file).is_err());
        }
    }
}

#[test]
fn newer_versions_are_refused_by_number() {
    let mut file = all_types();
    let t = file.len() - 64;
    file[t + 8] = 2;
    sign(&mut file);
    let error = Segment::open(&file, file.len() as u64).unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion { found: 2, supported: 1 }));
}

/// Finds the region entry (offset, len, column, flags, crc, kind, version) of a region.
fn region_entry(file: &[u8], region: &segfmt::Region, column: u32) -> usize {
    let mut wanted = region.offset.to_le_bytes().to_vec();
    wanted.extend_from_slice(&region.len.to_le_bytes());
    wanted.extend_from_slice(&column.to_le_bytes());
    let found: Vec<usize> =
        file.windows(wanted.len()).enumerate().filter(|(_, w)| *w == wanted).map(|(i, _)| i).collect();
    assert_eq!(found.len(), 1);
    found[0]
}

/// E-11: an unknown optional region is skipped, an unknown required one refused by name.
#[test]
fn unknown_regions() {
    let good = all_types();
    let segment = Segment::open(&good, good.len() as u64).unwrap();
    let column = segment.column("carrier").unwrap();
    let index = column.region(segfmt::RegionKind::Inverted).unwrap();
    let at = region_entry(&good, &index, column.index());
    for (kind, version) in [(999u16, 1u16), (index.kind as u16, 2)] {
        let mut file = good.clone();
        file[at + 28..at + 30].copy_from_slice(&kind.to_le_bytes());
        file[at + 30..at + 32].copy_from_slice(&version.to_le_bytes());
        sign(&mut file);
        let opened = Segment::open(&file, file.len() as u64).unwrap();
        let column = opened.column("carrier").unwrap();
        assert!(column.region(segfmt::RegionKind::Inverted).is_none());
        assert!(column.region(segfmt::RegionKind::Range).is_some());
        assert_eq!(decode(&file).unwrap(), decode(&good).unwrap());
        verify(&file).unwrap();
        file[at + 20] |= 1;
        sign(&mut file);
        let error = Segment::open(&file, file.len() as u64).unwrap_err();
        assert!(matches!(error, Error::UnknownRegion { kind: k, version: v, .. } if k == kind && v == version));
        assert!(error.to_string().starts_with("column \"carrier\""), "{error}");
    }
}

/// Buffers that are not on a 64-byte boundary are refused, not read.
#[test]
fn unaligned_buffers() {
    let good = all_types();
    let segment = Segment::open(&good, good.len() as u64).unwrap();
    let column = segment.column("day_sorted").unwrap();
    let page = column.page(0);
    let mut shifted = segfmt::AlignedBuf::zeroed(page.len as usize + 1);
    shifted.as_mut_slice()[1..].copy_from_slice(&good[page.offset as usize..][..page.len as usize]);
    let error = segfmt::Page::parse(column, 0, &shifted[1..]).unwrap_err();
    assert!(matches!(error, Error::Misaligned { need: 64, .. }), "{error}");
}

/// The committed corpora of the fuzz targets, and small changes to each input.
#[test]
fn fuzz_corpora_replay() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    type Target = fn(&[u8]);
    let targets: [(&str, Target); 3] =
        [("open", fuzzing::open), ("decode", fuzzing::decode), ("roundtrip", fuzzing::roundtrip)];
    for (name, target) in targets {
        let mut inputs: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
        inputs.sort();
        assert!(inputs.len() >= 2, "{name}: {} inputs", inputs.len());
        for path in inputs {
            let input = std::fs::read(&path).unwrap();
            target(&input);
            let mut changed = input.clone();
            for k in 0..200usize {
                if input.is_empty() {
                    break;
                }
                // Half of the changes hit the start, where headers and tables are.
                let at = if k % 2 == 0 { (k * 37) % input.len().min(160) } else { (k * 7919) % input.len() };
                changed[at] = changed[at].wrapping_add([1, 0x80, 0xff, 0x3b][k % 4]);
                if k % 10 == 9 {
                    changed.truncate(changed.len() - changed.len().min(k) / 2);
                }
                if changed.len() < 2 || name == "roundtrip" && k % 20 != 0 {
                    changed = input.clone();
                    continue;
                }
                target(&changed);
                if k % 3 == 2 {
                    changed = input.clone();
                }
                changed.resize(input.len(), 0);
            }
        }
    }
}
