//! The broker's answer, field by field in Pinot's order.
//!
//! Clients break on shape, not on content: `exceptions` is always an array, `resultTable` is left out and never null,
//! `numServersQueried` and `numServersResponded` are always there. The types below cannot express anything else. What
//! only Pinot's multi-stage engine answers is optional and left out of a single-stage answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// Names and types of the columns of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSchema {
    pub column_names: Vec<String>,
    /// `INT`, `LONG`, ..., and `INT_ARRAY` for a multi-value column.
    pub column_data_types: Vec<String>,
}

/// Rows of a result, each value as JSON in Pinot's form.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultTable {
    pub data_schema: DataSchema,
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// One error in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryException {
    pub error_code: i32,
    pub message: String,
}

impl QueryException {
    /// The code's title, a colon and the message, as Pinot writes it.
    pub fn new(code: ErrorCode, message: impl std::fmt::Display) -> QueryException {
        let title = code.title();
        let message = if title.is_empty() { message.to_string() } else { format!("{title}: {message}") };
        QueryException { error_code: code.code(), message }
    }
}

/// The whole answer. A writer that streams its rows writes `{"resultTable":{...}` itself and appends
/// [`BrokerResponse::tail`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_table: Option<ResultTable>,
    pub num_rows_result_set: u64,
    pub partial_result: bool,
    pub exceptions: Vec<QueryException>,
    pub num_groups_limit_reached: bool,
    pub num_groups_warning_limit_reached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_groups: Option<u64>,
    pub max_rows_in_distinct_reached: bool,
    pub max_rows_without_change_in_distinct_reached: bool,
    pub max_execution_time_in_distinct_reached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_termination_reasons: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows_in_join_reached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows_in_join: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows_in_window_reached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows_in_window: Option<u64>,
    pub time_used_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_stats: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_stats_coverage: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows_in_operator: Option<u64>,
    pub request_id: String,
    pub client_request_id: Option<String>,
    pub broker_id: String,
    pub num_docs_scanned: u64,
    pub total_docs: u64,
    pub num_entries_scanned_in_filter: u64,
    pub num_entries_scanned_post_filter: u64,
    pub num_servers_queried: u32,
    pub num_servers_responded: u32,
    pub num_segments_queried: u64,
    pub num_segments_processed: u64,
    pub num_segments_matched: u64,
    pub num_consuming_segments_queried: u64,
    pub num_consuming_segments_processed: u64,
    pub num_consuming_segments_matched: u64,
    pub min_consuming_freshness_time_ms: u64,
    pub num_segments_pruned_by_broker: u64,
    pub num_segments_pruned_by_server: u64,
    pub num_segments_pruned_invalid: u64,
    pub num_segments_pruned_by_limit: u64,
    pub num_segments_pruned_by_value: u64,
    pub broker_reduce_time_ms: u64,
    pub offline_thread_cpu_time_ns: u64,
    pub realtime_thread_cpu_time_ns: u64,
    pub offline_system_activities_cpu_time_ns: u64,
    pub realtime_system_activities_cpu_time_ns: u64,
    pub offline_response_serialization_cpu_time_ns: u64,
    pub realtime_response_serialization_cpu_time_ns: u64,
    pub offline_total_cpu_time_ns: u64,
    pub realtime_total_cpu_time_ns: u64,
    pub explain_plan_num_empty_filter_segments: u64,
    pub explain_plan_num_match_all_filter_segments: u64,
    pub trace_info: BTreeMap<String, String>,
    pub tables_queried: Vec<String>,
    pub offline_thread_mem_allocated_bytes: u64,
    pub offline_response_ser_mem_allocated_bytes: u64,
    pub offline_total_mem_allocated_bytes: u64,
    pub realtime_thread_mem_allocated_bytes: u64,
    pub realtime_response_ser_mem_allocated_bytes: u64,
    pub realtime_total_mem_allocated_bytes: u64,
    pub pools: Vec<i32>,
    pub rls_filters_applied: bool,
    pub groups_trimmed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialized_view_queried: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_stats: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mse_lite_leaf_stage_limit_reached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mse_lite_leaf_stage_effective_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mse_lite_fan_out_adjusted_limit_applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_metadata: Option<serde_json::Value>,
    /// Present in answers to a request for a cursor.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorResponse>,
}

/// What an answer has besides, when the client asked for a cursor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CursorResponse {
    pub offset: u64,
    pub num_rows: u64,
    pub cursor_result_write_time_ms: u64,
    pub cursor_fetch_time_ms: u64,
    pub submission_time_ms: u64,
    pub expiration_time_ms: u64,
    pub broker_host: String,
    pub broker_port: u16,
    pub bytes_written: u64,
}

impl BrokerResponse {
    /// An answer that is only an error. It says that `partialResult` is true, as Pinot's does.
    pub fn error(code: ErrorCode, message: impl std::fmt::Display) -> BrokerResponse {
        let mut response = BrokerResponse::default();
        response.add_exception(QueryException::new(code, message));
        response
    }

