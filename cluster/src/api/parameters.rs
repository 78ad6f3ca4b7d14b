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
}
