//! Bounds: long records, and memory counted by the allocator. A program of its own, because the count is the whole program's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use cluster_ingest::{Cancel, IngestJob, IngestOptions, Source};
use cluster_types::{FieldJson, Schema, SchemaJson, TableConfig, TableName, TableType};

/// Counts the bytes that are held and the most that ever were.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Tests run side by side; the ones that count must not.
static ALONE: Mutex<()> = Mutex::new(());

fn job(path: &std::path::Path, columns: &[(&str, &str)]) -> IngestJob {
    let mut json = SchemaJson { schema_name: "t".to_owned(), ..SchemaJson::default() };
    json.dimension_field_specs = columns.iter().map(|(name, data_type)| FieldJson::new(*name, *data_type)).collect();
    let dir = path.parent().expect("the input is in a folder");
    IngestJob {
        sources: vec![Source::from_path(path).expect("a known format")],
        schema: Schema::new(json).expect("a schema"),
        table_config: TableConfig::new(&TableName::parse("t").expect("a name"), TableType::Offline),
        options: IngestOptions::new("t", dir.join("out"), dir.join("work")),
    }
}

#[test]
fn a_record_of_100_mb_is_an_error() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().expect("a folder");
    let long = "x".repeat(100 << 20);
    for (name, text) in [
        ("input.jsonl", format!("{{\"a\":\"b\"}}\n{{\"a\":\"{long}\"}}\n")),
        ("input.json", format!("[{{\"a\":\"b\"}},\n{{\"a\":\"{long}\"}}]")),
        ("input.csv", format!("a\nb\n\"{long}\"\n")),
    ] {
        let line = if name == "input.csv" { "line 3" } else { "line 2" };
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write the input");
        let e = job(&path, &[("a", "STRING")]).run(&|_| {}, &Cancel::new()).expect_err("too long").to_string();
        assert!(e.contains(name) && e.contains(line) && e.contains("limit of 67108864 bytes"), "{e}");
    }
}

#[test]
fn memory_follows_the_budget_not_the_input() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("input.csv");
    {
        use std::io::Write;
        let mut out = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        writeln!(out, "id,k,name,fill").expect("write");
        for i in 0..1_000_000u64 {
            let k = i.wrapping_mul(2_654_435_761) % 1_000_003;
            writeln!(out, "{i},{k},name of {k} and {i},{:040}", k * k).expect("write");
        }
    }
    let input = std::fs::metadata(&path).expect("the input").len() as usize;
    let mut job = job(&path, &[("id", "LONG"), ("k", "INT"), ("name", "STRING"), ("fill", "STRING")]);
    job.options.sort = vec!["k".to_owned()];
    job.options.memory_bytes = 8 << 20;
    job.options.rows_per_segment = Some(50_000);
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let report = job.run(&|_| {}, &Cancel::new()).expect("it builds");
    let peak = PEAK.load(Ordering::Relaxed) - before;
    assert_eq!((report.rows, report.segments.len()), (1_000_000, 20));
    // Batches on their way and the reader's window are beside the budget, whatever it is.
    let bound = (8 << 20) + (32 << 20);
    assert!(input > bound * 3 / 2, "the input of {input} bytes is too small to tell");
    assert!(peak < bound, "{peak} bytes were held for a budget of 8 MiB");
}
