//! Many clients at once over HTTP: as fast as the node answers (closed loop), and at a rate that does not wait for it (open
//! loop).
//!
//! One thread drives all connections, since generator and node share their cores. In the open loop a request has a time at
//! which it should be sent, and its latency counts from then, also where the generator or all of its connections were late: a
//! node that stops for a second is charged for every request of that second (coordinated omission).

use crate::canned;
use crate::connection::Connection;
use crate::http::Client;
use crate::series;
use crate::template::{Requests, Values};
use anyhow::{Context, Result, bail};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value = "http://127.0.0.1:8099")]
    broker: String,
    /// The statement; `{}` is filled from --range or --values. May be given several times, sent in turn.
    #[arg(long, required_unless_present = "file")]
    sql: Vec<String>,
    /// A file of statements, `/* name */ SELECT ...;` a line, instead of --sql.
    #[arg(long, conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// `A..B`: whole numbers that fill `{}` in turn.
    #[arg(long)]
    range: Option<String>,
    /// A file whose lines fill `{}` in turn; fields by tab fill several.
    #[arg(long, conflicts_with = "range")]
    values: Option<PathBuf>,
    /// Connections at once, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,128")]
    clients: Vec<usize>,
    /// Rates of the open loop, as shares of what the closed loop reached with as many clients.
    #[arg(long, value_delimiter = ',', default_value = "0.5")]
    shares: Vec<f64>,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of closed loop before the first run.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Pinot's queryOptions, `k=v;k=v`.
    #[arg(long, default_value = "useMultistageEngine=true")]
    options: String,
    /// The node's process, to tell its CPU time per query.
    #[arg(long)]
    pid: Option<u32>,
    /// Also measure a server that answers every request with as many fixed bytes: what HTTP itself costs here.
    #[arg(long)]
    canned: bool,
}

/// When requests are sent.
#[derive(Clone, Copy)]
enum Pace {
    /// As soon as a connection is free.
    Closed,
    /// Every so often, whether the requests before are answered or not.
    Open(Duration),
}

struct Measured {
    nanos: Histogram<u64>,
    errors: u64,
    elapsed: Duration,
    answer_bytes: u64,
}

pub fn run(options: &Options) -> Result<()> {
    let values = match (&options.range, &options.values) {
        (Some(range), _) => Values::range(range)?,
        (None, Some(file)) => Values::file(file)?,
        (None, None) => Values::None,
    };
    let host = options.broker.trim_end_matches('/').trim_start_matches("http://").to_owned();
    let address = resolve(&host)?;
    let text = match &options.file {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?,
        None => String::new(),
    };
    let mut statements: Vec<&str> = options.sql.iter().map(String::as_str).collect();
    statements.extend(series::statements(&text)?.into_iter().map(|(_, sql)| sql));
    let requests = Requests::new(&statements, values, host, &options.options)?;
    for n in 0..statements.len() as u64 {
        let sql = requests.statement(n)?;
        let (_, answer) = Client::new(&options.broker, &options.options).timed(&sql)?;
        Client::rows(&answer, &sql)?;
    }
    let seconds = Duration::from_secs_f64(options.seconds);
    let warm = drive(
        address,
        &requests,
        options.clients.iter().copied().max().unwrap_or(1),
        Pace::Closed,
        Duration::from_secs_f64(options.warm_up),
    )?;
    let mut runs = Vec::new();
    for clients in options.clients.iter().copied() {
        let (mut closed, measured) = one(options, address, &requests, clients, Pace::Closed, seconds)?;
        let rate = measured.nanos.len() as f64 / measured.elapsed.as_secs_f64();
        if options.canned {
            let bytes = usize::try_from(warm.answer_bytes / warm.nanos.len().max(1))?;
            let server = canned::serve(bytes, |_| Duration::ZERO)?;
            let limit = drive(server, &requests, clients, Pace::Closed, seconds / 4)?;
            closed["canned"] = report(&limit);
        }
        runs.push(closed);
        for share in &options.shares {
            let interval = Duration::from_secs_f64(1.0 / (rate * share).max(1.0));
            let (mut open, _) = one(options, address, &requests, clients, Pace::Open(interval), seconds)?;
            open["rate"] = json!(rate * share);
            open["share"] = json!(share);
            runs.push(open);
        }
    }
    println!(
        "{}",
        serde_json::to_string_pretty(&json!({ "sql": statements, "seconds": options.seconds, "runs": runs }))?
    );
    Ok(())
}

fn resolve(host: &str) -> Result<SocketAddr> {
    let mut found = host.to_socket_addrs().with_context(|| format!("--broker: `{host}` is no host:port"))?;
    found.next().with_context(|| format!("--broker: `{host}` has no address"))
}

