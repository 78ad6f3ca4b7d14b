//! What a client asks: SQL, options, trace. Clients differ in how they write it, and all of their ways are taken.

use cluster_types::ErrorCode;
use serde_json::{Map, Value};

/// The longest SQL text. A longer one is refused before it is parsed.
pub const SQL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A query as it came in, before its own `SET` and `OPTION(...)` are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryRequest {
    pub sql: String,
    /// In the order they were given; names as written. A later one wins.
    pub options: Vec<(String, String)>,
    pub trace: bool,
}

/// A request that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: ErrorCode,
    pub message: String,
}

impl Error {
    fn json(message: impl Into<String>) -> Error {
        Error { code: ErrorCode::JsonParsing, message: message.into() }
    }
}

impl QueryRequest {
    /// Reads `{"sql": ..., "queryOptions": ..., "trace": ...}`. Other keys are Pinot's of older days and are let pass.
    pub fn from_json(body: &[u8]) -> Result<QueryRequest, Error> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|e| Error::json(format!("the body is not JSON: {e}; send {{\"sql\": \"...\"}}")))?;
        let Value::Object(object) = value else {
            return Err(Error::json("the body is not a JSON object; send {\"sql\": \"...\"}"));
        };
        let sql = match object.get("sql") {
            Some(Value::String(sql)) => sql.clone(),
            Some(_) => return Err(Error::json("`sql` is not a string")),
            None => return Err(Error::json("the body has no `sql`")),
        };
        let trace = object.get("trace").is_some_and(truthy);
        QueryRequest::new(sql, options_of(&object)?, trace)
    }

    /// Reads the parameters of `GET /query/sql?sql=...&queryOptions=...&trace=...`.
    pub fn from_parameters(parameters: Vec<(String, String)>) -> Result<QueryRequest, Error> {
        let (mut sql, mut options, mut trace) = (None, Vec::new(), false);
        for (name, value) in parameters {
            match name.as_str() {
                "sql" | "query" => sql = Some(value),
                "queryOptions" => options = parse_options(&value),
                "trace" => trace = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        let sql = sql.ok_or_else(|| Error::json("the request has no parameter `sql`"))?;
        QueryRequest::new(sql, options, trace)
    }

    fn new(sql: String, options: Vec<(String, String)>, trace: bool) -> Result<QueryRequest, Error> {
        if sql.len() > SQL_BYTES_MAX {
            let message = format!("the SQL text has {} bytes, and {SQL_BYTES_MAX} are the most", sql.len());
            return Err(Error { code: ErrorCode::SqlParsing, message });
        }
        Ok(QueryRequest { sql, options, trace })
    }

    /// The last value of an option, its name in any case.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn options_of(object: &Map<String, Value>) -> Result<Vec<(String, String)>, Error> {
    match object.get("queryOptions") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(parse_options(text)),
        Some(Value::Object(map)) => Ok(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
        Some(_) => Err(Error::json("`queryOptions` is not a string of k=v;k=v")),
    }
}

/// Reads `k=v;k=v`. Empty parts are skipped (pinotdb begins with a semicolon), and so are parts without `=` and values that
/// a JavaScript client left `undefined`.
fn parse_options(text: &str) -> Vec<(String, String)> {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    let pairs = parts.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    pairs.filter(|(key, value)| !key.is_empty() && value != "undefined").collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `true`, or the string `"true"` that the Go client sends.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        let body = serde_json::json!({"sql": "SELECT 1", "queryOptions": text}).to_string();
        QueryRequest::from_json(body.as_bytes()).unwrap().options
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn options_as_clients_write_them() {
        assert_eq!(
            options(";timeoutMs=5;useMultistageEngine=true"),
            pairs(&[("timeoutMs", "5"), ("useMultistageEngine", "true")])
        );
        assert_eq!(options("a = 1 ; enableNullHandling=undefined;x;b=c=d"), pairs(&[("a", "1"), ("b", "c=d")]));
        assert_eq!(options(""), []);
    }

    #[test]
    fn the_last_value_of_an_option_counts_in_any_case() {
        let body = br#"{"sql":"SELECT 1","queryOptions":"useMultiStageEngine=false;USEMULTISTAGEENGINE=true"}"#;
        assert_eq!(QueryRequest::from_json(body).unwrap().option("useMultistageEngine"), Some("true"));
    }

    #[test]
    fn trace_may_be_a_string() {
        for (trace, expected) in [("\"true\"", true), ("true", true), ("false", false), ("null", false), ("1", false)] {
            let body = format!("{{\"sql\":\"SELECT 1\",\"trace\":{trace}}}");
            assert_eq!(QueryRequest::from_json(body.as_bytes()).unwrap().trace, expected, "{trace}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in ["", "[]", "{}", "{\"sql\":1}", "{\"sql\":\"x\",\"queryOptions\":3}"] {
            assert_eq!(QueryRequest::from_json(body.as_bytes()).unwrap_err().code, ErrorCode::JsonParsing, "{body}");
        }
        let long = serde_json::json!({"sql": " ".repeat(SQL_BYTES_MAX + 1)}).to_string();
        assert_eq!(QueryRequest::from_json(long.as_bytes()).unwrap_err().code, ErrorCode::SqlParsing);
    }

    #[test]
    fn parameters_of_a_get() {
        let given = pairs(&[("sql", "SELECT 1"), ("queryOptions", "a=b"), ("trace", "true"), ("z", "")]);
        let request = QueryRequest::from_parameters(given).unwrap();
        assert_eq!(request, QueryRequest { sql: "SELECT 1".into(), options: pairs(&[("a", "b")]), trace: true });
        assert!(QueryRequest::from_parameters(vec![]).is_err());
    }
}
