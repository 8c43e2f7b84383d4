//! The pool against scripted peers: pipes in memory under a paused clock, and a few real sockets.

mod answers;
mod desync;
mod early;
mod http1;
mod http2;
mod network;
mod opening;
mod sockets;
mod splits;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt as _, Full};
use metrics::Gauge;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::*;
use crate::body::{BodyLimits, BufferedBytes, Captured};
use crate::clock::Timestamp;
use crate::headers::EndToEnd;
use crate::registry::{AuthSpec, Origin, TlsSpec, Tool, ToolSpec};
use crate::secret::Secret;
use crate::sign::{Head, Signed, Signer, Stamp};

fn origin(url: &str) -> Arc<Origin> {
    origin_with(url, None)
}

fn origin_with(url: &str, tls: Option<TlsSpec>) -> Arc<Origin> {
    origin_of(url, tls, None)
}

fn origin_of_api(url: &str) -> Arc<Origin> {
    origin_of(url, None, Some(ToolSpec::SOURCE_API.to_owned()))
}

fn origin_of(url: &str, tls: Option<TlsSpec>, source: Option<String>) -> Arc<Origin> {
    let auth = AuthSpec {
        scheme: Signer::HMAC_SHA256.to_owned(),
        secret: Some(Secret::new("supersecret")),
        secret_id: None,
    };
    let spec = ToolSpec {
        name: "tool".to_owned(),
        url: url.to_owned(),
        auth,
        tls,
        source,
        ..ToolSpec::default()
    };
    Arc::clone(&Tool::compile(spec).unwrap().origin)
}

async fn signed(method: Method, body: &'static str) -> Signed<'static> {
    signed_body(method, Full::new(Bytes::from_static(body.as_bytes()))).await
}

/// A request that borrows what is never given back, which spares each test a place to keep that.
async fn signed_body<B>(method: Method, body: B) -> Signed<'static>
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin,
{
    fn kept<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }
    let signer = kept(Signer::hmac_sha256(&Secret::new("supersecret"), None));
    let limits = BodyLimits {
        max_bytes: 1 << 20,
        timeout: Duration::from_secs(1),
        buffered: BufferedBytes::new(1 << 20),
    };
    let body = Captured::read(body, &limits, signer.begin()).await.unwrap();
    let head = kept(Head {
        method,
        path: "/hook?x=1".parse().unwrap(),
        fields: EndToEnd::default(),
    });
    let stamp = Stamp {
        tool: kept(http::HeaderValue::from_static("tool")),
        agent: kept(http::HeaderValue::from_static("agent")),
        at: Timestamp::from_unix_millis(1_705_322_400_000),
    };
    signer.sign(head, b"", kept(body), stamp)
}

/// What the next attempts to connect come to; `Accept` over HTTP/1.1 when nothing is planned.
enum Plan {
    Accept(Protocol),
    AcceptAfter(Duration, Protocol),
    Refuse,
    Silent,
    /// A connection whose peer says this before it is asked, and hangs up.
    Greet(&'static str),
}

/// Connects to pipes, whose other ends a test takes as [`Peer`]s.
struct Pipes {
    plans: RefCell<VecDeque<Plan>>,
    dials: Cell<usize>,
    peers: mpsc::UnboundedSender<Peer>,
}

impl Pipes {
    async fn open(&self) -> Result<Connected, ConnectError> {
        self.dials.set(self.dials.get() + 1);
        let plan = self.plans.borrow_mut().pop_front();
        let protocol = match plan.unwrap_or(Plan::Accept(Protocol::Http1)) {
            Plan::Accept(protocol) => protocol,
            Plan::AcceptAfter(pause, protocol) => {
                sleep(pause).await;
                protocol
            }
            Plan::Refuse => {
                return Err(ConnectError::Dial {
                    address: SocketAddr::from(([10, 0, 0, 1], 80)),
                    source: io::ErrorKind::ConnectionRefused.into(),
                });
            }
            Plan::Silent => std::future::pending().await,
            Plan::Greet(greeting) => {
                let (ours, theirs) = tokio::io::duplex(256 * 1024);
                Peer(theirs).say(greeting).await;
                return Ok(Connected {
                    io: Box::new(ours),
                    protocol: Protocol::Http1,
                });
            }
        };
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        self.peers.send(Peer(theirs)).unwrap();
        Ok(Connected {
            io: Box::new(ours),
            protocol,
        })
    }
}

impl Connect for Pipes {
    fn connect<'a>(
        &'a self,
        _: &'a Origin,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + 'a>> {
        Box::pin(self.open())
    }
}

/// The upstream's end of a pipe.
struct Peer(DuplexStream);

impl Peer {
    /// Reads a request's head.
    async fn head(&mut self) -> String {
        let mut text = String::new();
        while !text.contains("\r\n\r\n") {
            text.push(char::from(self.0.read_u8().await.unwrap()));
        }
        text
    }

