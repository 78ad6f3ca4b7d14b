//! Cursors: the rows of a query kept for a while, so that its client fetches them page by page (Pinot's response store).
//!
//! What is kept is what was computed, columns in memory, and a page is a slice of them. It is bounded in bytes, belongs to
//! this process and ends with it, or an hour after the query.

use super::answer::{Answer, AnswerRows};
use cluster_types::response::CursorResponse;
use cluster_types::{BrokerResponse, ErrorCode};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rows of a page where the client says nothing, as Pinot's `pinot.broker.cursor.fetch.rows`.
pub const PAGE_ROWS: u64 = 10_000;

/// How long results are kept, as Pinot's `pinot.broker.cursor.response.store.expiration`.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("query results for {0} not found; they are kept for an hour, and not over a restart of the broker")]
    Unknown(String),
    #[error("offset {offset} is not below the {rows} rows of the results")]
    Offset { offset: u64, rows: u64 },
}

/// The results of one query.
#[derive(Debug)]
struct Kept {
    rows: AnswerRows,
    /// All that the answer says beside its rows, as of the first page.
    response: BrokerResponse,
    cursor: CursorResponse,
    bytes: usize,
    until: Instant,
}

/// All kept results. Any thread.
#[derive(Debug)]
pub struct Cursors {
    address: SocketAddr,
    bytes_max: usize,
    /// By request id.
    kept: Mutex<BTreeMap<String, Arc<Kept>>>,
}

impl Cursors {
    pub fn new(address: SocketAddr, bytes_max: usize) -> Cursors {
        Cursors { address, bytes_max, kept: Mutex::default() }
    }

    /// Keeps the rows of an answer and makes its first page of it. An answer without rows stays what it is.
    pub fn keep(&self, answer: Answer, page_rows: u64) -> Answer {
        let Answer { rows: Some(rows), response, error: None } = answer else { return answer };
        let started = Instant::now();
        let bytes = rows.batches.iter().map(|batch| batch.get_array_memory_size()).sum();
        let now = millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let cursor = CursorResponse {
            submission_time_ms: now.saturating_sub(response.time_used_ms),
            expiration_time_ms: now.saturating_add(millis(KEPT_FOR)),
            broker_host: self.address.ip().to_string(),
            broker_port: self.address.port(),
            bytes_written: bytes as u64,
            cursor_result_write_time_ms: millis(started.elapsed()),
            ..CursorResponse::default()
        };
        let id = response.request_id.clone();
        let kept = Arc::new(Kept { rows, response, cursor, bytes, until: started + KEPT_FOR });
        let mut all = self.swept();
        let held: usize = all.values().map(|kept| kept.bytes).sum();
        if held.saturating_add(bytes) > self.bytes_max {
            let message = format!(
                "the rows take {bytes} bytes and cursors hold {held} of {} already; fetch without a cursor, or delete results \
                 (DELETE /responseStore/{{id}})",
                self.bytes_max
            );
            let mut refused = Answer::error(ErrorCode::ServerResourceLimitExceeded, message);
            refused.response.request_id = id;
            refused.response.broker_id.clone_from(&kept.response.broker_id);
            return refused;
        }
        all.insert(id, kept.clone());
        drop(all);
        kept.page(0, page_rows)
    }

    /// Rows from `offset` on, `page_rows` at most.
    pub fn page(&self, id: &str, offset: u64, page_rows: u64) -> Result<Answer, Error> {
        let started = Instant::now();
        let kept = self.find(id)?;
        let rows = kept.response.num_rows_result_set;
        if offset >= rows.max(1) {
            return Err(Error::Offset { offset, rows });
        }
        let mut answer = kept.page(offset, page_rows);
        if let Some(cursor) = &mut answer.response.cursor {
            cursor.cursor_fetch_time_ms = millis(started.elapsed());
        }
        Ok(answer)
    }

    /// What is said of a query's results, without rows.
    pub fn describe(&self, id: &str) -> Result<BrokerResponse, Error> {
        Ok(self.find(id)?.described())
    }

    /// What is said of all results that are kept.
    pub fn list(&self) -> Vec<BrokerResponse> {
        self.swept().values().map(|kept| kept.described()).collect()
    }

