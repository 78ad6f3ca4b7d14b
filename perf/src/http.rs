//! One keep-alive connection that posts SQL to a broker.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub struct Client {
    agent: ureq::Agent,
    url: String,
    options: String,
}

impl Client {
    /// `options` is sent as Pinot's `queryOptions` with every query.
    pub fn new(broker: &str, options: &str) -> Client {
        // No time limit: with one, ureq makes a thread a request to look the host up, and its start would be measured too.
        Client {
            agent: ureq::Agent::new_with_defaults(),
            url: format!("{}/query/sql", broker.trim_end_matches('/')),
            options: options.to_owned(),
        }
    }

    /// The time from the first byte sent to the last byte read, and the answer's text.
    pub fn timed(&self, sql: &str) -> Result<(Duration, String)> {
        let body = json!({ "sql": sql, "queryOptions": self.options }).to_string();
        let started = Instant::now();
        let mut answer = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .send(body.as_bytes())
            .with_context(|| format!("post to {}", self.url))?;
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string().context("read the answer")?;
        Ok((started.elapsed(), text))
    }

    /// The answer's rows; an exception in it is an error.
    pub fn rows(text: &str, sql: &str) -> Result<Value> {
        let mut answer: Value = serde_json::from_str(text).with_context(|| format!("answer to {sql} is no JSON"))?;
        if let Some(exception) = answer["exceptions"].as_array().and_then(|e| e.first()) {
            bail!("{sql}: {exception}");
        }
        Ok(answer["resultTable"]["rows"].take())
    }
}
