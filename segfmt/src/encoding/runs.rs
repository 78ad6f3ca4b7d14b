//! Run-length coding: where each run ends (exclusive) and the id that it repeats.

use crate::buffer;
use crate::error::{Error, Result};

/// Runs of ids of one block.
#[derive(Debug, Clone, Copy)]
pub struct Runs<'a> {
    ends: &'a [u32],
    ids: &'a [u32],
}

impl<'a> Runs<'a> {
    /// `ends` strictly ascending, the last equal to `len`; one id each.
    pub(crate) fn parse(ends: &'a [u8], ids: &'a [u8], len: usize) -> Result<Self> {
        let (ends, ids) = (buffer::cast::<u32>(ends)?, buffer::cast::<u32>(ids)?);
        if ends.len() != ids.len() {
            return Err(Error::corrupt(format!("{} run ends and {} run ids", ends.len(), ids.len())));
        }
        let mut last = 0;
        for end in ends {
            if *end <= last {
                return Err(Error::corrupt("run ends do not ascend"));
            }
            last = *end;
        }
        if last as usize != len {
            return Err(Error::corrupt(format!("runs cover {last} of {len} values")));
        }
        Ok(Self { ends, ids })
    }

    /// Row after the last of each run, ascending; the last equals the number of values.
    pub const fn ends(&self) -> &'a [u32] {
        self.ends
    }

    /// Id of each run.
    pub const fn ids(&self) -> &'a [u32] {
        self.ids
    }

    /// Number of the run that holds a row.
    pub fn run_of(&self, row: usize) -> usize {
        self.ends.partition_point(|end| *end as usize <= row)
    }
}

/// Number of runs in ids.
pub(crate) fn count<T: PartialEq>(ids: &[T]) -> usize {
    if ids.is_empty() { 0 } else { 1 + ids.windows(2).filter(|w| w[0] != w[1]).count() }
}

/// Run ends and ids, little-endian.
pub(crate) fn encode(ids: &[u32]) -> (Vec<u8>, Vec<u8>) {
    let (mut ends, mut values) = (Vec::new(), Vec::new());
    for (i, id) in ids.iter().enumerate() {
        if ids.get(i + 1) != Some(id) {
            ends.extend_from_slice(&(i as u32 + 1).to_le_bytes());
            values.extend_from_slice(&id.to_le_bytes());
        }
    }
    (ends, values)
}