fn one(
    options: &Options,
    to: SocketAddr,
    requests: &Requests,
    clients: usize,
    pace: Pace,
    seconds: Duration,
) -> Result<(Value, Measured)> {
    let before = options.pid.map(cpu_seconds).transpose()?;
    let own = own_cpu_seconds();
    let measured = drive(to, requests, clients, pace, seconds)?;
    let mut line = report(&measured);
    line["loop"] = json!(if matches!(pace, Pace::Closed) { "closed" } else { "open" });
    line["clients"] = json!(clients);
    line["generator_cores"] = json!((own_cpu_seconds() - own) / measured.elapsed.as_secs_f64());
    if let (Some(before), Some(pid)) = (before, options.pid) {
        line["cpu_us_per_query"] = json!((cpu_seconds(pid)? - before) * 1e6 / measured.nanos.len().max(1) as f64);
    }
    Ok((line, measured))
}

fn report(measured: &Measured) -> Value {
    let milliseconds = |nanos: u64| nanos as f64 / 1e6;
    let at = |q: f64| milliseconds(measured.nanos.value_at_quantile(q));
    let curve: Vec<_> = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0]
        .iter()
        .map(|q| json!([q, at(*q)]))
        .collect();
    json!({
        "qps": measured.nanos.len() as f64 / measured.elapsed.as_secs_f64(), "requests": measured.nanos.len(),
        "errors": measured.errors, "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999),
        "max_ms": milliseconds(measured.nanos.max()), "curve": curve,
    })
}

/// One connection and the request that it carries.
struct Slot {
    connection: Connection,
    /// From when its latency counts; `None` while it is free.
    since: Option<Instant>,
}

/// Sends requests for `length` and waits for their answers.
fn drive(to: SocketAddr, requests: &Requests, clients: usize, pace: Pace, length: Duration) -> Result<Measured> {
    let mut slots = Vec::with_capacity(clients);
    for _ in 0..clients.max(1) {
        slots.push(Slot { connection: Connection::open(to)?, since: None });
    }
    let mut body = String::new();
    let mut polled = Vec::with_capacity(slots.len());
    let mut measured = Measured { nanos: Histogram::new(3)?, errors: 0, elapsed: Duration::ZERO, answer_bytes: 0 };
    let (mut sent, mut failed_in_a_row) = (0u64, 0);
    let start = Instant::now();
    let end = start + length;
    // Until then an open loop that is behind sends what was due before the end.
    let patience = end + length.max(Duration::from_secs(2));
    loop {
        let now = Instant::now();
        let mut due = due_at(pace, start, sent, now);
        for slot in slots.iter_mut().filter(|slot| slot.since.is_none()) {
            if due > now || due >= end || now >= patience {
                break;
            }
            slot.since = Some(due);
            if let Err(e) = slot.connection.send(|out| requests.write(sent, &mut body, out)) {
                again(slot, to, &mut measured, &mut failed_in_a_row, e)?;
            }
            sent += 1;
            due = due_at(pace, start, sent, now);
        }
        let busy = slots.iter().filter(|slot| slot.since.is_some()).count();
        let over = due >= end || now >= patience;
        if busy == 0 && over {
            break;
        }
        if now >= patience + Duration::from_secs(60) {
            bail!("{busy} requests were not answered in a minute; is the node still there?");
        }
        // Where a connection is free, the next request's time is what is waited for.
        let until = if busy < slots.len() && !over { due } else { now + Duration::from_secs(1) };
        wait(&slots, &mut polled, until.saturating_duration_since(Instant::now()))?;
        let now = Instant::now();
        for (slot, polled) in slots.iter_mut().zip(&polled) {
            let Some(since) = slot.since.filter(|_| polled.revents != 0) else { continue };
            match slot.connection.advance() {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    slot.since = None;
                    failed_in_a_row = 0;
                    measured.answer_bytes += answer.bytes as u64;
                    measured.errors += u64::from(!answer.good);
                    measured.nanos.record(u64::try_from((now - since).as_nanos()).unwrap_or(u64::MAX))?;
                }
                Err(e) => again(slot, to, &mut measured, &mut failed_in_a_row, e)?,
            }
        }
    }
    measured.elapsed = start.elapsed();
    // Never sent: charged with what they had waited at least.
    if let Pace::Open(_) = pace {
        let now = Instant::now();
        let mut due = due_at(pace, start, sent, now);
        while due < end {
            measured.nanos.record(u64::try_from((now - due).as_nanos()).unwrap_or(u64::MAX))?;
            measured.errors += 1;
            sent += 1;
            due = due_at(pace, start, sent, now);
        }
    }
    Ok(measured)
}

