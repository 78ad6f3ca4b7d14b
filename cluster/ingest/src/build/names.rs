//! Names of the segments of a push.

/// `<prefix>_<number>[_<postfix>]`, numbers counting up from `first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentNames {
    pub prefix: String,
    pub first: u64,
    pub postfix: Option<String>,
}

impl SegmentNames {
    pub fn of_table(table: &str) -> Self {
        Self { prefix: table.to_owned(), first: 0, postfix: None }
    }

    pub(crate) fn name(&self, k: u64) -> String {
        let mut name = format!("{}_{}", self.prefix, self.first + k);
        if let Some(postfix) = &self.postfix {
            name.push('_');
            name.push_str(postfix);
        }
        name
    }
}
