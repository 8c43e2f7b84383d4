//! A service that does as it is told, and the client's end of a connection to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf,
};
use tokio::time::{Instant, Sleep};

use crate::http1::Fault;
use crate::lifecycle::{Drainer, drain};
use crate::server::{
    self, ClientIo, HttpLimits, RequestBody, Service, Unreadable, serve_connection,
};
use crate::test_support::http1::{Head, Reader};

type Answering = Pin<Box<dyn Future<Output = Response<Script>>>>;

/// Answers with a closure, and what is no request with its sentence.
pub(super) struct Stub(Box<dyn Fn(Request<RequestBody>) -> Answering>);

impl Stub {
    pub(super) fn new<F>(answer: impl Fn(Request<RequestBody>) -> F + 'static) -> Self
    where
        F: Future<Output = Response<Script>> + 'static,
    {
        Self(Box::new(move |request| Box::pin(answer(request))))
    }
}

impl Service for Stub {
    type Body = Script;

    fn answer(&self, request: server::Request) -> impl Future<Output = Response<Script>> {
        (self.0)(request.into())
    }

    fn refuse(&self, why: Unreadable) -> Response<Script> {
        let (status, text) = match why {
            Unreadable::Malformed(sentence) => (400, sentence),
            Unreadable::HeadTooLarge => (431, "too large"),
            Unreadable::HeadTooSlow { .. } => (408, "too slow"),
        };
        Script::of(status, &[text]).sized().response()
    }
}

/// The beginning of the head that [`Stub`] refuses with.
pub(super) fn closing(status: u16, text: &str) -> String {
    let status = http::StatusCode::from_u16(status).unwrap();
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", text.len())
}

/// Answers with the path, the length of the body as it was announced, and the body.
pub(super) fn echo() -> Stub {
    Stub::new(|request| async {
        let (head, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(Fault::Malformed(sentence)) => Bytes::from_static(sentence.as_bytes()),
            Err(other) => panic!("{other}"),
        };
        let text = String::from_utf8(body.to_vec()).unwrap();
        let echo = format!("{} {} {text}", head.uri.path(), body.len());
        Script::of(200, &[echo.leak()]).sized().response()
    })
}

/// What happens next in an answer's body.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Data(&'static str),
    /// So many seconds pass.
    Wait(u64),
    Fail,
}

/// An answer, and the body of one.
#[derive(Debug)]
pub(super) struct Script {
    status: u16,
    fields: Vec<(&'static str, &'static str)>,
    pub(super) pieces: VecDeque<Piece>,
    size: Option<u64>,
    delay: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Script {
    pub(super) fn of(status: u16, pieces: &[&'static str]) -> Self {
        Self {
            status,
            fields: Vec::new(),
            pieces: pieces.iter().copied().map(Piece::Data).collect(),
            size: None,
            delay: Duration::ZERO,
            waiting: None,
        }
    }

    /// Says how long it is.
    pub(super) fn sized(mut self) -> Self {
        let lengths = self.pieces.iter().map(|piece| match piece {
            Piece::Data(data) => data.len() as u64,
            Piece::Wait(_) | Piece::Fail => 0,
        });
        self.size = Some(lengths.sum());
        self
    }

    pub(super) fn saying_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    pub(super) fn field(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    /// Takes its time before it begins.
    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(super) fn response(self) -> Response<Self> {
        let mut builder = Response::builder().status(self.status);
        for (name, value) in &self.fields {
            builder = builder.header(*name, *value);
        }
        builder.body(self).unwrap()
    }

    /// Answers one request with it, whatever that is.
    pub(super) fn service(self) -> Stub {
        let script = RefCell::new(Some(self));
        Stub::new(move |_| {
            let script = script.borrow_mut().take().expect("one request");
            async move {
                tokio::time::sleep(script.delay).await;
                script.response()
            }
        })
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            return Poll::Ready(match self.pieces.pop_front() {
                Some(Piece::Data(data)) => {
                    Some(Ok(Frame::data(Bytes::from_static(data.as_bytes()))))
                }
                Some(Piece::Wait(secs)) => {
                    self.waiting = Some(Box::pin(tokio::time::sleep(Duration::from_secs(secs))));
                    continue;
                }
                Some(Piece::Fail) => Some(Err(io::ErrorKind::BrokenPipe.into())),
                None => None,
            });
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What the connection's stream was told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) writes: usize,
    pub(super) reset: bool,
}

/// A pipe that counts, and that writes several slices at once as a socket does.
struct Counted {
    io: DuplexStream,
    seen: Rc<Cell<Seen>>,
}

impl ClientIo for Counted {
    fn reset_on_close(&mut self) {
        let seen = self.seen.get();
        self.seen.set(Seen {
            reset: true,
            ..seen
        });
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        let seen = self.seen.get();
        let writes = seen.writes + 1;
        self.seen.set(Seen { writes, ..seen });
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let joined: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        self.poll_write(cx, &joined)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The client's end.
pub(super) struct Client {
    reader: Reader<DuplexStream>,
    seen: Rc<Cell<Seen>>,
    drainer: Option<Drainer>,
    started: Instant,
}

/// Serves one connection with limits that tests know: 10 s for a head, 30 s for what stalls.
pub(super) fn serve(service: Stub) -> Client {
    // Large enough that no test's client has to read while it writes.
    let (ours, theirs) = tokio::io::duplex(256 * 1024);
    let seen = Rc::new(Cell::new(Seen::default()));
    let (drainer, watch) = drain();
    let limits = HttpLimits {
        head_timeout: Duration::from_secs(10),
        max_head_bytes: 8192,
        body_timeout: Duration::from_secs(30),
    };
    let io = Counted {
        io: theirs,
        seen: Rc::clone(&seen),
    };
    tokio::task::spawn_local(serve_connection(
        Box::new(io),
        Rc::new(service),
        limits,
        watch,
    ));
    Client {
        reader: Reader::new(ours),
        seen,
        drainer: Some(drainer),
        started: Instant::now(),
    }
}

impl Client {
    /// Writes and lets the server look at it.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.write(bytes).await;
        tokio::task::yield_now().await;
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        // The other end may have closed already, which is for the test to see in what it reads.
        let _ = self.reader.io().write_all(bytes).await;
    }

    pub(super) async fn half_close(&mut self) {
        self.reader.io().shutdown().await.unwrap();
    }

    pub(super) async fn head(&mut self) -> Head {
        self.reader.head().await.expect("a head")
    }

    pub(super) async fn body(&mut self, length: usize) -> Vec<u8> {
        self.reader.exactly(length).await.expect("a body")
    }

    /// Everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        self.reader.rest().await
    }

    /// What can be read without waiting.
    pub(super) async fn arrived(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        let read = self.reader.io().read(&mut bytes).await.unwrap();
        bytes.truncate(read);
        bytes
    }

    /// Whether the server has closed, a moment from now.
    pub(super) async fn has_ended(&mut self) -> bool {
        let mut byte = [0];
        let read = self.reader.io().read(&mut byte);
        let moment = Duration::from_millis(1);
        matches!(tokio::time::timeout(moment, read).await, Ok(Ok(0)))
    }

    pub(super) async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Starts the drain, before anybody else runs.
    pub(super) async fn drain(&mut self) {
        let drainer = self.drainer.take().expect("one drain");
        let mut draining = Box::pin(drainer.drain(Duration::from_secs(60)));
        poll_fn(|cx| Poll::Ready(draining.as_mut().poll(cx).is_pending())).await;
        tokio::task::spawn_local(draining);
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.get()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
