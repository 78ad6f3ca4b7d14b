//! An answer on its way to the client: rows encoded a chunk at a time, then the statistics, in Pinot's order (E-6).

use super::encode::{self, RowEncoder};
use arrow_array::RecordBatch;
use bytes::Bytes;
use cluster_sql::ResultColumn;
use cluster_types::{BrokerResponse, ErrorCode, QueryException};

/// Rows that have been computed, as columns.
#[derive(Debug)]
pub struct AnswerRows {
    pub columns: Vec<ResultColumn>,
    pub batches: Vec<RecordBatch>,
}

impl AnswerRows {
    /// At most `count` rows from `offset` on, which share the memory of these.
    pub fn slice(&self, offset: u64, count: u64) -> AnswerRows {
        let (mut skip, mut left) = (offset, count);
        let mut batches = Vec::new();
        for batch in &self.batches {
            let rows = batch.num_rows() as u64;
            let from = skip.min(rows);
            let take = left.min(rows - from);
            skip -= from;
            left -= take;
            if take > 0 {
                // Both are at most the rows of the batch.
                batches.push(batch.slice(from as usize, take as usize));
            }
        }
        AnswerRows { columns: self.columns.clone(), batches }
    }
}

/// What a query led to: rows, if it got so far, and all else that the client is told.
#[derive(Debug)]
pub struct Answer {
    pub rows: Option<AnswerRows>,
    pub response: BrokerResponse,
    /// The error that ended the query, if one did.
    pub error: Option<ErrorCode>,
}

impl Answer {
    /// An answer that is only an error.
    pub fn error(code: ErrorCode, message: impl std::fmt::Display) -> Answer {
        Answer { rows: None, response: BrokerResponse::error(code, message), error: Some(code) }
    }

    pub fn into_chunks(self) -> Chunks {
        Chunks { answer: self, next: Next::Head }
    }
}

/// Bytes of a chunk after which it is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// The answer's JSON in pieces of about [`CHUNK_BYTES`]; what is encoded and not sent is never more than one of them.
#[derive(Debug)]
pub struct Chunks {
    answer: Answer,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Head,
    Row { batch: usize, row: usize, first: bool },
    Tail { after_rows: bool },
    End,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.next == Next::End {
            return None;
        }
        let mut out = Vec::new();
        while self.next != Next::End && out.len() < CHUNK_BYTES {
            self.step(&mut out);
        }
        Some(Bytes::from(out))
    }
}

impl Chunks {
    pub fn is_finished(&self) -> bool {
        self.next == Next::End
    }

    fn step(&mut self, out: &mut Vec<u8>) {
        match self.next {
            Next::Head => self.head(out),
            Next::Row { batch, row, first } => self.next = self.rows(batch, row, first, out),
            Next::Tail { after_rows } => {
                let tail = self.answer.response.tail();
                // The tail begins with the comma behind `resultTable`.
                if after_rows {
                    out.extend_from_slice(b"]}");
                    out.extend_from_slice(tail.as_bytes());
                } else {
                    out.push(b'{');
                    out.extend_from_slice(&tail.as_bytes()[1..]);
                }
                self.next = Next::End;
            }
            Next::End => {}
        }
    }

