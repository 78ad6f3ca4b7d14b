//! Starts nodes in folders of their own and talks to them.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The binary under test.
pub const GAMAY: &str = env!("CARGO_BIN_EXE_gamay");

/// A running `gamay start`. Killed when it is dropped.
pub struct Node {
    child: Child,
    pub controller: String,
    pub broker: String,
    dir: TempDir,
    arguments: Vec<String>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }
}

impl Node {
    pub fn start() -> Node {
        Node::start_with(&[])
    }

    /// A node with more options of `gamay start`.
    pub fn start_with(arguments: &[&str]) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (child, controller, broker) =
            launch(dir.path(), &arguments, &[]).unwrap_or_else(|said| panic!("no start: {said}"));
        Node { child, controller, broker, dir, arguments }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A folder beside the data directory, for a test's own files.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how the process ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.wait(Duration::from_secs(30))
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let end = Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the node does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts again on the same data, after a kill or a stop.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with environment variables.
    pub fn restart_with(&mut self, environment: &[(&str, &str)]) {
        let launched = launch(self.dir.path(), &self.arguments, environment);
        (self.child, self.controller, self.broker) = launched.unwrap_or_else(|said| panic!("no restart: {said}"));
    }

    /// Asks; options as Pinot's `k=v;k=v`.
    pub fn ask_with(&self, sql: &str, options: &str) -> Value {
        self.post(&format!("{}/query/sql", self.broker), &json!({"sql": sql, "queryOptions": options})).ok()
    }

    pub fn ask(&self, sql: &str) -> Value {
        self.ask_with(sql, "useMultistageEngine=true")
    }

    /// The rows of a query that must succeed.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Value {
        let answer = self.ask(sql);
        assert_eq!(answer["exceptions"], json!([]), "{sql}: {answer}");
        answer["resultTable"]["rows"].clone()
    }

    /// The first exception of a query that must fail: code and message.
    #[track_caller]
    pub fn failure(&self, sql: &str) -> (i64, String) {
        let answer = self.ask(sql);
        let exception = &answer["exceptions"][0];
        assert!(exception.is_object(), "{} answered {answer}", &sql[..sql.len().min(200)]);
        (exception["errorCode"].as_i64().unwrap(), exception["message"].as_str().unwrap().to_owned())
    }

    /// Rows of a table; `None` when it does not exist.
    pub fn count(&self, table: &str) -> Option<i64> {
        let answer = self.ask(&format!("SELECT count(*) FROM {table}"));
        answer["resultTable"]["rows"][0][0].as_i64()
    }

    pub fn get(&self, url: &str) -> Reply {
        reply(agent().get(self.resolve(url)).call())
    }

    pub fn head(&self, url: &str) -> Reply {
        reply(agent().head(self.resolve(url)).call())
    }

    pub fn delete(&self, url: &str) -> Reply {
        reply(agent().delete(self.resolve(url)).call())
    }

    pub fn post(&self, url: &str, body: &Value) -> Reply {
        self.post_text(url, "application/json", body.to_string().as_bytes())
    }

    pub fn put(&self, url: &str, body: &Value) -> Reply {
        reply(
            agent().put(self.resolve(url)).header("Content-Type", "application/json").send(body.to_string().as_bytes()),
        )
    }

    pub fn post_text(&self, url: &str, content_type: &str, body: &[u8]) -> Reply {
        reply(agent().post(self.resolve(url)).header("Content-Type", content_type).send(body))
    }

    pub fn post_with(&self, url: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut request = agent().post(self.resolve(url)).header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.send(body.to_string().as_bytes()))
    }

    /// A path is one of the controller.
    fn resolve(&self, url: &str) -> String {
        if url.starts_with('/') { format!("{}{url}", self.controller) } else { url.to_owned() }
    }

    /// Runs `gamay` against this node.
    pub fn gamay(&self, arguments: &[&str]) -> Output {
        self.gamay_command(arguments).output().unwrap()
    }

    pub fn gamay_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(GAMAY);
        command.args(arguments).current_dir(self.dir.path());
        command.env("GAMAY_CONTROLLER", &self.controller).env("GAMAY_BROKER", &self.broker);
        command
    }

    /// `gamay ingest FILE --table T ...` that must succeed; its JSON.
    #[track_caller]
    pub fn ingest(&self, file: &Path, table: &str, more: &[&str]) -> Value {
        let mut arguments = vec!["ingest", file.to_str().unwrap(), "--table", table, "--json"];
        arguments.extend(more);
        let output = self.gamay(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `gamay ingest` that must fail; what it says.
    #[track_caller]
    pub fn ingest_failure(&self, file: &Path, table: &str, more: &[&str]) -> String {
        let mut arguments = vec!["ingest", file.to_str().unwrap(), "--table", table];
        arguments.extend(more);
        let output = self.gamay(&arguments);
        assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stderr)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn agent() -> ureq::Agent {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120)));
    ureq::Agent::new_with_config(config.build())
}

fn reply(sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
    let mut response = sent.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.body_mut().with_config().limit(1 << 30).read_to_string().unwrap();
    Reply { status, headers, body }
}

/// Starts the binary and reads the addresses that it prints. What it says on stderr when it does not start is the error.
fn launch(dir: &Path, arguments: &[String], environment: &[(&str, &str)]) -> Result<(Child, String, String), String> {
    let mut command = Command::new(GAMAY);
    command.arg("start").arg("--data-dir").arg(dir.join("data")).args(["--controller-port", "0", "--broker-port", "0"]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).env("GAMAY_LOG", "warn");
    command.envs(environment.iter().copied());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut controller, mut broker) = (None, None);
    for line in lines.by_ref() {
        let line = line.unwrap();
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("controller"), Some(url)) => controller = Some(url.to_owned()),
            (Some("broker"), Some(url)) => broker = Some(url.to_owned()),
            (Some("ready"), None) => break,
            _ => {}
        }
    }
    let mut stderr = child.stderr.take().unwrap();
    match (controller, broker) {
        (Some(controller), Some(broker)) => {
            // Both pipes are read to the end, so that the node never waits for a reader.
            std::thread::spawn(move || lines.count());
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
            Ok((child, controller, broker))
        }
        _ => {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            child.wait().unwrap();
            Err(said)
        }
    }
}

/// A small CSV of `rows` rows: id, name (10 values), amount.
pub fn sample_csv(rows: usize) -> String {
    let mut csv = String::from("id,name,amount\n");
    for i in 0..rows {
        csv.push_str(&format!("{i},n{},{}.5\n", i % 10, i));
    }
    csv
}