/// When request `n` should be sent.
fn due_at(pace: Pace, start: Instant, n: u64, now: Instant) -> Instant {
    match pace {
        Pace::Closed => now,
        Pace::Open(interval) => start + Duration::from_nanos((interval.as_nanos() as f64 * n as f64) as u64),
    }
}

/// Opens a connection anew after one failed.
fn again(
    slot: &mut Slot,
    to: SocketAddr,
    measured: &mut Measured,
    in_a_row: &mut u32,
    error: anyhow::Error,
) -> Result<()> {
    measured.errors += 1;
    *in_a_row += 1;
    if *in_a_row > 100 {
        return Err(error).context("more than a hundred connections failed in a row");
    }
    *slot = Slot { connection: Connection::open(to)?, since: None };
    Ok(())
}

/// Until a busy connection can go on, or the time is up.
fn wait(slots: &[Slot], polled: &mut Vec<libc::pollfd>, time: Duration) -> Result<()> {
    polled.clear();
    polled.extend(slots.iter().map(|slot| {
        let events = if slot.connection.is_sending() { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        // A negative descriptor is passed over.
        let fd = if slot.since.is_some() { slot.connection.stream.as_raw_fd() } else { -1 };
        libc::pollfd { fd, events, revents: 0 }
    }));
    let time = libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos() as libc::c_long };
    // SAFETY: the descriptors' list and the time outlive the call; no signal mask is given.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, &time, std::ptr::null()) };
    let error = std::io::Error::last_os_error();
    if ready < 0 && error.kind() != std::io::ErrorKind::Interrupted {
        return Err(error).context("wait for connections");
    }
    Ok(())
}

/// CPU time that a process used so far.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("--pid: read {path}"))?;
    // The name may hold anything, so fields are counted from its closing bracket.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else { bail!("{path} has no CPU times") };
    // SAFETY: asks for a constant.
    let hertz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok((user + system) as f64 / hertz.max(1) as f64)
}

fn own_cpu_seconds() -> f64 {
    // SAFETY: an all-zero `rusage` is valid, and it is filled by the call; asking for oneself cannot fail.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Requests {
        Requests::new(&["SELECT {}"], Values::range("0..10").unwrap(), "test".to_owned(), "").unwrap()
    }

    /// A server that stops once, for 300 ms at its 50th answer.
    fn hiccup() -> SocketAddr {
        canned::serve(20, |n| if n == 50 { Duration::from_millis(300) } else { Duration::ZERO }).unwrap()
    }

    #[test]
    fn open_loop_charges_a_stall_to_every_request_that_should_have_been_sent() {
        let interval = Duration::from_millis(1);
        let open = drive(hiccup(), &requests(), 1, Pace::Open(interval), Duration::from_secs(1)).unwrap();
        assert_eq!((open.nanos.len(), open.errors), (1000, 0));
        // 300 of the 1,000 were due during the stall and waited 150 ms on average.
        let slow = open.nanos.len() - open.nanos.count_between(0, 50_000_000);
        assert!((200..400).contains(&slow), "{slow} requests waited over 50 ms");
        let closed = drive(hiccup(), &requests(), 1, Pace::Closed, Duration::from_secs(1)).unwrap();
        let slow = closed.nanos.len() - closed.nanos.count_between(0, 50_000_000);
        assert!(closed.nanos.len() > 200 && slow == 1, "{slow} of {} waited over 50 ms", closed.nanos.len());
    }

    #[test]
    fn more_than_the_node_can_do_is_charged_too() {
        // One answer takes 20 ms, one should be sent every 5: after 400 ms, 60 of 80 have not been.
        let server = canned::serve(20, |_| Duration::from_millis(20)).unwrap();
        let open =
            drive(server, &requests(), 1, Pace::Open(Duration::from_millis(5)), Duration::from_millis(400)).unwrap();
        assert_eq!(open.nanos.len(), 80);
        assert!(open.nanos.max() > 1_000_000_000, "{} ns", open.nanos.max());
    }

    #[test]
    fn many_connections_are_all_answered() {
        let server = canned::serve(20_000, |_| Duration::ZERO).unwrap();
        let closed = drive(server, &requests(), 128, Pace::Closed, Duration::from_millis(300)).unwrap();
        assert_eq!(closed.errors, 0);
        assert!(closed.nanos.len() > 128 && closed.answer_bytes == closed.nanos.len() * 20_000);
    }

    #[test]
    fn cpu_time_of_a_process_grows() {
        let pid = std::process::id();
        let before = cpu_seconds(pid).unwrap();
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            std::hint::black_box(0u64);
        }
        assert!(cpu_seconds(pid).unwrap() > before);
    }
}
