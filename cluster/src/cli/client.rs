//! The CLI's HTTP client: one small agent, errors that say which address did not answer and what to do.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use ureq::{Agent, SendBody};

/// An answer: its status and its JSON (`Null` for an empty body, a string for text that is not JSON).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The body of a success, or the error that it holds.
    pub fn success(self) -> Result<Value> {
        if self.status < 300 {
            return Ok(self.body);
        }
        bail!("{}", error_text(&self.body).unwrap_or_else(|| format!("HTTP status {}", self.status)))
    }
}

fn error_text(body: &Value) -> Option<String> {
    match body {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Object(object) => object.get("error").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

/// The broker's address where none is given: `GAMAY_BROKER`, else Pinot's port on this host.
pub fn broker_address() -> String {
    std::env::var("GAMAY_BROKER").unwrap_or_else(|_| "http://127.0.0.1:8099".to_owned())
}

/// The controller's address where none is given: `GAMAY_CONTROLLER`, else Pinot's port on this host.
pub fn controller_address() -> String {
    std::env::var("GAMAY_CONTROLLER").unwrap_or_else(|_| "http://127.0.0.1:9000".to_owned())
}

/// One of a node's two addresses.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    role: &'static str,
    agent: Agent,
}

impl Client {
    pub fn controller(url: &str) -> Result<Client> {
        Client::new(url, "controller")
    }

    pub fn broker(url: &str) -> Result<Client> {
        Client::new(url, "broker")
    }

    fn new(url: &str, role: &'static str) -> Result<Client> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            bail!("{role} address `{url}` does not begin with http://");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .max_redirects(0)
            .build();
        Ok(Client { base, role, agent: Agent::new_with_config(config) })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn get(&self, path: &str) -> Result<Answer> {
        self.read(self.agent.get(self.url(path)).call())
    }

    pub fn delete(&self, path: &str) -> Result<Answer> {
        self.read(self.agent.delete(self.url(path)).call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.read(self.agent.post(self.url(path)).send_json(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.read(self.agent.put(self.url(path)).send_json(body))
    }

    /// Sends a file as the body.
    pub fn put_file(&self, path: &str, file: &Path) -> Result<Answer> {
        let mut file = File::open(file).with_context(|| format!("open {}", file.display()))?;
        let request = self.agent.put(self.url(path)).header("Content-Type", "application/octet-stream");
        self.read(request.send(SendBody::from_reader(&mut file)))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn read(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer> {
        let mut response = sent.with_context(|| {
            format!(
                "no answer from the {} at {}; is a node running? `gamay start --data-dir DIR` starts one",
                self.role, self.base
            )
        })?;
        let status = response.status().as_u16();
        const BODY_BYTES_MAX: u64 = 4 << 30;
        let text = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string();
        let text = text.with_context(|| format!("the answer of {} broke off", self.base))?;
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok(Answer { status, body })
    }
}

/// A path segment or query value, percent-encoded.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_a_path() {
        assert_eq!(encode("a b/ü?x"), "a%20b%2F%C3%BC%3Fx");
    }

    #[test]
    fn an_address_that_does_not_answer_is_named() {
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let client = Client::controller(&format!("http://{closed}/")).unwrap();
        let error = format!("{:#}", client.get("/health").unwrap_err());
        assert!(error.contains(&closed.to_string()) && error.contains("gamay start"), "{error}");
        assert!(Client::broker("localhost:8099").is_err());
    }
}