    pub fn add_exception(&mut self, exception: QueryException) {
        self.exceptions.push(exception);
        self.partial_result = true;
    }

    /// The value of the header `X-Pinot-Error-Code`: -1 without an error, else the first error's.
    pub fn error_code_header(&self) -> i32 {
        self.exceptions.first().map_or(-1, |e| e.error_code)
    }

    /// All fields behind `resultTable`, as `,"numRowsResultSet":...}`: what a writer that streams appends to
    /// `{"resultTable":{...}`.
    pub fn tail(&self) -> String {
        let without = BrokerResponse { result_table: None, ..self.clone() };
        let text = serde_json::to_string(&without).expect("an answer has only text keys");
        debug_assert!(text.starts_with("{\"numRowsResultSet\""));
        format!(",{}", &text[1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(response: &BrokerResponse) -> Vec<String> {
        let value = serde_json::to_value(response).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    }

    /// The fields of a single-stage answer of Pinot 1.5.1, in its order.
    const SINGLE_STAGE: &[&str] = &[
        "numRowsResultSet",
        "partialResult",
        "exceptions",
        "numGroupsLimitReached",
        "numGroupsWarningLimitReached",
        "maxRowsInDistinctReached",
        "maxRowsWithoutChangeInDistinctReached",
        "maxExecutionTimeInDistinctReached",
        "timeUsedMs",
        "requestId",
        "clientRequestId",
        "brokerId",
        "numDocsScanned",
        "totalDocs",
        "numEntriesScannedInFilter",
        "numEntriesScannedPostFilter",
        "numServersQueried",
        "numServersResponded",
        "numSegmentsQueried",
        "numSegmentsProcessed",
        "numSegmentsMatched",
        "numConsumingSegmentsQueried",
        "numConsumingSegmentsProcessed",
        "numConsumingSegmentsMatched",
        "minConsumingFreshnessTimeMs",
        "numSegmentsPrunedByBroker",
        "numSegmentsPrunedByServer",
        "numSegmentsPrunedInvalid",
        "numSegmentsPrunedByLimit",
        "numSegmentsPrunedByValue",
        "brokerReduceTimeMs",
        "offlineThreadCpuTimeNs",
        "realtimeThreadCpuTimeNs",
        "offlineSystemActivitiesCpuTimeNs",
        "realtimeSystemActivitiesCpuTimeNs",
        "offlineResponseSerializationCpuTimeNs",
        "realtimeResponseSerializationCpuTimeNs",
        "offlineTotalCpuTimeNs",
        "realtimeTotalCpuTimeNs",
        "explainPlanNumEmptyFilterSegments",
        "explainPlanNumMatchAllFilterSegments",
        "traceInfo",
        "tablesQueried",
        "offlineThreadMemAllocatedBytes",
        "offlineResponseSerMemAllocatedBytes",
        "offlineTotalMemAllocatedBytes",
        "realtimeThreadMemAllocatedBytes",
        "realtimeResponseSerMemAllocatedBytes",
        "realtimeTotalMemAllocatedBytes",
        "pools",
        "rlsFiltersApplied",
        "groupsTrimmed",
    ];

    #[test]
    fn single_stage_fields_in_pinots_order() {
        assert_eq!(keys(&BrokerResponse::default()), SINGLE_STAGE);
    }

    #[test]
    fn an_error_has_what_clients_read() {
        let value =
            serde_json::to_value(BrokerResponse::error(ErrorCode::UnknownColumn, "no column `carier`")).unwrap();
        assert!(value.get("resultTable").is_none());
        assert_eq!(
            value["exceptions"],
            serde_json::json!([{"errorCode": 710, "message": "UnknownColumnError: no column `carier`"}])
        );
        assert_eq!(value["partialResult"], true);
        assert_eq!(value["numServersQueried"], 0);
        assert_eq!(value["numServersResponded"], 0);
    }

    #[test]
    fn head_and_tail_make_the_whole() {
        let mut response = BrokerResponse {
            result_table: Some(ResultTable {
                data_schema: DataSchema { column_names: vec!["c".into()], column_data_types: vec!["LONG".into()] },
                rows: vec![vec![serde_json::json!(1)]],
            }),
            num_rows_result_set: 1,
            max_rows_in_join_reached: Some(false),
            ..BrokerResponse::default()
        };
        response.cursor = Some(CursorResponse { offset: 3, ..CursorResponse::default() });
        let table = serde_json::to_string(response.result_table.as_ref().unwrap()).unwrap();
        let streamed = format!("{{\"resultTable\":{table}{}", response.tail());
        assert_eq!(streamed, serde_json::to_string(&response).unwrap());
        assert_eq!(serde_json::from_str::<BrokerResponse>(&streamed).unwrap(), response);
    }
}
