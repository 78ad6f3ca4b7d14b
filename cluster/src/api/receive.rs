//! Bodies: documents read whole, files streamed to the disk, both within limits, plain or as the one part of a form.

use super::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

/// Reads a JSON document: the body, or the first part of a form, as Pinot's UI and admin client send it.
pub async fn document(request: Request, limit: usize) -> Result<String, ApiError> {
    let bytes = if is_form(&request) {
        let mut form = open_form(request).await?;
        let field = form.next_field().await.map_err(broken_form)?;
        let mut field = field.ok_or_else(|| ApiError::bad_request("the form has no part"))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(broken_form)? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large(limit as u64));
            }
            bytes.extend_from_slice(&chunk);
        }
        bytes
    } else {
        whole(request.into_body(), limit).await?.to_vec()
    };
    let text = String::from_utf8(bytes).map_err(|_| ApiError::bad_request("the document is not UTF-8"))?;
    // Windows' editors begin a file with a byte order mark.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a JSON body of one shape.
pub async fn json<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, ApiError> {
    let text = document(request, limit).await?;
    serde_json::from_str(&text).map_err(|e| ApiError::bad_request(format!("the body is not what is taken here: {e}")))
}

/// What is still read of a body that is too large, so that its sender gets to read why it was refused.
const DRAIN_BYTES: usize = 64 << 20;

/// Reads a whole body of at most `limit` bytes.
pub async fn whole(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| ApiError::bad_request(format!("the body broke off: {e}")))?;
        length += chunk.len();
        if length <= limit {
            kept.extend_from_slice(&chunk);
        } else if length > limit.saturating_add(DRAIN_BYTES) {
            break;
        }
    }
    if length > limit { Err(too_large(limit as u64)) } else { Ok(Bytes::from(kept)) }
}

/// Reads a body that is not wanted, up to [`DRAIN_BYTES`], so that its sender gets to read why.
pub async fn drain(request: Request) {
    // The error is told already; what the rest of the body holds changes nothing.
    let _ = whole(request.into_body(), 0).await;
}

/// Writes the body, or the first part of a form that is a file (has a file name, or is called `file`), to `path`. Returns
/// the name that the form gave the file.
pub async fn file(request: Request, path: &Path, limit: u64) -> Result<Option<String>, ApiError> {
    if !is_form(&request) {
        let body = request.into_body().into_data_stream().map(|chunk| chunk.map_err(|e| e.to_string()));
        write(body, path, limit).await?;
        return Ok(None);
    }
    let mut form = open_form(request).await?;
    let field = loop {
        let field = form.next_field().await.map_err(broken_form)?;
        let field =
            field.ok_or_else(|| ApiError::bad_request("the form has no part `file`, nor one with a file name"))?;
        if field.file_name().is_some() || field.name() == Some("file") {
            break field;
        }
    };
    let name = field.file_name().or(field.name()).map(str::to_owned);
    write(field.map(|chunk| chunk.map_err(|e| e.body_text())), path, limit).await?;
    Ok(name)
}

async fn write(chunks: impl Stream<Item = Result<Bytes, String>>, path: &Path, limit: u64) -> Result<(), ApiError> {
    let on_disk = |error: std::io::Error| ApiError::internal(format!("write the file that is sent: {error}"));
    let mut chunks = std::pin::pin!(chunks);
    let mut length = 0u64;
    let written = async {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path).await.map_err(on_disk)?);
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|e| ApiError::bad_request(format!("the file broke off after {length} bytes: {e}")))?;
            length += chunk.len() as u64;
            if length > limit {
                return Err(too_large(limit));
            }
            out.write_all(&chunk).await.map_err(on_disk)?;
        }
        out.flush().await.map_err(on_disk)
    }
    .await;
    if written.is_err() {
        let mut drained = 0;
        while let Some(Ok(chunk)) = chunks.next().await
            && drained <= DRAIN_BYTES
        {
            drained += chunk.len();
        }
    }
    written
}

fn is_form(request: &Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/form-data"))
}

async fn open_form(request: Request) -> Result<Multipart, ApiError> {
    Multipart::from_request(request, &()).await.map_err(|e| ApiError::bad_request(e.body_text()))
}

fn broken_form(error: axum::extract::multipart::MultipartError) -> ApiError {
    ApiError::bad_request(format!("the form cannot be read: {}", error.body_text()))
}

fn too_large(limit: u64) -> ApiError {
    ApiError::too_large(format!("the body is larger than the {limit} bytes that are taken"))
}
