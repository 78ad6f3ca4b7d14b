//! What a push of files is called and how many numbers it needs, alike for the CLI and the controller.
//!
//! Segments are named after their table and the content of the files, so that pushing the same files again finds their
//! names taken: the catalog itself refuses it, or replaces them, whatever happened in between.

use cluster_ingest::{Compression, Format, SegmentNames, Source};
use std::fs::File;
use std::io::{self, Read};
use xxhash_rust::xxh3::Xxh3;

/// A fingerprint of the bytes of all files, in order: 16 hexadecimal digits.
pub fn fingerprint(sources: &[Source]) -> io::Result<String> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    for source in sources {
        let mut file = File::open(&source.path)?;
        hash.update(&file.metadata()?.len().to_le_bytes());
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
        }
    }
    Ok(format!("{:016x}", hash.digest()))
}

/// The prefix of the names of a push's segments: `flights_1f0c7e2a9b3d4c5e`.
pub fn name_prefix(raw_table: &str, fingerprint: &str) -> String {
    format!("{raw_table}_{fingerprint}")
}

/// The first `count` names of a push.
pub fn names(names: &SegmentNames, count: usize) -> Vec<String> {
    let postfix = names.postfix.as_ref().map(|postfix| format!("_{postfix}")).unwrap_or_default();
    (0..count as u64).map(|k| format!("{}_{}{postfix}", names.prefix, names.first + k)).collect()
}

/// How many segments the files may become at most; their numbers are reserved before they are built, because a segment's
/// footer holds its own. A few too many are voided by the catalog after a day. Should there be more segments than
/// this, which takes rows of three bytes or more than a thousand segments, the others get fresh numbers when they are
/// pushed, and the catalog alone knows them.
pub fn segments_at_most(sources: &[Source], rows_per_segment: Option<u64>) -> usize {
    const SEGMENT_BYTES: u64 = 128 << 20;
    const ROW_BYTES: u64 = 4;
    const MOST: u64 = 1000;
    let unpacked: u64 = sources
        .iter()
        .map(|source| {
            let factor = match (source.format, source.compression) {
                (Format::Parquet, _) => 16,
                (_, Compression::None) => 1,
                _ => 12,
            };
            source.file_bytes().unwrap_or(0).saturating_mul(factor)
        })
        .fold(0, u64::saturating_add);
    let by_bytes = unpacked / SEGMENT_BYTES + 1;
    let by_rows = rows_per_segment.map_or(0, |rows| unpacked / ROW_BYTES / rows.max(1) + 1);
    usize::try_from(by_bytes.max(by_rows).min(MOST)).expect("at most a thousand")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(dir: &std::path::Path, name: &str, bytes: &[u8]) -> Source {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        Source::from_path(path).unwrap()
    }

    #[test]
    fn the_content_makes_the_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let (a, same) = (source(dir.path(), "a.csv", b"x\n1\n"), source(dir.path(), "b.csv", b"x\n1\n"));
        let other = source(dir.path(), "c.csv", b"x\n2\n");
        let of = |sources: &[&Source]| fingerprint(&sources.iter().map(|s| (*s).clone()).collect::<Vec<_>>()).unwrap();
        assert_eq!(of(&[&a]), of(&[&same]));
        assert_ne!(of(&[&a]), of(&[&other]));
        assert_ne!(of(&[&a, &other]), of(&[&other, &a]));
        assert_eq!(of(&[&a]).len(), 16);
    }

    #[test]
    fn small_files_need_one_number() {
        let dir = tempfile::tempdir().unwrap();
        let small = [source(dir.path(), "a.csv", &[b'x'; 4096])];
        assert_eq!(segments_at_most(&small, None), 1);
        assert_eq!(segments_at_most(&small, Some(10)), 103);
        assert_eq!(segments_at_most(&small, Some(0)), 1000);
    }
}
