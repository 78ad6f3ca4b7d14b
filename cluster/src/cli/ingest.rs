//! `gamay ingest`: files become segments here, in this process, and go to the node in one push.

use super::client::{self, Client, encode};
use super::ingest_plan::TablePlan;
use super::sql::grouped;
use crate::file_push;
use anyhow::{Context, Result, anyhow, bail};
use cluster_ingest::{
    BuiltSegment, Cancel, IngestJob, IngestOptions, IngestReport, OnError, Phase, Progress, ReadOptions, SegmentNames,
    Source,
};
use indicatif::{ProgressBar, ProgressStyle};
use segfmt::Identity;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// Load files into a table: CSV, JSON or Parquet, also packed with gzip or zstd
///
/// Without --schema the columns' types are found by reading all of the files. The table is made when it is missing. A bad
/// row fails the whole push, and nothing of it becomes visible.
#[derive(Debug, Clone, clap::Args)]
pub struct IngestArgs {
    /// Files to load, as one push
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The table
    #[arg(long, short = 't')]
    pub table: String,
    /// Schema (Pinot's JSON) instead of one made from the files
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Table config (Pinot's JSON) instead of the default one
    #[arg(long, value_name = "FILE")]
    pub table_config: Option<PathBuf>,
    /// Columns to sort the rows by
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,...")]
    pub sort: Vec<String>,
    /// The table's time column
    #[arg(long, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// A text that means NULL in CSV, beside the empty cell; may be repeated
    #[arg(long, value_name = "TEXT")]
    null_token: Vec<String>,
    /// Rows of a segment; as few segments as are reasonable where it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..4_294_967_295))]
    rows_per_segment: Option<u64>,
    /// Add the rows even if the same files have been loaded before
    #[arg(long, conflicts_with = "replace")]
    append: bool,
    /// Replace all rows of the table
    #[arg(long)]
    replace: bool,
    /// What happens to a bad row: `fail` the push, or `reject` it into a file (reject=FILE)
    #[arg(long, default_value = "fail", value_name = "fail|reject[=FILE]")]
    on_error: String,
    /// Leave columns out that the schema does not have, instead of failing
    #[arg(long)]
    ignore_unknown_columns: bool,
    /// Address of the controller; GAMAY_CONTROLLER sets the default
    #[arg(long, default_value_t = client::controller_address())]
    controller: String,
    /// Build the segments and say what would be pushed, without changing the node
    #[arg(long)]
    dry_run: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

impl IngestArgs {
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { null_tokens: self.null_token.clone(), ..ReadOptions::default() }
    }

    /// The file for rejected rows, if they are to be rejected.
    pub fn on_error(&self) -> Result<Option<PathBuf>> {
        match self.on_error.split_once('=').map_or((self.on_error.as_str(), None), |(how, file)| (how, Some(file))) {
            ("fail", None) => Ok(None),
            ("reject", Some(file)) if !file.is_empty() => Ok(Some(PathBuf::from(file))),
            ("reject", None) => {
                let first =
                    self.files[0].file_name().ok_or_else(|| anyhow!("{} is not a file", self.files[0].display()))?;
                Ok(Some(PathBuf::from(format!("{}.rejected.jsonl", first.to_string_lossy()))))
            }
            _ => bail!("--on-error `{}` is none of fail, reject, reject=FILE", self.on_error),
        }
    }
}

pub fn run(args: IngestArgs) -> Result<()> {
    let outcome = ingest(&args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome.to_json())?);
    } else {
        eprintln!("{}", outcome.summary(args.dry_run));
    }
    Ok(())
}

/// What an ingest did.
#[derive(Debug)]
pub struct Outcome {
    pub table: String,
    pub schema: Value,
    pub segments: u64,
    pub rows: u64,
    pub bytes: u64,
    pub rows_rejected: u64,
    pub reject_file: Option<PathBuf>,
    pub seconds: f64,
}

impl Outcome {
    fn bytes_per_row(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.bytes as f64 / self.rows as f64 }
    }

    fn rows_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.rows as f64 / self.seconds } else { 0.0 }
    }

    fn to_json(&self) -> Value {
        json!({
            "table": self.table,
            "schema": self.schema,
            "segments": self.segments,
            "rows": self.rows,
            "bytes": self.bytes,
            "bytesPerRow": self.bytes_per_row(),
            "rowsRejected": self.rows_rejected,
            "rejectFile": self.reject_file,
            "seconds": self.seconds,
            "rowsPerSecond": self.rows_per_second(),
        })
    }

    fn summary(&self, dry_run: bool) -> String {
        let mut text = format!(
            "{}: {} rows in {} segment{}, {} bytes ({:.1} a row), {:.2} s ({} rows/s)",
            self.table,
            grouped(self.rows),
            self.segments,
            if self.segments == 1 { "" } else { "s" },
            grouped(self.bytes),
            self.bytes_per_row(),
            self.seconds,
            grouped(self.rows_per_second() as u64)
        );
        if dry_run {
            text.push_str("; nothing was sent (--dry-run)");
        }
        if let Some(file) = &self.reject_file {
            text.push_str(&format!("\n{} rows rejected, see {}", grouped(self.rows_rejected), file.display()));
        }
        text
    }
}

