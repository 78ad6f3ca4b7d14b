//! Files of format version 1 stay readable, and say what they said when they were written.

mod support;

use segfmt::fuzzing::{decode_column, read};
use segfmt::{Encoding, RegionKind, Segment, verify};

#[test]
fn golden_files_read_as_written() {
    for golden in support::golden() {
        let file = std::fs::read(support::path(golden.name)).unwrap();
        let read_at = |offset, len| read(&file, offset, len as u64).map(|b| b.to_vec());
        verify::verify_segment(read_at, file.len() as u64).unwrap();
        let segment = Segment::open(&file, file.len() as u64).unwrap();
        assert_eq!(segment.info(), &golden.info);
        assert_eq!(segment.columns().len(), golden.columns.len());
        for (column, expected) in segment.columns().iter().zip(&golden.columns) {
            assert_eq!(column.name(), expected.spec.name);
            assert_eq!(segment.column(column.name()).map(|c| c.index()), Some(column.index()));
            let decoded = decode_column(&file, column).unwrap();
            assert_eq!(decoded.values, expected.values, "{}", column.name());
            assert_eq!(decoded.lists, expected.lists);
            assert_eq!(decoded.nulls, expected.nulls);
        }
    }
}

/// Building is deterministic. When this fails after an upgrade of a compression library or
/// of rkyv, segments of two versions differ in bytes though not in content: say so in the change.
#[test]
fn golden_files_are_built_again() {
    for golden in support::golden() {
        let file = std::fs::read(support::path(golden.name)).unwrap();
        assert!(golden.build() == file, "{} is not what the writer makes today", golden.name);
    }
}

/// The file that the corruption tests work on has something of everything.
#[test]
fn golden_files_cover_the_format() {
    let mut encodings = std::collections::BTreeSet::new();
    let mut kinds = std::collections::BTreeSet::new();
    let mut forms = std::collections::BTreeSet::new();
    for golden in support::golden() {
        let file = std::fs::read(support::path(golden.name)).unwrap();
        let segment = Segment::open(&file, file.len() as u64).unwrap();
        for column in segment.columns() {
            encodings.extend((0..column.blocks()).map(|b| column.encoding(b).unwrap() as u8));
            kinds.extend(column.regions().iter().map(|r| r.kind));
            forms.extend(column.region(RegionKind::Dictionary).map(|r| file[r.offset as usize]));
        }
    }
    assert!(encodings.into_iter().eq(1..=Encoding::VarChunks as u8), "every encoding");
    assert!(kinds.into_iter().eq(RegionKind::ALL), "every kind of region");
    assert!(forms.into_iter().eq(1..=3), "every form of dictionary");
}
