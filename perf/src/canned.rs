//! A server that answers every request with the same bytes: what HTTP on this machine costs at the least, and the stand-in for
//! a node in tests. A thread a connection.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Answers until the process ends. `pause` says how long to wait before the n-th answer of all.
pub fn serve(body_bytes: usize, pause: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on a free port of 127.0.0.1")?;
    let address = listener.local_addr().context("read the address of a listener")?;
    let body = format!("{:body_bytes$}", "{\"exceptions\":[]}");
    let answer: Arc<str> =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into();
    let (pause, counter) = (Arc::new(pause), Arc::new(std::sync::atomic::AtomicU64::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, pause, counter) = (answer.clone(), pause.clone(), counter.clone());
            // A client that goes away ends its thread, and nobody minds.
            std::thread::spawn(move || {
                let next = || counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                converse(stream, &answer, || std::thread::sleep(pause(next())))
            });
        }
    });
    Ok(address)
}

fn converse(stream: TcpStream, answer: &str, wait: impl Fn()) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
        wait();
        writer.write_all(answer.as_bytes()).ok()?;
    }
}
