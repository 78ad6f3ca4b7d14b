//! Where one segment ends and the next begins.

/// Rows of a segment at most, where nobody says: 64 blocks.
const ROWS_MAX: u64 = 64 * BLOCK_ROWS;
/// Bytes of values (before encoding, strings that come again as numbers) of a segment, where nobody says.
const BYTES_MAX: u64 = 256 << 20;
/// Bytes of its largest column as the writer holds it.
const COLUMN_BYTES_MAX: u64 = 256 << 20;
const BLOCK_ROWS: u64 = 65_536;

/// Rows in each segment but the last: as few segments as the limits allow, of equal size, cut at whole blocks.
pub(crate) fn rows_per_segment(rows: u64, bytes: u64, largest_column: u64, asked: Option<u64>) -> u64 {
    if let Some(asked) = asked {
        return asked.max(1);
    }
    let segments =
        rows.div_ceil(ROWS_MAX).max(bytes.div_ceil(BYTES_MAX)).max(largest_column.div_ceil(COLUMN_BYTES_MAX)).max(1);
    rows.div_ceil(segments).next_multiple_of(BLOCK_ROWS).max(BLOCK_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_even() {
        assert_eq!(rows_per_segment(10, 1_000, 500, None), BLOCK_ROWS);
        assert_eq!(rows_per_segment(6_000_000, 1_200 << 20, 200 << 20, None), 1_245_184);
        assert_eq!(rows_per_segment(100_000_000, 400 << 20, 400 << 20, None), 4_194_304);
        assert_eq!(rows_per_segment(100, 1, 1, Some(7)), 7);
        // A column of long strings that come again is small in the job and large in the writer.
        assert_eq!(rows_per_segment(4_000_000, 16 << 20, 1 << 30, None), 1_048_576);
        // Huge rows still make whole blocks.
        assert_eq!(rows_per_segment(1_000, 100 << 30, 100 << 30, None), BLOCK_ROWS);
    }
}
