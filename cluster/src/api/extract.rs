//! What handlers take out of a request: as axum does it, but what does not fit is answered like every other error, in JSON.

use super::parameters::{TypeParameter, in_database};
use super::{ApiError, AppState};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use cluster_catalog::Table;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The parameters in the path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Path(path.0)).map_err(|e| ApiError::new(e.status(), e.body_text()))
    }
}

/// The parameters behind the question mark.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Query(query.0)).map_err(|e| ApiError::new(e.status(), e.body_text()))
    }
}

/// The tables that the path's `tableName` means in the database of the request, of the type that `type` asks for: the
/// offline and the realtime half, or one of them.
pub struct Tables(pub Vec<Arc<Table>>);

impl FromRequestParts<AppState> for Tables {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let Query(parameter) = Query::<TypeParameter>::from_request_parts(parts, app).await?;
        let path = RawPathParams::from_request_parts(parts, app).await;
        let path = path.map_err(|e| ApiError::new(e.status(), e.body_text()))?;
        let name = path.iter().find(|(key, _)| *key == "tableName").map(|(_, name)| name);
        let name = name.ok_or_else(|| ApiError::internal("the path has no tableName"))?;
        Ok(Tables(app.controller.tables_named(&in_database(name, &parts.headers)?, parameter.parse()?)?))
    }
}

impl Tables {
    /// The segments of all of them, each with its table.
    pub fn segments(&self) -> impl Iterator<Item = (&Arc<Table>, &Arc<cluster_catalog::Segment>)> {
        self.0.iter().flat_map(|table| table.segments().map(move |segment| (table, segment)))
    }
}
