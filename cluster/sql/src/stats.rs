//! What leaves cost, as Pinot's answers report it (FEATURES 4.18 of Pinot's broker response).

/// Counters of one or many leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafStats {
    pub num_docs_scanned: u64,
    pub total_docs: u64,
    pub num_entries_scanned_in_filter: u64,
    pub num_entries_scanned_post_filter: u64,
    pub num_servers_queried: u64,
    pub num_servers_responded: u64,
    pub num_segments_queried: u64,
    pub num_segments_processed: u64,
    pub num_segments_matched: u64,
    pub num_consuming_segments_queried: u64,
    pub num_consuming_segments_processed: u64,
    pub num_consuming_segments_matched: u64,
    pub num_segments_pruned_by_broker: u64,
    pub num_segments_pruned_by_server: u64,
    pub num_segments_pruned_invalid: u64,
    pub num_segments_pruned_by_limit: u64,
    pub num_segments_pruned_by_value: u64,
    /// Bytes of pages and dictionaries that were read.
    pub bytes_scanned: u64,
    pub thread_cpu_time_ns: u64,
    pub thread_mem_allocated_bytes: u64,
    pub num_groups_limit_reached: bool,
    /// Rows or groups that the leaves sent.
    pub num_groups: u64,
    /// What was pruned and why, and what each step took: lines of EXPLAIN ANALYZE.
    pub profile: Vec<String>,
}

impl LeafStats {
    /// Adds another leaf's.
    pub fn merge(&mut self, other: &LeafStats) {
        let sums = [
            (&mut self.num_docs_scanned, other.num_docs_scanned),
            (&mut self.total_docs, other.total_docs),
            (&mut self.num_entries_scanned_in_filter, other.num_entries_scanned_in_filter),
            (&mut self.num_entries_scanned_post_filter, other.num_entries_scanned_post_filter),
            (&mut self.num_segments_queried, other.num_segments_queried),
            (&mut self.num_segments_processed, other.num_segments_processed),
            (&mut self.num_segments_matched, other.num_segments_matched),
            (&mut self.num_consuming_segments_queried, other.num_consuming_segments_queried),
            (&mut self.num_consuming_segments_processed, other.num_consuming_segments_processed),
            (&mut self.num_consuming_segments_matched, other.num_consuming_segments_matched),
            (&mut self.num_segments_pruned_by_broker, other.num_segments_pruned_by_broker),
            (&mut self.num_segments_pruned_by_server, other.num_segments_pruned_by_server),
            (&mut self.num_segments_pruned_invalid, other.num_segments_pruned_invalid),
            (&mut self.num_segments_pruned_by_limit, other.num_segments_pruned_by_limit),
            (&mut self.num_segments_pruned_by_value, other.num_segments_pruned_by_value),
            (&mut self.bytes_scanned, other.bytes_scanned),
            (&mut self.thread_cpu_time_ns, other.thread_cpu_time_ns),
            (&mut self.thread_mem_allocated_bytes, other.thread_mem_allocated_bytes),
            (&mut self.num_groups, other.num_groups),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.num_servers_queried = self.num_servers_queried.max(other.num_servers_queried);
        self.num_servers_responded = self.num_servers_responded.max(other.num_servers_responded);
        self.num_groups_limit_reached |= other.num_groups_limit_reached;
        self.profile.extend(other.profile.iter().cloned());
    }
}
