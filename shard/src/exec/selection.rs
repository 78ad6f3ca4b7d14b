//! Which rows of a vector are still wanted.

use crate::kernels::{self, Simd};

/// Rows of a vector: the unit between two looks at the clock (E-16).
pub const VECTOR: usize = 4096;
/// Rows of the shortest vector.
pub const SHORTEST: usize = 64;
/// Words of a vector's mask.
pub const WORDS: usize = VECTOR / 64;

/// A bit a row, of the rows of one vector.
pub type Mask = [u64; WORDS];

/// The mask of the first `len` rows.
pub fn first(len: usize) -> Mask {
    std::array::from_fn(|i| match len.saturating_sub(i * 64) {
        0 => 0,
        n if n >= 64 => u64::MAX,
        n => (1 << n) - 1,
    })
}

pub fn is_empty(mask: &Mask) -> bool {
    mask.iter().all(|w| *w == 0)
}

/// A run of rows of one block: `start` is a multiple of 64, and of 512 unless rows are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vector {
    pub start: usize,
    pub len: usize,
}

/// The rows of a vector that passed the filter.
#[derive(Debug, Default)]
pub struct Selection {
    /// Block-local row numbers, ascending.
    pub rows: Vec<u32>,
    /// The rows are all of `start ..`, without a gap.
    pub dense: bool,
}

impl Selection {
    /// Replaces the rows by those of the mask.
    pub fn set(&mut self, simd: Simd, vector: Vector, mask: &Mask) {
        self.rows.clear();
        kernels::select::rows(simd, &mask[..vector.len.div_ceil(64)], vector.start as u32, &mut self.rows);
        self.dense = self.rows.len() == vector.len;
    }

    /// Keeps the rows at these positions, which ascend.
    pub fn keep(&mut self, positions: &[u32]) {
        for (to, from) in positions.iter().enumerate() {
            self.rows[to] = self.rows[*from as usize];
        }
        self.dense &= positions.len() == self.rows.len();
        self.rows.truncate(positions.len());
    }
}
