//! One push: files in, segment files out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use cluster_types::{Role, Schema, TableConfig};
use segfmt::{DataType, Identity};

use crate::batch::{BadRow, Batch, ReadOptions, RowReader, Wanted};
use crate::build::{
    Building, BuiltSegment, Limits, RowStore, SegmentNames, SegmentPlan, SortOrder, SpillDir, build_all,
    rows_per_segment,
};
use crate::convert::{Target, convert};
use crate::csv::CsvReader;
use crate::error::{Error, Result, did_you_mean};
use crate::intern::Interner;
use crate::json::JsonReader;
use crate::parquet::ParquetReader;
use crate::progress::{Cancel, OnProgress, Phase, Progress};
use crate::reject::{self, OnError, Rejects};
use crate::source::{Format, Source};

/// How a job runs. What the segments hold depends on `sort`, `rows_per_segment`, `names`, `identity` and `read` only.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// Segment files are made here.
    pub out_dir: PathBuf,
    /// The spill folder is made (and removed) here.
    pub work_dir: PathBuf,
    /// Columns to sort the whole input by. Empty: the table config's `sortedColumn`.
    pub sort: Vec<String>,
    /// `None`: as few segments of equal size as 4,194,304 rows, 256 MiB of values and 256 MiB of any one column allow. A number
    /// given here is kept to, and then the largest column of a segment must fit memory about three times.
    pub rows_per_segment: Option<u64>,
    /// Threads that build segments, beside the one that reads.
    pub threads: usize,
    /// Memory for rows, in bytes. Batches on their way take about 32 MiB beside it, and the segment writer may need more for a
    /// column that alone is larger than half of it.
    pub memory_bytes: u64,
    /// Size that the spill folder may reach, in bytes.
    pub spill_bytes_max: u64,
    pub on_error: OnError,
    /// Columns of the files that the schema does not have are left out; otherwise they are an error.
    pub ignore_unknown: bool,
    pub read: ReadOptions,
    pub names: SegmentNames,
    /// What each segment says of itself; the ordinal is that of the first.
    pub identity: Identity,
}

impl IngestOptions {
    /// Defaults: strict, one builder thread, 512 MiB of memory, 1 TiB of spill.
    pub fn new(table: &str, out_dir: impl Into<PathBuf>, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            out_dir: out_dir.into(),
            work_dir: work_dir.into(),
            sort: Vec::new(),
            rows_per_segment: None,
            threads: 1,
            memory_bytes: 512 << 20,
            spill_bytes_max: 1 << 40,
            on_error: OnError::Fail,
            ignore_unknown: false,
            read: ReadOptions::default(),
            names: SegmentNames::of_table(table),
            identity: Identity::default(),
        }
    }
}

/// What a job made.
#[derive(Debug)]
pub struct IngestReport {
    /// In order; none where the input has no rows.
    pub segments: Vec<BuiltSegment>,
    pub rows: u64,
    pub rows_rejected: u64,
    pub reject_file: Option<PathBuf>,
    /// Bytes of the input files.
    pub input_bytes: u64,
}

/// Files, a schema that says what their columns become, and a table config that says how they are stored.
#[derive(Debug)]
pub struct IngestJob {
    pub sources: Vec<Source>,
    pub schema: Schema,
    pub table_config: TableConfig,
    pub options: IngestOptions,
}