    fn head(&mut self, out: &mut Vec<u8>) {
        let Some(rows) = &self.answer.rows else {
            self.next = Next::Tail { after_rows: false };
            return;
        };
        out.extend_from_slice(b"{\"resultTable\":{\"dataSchema\":{\"columnNames\":[");
        for (i, column) in rows.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            encode::text(&column.name, out);
        }
        out.extend_from_slice(b"],\"columnDataTypes\":[");
        for (i, column) in rows.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            encode::text(&column.ty.to_string(), out);
        }
        out.extend_from_slice(b"]},\"rows\":[");
        self.next = Next::Row { batch: 0, row: 0, first: true };
    }

    /// Writes rows of one batch until the chunk is full. An error after the first byte ends the rows and is told behind them.
    fn rows(&mut self, batch: usize, from: usize, mut first: bool, out: &mut Vec<u8>) -> Next {
        let rows = self.answer.rows.as_ref().expect("rows are written where there are rows");
        let Some(columns) = rows.batches.get(batch) else { return Next::Tail { after_rows: true } };
        let written = RowEncoder::new(columns).and_then(|encoder| {
            for row in from..encoder.rows() {
                if out.len() >= CHUNK_BYTES {
                    return Ok(Next::Row { batch, row, first });
                }
                let before = out.len();
                if !first {
                    out.push(b',');
                }
                if let Err(error) = encoder.write(row, out) {
                    out.truncate(before);
                    return Err(error);
                }
                first = false;
            }
            Ok(Next::Row { batch: batch + 1, row: 0, first })
        });
        written.unwrap_or_else(|error| {
            let message = crate::error_chain(&error);
            self.answer.response.add_exception(QueryException::new(ErrorCode::Internal, message));
            Next::Tail { after_rows: true }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Array, ArrayRef, Int64Array, LargeBinaryArray, StringArray};
    use arrow_schema::{Field, Schema};
    use shard_plan::Type;
    use std::sync::Arc;

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let fields: Vec<_> = columns.iter().map(|c| Field::new("c", c.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn text(answer: Answer) -> (String, usize) {
        let chunks: Vec<Bytes> = answer.into_chunks().collect();
        (String::from_utf8(chunks.concat()).unwrap(), chunks.len())
    }

    fn answer(columns: Vec<ResultColumn>, batches: Vec<RecordBatch>) -> Answer {
        let rows = Some(AnswerRows { columns, batches });
        Answer { rows, response: BrokerResponse::default(), error: None }
    }

    #[test]
    fn rows_of_several_batches_are_one_json() {
        let numbers = |v: Vec<i64>| batch(vec![Arc::new(Int64Array::from(v)) as ArrayRef]);
        let columns = vec![ResultColumn { name: "a \"b\"".into(), ty: Type::LONG }];
        let (text, chunks) = text(answer(columns, vec![numbers(vec![1, 2]), numbers(vec![]), numbers(vec![3])]));
        let value: BrokerResponse = serde_json::from_str(&text).unwrap();
        let table = value.result_table.unwrap();
        assert_eq!(table.data_schema.column_names, ["a \"b\""]);
        assert_eq!(table.data_schema.column_data_types, ["LONG"]);
        assert_eq!(serde_json::to_string(&table.rows).unwrap(), "[[1],[2],[3]]");
        assert_eq!(chunks, 1);
    }

    #[test]
    fn no_rows_and_no_table() {
        let columns = vec![ResultColumn { name: "a".into(), ty: Type::STRING }];
        let value: serde_json::Value = serde_json::from_str(&text(answer(columns, vec![])).0).unwrap();
        assert_eq!(value["resultTable"]["rows"], serde_json::json!([]));
        let value: serde_json::Value =
            serde_json::from_str(&text(Answer::error(ErrorCode::SqlParsing, "x")).0).unwrap();
        assert!(value.get("resultTable").is_none());
        assert_eq!(value["exceptions"][0]["errorCode"], 150);
    }

    #[test]
    fn large_answers_come_in_bounded_chunks() {
        let long = "x".repeat(1000);
        let strings = batch(vec![Arc::new(StringArray::from(vec![long.as_str(); 1000])) as ArrayRef]);
        let columns = vec![ResultColumn { name: "s".into(), ty: Type::STRING }];
        let mut chunks = answer(columns, vec![strings]).into_chunks();
        let all: Vec<Bytes> = chunks.by_ref().collect();
        assert!(chunks.is_finished() && all.len() > 10);
        assert!(all.iter().all(|chunk| chunk.len() < CHUNK_BYTES + 4096));
        let value: BrokerResponse = serde_json::from_slice(&all.concat()).unwrap();
        assert_eq!(value.result_table.unwrap().rows.len(), 1000);
    }

    #[test]
    fn an_error_among_the_rows_is_told_behind_them() {
        let good = segfmt::decimal::parse("1").unwrap();
        let decimals: Vec<&[u8]> = vec![&good, b"\x07not a decimal"];
        assert!(segfmt::decimal::to_plain_string(decimals[1]).is_err());
        let rows = batch(vec![Arc::new(LargeBinaryArray::from_vec(decimals)) as ArrayRef]);
        let columns = vec![ResultColumn { name: "d".into(), ty: Type::BIG_DECIMAL }];
        let value: BrokerResponse = serde_json::from_str(&text(answer(columns, vec![rows])).0).unwrap();
        assert_eq!(value.result_table.unwrap().rows.len(), 1);
        assert!(value.partial_result);
        assert_eq!(value.exceptions[0].error_code, 450);
    }
}
