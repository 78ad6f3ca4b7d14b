//! Query parameters that many paths share, read as leniently as Pinot reads them.

use super::ApiError;
use axum::http::HeaderMap;
use cluster_types::{TableName, TableType};
use serde::Deserialize;
use utoipa::IntoParams;

/// `?type=OFFLINE`, in any case.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TypeParameter {
    /// OFFLINE or REALTIME; both where it is left out
    #[serde(rename = "type")]
    pub table_type: Option<String>,
}

impl TypeParameter {
    pub fn parse(&self) -> Result<Option<TableType>, ApiError> {
        parse_type(self.table_type.as_deref())
    }
}

pub fn parse_type(text: Option<&str>) -> Result<Option<TableType>, ApiError> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|e: cluster_types::Error| ApiError::bad_request(e.to_string())),
    }
}

/// `?type=OFFLINE&retention=0d`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DropParameters {
    /// OFFLINE or REALTIME; both where it is left out
    #[serde(rename = "type")]
    pub table_type: Option<String>,
    /// How long the files are kept, for example 7d; 0d is not at all
    pub retention: Option<String>,
}

/// The database that the header `Database` names.
pub fn database(headers: &HeaderMap) -> Option<&str> {
    headers.get("database").and_then(|value| value.to_str().ok()).map(str::trim).filter(|name| !name.is_empty())
}

/// A table name of a path, in the database of the request.
pub fn in_database(name: &str, headers: &HeaderMap) -> Result<String, ApiError> {
    let bad = |e: cluster_types::Error| ApiError::bad_request(e.to_string());
    let mut parsed = TableName::parse(name).map_err(bad)?;
    if let Some(database) = database(headers) {
        parsed = parsed.in_database(database).map_err(bad)?;
    }
    Ok(parsed.to_string())
}

/// Pairs of a query string; a part that is not UTF-8 once decoded is left out.
pub fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let bytes = text.as_bytes();
        let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            let hex =
                bytes.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
            match (bytes[at], hex) {
                (b'%', Some(byte)) => {
                    out.push(byte);
                    at += 3;
                }
                (byte, _) => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        String::from_utf8(out).ok()
    };
    let parts = query.unwrap_or_default().split('&').filter(|part| !part.is_empty());
    parts
        .filter_map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(key)?, decode(value)?))
        })
        .collect()
}

/// The values of `columns`, which may be repeated: names, or `*` for all.
pub fn asked_columns(query: Option<&str>) -> Vec<String> {
    pairs(query)
        .into_iter()
        .filter(|(key, value)| key == "columns" && !value.is_empty())
        .map(|(_, value)| value)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_header_scopes_names() {
        let mut headers = HeaderMap::new();
        assert_eq!(in_database("t_OFFLINE", &headers).unwrap(), "t_OFFLINE");
        headers.insert("database", "sales".parse().unwrap());
        assert_eq!(in_database("t_OFFLINE", &headers).unwrap(), "sales.t_OFFLINE");
        assert_eq!(in_database("hr.t", &headers).unwrap(), "hr.t");
        headers.insert("database", "default".parse().unwrap());
        assert_eq!(in_database("t", &headers).unwrap(), "t");
    }

    #[test]
    fn a_type_is_read_in_any_case() {
        assert_eq!(parse_type(Some("offline")).unwrap(), Some(TableType::Offline));
        assert_eq!(parse_type(Some("")).unwrap(), None);
        assert!(parse_type(Some("hybrid")).is_err());
    }

    #[test]
    fn a_query_string_is_decoded() {
        let expected = [("columns", "*"), ("columns", "a b"), ("x", "ü"), ("y", ""), ("z", "100%")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(pairs(Some("columns=*&columns=a+b&x=%C3%BC&&y&z=100%&bad=%FF")), expected);
        assert!(pairs(None).is_empty());
    }
}