    pub fn delete(&self, id: &str) -> Result<(), Error> {
        self.swept().remove(id).map(drop).ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    /// Lets go of what has been kept for its time.
    pub fn sweep(&self) {
        drop(self.swept());
    }

    fn find(&self, id: &str) -> Result<Arc<Kept>, Error> {
        self.swept().get(id).cloned().ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    fn swept(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Kept>>> {
        // Each change is one insert or remove, so that the map is whole after a panic elsewhere.
        let mut all = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, kept| kept.until > now);
        all
    }
}

impl Kept {
    fn described(&self) -> BrokerResponse {
        BrokerResponse { cursor: Some(self.cursor.clone()), ..self.response.clone() }
    }

    fn page(&self, offset: u64, page_rows: u64) -> Answer {
        let rows = self.rows.slice(offset, page_rows);
        let num_rows = rows.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let mut response = self.described();
        response.cursor = Some(CursorResponse { offset, num_rows, ..self.cursor.clone() });
        Answer { rows: Some(rows), response, error: None }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};
    use cluster_sql::ResultColumn;
    use shard_plan::Type;

    fn cursors(bytes_max: usize) -> Cursors {
        Cursors::new("127.0.0.1:8099".parse().unwrap(), bytes_max)
    }

    /// An answer whose rows are 0.., in batches of these sizes.
    fn answer(id: &str, sizes: &[i64]) -> Answer {
        let mut next = 0..;
        let batches = sizes.iter().map(|size| {
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values(next.by_ref().take(*size as usize)));
            let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
            RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap()
        });
        let columns = vec![ResultColumn { name: "n".into(), ty: Type::LONG }];
        let rows = AnswerRows { columns, batches: batches.collect() };
        let num_rows_result_set = sizes.iter().sum::<i64>() as u64;
        let response = BrokerResponse { request_id: id.into(), num_rows_result_set, ..BrokerResponse::default() };
        Answer { rows: Some(rows), response, error: None }
    }

    fn shown(answer: Answer) -> BrokerResponse {
        let chunks: Vec<bytes::Bytes> = answer.into_chunks().collect();
        serde_json::from_slice(&chunks.concat()).unwrap()
    }

    fn numbers(response: &BrokerResponse) -> Vec<i64> {
        let rows = &response.result_table.as_ref().unwrap().rows;
        rows.iter().map(|row| row[0].as_i64().unwrap()).collect()
    }

    #[test]
    fn pages_are_the_rows_in_order_over_all_batches() {
        let cursors = cursors(1 << 20);
        let first = shown(cursors.keep(answer("7", &[3, 0, 4, 1]), 2));
        assert_eq!(numbers(&first), [0, 1]);
        let cursor = first.cursor.unwrap();
        assert_eq!((cursor.offset, cursor.num_rows, first.num_rows_result_set), (0, 2, 8));
        assert_eq!(cursor.expiration_time_ms - cursor.submission_time_ms, 3_600_000);
        for (offset, rows) in (0..8).flat_map(|offset| (1..10).map(move |rows| (offset, rows))) {
            let page = shown(cursors.page("7", offset, rows).unwrap());
            let expected: Vec<i64> = (offset as i64..8.min((offset + rows) as i64)).collect();
            assert_eq!(numbers(&page), expected, "{offset} {rows}");
            assert_eq!(page.cursor.unwrap().num_rows, expected.len() as u64);
        }
        assert_eq!(cursors.page("7", 8, 1).unwrap_err(), Error::Offset { offset: 8, rows: 8 });
        assert_eq!(cursors.page("8", 0, 1).unwrap_err(), Error::Unknown("8".into()));
    }

    #[test]
    fn results_are_listed_deleted_and_bounded() {
        let one = answer("1", &[100]).rows.unwrap().batches[0].get_array_memory_size();
        let cursors = cursors(one * 2);
        for id in ["1", "2"] {
            assert!(cursors.keep(answer(id, &[100]), 1).error.is_none());
        }
        let refused = cursors.keep(answer("3", &[100]), 1);
        assert_eq!(refused.error, Some(ErrorCode::ServerResourceLimitExceeded));
        assert_eq!(refused.response.request_id, "3");
        let ids: Vec<String> = cursors.list().into_iter().map(|response| response.request_id).collect();
        assert_eq!(ids, ["1", "2"]);
        assert!(cursors.describe("1").unwrap().result_table.is_none());
        cursors.delete("1").unwrap();
        assert!(cursors.delete("1").is_err());
        assert!(cursors.keep(answer("3", &[100]), 1).error.is_none());
        // No rows are a page of none; an error keeps nothing.
        assert_eq!(numbers(&shown(cursors.keep(answer("4", &[]), 1))), Vec::<i64>::new());
        assert_eq!(numbers(&shown(cursors.page("4", 0, 1).unwrap())), Vec::<i64>::new());
        cursors.keep(Answer::error(ErrorCode::SqlParsing, "x"), 1);
        assert_eq!(cursors.list().len(), 3);
    }
}
