//! Reading JSON documents with errors that name the key.

use serde::de::DeserializeOwned;

use crate::{Error, Result};

pub(crate) fn check_size(document: &'static str, text: &str, limit: usize) -> Result<()> {
    if text.len() > limit { Err(Error::TooLarge { document, bytes: text.len(), limit }) } else { Ok(()) }
}

pub(crate) fn parse<T: DeserializeOwned>(document: &'static str, text: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| Error::Json {
        document,
        path: error.path().to_string(),
        reason: error.inner().to_string(),
    })?;
    deserializer.end().map_err(|error| Error::Json { document, path: String::new(), reason: error.to_string() })?;
    Ok(value)
}