impl IngestJob {
    /// Runs the job. It makes all segments or none: on an error or a cancel no file of it is left (a reject file stays).
    pub fn run(&self, on_progress: &OnProgress<'_>, cancel: &Cancel) -> Result<IngestReport> {
        let plan = self.plan()?;
        let types: Arc<[DataType]> = plan.types.clone().into();
        let threads = self.options.threads.max(1);
        let limits = Limits::new(self.options.memory_bytes, threads);
        let order = self.sort_order(&plan)?;
        let input_bytes = self.sources.iter().map(Source::file_bytes).sum::<Result<u64>>()?;
        let dir = SpillDir::create(&self.options.work_dir, self.options.spill_bytes_max)?;
        std::fs::create_dir_all(&self.options.out_dir)
            .map_err(Error::io("cannot make the output folder", &self.options.out_dir))?;
        let mut rejects = Rejects::new(&self.options.on_error);
        // Sort columns are compared by their strings all the time.
        let sorted_by = order.as_ref().map(|o| o.columns().to_vec()).unwrap_or_default();
        let mut store = RowStore::new(order, types, Arc::clone(&dir), limits.run);
        self.read(&mut store, &sorted_by, &mut rejects, input_bytes, on_progress, cancel)?;
        let (rows, rows_rejected) = (store.rows(), rejects.count);
        let rows_per_segment =
            rows_per_segment(rows, store.bytes(), store.largest_column_bytes(), self.options.rows_per_segment);
        let reject_file = rejects.finish()?.map(PathBuf::from);
        let on_built = |rows_built: u64| {
            on_progress(&Progress {
                phase: Phase::Build,
                bytes_read: input_bytes,
                bytes_total: input_bytes,
                rows_read: rows,
                rows_built,
                rows_rejected,
            });
        };
        on_built(0);
        let segments = build_all(
            store.finish()?,
            &Building { plan: &plan, rows_per_segment, threads, limits, dir: &dir, cancel, on_built: &on_built },
        )?;
        Ok(IngestReport { segments, rows, rows_rejected, reject_file, input_bytes })
    }

    fn read(
        &self,
        store: &mut RowStore,
        sorted_by: &[usize],
        rejects: &mut Rejects<'_>,
        input_bytes: u64,
        on_progress: &OnProgress<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        let fields = self.schema.columns();
        let targets: Vec<Target> = fields.iter().map(|f| Target::new(f, self.options.read.list_delimiter)).collect();
        let wanted = Wanted::new(fields.iter().map(|f| f.name.clone()).collect(), self.options.ignore_unknown);
        let numbered: Vec<bool> =
            targets.iter().enumerate().map(|(i, t)| t.is_strings() && !sorted_by.contains(&i)).collect();
        let columns = numbered.iter().filter(|n| **n).count();
        let mut interners: Vec<Option<Interner>> = numbered.iter().map(|n| n.then(|| Interner::new(columns))).collect();
        let consumed = Arc::new(AtomicU64::new(0));
        for source in &self.sources {
            // Decoding runs ahead of conversion by a few batches, in order.
            let (give, take) = mpsc::sync_channel(BATCHES_AHEAD);
            std::thread::scope(|scope| {
                let (wanted, consumed) = (&wanted, &consumed);
                scope.spawn(move || {
                    if let Err(e) = decode(source, &self.options.read, wanted, consumed, &give) {
                        // Nobody takes it only where the job has failed already.
                        let _ = give.send(Decoded::Failed(e));
                    }
                });
                // The receiver goes with the loop, so that an error here ends the thread.
                for decoded in take {
                    cancel.check()?;
                    let batch = match decoded {
                        Decoded::Batch(batch) => batch,
                        Decoded::Bad(bad) => {
                            rejects.take(bad)?;
                            continue;
                        }
                        Decoded::Failed(e) => return Err(e),
                    };
                    let mut on_bad_row = |bad: BadRow| rejects.take(bad);
                    store.push(convert(&batch, &targets, &mut interners, &source.name, &mut on_bad_row)?)?;
                    on_progress(&Progress {
                        phase: Phase::Read,
                        bytes_read: consumed.load(Ordering::Relaxed),
                        bytes_total: input_bytes,
                        rows_read: store.rows(),
                        rows_built: 0,
                        rows_rejected: rejects.count,
                    });
                }
                Ok(())
            })?;
        }
        cancel.check()
    }