/// Loads the files and waits until they are visible.
pub fn ingest(args: &IngestArgs) -> Result<Outcome> {
    let started = Instant::now();
    let cancel = Cancel::new();
    cancel_on_signal(cancel.clone());
    let controller = Client::controller(&args.controller)?;
    let on_error = args.on_error()?;
    let sources = args.files.iter().map(Source::from_path).collect::<Result<Vec<_>, _>>()?;
    let fingerprint = file_push::fingerprint(&sources).context("read the files")?;
    let bar = Bar::new(args.json);
    let table = TablePlan::make(args, &controller, &sources, &|progress| bar.show(progress), &cancel)?;
    if !args.json && table.inferred {
        bar.print(&format!("columns of `{}`, found by reading the files:\n{}", table.raw_name, table.describe()));
    }
    if table.exists && !args.append && !args.replace {
        refuse_again(&controller, &table.raw_name, &fingerprint)?;
    }
    let mut load = Load {
        args,
        controller: &controller,
        table: &table,
        sources,
        fingerprint,
        on_error,
        bar: &bar,
        cancel: &cancel,
    };
    let (report, bytes) = if args.dry_run { load.dry_run()? } else { load.push()? };
    bar.finish();
    Ok(Outcome {
        table: table.raw_name.clone(),
        schema: serde_json::from_str(&table.schema.to_json()).context("write the schema")?,
        segments: report.segments.len() as u64,
        rows: report.rows,
        bytes,
        rows_rejected: report.rows_rejected,
        reject_file: report.reject_file,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// The catalog refuses it as well; this says so before anything is built.
fn refuse_again(controller: &Client, raw_name: &str, fingerprint: &str) -> Result<()> {
    let prefix = format!("{}_", file_push::name_prefix(raw_name, fingerprint));
    let lists = controller.get(&format!("/segments/{}?type=OFFLINE", encode(raw_name)))?.success()?;
    let names =
        lists.as_array().into_iter().flatten().flat_map(|list| list["OFFLINE"].as_array().into_iter().flatten());
    if let Some(name) = names.filter_map(Value::as_str).find(|name| name.starts_with(&prefix)) {
        bail!(
            "the same data is in table `{raw_name}` already (segment {name}); --append adds it once more, --replace replaces all rows of the table"
        );
    }
    Ok(())
}

/// One run, from the plan to the answer.
struct Load<'a> {
    args: &'a IngestArgs,
    controller: &'a Client,
    table: &'a TablePlan,
    sources: Vec<Source>,
    fingerprint: String,
    on_error: Option<PathBuf>,
    bar: &'a Bar,
    cancel: &'a Cancel,
}

impl Load<'_> {
    fn names(&self, push: &str) -> SegmentNames {
        let prefix = file_push::name_prefix(&self.table.raw_name, &self.fingerprint);
        SegmentNames { prefix, first: 0, postfix: self.args.append.then(|| push.to_owned()) }
    }

    fn build(&mut self, folder: &std::path::Path, names: SegmentNames, identity: Identity) -> Result<IngestReport> {
        let mut options = IngestOptions::new(&self.table.raw_name, folder.join("segments"), folder.join("spill"));
        options.sort = self.args.sort.clone();
        options.rows_per_segment = self.args.rows_per_segment;
        options.threads = std::thread::available_parallelism().map_or(1, usize::from);
        options.on_error = self.on_error.clone().map_or(OnError::Fail, |file| OnError::Reject { file });
        options.ignore_unknown = self.args.ignore_unknown_columns;
        options.read = self.args.read_options();
        options.names = names;
        options.identity = identity;
        let job = IngestJob {
            sources: std::mem::take(&mut self.sources),
            schema: self.table.schema.clone(),
            table_config: self.table.config.clone(),
            options,
        };
        let report = job.run(&|progress| self.bar.show(progress), self.cancel)?;
        if report.segments.is_empty() {
            bail!("the files hold no rows that could be loaded");
        }
        Ok(report)
    }

    fn dry_run(&mut self) -> Result<(IngestReport, u64)> {
        let folder = temporary_folder()?;
        let report = self.build(folder.path(), self.names("dry-run"), Identity::default())?;
        let bytes = report.segments.iter().map(|segment| segment.bytes).sum();
        Ok((report, bytes))
    }

    fn push(&mut self) -> Result<(IngestReport, u64)> {
        self.table.apply(self.controller)?;
        let pushed = self.push_into_table();
        if pushed.is_err()
            && let Err(error) = self.table.take_back(self.controller)
        {
            tracing::warn!(error = %format!("{error:#}"), table = %self.table.raw_name, "the table that was made for the push stays, empty");
        }
        pushed
    }

    fn push_into_table(&mut self) -> Result<(IngestReport, u64)> {
        let mode = if self.args.replace { "replaceAll" } else { "append" };
        let table = encode(&format!("{}_OFFLINE", self.table.raw_name));
        let begun = self.controller.post(&format!("/pushes?tableName={table}&mode={mode}"), &Value::Null)?.success()?;
        let id = begun["pushId"].as_str().context("the controller's answer has no pushId")?.to_owned();
        let sent = self.build_and_send(&begun, &id);
        match sent {
            Ok(report) => {
                let pushed = self.controller.post(&format!("/pushes/{id}/commit"), &Value::Null)?.success()?;
                Ok((report, pushed["bytes"].as_u64().unwrap_or(0)))
            }
            Err(error) => {
                if let Err(error) = self.controller.delete(&format!("/pushes/{id}")).and_then(|answer| answer.success())
                {
                    tracing::debug!(error = %format!("{error:#}"), "cancel the push");
                }
                Err(error)
            }
        }
    }

    fn build_and_send(&mut self, begun: &Value, id: &str) -> Result<IngestReport> {
        let names = self.names(id);
        let wanted = file_push::names(&names, file_push::segments_at_most(&self.sources, self.args.rows_per_segment));
        let reserved = self.controller.post(&format!("/pushes/{id}/reserve"), &json!(wanted))?.success()?;
        let number = |value: &Value| {
            value.as_u64().and_then(|n| u32::try_from(n).ok()).context("a number of the controller is damaged")
        };
        let cluster_id: cluster_types::ClusterId =
            begun["clusterId"].as_str().unwrap_or_default().parse().context("read the cluster id")?;
        let identity = Identity {
            cluster_id: cluster_id.0,
            table_incarnation: begun["tableIncarnation"].as_u64().context("read the table's incarnation")?,
            ordinal: number(&reserved["slots"][0]["ordinal"])?,
            generation: number(&reserved["slots"][0]["generation"])?,
            schema_version: number(&begun["schemaVersion"])?,
            index_version: number(&begun["indexVersion"])?,
            ..Identity::default()
        };
        let folder = temporary_folder()?;
        let report = self.build(folder.path(), names, identity)?;
        for (sent, segment) in report.segments.iter().enumerate() {
            self.bar.message(&format!("send segment {} of {}", sent + 1, report.segments.len()));
            self.send(id, segment)?;
        }
        self.bar.message("verify and commit");
        Ok(report)
    }

    fn send(&self, id: &str, segment: &BuiltSegment) -> Result<()> {
        if self.cancel.is_cancelled() {
            bail!("cancelled");
        }
        let path = format!("/pushes/{id}/segments/{}", encode(&segment.name));
        self.controller
            .put_file(&path, &segment.path)?
            .success()
            .with_context(|| format!("send segment {}", segment.name))?;
        Ok(())
    }
}

fn temporary_folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("gamay-ingest-").tempdir().context("make a temporary folder (TMPDIR chooses where)")
}

/// Ctrl-C and SIGTERM end the job at its next step, so that its temporary files are removed.
fn cancel_on_signal(cancel: Cancel) {
    let watch = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            cancel.cancel();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("signals".to_owned()).spawn(watch) {
        tracing::debug!(%error, "Ctrl-C ends the process at once");
    }
}

/// The progress bar on stderr; nothing where stderr is not a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(quiet: bool) -> Bar {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(1000) };
        let style =
            ProgressStyle::with_template("{msg:32} [{bar:30}] {percent:>3}% {elapsed}").expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        Bar(bar)
    }

    fn show(&self, progress: &Progress) {
        self.0.set_position((progress.share() * 1000.0) as u64);
        let rows = grouped(if progress.phase == Phase::Build { progress.rows_built } else { progress.rows_read });
        let phase = match progress.phase {
            Phase::Infer => "look at",
            Phase::Read => "read",
            Phase::Build => "build",
        };
        self.0.set_message(format!("{phase} {rows} rows"));
    }

    fn message(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }

    /// Prints lines above the bar.
    fn print(&self, text: &str) {
        if self.0.is_hidden() { eprintln!("{text}") } else { self.0.suspend(|| eprintln!("{text}")) }
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
