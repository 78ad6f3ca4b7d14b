//! How the memory budget is shared out.

/// Shares of one job's budget, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows held before they become a run in the spill folder.
    pub(crate) run: u64,
    /// Chunks held open by one merge.
    pub(crate) merge: u64,
    /// Rows of one segment held in memory while it is built; above it they lie in the spill folder.
    pub(crate) segment: u64,
    /// Columns being written, all builders together, with what the writer needs beside them.
    pub(crate) columns: u64,
}

/// What the segment writer needs for a column, as a multiple of the column.
pub(crate) const WRITER_FACTOR: u64 = 3;

impl Limits {
    pub(crate) fn new(memory: u64, threads: usize) -> Self {
        let builders = threads as u64 + 1;
        Self { run: memory * 2 / 5, merge: memory / 5, segment: memory * 3 / 10 / builders, columns: memory / 2 }
    }
}