    fn plan(&self) -> Result<SegmentPlan> {
        if let Some((name, data_type)) = self.schema.unsupported().first() {
            return Err(Error::Schema(format!("column '{name}' has type {data_type}, which segments cannot hold yet")));
        }
        if let Some(ingestion) = &self.table_config.ingestion_config {
            // Without them the columns that they make would be NULL, and rows that they drop would be there.
            let key = if !ingestion.transform_configs.is_empty() {
                "transformConfigs"
            } else if ingestion.filter_config.as_ref().is_some_and(|f| f.filter_function.is_some()) {
                "filterConfig"
            } else {
                ""
            };
            if !key.is_empty() {
                return Err(Error::Schema(format!(
                    "table config: ingestionConfig.{key} is not supported yet; remove it, or transform the rows first"
                )));
            }
        }
        if let OnError::Reject { file } = &self.options.on_error {
            self.sources.iter().try_for_each(|source| reject::check_is_not(file, source))?;
        }
        if self.options.rows_per_segment.is_some_and(|n| n == 0 || n >= u64::from(u32::MAX)) {
            return Err(Error::Option {
                option: "rows-per-segment",
                reason: "must be from 1 to 4294967294".to_owned(),
            });
        }
        let columns = self.table_config.column_specs(&self.schema).map_err(|e| Error::Schema(e.to_string()))?;
        let time_name = self.table_config.segments_config.time_column_name.as_deref();
        let time = self.schema.columns().iter().enumerate().find_map(|(i, f)| match &f.role {
            Role::DateTime { format, .. } if time_name.is_none_or(|t| t == f.name) => Some((i, format.clone())),
            _ => None,
        });
        Ok(SegmentPlan {
            table: self.table_config.table_name.clone(),
            types: columns.iter().map(|s| s.data_type).collect(),
            columns,
            sort_columns: self.sort_names().to_vec(),
            time,
            identity: self.options.identity.clone(),
            names: self.options.names.clone(),
            out_dir: self.options.out_dir.clone(),
        })
    }

    fn sort_names(&self) -> &[String] {
        if self.options.sort.is_empty() {
            &self.table_config.table_index_config.sorted_column
        } else {
            &self.options.sort
        }
    }

    fn sort_order(&self, plan: &SegmentPlan) -> Result<Option<SortOrder>> {
        let names = self.sort_names();
        if names.is_empty() {
            return Ok(None);
        }
        let columns = names
            .iter()
            .map(|name| {
                let found = self.schema.columns().iter().position(|f| &f.name == name).ok_or_else(|| {
                    let hint = did_you_mean(name, self.schema.columns().iter().map(|f| f.name.as_str()));
                    Error::Option { option: "sort", reason: format!("the schema has no column '{name}'{hint}") }
                })?;
                if self.schema.columns()[found].multi_value {
                    return Err(Error::Option {
                        option: "sort",
                        reason: format!("column '{name}' has many values a row and no order"),
                    });
                }
                Ok(found)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(SortOrder::new(columns, &plan.types)))
    }
}

/// Batches that may wait to be converted.
const BATCHES_AHEAD: usize = 2;

/// What the decoding thread hands over.
enum Decoded {
    Batch(Batch),
    Bad(BadRow),
    Failed(Error),
}

fn decode(
    source: &Source,
    options: &ReadOptions,
    wanted: &Wanted,
    consumed: &Arc<AtomicU64>,
    give: &mpsc::SyncSender<Decoded>,
) -> Result<()> {
    let send = |decoded| give.send(decoded).map_err(|_| Error::Cancelled);
    let mut reader = open_reader(source, options, wanted, consumed)?;
    while let Some(batch) = reader.next_batch(&mut |bad| send(Decoded::Bad(bad)))? {
        send(Decoded::Batch(batch))?;
    }
    Ok(())
}

/// Opens a file for its rows: the one place that knows all formats.
fn open_reader(
    source: &Source,
    options: &ReadOptions,
    wanted: &Wanted,
    consumed: &Arc<AtomicU64>,
) -> Result<Box<dyn RowReader>> {
    Ok(match source.format {
        Format::Csv { delimiter } => Box::new(CsvReader::open(source.open(consumed)?, delimiter, options, wanted)?),
        Format::Json => Box::new(JsonReader::open(source.open(consumed)?, false, options, wanted)?),
        Format::JsonLines => Box::new(JsonReader::open(source.open(consumed)?, true, options, wanted)?),
        Format::Parquet => Box::new(ParquetReader::open(source, wanted, consumed)?),
    })
}
