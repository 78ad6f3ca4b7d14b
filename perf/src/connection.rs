//! One keep-alive connection that does not block: a request is sent, and the answer is there when it is there.
//!
//! Written for the load generator, which shares its cores with the node it measures: the buffers are used again, and nothing
//! is allocated per request once they have grown.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub struct Connection {
    pub stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    buffer: Vec<u8>,
    filled: usize,
}

/// Where an answer's parts are in what was read so far.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body: usize,
    length: Length,
    close: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
}

/// An answer that has come in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP said 200 and the node no exception.
    pub good: bool,
    pub bytes: usize,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_nonblocking(true).context("set non-blocking")?;
        Ok(Connection { stream, out: Vec::new(), sent: 0, buffer: vec![0; 16 << 10], filled: 0 })
    }

    /// Sends a request that `write` makes; what does not go out at once goes out with [`Connection::advance`].
    pub fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.out.clear();
        self.sent = 0;
        write(&mut self.out);
        self.flush()
    }

    /// Whether a part of the request still waits to go out.
    pub fn is_sending(&self) -> bool {
        self.sent < self.out.len()
    }

    fn flush(&mut self) -> Result<()> {
        while self.is_sending() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("send a request"),
            }
        }
        Ok(())
    }

    /// Sends and reads what can be without waiting. The answer, once it is whole; an error where the connection is done for.
    pub fn advance(&mut self) -> Result<Option<Answer>> {
        self.flush()?;
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => bail!("the node closed the connection"),
                Ok(n) => {
                    let room = self.buffer.len() - self.filled;
                    self.filled += n;
                    if let Some(answer) = self.answer()? {
                        return Ok(Some(answer));
                    }
                    if n < room {
                        return Ok(None);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("read an answer"),
            }
        }
    }

    fn answer(&mut self) -> Result<Option<Answer>> {
        let read = &self.buffer[..self.filled];
        let Some(head) = head(read)? else { return Ok(None) };
        let end = match head.length {
            Length::Known(length) => head.body + length,
            Length::Chunked => match chunks_end(read, head.body)? {
                Some(end) => end,
                None => return Ok(None),
            },
        };
        if self.filled < end {
            return Ok(None);
        }
        if self.filled > end {
            bail!("the node sent {} bytes that nobody asked for", self.filled - end);
        }
        let body = &self.buffer[head.body..end];
        let good = head.status == 200 && contains(body, b"\"exceptions\":[]");
        let bytes = body.len();
        self.filled = 0;
        if head.close {
            bail!("the node ends the connection after status {}", head.status);
        }
        Ok(Some(Answer { good, bytes }))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn head(read: &[u8]) -> Result<Option<Head>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&read[..end]).context("the answer's head is no text")?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("no HTTP status in `{first}`"))?;
    let (mut length, mut close) = (None, false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(Length::Known(value.parse().with_context(|| format!("content-length `{value}`"))?));
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            length = Some(Length::Chunked);
        } else if name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close");
        }
    }
    let length = length.context("the answer says no length")?;
    Ok(Some(Head { status, body: end + 4, length, close }))
}

/// Where a chunked body that begins at `at` ends; `None` while parts of it are missing.
fn chunks_end(read: &[u8], mut at: usize) -> Result<Option<usize>> {
    loop {
        let Some(line) = read[at.min(read.len())..].windows(2).position(|window| window == b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&read[at..at + line])
            .ok()
            .and_then(|text| usize::from_str_radix(text.split(';').next()?.trim(), 16).ok());
        let size = size.context("a chunk says no size")?;
        at += line + 2 + size + 2;
        if at > read.len() {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Len").unwrap(), None);
        let whole = b"HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\nConnection: close\r\n\r\nabc";
        let want = Head { status: 404, body: whole.len() - 3, length: Length::Known(12), close: true };
        assert_eq!(head(whole).unwrap(), Some(want));
        assert_eq!(
            head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap().unwrap().length,
            Length::Chunked
        );
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(head(b"hello\r\n\r\n").is_err());
    }

    #[test]
    fn chunks() {
        let body = b"head5\r\nabcde\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n";
        for end in 4..body.len() {
            assert_eq!(chunks_end(&body[..end], 4).unwrap(), None, "{end} bytes");
        }
        assert_eq!(chunks_end(body, 4).unwrap(), Some(body.len()));
        assert!(chunks_end(b"zz\r\n", 0).is_err());
    }
}
