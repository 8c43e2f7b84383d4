//! One end of a real socket, read strictly and byte by byte: whatever the product sends that is not
//! exactly HTTP/1.1 as we understand it is told as a fault, never repaired.
//!
//! Written apart from the product's own codec, so that a misreading there cannot hide itself here.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::test_support::process::PATIENCE;
use socket2::SockRef;

/// What is wrong with what was received, in words.
pub type Fault = String;

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The peer closed its side after everything that it had sent.
    Closed,
    /// The peer cut the connection.
    Reset,
}

/// A message's head as it stood on the wire; bytes are kept as the characters of the same number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The first line, without its end.
    pub line: String,
    /// Fields in order, names as they were spelled.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Every value of a field, whatever the case of its name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that may be there once.
    pub fn at_most_one(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.all(name)[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            ref all => Err(format!("{name} is there {} times: {self:?}", all.len())),
        }
    }

    /// The value of a field that must be there once.
    pub fn one(&self, name: &str) -> Result<&str, Fault> {
        self.at_most_one(name)?
            .ok_or_else(|| format!("no {name}: {self:?}"))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.trim_end_matches("\r\n\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| {
            let strict = line.split_once(": ");
            let (name, value) = strict.ok_or_else(|| format!("not a field: {line:?}"))?;
            Ok::<_, Fault>((name.to_owned(), value.to_owned()))
        };
        let fields = lines.map(field).collect::<Result<_, _>>()?;
        if text.chars().any(|c| c == '\0') || text.replace("\r\n", "").contains(['\r', '\n']) {
            return Err(format!("control bytes in a head: {text:?}"));
        }
        Ok(Self { line, fields })
    }
}

/// A body, and whether it came to its end.
#[derive(Clone, Eq, PartialEq)]
pub enum Body {
    /// All that the head announced.
    Whole(Vec<u8>),
    /// Less than the head announced.
    Cut(Vec<u8>, End),
    /// The head announced nothing but the connection's end, which came.
    UntilEnd(Vec<u8>, End),
}

/// Bodies are read by people when a case fails: as text, and no more of it than a screen holds.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| {
            let start = bytes[..bytes.len().min(200)].escape_ascii();
            format!("{} bytes \"{start}\"", bytes.len())
        };
        match self {
            Self::Whole(bytes) => write!(f, "Whole({})", text(bytes)),
            Self::Cut(bytes, end) => write!(f, "Cut({}, {end:?})", text(bytes)),
            Self::UntilEnd(bytes, end) => write!(f, "UntilEnd({}, {end:?})", text(bytes)),
        }
    }
}

/// An answer as an agent sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The three digits.
    pub status: u16,
    /// The head.
    pub head: Head,
    /// The body.
    pub body: Body,
}

/// A connection with what has arrived on it and not been asked for.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    end: Option<End>,
    /// Counts every byte that arrives, as soon as it does.
    counter: Arc<AtomicUsize>,
}

