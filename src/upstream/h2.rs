//! One HTTP/2 connection: shared by all calls of a worker to one origin.
//!
//! It counts its streams, so that the pool knows when it is idle. It closes when the pool and the
//! last stream have let go of it.

mod body;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use http::uri::Authority;
use http::{Request, Response};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::body::ReplayBody;
use crate::sign::Signed;
use crate::upstream::connect::Io;
use crate::upstream::error::{Seen, SendError, Unanswered};
use crate::upstream::framing::{self, MAX_HEAD_BYTES};
use crate::upstream::shelf::{Held, PoolGauges};

pub(super) use body::Http2Body;

/// While streams are open and nothing arrives for this long, the peer is asked whether it is still
/// there. Without it, a peer that vanished would swallow every call until TCP gives up.
const PING_AFTER: Duration = Duration::from_secs(5);
/// How long the peer has to say so.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a connection's tasks on the worker that opened it. They end with the connection.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// An HTTP/2 connection.
pub(super) struct H2 {
    sender: SendRequest<ReplayBody>,
    authority: Authority,
    opened: Instant,
    streams: Cell<usize>,
    /// Meaningful while there are no streams.
    idle_since: Cell<Instant>,
    /// Set when it is not to be trusted with new streams.
    retired: Cell<bool>,
    /// Under which state it is counted.
    held: RefCell<Held>,
}

impl H2 {
    pub(super) async fn open(
        io: Box<dyn Io>,
        authority: Authority,
        gauges: &Rc<PoolGauges>,
    ) -> hyper::Result<Rc<Self>> {
        let (sender, connection) = Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .handshake(TokioIo::new(io))
            .await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "upstream connection ended"
                );
            }
        });
        Ok(Rc::new(Self {
            sender,
            authority,
            opened: Instant::now(),
            streams: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            retired: Cell::new(false),
            held: RefCell::new(Held::new(gauges, false)),
        }))
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether new streams may be opened, as far as is known here.
    pub(super) fn is_usable(&self) -> bool {
        !self.retired.get() && !self.sender.is_closed()
    }

    /// Since when it has had no stream; `None` while it has one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }

    fn stream_opened(&self) {
        let streams = self.streams.get();
        self.streams.set(streams + 1);
        if streams == 0 {
            self.held.borrow_mut().set_active(true);
        }
    }

    fn stream_closed(&self) {
        let streams = self.streams.get() - 1;
        self.streams.set(streams);
        if streams == 0 {
            self.idle_since.set(Instant::now());
            self.held.borrow_mut().set_active(false);
        }
    }
}

fn unanswered(mut error: TrySendError<Request<ReplayBody>>) -> Unanswered {
    // What hyper returns to us it has not touched.
    match error.take_message() {
        Some(_) => Unanswered::HandedBack(SendError::http2_untouched(error.into_error())),
        None => Unanswered::Failed(SendError::http2(error.into_error())),
    }
}

/// One call's part of a shared connection; counted until it is dropped.
pub(super) struct Stream(Rc<H2>);

impl Stream {
    pub(super) fn new(connection: Rc<H2>) -> Self {
        connection.stream_opened();
        Self(connection)
    }

    /// Sends one request and waits for the head of its answer, at most until `deadline`. The body
    /// keeps the stream.
    ///
    /// Dropping the future resets the stream.
    // spec: RETRY-1 CANCEL-1
    pub(super) async fn send(
        self,
        signed: &Signed<'_>,
        deadline: Instant,
    ) -> Result<Response<Http2Body>, Unanswered> {
        let connection = &*self.0;
        let request = framing::http2_request(signed, &connection.authority);
        let mut sender = connection.sender.clone();
        let sent = timeout_at(deadline, sender.try_send_request(request)).await;
        let Ok(sent) = sent else {
            // Whether the tool is slow or the connection dead cannot be told apart here, and a
            // dead one would fail every call that shares it.
            connection.retired.set(true);
            return Err(Unanswered::Failed(SendError::deadline(Seen::MaybeSeen)));
        };
        let mut answer = sent.map_err(unanswered)?;
        framing::check_http2_answer(&mut answer)
            .map_err(|invalid| Unanswered::Failed(SendError::head(invalid)))?;
        Ok(answer.map(|incoming| Http2Body::new(incoming, self)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.stream_closed();
    }
}
