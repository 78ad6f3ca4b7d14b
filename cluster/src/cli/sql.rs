//! `gamay sql`: one query, or a prompt.

use super::client::{self, Client, encode};
use super::prompt;
use super::table_print::{self, Format, Rows};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Ask a question in SQL; without one, open a prompt
#[derive(Debug, clap::Args)]
pub struct SqlArgs {
    /// The query; `-` reads it from standard input
    query: Option<String>,
    /// Print the broker's whole answer as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print rows as CSV with a header
    #[arg(long)]
    csv: bool,
    /// Address of the broker; GAMAY_BROKER sets the default
    #[arg(long, default_value_t = client::broker_address())]
    broker: String,
    /// Address of the controller (GAMAY_CONTROLLER sets the default); the prompt asks it for the names that it completes
    #[arg(long, default_value_t = client::controller_address())]
    controller: String,
    /// A query option, for example timeoutMs=60000 or enableNullHandling=false; may be repeated
    #[arg(long = "option", short = 'o', value_name = "NAME=VALUE")]
    options: Vec<String>,
}

impl SqlArgs {
    fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Table,
        }
    }
}

pub fn run(args: SqlArgs) -> Result<()> {
    for option in &args.options {
        if !option.contains('=') {
            bail!("option `{option}` is not of the form NAME=VALUE");
        }
    }
    let asker = Asker { client: Client::broker(&args.broker)?, options: args.options.clone() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime that watches for Ctrl-C")?;
    let Some(query) = &args.query else {
        return prompt::run(&asker, &Client::controller(&args.controller)?, &runtime, args.format());
    };
    let query = if query == "-" {
        io::read_to_string(io::stdin()).context("read the query from standard input")?
    } else {
        query.clone()
    };
    let answer = runtime.block_on(asker.ask_or_cancel(&query))?;
    answer.print(args.format(), io::stderr().is_terminal() && io::stdout().is_terminal())
}

/// Sends queries to a broker.
#[derive(Debug, Clone)]
pub struct Asker {
    client: Client,
    options: Vec<String>,
}

impl Asker {
    /// Asks, and cancels the query when the user presses Ctrl-C meanwhile.
    pub async fn ask_or_cancel(&self, sql: &str) -> Result<QueryAnswer> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos();
        let id = format!("cli-{}-{}-{}", std::process::id(), now, COUNT.fetch_add(1, Ordering::Relaxed));
        let (asker, text, client_id) = (self.clone(), sql.to_owned(), id.clone());
        let mut asked = tokio::task::spawn_blocking(move || asker.ask(&text, &client_id));
        tokio::select! {
            answer = &mut asked => return answer.context("the query's thread ended")?,
            signal = tokio::signal::ctrl_c() => signal.context("watch for Ctrl-C")?,
        }
        let client = self.client.clone();
        let path = format!("/query/{}?client=true", encode(&id));
        tokio::task::spawn_blocking(move || client.delete(&path)).await.context("the cancelling thread ended")??;
        asked.await.context("the query's thread ended")?
    }

    fn ask(&self, sql: &str, client_id: &str) -> Result<QueryAnswer> {
        let started = Instant::now();
        let mut options = vec!["useMultistageEngine=true".to_owned(), format!("clientQueryId={client_id}")];
        options.extend(self.options.iter().cloned());
        let body = json!({"sql": sql, "queryOptions": options.join(";")});
        let answer = self.client.post("/query/sql", &body)?;
        let is_answer = answer.body.get("exceptions").is_some_and(Value::is_array);
        if !is_answer {
            answer.success()?;
            bail!("what answers at {} is not a broker", self.client.base());
        }
        Ok(QueryAnswer { body: answer.body, took: started.elapsed() })
    }
}

/// A broker's answer and the time that it took to come.
#[derive(Debug)]
pub struct QueryAnswer {
    pub body: Value,
    pub took: Duration,
}

/// Names and types of the columns, and the rows.
pub type Table = (Vec<String>, Vec<String>, Vec<Vec<Value>>);

impl QueryAnswer {
    pub fn rows(&self) -> Result<Table> {
        let Some(table) = self.body.get("resultTable") else { return Ok(Default::default()) };
        let names =
            serde_json::from_value(table["dataSchema"]["columnNames"].clone()).context("read the column names")?;
        let types =
            serde_json::from_value(table["dataSchema"]["columnDataTypes"].clone()).context("read the column types")?;
        let rows = serde_json::from_value(table["rows"].clone()).context("read the rows")?;
        Ok((names, types, rows))
    }

    /// Messages of the answer's exceptions.
    pub fn errors(&self) -> Vec<String> {
        let exceptions = self.body["exceptions"].as_array().into_iter().flatten();
        exceptions.map(|e| e["message"].as_str().unwrap_or("an error without a message").to_owned()).collect()
    }

    /// Prints rows to stdout and, if wanted, a line of counts to stderr. An answer with exceptions is an error.
    pub fn print(&self, format: Format, counts: bool) -> Result<()> {
        let mut out = io::stdout().lock();
        if format == Format::Json {
            writeln!(out, "{}", serde_json::to_string_pretty(&self.body)?)?;
        } else if self.body.get("resultTable").is_some() {
            let (names, types, rows) = self.rows()?;
            let rows = Rows { names: &names, types: &types, rows: &rows };
            match format {
                Format::Csv => table_print::csv(rows, &mut out)?,
                _ => table_print::table(rows, &mut out)?,
            }
            if counts {
                out.flush()?;
                eprintln!("{}", self.counts(rows.rows.len()));
            }
        }
        out.flush()?;
        let errors = self.errors();
        if errors.is_empty() { Ok(()) } else { bail!("{}", errors.join("\n")) }
    }

    /// `5 rows, 12.3 ms (scanned 336,776 of 336,776)`.
    pub fn counts(&self, rows: usize) -> String {
        let number = |key: &str| self.body[key].as_u64().unwrap_or(0);
        format!(
            "{rows} row{}, {:.1} ms ({} of {} rows passed the filter)",
            if rows == 1 { "" } else { "s" },
            self.took.as_secs_f64() * 1e3,
            grouped(number("numDocsScanned")),
            grouped(number("totalDocs"))
        )
    }
}

/// A number with commas between its thousands.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 336_776, 1_234_567].map(grouped), ["0", "999", "1,000", "336,776", "1,234,567"]);
    }

    #[test]
    fn exceptions_become_errors() {
        let body = json!({"exceptions": [{"errorCode": 710, "message": "no column x"}]});
        let answer = QueryAnswer { body, took: Duration::ZERO };
        assert_eq!(answer.errors(), ["no column x"]);
        assert!(answer.rows().unwrap().2.is_empty());
    }
}