impl Wire {
    /// Takes over a socket.
    pub fn new(stream: TcpStream, counter: Arc<AtomicUsize>) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            end: None,
            counter,
        }
    }

    /// Writes; false when the peer did not take everything.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Ends our sending side only.
    pub fn half_close(&self) {
        // The peer may have cut the connection before.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Makes dropping this connection a reset.
    pub fn reset_at_end(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Whether something is there to be read, or the end, within this time.
    pub fn is_stirring(&mut self, within: Duration) -> bool {
        self.stream.set_read_timeout(Some(within)).unwrap();
        let mut byte = [0];
        let stirring = !matches!(self.stream.peek(&mut byte),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stirring
    }

    /// Waits until something is there to be read, or the end.
    pub fn waits_for_more(&mut self) {
        assert!(self.is_stirring(PATIENCE), "nothing arrives");
    }

    /// The next head with its length in bytes, or `None` at an end before its first byte.
    pub fn head(&mut self) -> Result<Option<(Head, usize)>, Fault> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                return Ok(Some((Head::parse(&head)?, head.len())));
            }
            if self.fill().is_some() {
                let text = self.buffer.escape_ascii().to_string();
                return match text.is_empty() {
                    true => Ok(None),
                    false => Err(format!("the connection ended within a head: {text}")),
                };
            }
        }
    }

    /// The next `length` bytes, or fewer and the reason.
    pub fn exactly(&mut self, length: usize) -> Result<Vec<u8>, (Vec<u8>, End)> {
        while self.buffer.len() < length {
            if let Some(end) = self.fill() {
                return Err((std::mem::take(&mut self.buffer), end));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Everything up to the end of the connection, and how it ended.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.fill() {
                return (std::mem::take(&mut self.buffer), end);
            }
        }
    }

    /// The next answer; `None` when the connection ends before its first byte.
    ///
    /// `bodiless` says that the request was a HEAD.
    pub fn answer(&mut self, bodiless: bool) -> Result<Option<Answer>, Fault> {
        let Some((head, status)) = self.answer_head()? else {
            return Ok(None);
        };
        let body = if bodiless || status < 200 || matches!(status, 204 | 304) {
            Body::Whole(Vec::new())
        } else {
            self.body(&head)?
        };
        Ok(Some(Answer { status, head, body }))
    }

    /// An answer's head without anything of its body.
    pub fn answer_head(&mut self) -> Result<Option<(Head, u16)>, Fault> {
        let Some((head, _)) = self.head()? else {
            return Ok(None);
        };
        let status = head.line.strip_prefix("HTTP/1.1 ");
        let status = status.or_else(|| head.line.strip_prefix("HTTP/1.0 "));
        let digits = status.and_then(|rest| rest.get(..3)?.parse().ok());
        match digits {
            Some(status) => Ok(Some((head, status))),
            None => Err(format!("not a status line: {:?}", head.line)),
        }
    }

    fn body(&mut self, head: &Head) -> Result<Body, Fault> {
        let length = head.at_most_one("content-length")?;
        let coding = head.at_most_one("transfer-encoding")?;
        match (length, coding) {
            (Some(_), Some(_)) => Err(format!("two framings: {head:?}")),
            (None, None) => {
                let (bytes, end) = self.rest();
                Ok(Body::UntilEnd(bytes, end))
            }
            (Some(length), None) => {
                let length = length.parse().map_err(|_| format!("length {length:?}"))?;
                Ok(match self.exactly(length) {
                    Ok(whole) => Body::Whole(whole),
                    Err((some, end)) => Body::Cut(some, end),
                })
            }
            (None, Some("chunked")) => self.chunks(),
            (None, Some(coding)) => Err(format!("transfer coding {coding:?}")),
        }
    }

    fn chunks(&mut self) -> Result<Body, Fault> {
        let mut whole = Vec::new();
        loop {
            match self.chunk()? {
                Ok(chunk) if chunk.is_empty() => return Ok(Body::Whole(whole)),
                Ok(chunk) => whole.extend(chunk),
                Err(end) => return Ok(Body::Cut(whole, end)),
            }
        }
    }

    /// One chunk; the last one is empty. The inner error is an end in the middle.
    pub fn chunk(&mut self) -> Result<Result<Vec<u8>, End>, Fault> {
        let line = loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                break self.buffer.drain(..at + 2).collect::<Vec<u8>>();
            }
            if let Some(end) = self.fill() {
                return Ok(Err(end));
            }
        };
        let text = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        let size = usize::from_str_radix(&text, 16).map_err(|_| format!("chunk size {text:?}"))?;
        let mut chunk = match self.exactly(size + 2) {
            Ok(chunk) => chunk,
            Err((_, end)) => return Ok(Err(end)),
        };
        if chunk.split_off(size) != b"\r\n" {
            return Err(format!("a chunk of {size} bytes does not end in CRLF"));
        }
        Ok(Ok(chunk))
    }

    /// Reads more; tells the end once there is one.
    fn fill(&mut self) -> Option<End> {
        if self.end.is_none() {
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => self.end = Some(End::Closed),
                Ok(read) => {
                    self.counter.fetch_add(read, Ordering::SeqCst);
                    self.buffer.extend_from_slice(&piece[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    self.end = Some(End::Reset);
                }
                Err(error) => panic!("nothing arrives and nothing ends: {error}"),
            }
        }
        self.end
    }
}