    /// Reads one request with a `Content-Length` body, or none.
    async fn request(&mut self) -> String {
        let text = self.head().await;
        let lower = text.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1);
        let length = length.map_or(0, |rest| {
            rest.split("\r\n").next().unwrap().parse().unwrap()
        });
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        text + std::str::from_utf8(&body).unwrap()
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Serves one request with `OK` as the body.
    async fn serve(&mut self) {
        self.request().await;
        self.say(OK).await;
    }

    /// Waits until our side has closed; nothing more may come before.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

/// A pool on pipes.
struct World {
    pool: Pool,
    pipes: Rc<Pipes>,
    peers: RefCell<mpsc::UnboundedReceiver<Peer>>,
    idle: Arc<AtomicU64>,
    active: Arc<AtomicU64>,
    origin: Arc<Origin>,
}

impl World {
    fn new(url: &str, settings: PoolSettings) -> Self {
        let (sender, peers) = mpsc::unbounded_channel();
        let pipes = Rc::new(Pipes {
            plans: RefCell::default(),
            dials: Cell::new(0),
            peers: sender,
        });
        let idle = Arc::new(AtomicU64::new(0));
        let active = Arc::new(AtomicU64::new(0));
        let gauges = PoolGauges {
            idle: Gauge::from_arc(Arc::clone(&idle)),
            active: Gauge::from_arc(Arc::clone(&active)),
        };
        let connector = Rc::clone(&pipes) as Rc<dyn Connect>;
        Self {
            pool: Pool::new(connector, settings, gauges),
            pipes,
            peers: RefCell::new(peers),
            idle,
            active,
            origin: origin(url),
        }
    }

    fn http() -> Self {
        Self::new("http://api.test:8080/hook", PoolSettings::default())
    }

    fn https() -> Self {
        Self::new("https://api.test/hook", PoolSettings::default())
    }

    fn plan(self, plans: impl IntoIterator<Item = Plan>) -> Self {
        self.pipes.plans.borrow_mut().extend(plans);
        self
    }

    /// Waits until a connection is opened.
    async fn accept(&self) -> Peer {
        let opened = std::future::poll_fn(|cx| self.peers.borrow_mut().poll_recv(cx));
        let opened = tokio::time::timeout(Duration::from_secs(60), opened).await;
        opened.expect("a connection is opened").unwrap()
    }

    fn dials(&self) -> usize {
        self.pipes.dials.get()
    }

    /// Connections that are (idle, active) according to the gauges.
    fn counted(&self) -> (f64, f64) {
        let read = |gauge: &AtomicU64| f64::from_bits(gauge.load(Ordering::Relaxed));
        (read(&self.idle), read(&self.active))
    }

    /// One attempt with 15 s of time.
    async fn send(&self) -> Result<Response<UpstreamBody>, SendError> {
        self.send_as(Method::POST, "{}").await
    }

    async fn send_as(
        &self,
        method: Method,
        body: &'static str,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let deadline = Instant::now() + Duration::from_secs(15);
        let signed = signed(method, body).await;
        self.pool.send(&self.origin, &signed, deadline).await
    }

    /// One attempt and its answer's body.
    async fn call(&self) -> Result<String, SendError> {
        let answer = self.send().await?;
        Ok(read(answer).await.unwrap())
    }
}

/// Tasks on this runtime.
fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// Waits, without letting time pass, until no more than `expected` tasks are left.
async fn tasks_end(expected: usize) {
    let start = Instant::now();
    for _ in 0..100 {
        if tasks() <= expected {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((tasks(), start.elapsed()), (expected, Duration::ZERO));
}

async fn read(answer: Response<UpstreamBody>) -> Result<String, BodyError> {
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

fn failure<T>(result: Result<T, SendError>) -> (Seen, FailureKind) {
    let error = result.err().expect("the attempt fails");
    (error.seen(), error.kind())
}
