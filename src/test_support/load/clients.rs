//! Clients: as many calls as possible, calls at a fixed rate, or a connection for every call.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::test_support::load::wire::{Messages, status};

/// One kind of call, as bytes.
#[derive(Clone)]
pub struct Request {
    bytes: Vec<u8>,
    body_start: usize,
    numbers: Option<Numbers>,
}

/// What makes every call of a request another one.
#[derive(Clone)]
struct Numbers {
    /// Where in the bytes the number stands.
    place: usize,
    /// The next one, for all who share the request.
    next: Rc<Cell<u64>>,
}

/// How many digits a number has in a body.
const DIGITS: usize = 16;

impl Request {
    /// `POST path` with a usual head and a body of `size` bytes.
    pub fn new(path: &str, size: usize) -> Self {
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             User-Agent: side-by-side\r\nAccept: */*\r\nContent-Length: {size}\r\n\r\n"
        )
        .into_bytes();
        let body_start = bytes.len();
        bytes.extend((0..size).map(letter));
        Self {
            bytes,
            body_start,
            numbers: None,
        }
    }

    /// `GET path`.
    pub fn get(path: &str) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes();
        let body_start = bytes.len();
        Self {
            bytes,
            body_start,
            numbers: None,
        }
    }

    /// A governed call of `tool` with arguments of `size` bytes, which are at least 48. No two calls
    /// have the same arguments, whoever makes them, as long as they share this value or clones of it.
    pub fn governed(tool: &str, size: usize) -> Self {
        let before =
            format!("{{\"agent_id\":\"bench\",\"tool\":\"{tool}\",\"args\":{{\"number\":\"");
        let around = "{'number':'','text':''}".len() + DIGITS;
        let text: String = (0..size.saturating_sub(around))
            .map(|at| char::from(letter(at)))
            .collect();
        let number = "0".repeat(DIGITS);
        let body = format!("{before}{number}\",\"text\":\"{text}\"}}}}");
        let mut request = Self::new("/v1/ai/run", body.len());
        request.bytes.truncate(request.body_start);
        request.numbers = Some(Numbers {
            place: request.body_start + before.len(),
            next: Rc::default(),
        });
        request.bytes.extend_from_slice(body.as_bytes());
        request
    }

    /// The same call every time.
    pub fn repeated(self) -> Self {
        Self {
            numbers: None,
            ..self
        }
    }

    /// Bytes of the body.
    pub fn body_size(&self) -> usize {
        self.bytes.len() - self.body_start
    }

    /// Asks for the connection to be closed after the answer.
    pub fn closing(self) -> Self {
        self.with_field("Connection", "close")
    }

    /// Makes the head at least `size` bytes long, in fields of up to 1,000 bytes: tokens and cookies
    /// come in such pieces.
    pub fn with_head_of(mut self, size: usize) -> Self {
        let mut number = 0;
        while self.body_start < size {
            let length = (size - self.body_start).min(1000);
            let value: String = (0..length).map(|at| char::from(letter(at))).collect();
            self = self.with_field(&format!("X-Context-{number}"), &value);
            number += 1;
        }
        self
    }

    fn with_field(mut self, name: &str, value: &str) -> Self {
        let line = format!("{name}: {value}\r\n");
        // Before the empty line that ends the head.
        let place = self.body_start - 2;
        self.bytes.splice(place..place, line.bytes());
        self.body_start += line.len();
        if let Some(numbers) = &mut self.numbers {
            numbers.place += line.len();
        }
        self
    }

    /// The bytes of the next call.
    fn next(&self) -> Cow<'_, [u8]> {
        let Some(Numbers { place, next }) = &self.numbers else {
            return Cow::Borrowed(&self.bytes);
        };
        let number = next.replace(next.get() + 1);
        let mut bytes = self.bytes.clone();
        bytes[*place..place + DIGITS].copy_from_slice(format!("{number:0DIGITS$}").as_bytes());
        Cow::Owned(bytes)
    }
}

/// What stands at this place of a body. A block that goes missing or changes places with another is
/// noticed, because no two of them are alike.
fn letter(place: usize) -> u8 {
    b'a' + ((place ^ (place >> 8) ^ (place >> 16)) % 26) as u8
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// How calls went.
#[derive(Default)]
pub struct Calls {
    /// Nanoseconds of each, as they ended.
    pub latencies: Vec<u32>,
    /// Calls that got anything but 200.
    pub failed: usize,
}

impl Calls {
    fn note(&mut self, since: Instant, is_good: bool) {
        let took = u32::try_from(since.elapsed().as_nanos());
        self.latencies.push(took.unwrap_or(u32::MAX));
        self.failed += usize::from(!is_good);
    }

    /// Counts other calls as well.
    pub fn add(&mut self, others: Self) {
        self.latencies.extend(others.latencies);
        self.failed += others.failed;
    }

    /// The latency that this share of the calls, 0 to 1, stayed below, in microseconds; `NaN`
    /// without calls.
    pub fn quantile(&mut self, share: f64) -> f64 {
        if self.latencies.is_empty() {
            return f64::NAN;
        }
        let last = self.latencies.len() - 1;
        let place = (last as f64 * share).round() as usize;
        let (_, value, _) = self.latencies.select_nth_unstable(place);
        f64::from(*value) / 1e3
    }
}

/// One client's connection.
pub struct Client<I = TcpStream>(Messages<I>);

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody accepts.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Client<I> {
    /// Over a connection that is there.
    pub fn over(io: I) -> Self {
        Self(Messages::new(io))
    }

    /// Makes one call and reads its whole answer.
    ///
    /// # Errors
    /// When the connection breaks, or is closed instead of an answer.
    pub async fn call(&mut self, request: &Request) -> io::Result<Answer> {
        let (status, body) = self.exchange(request).await?;
        let body = String::from_utf8_lossy(body).into_owned();
        Ok(Answer { status, body })
    }

    /// Makes one call; whether it was answered with 200.
    async fn is_answered(&mut self, request: &Request) -> io::Result<bool> {
        let (status, _) = self.exchange(request).await?;
        Ok(status == 200)
    }

    async fn exchange(&mut self, request: &Request) -> io::Result<(u16, &[u8])> {
        self.0.io().write_all(&request.next()).await?;
        let answer = self.0.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = status(answer.head).ok_or(io::ErrorKind::InvalidData)?;
        Ok((status, answer.body))
    }
}

/// `connections` clients call as fast as they are answered, until `time` has passed.
///
/// # Errors
/// When a connection breaks.
pub async fn saturate(
    address: SocketAddr,
    request: &Request,
    connections: usize,
    time: Duration,
) -> io::Result<Calls> {
    let end = Instant::now() + time;
    let clients = (0..connections).map(|_| {
        let request = request.clone();
        tokio::task::spawn_local(async move {
            let mut calls = Calls::default();
            let mut client = Client::connect(address).await?;
            while Instant::now() < end {
                let started = Instant::now();
                let is_good = client.is_answered(&request).await?;
                calls.note(started, is_good);
            }
            Ok(calls)
        })
    });
    gather(clients.collect()).await
}

/// `rate` calls a second over `connections` clients, each of which keeps its own beat, until `time`
/// has passed. A call that is due while the one before is under way is made late, and its wait
/// counts, so that a server which stalls does not look better for being asked less.
///
/// # Errors
/// When a connection breaks.
pub async fn pace(
    address: SocketAddr,
    request: &Request,
    connections: usize,
    rate: usize,
    time: Duration,
) -> io::Result<Calls> {
    let period = Duration::from_secs_f64(connections as f64 / rate as f64);
    let clients = (0..connections).map(|index| {
        let request = request.clone();
        tokio::task::spawn_local(async move {
            let mut calls = Calls::default();
            let mut client = Client::connect(address).await?;
            let first = Instant::now() + period * index as u32 / connections as u32;
            let end = first + time;
            let mut beat = tokio::time::interval_at(first, period);
            loop {
                let ready = Instant::now();
                let due = beat.tick().await;
                if due >= end {
                    return Ok(calls);
                }
                // A timer's own delay is not the server's, a wait for the call before is.
                let started = if due < ready { due } else { Instant::now() };
                let is_good = client.is_answered(&request).await?;
                calls.note(started, is_good);
            }
        })
    });
    gather(clients.collect()).await
}

/// `clients` that open a connection for every call, until `time` has passed.
///
/// # Errors
/// When a connection cannot be made, or breaks.
pub async fn reconnect(
    address: SocketAddr,
    request: &Request,
    clients: usize,
    time: Duration,
) -> io::Result<Calls> {
    let end = Instant::now() + time;
    let clients = (0..clients).map(|_| {
        let request = request.clone();
        tokio::task::spawn_local(async move {
            let mut calls = Calls::default();
            while Instant::now() < end {
                let started = Instant::now();
                let mut client = Client::connect(address).await?;
                let is_good = client.is_answered(&request).await?;
                calls.note(started, is_good);
            }
            Ok(calls)
        })
    });
    gather(clients.collect()).await
}

async fn gather(clients: Vec<JoinHandle<io::Result<Calls>>>) -> io::Result<Calls> {
    let mut all = Calls::default();
    for client in clients {
        let calls = client.await.expect("a client does not panic")?;
        all.add(calls);
    }
    Ok(all)
}
