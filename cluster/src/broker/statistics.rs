//! From what the leaves counted to the fields of Pinot's answer.

use cluster_sql::{LeafStats, Profile};
use cluster_types::BrokerResponse;

/// Fills the counters of an answer. A query that was pruned to nothing, or has no table at all, counts the one server that
/// would have been asked: Trino fails an answer that no server gave.
pub fn fill(response: &mut BrokerResponse, stats: &LeafStats, profile: Profile) {
    let servers = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    response.num_docs_scanned = stats.num_docs_scanned;
    response.total_docs = stats.total_docs;
    response.num_entries_scanned_in_filter = stats.num_entries_scanned_in_filter;
    response.num_entries_scanned_post_filter = stats.num_entries_scanned_post_filter;
    response.num_servers_queried = servers(stats.num_servers_queried);
    response.num_servers_responded = servers(stats.num_servers_responded);
    response.num_segments_queried = stats.num_segments_queried;
    response.num_segments_processed = stats.num_segments_processed;
    response.num_segments_matched = stats.num_segments_matched;
    response.num_consuming_segments_queried = stats.num_consuming_segments_queried;
    response.num_consuming_segments_processed = stats.num_consuming_segments_processed;
    response.num_consuming_segments_matched = stats.num_consuming_segments_matched;
    response.num_segments_pruned_by_broker = stats.num_segments_pruned_by_broker;
    response.num_segments_pruned_by_server = stats.num_segments_pruned_by_server;
    response.num_segments_pruned_invalid = stats.num_segments_pruned_invalid;
    response.num_segments_pruned_by_limit = stats.num_segments_pruned_by_limit;
    response.num_segments_pruned_by_value = stats.num_segments_pruned_by_value;
    response.offline_thread_cpu_time_ns = stats.thread_cpu_time_ns;
    response.offline_total_cpu_time_ns = stats.thread_cpu_time_ns;
    response.offline_thread_mem_allocated_bytes = stats.thread_mem_allocated_bytes;
    response.offline_total_mem_allocated_bytes = stats.thread_mem_allocated_bytes;
    response.num_groups_limit_reached = stats.num_groups_limit_reached;
    response.partial_result |= stats.num_groups_limit_reached;
    if profile == Profile::Mse {
        response.max_rows_in_join_reached = Some(false);
        response.max_rows_in_window_reached = Some(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_a_table_counts_a_server() {
        let mut response = BrokerResponse::default();
        fill(&mut response, &LeafStats::default(), Profile::Sse);
        assert_eq!((response.num_servers_queried, response.num_servers_responded), (1, 1));
        assert_eq!(response.max_rows_in_join_reached, None);
    }

    #[test]
    fn a_limit_that_acted_is_told() {
        let mut response = BrokerResponse::default();
        let stats = LeafStats { num_groups_limit_reached: true, num_servers_queried: 2, ..LeafStats::default() };
        fill(&mut response, &stats, Profile::Mse);
        assert!(response.num_groups_limit_reached && response.partial_result);
        assert_eq!(response.num_servers_queried, 2);
        assert_eq!(response.max_rows_in_join_reached, Some(false));
    }
}
