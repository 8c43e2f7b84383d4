//! One HTTP/2 connection: shared by all calls of a worker to one origin.
//!
//! It counts its streams, so that the pool knows when it is idle. It closes when the pool and the
//! last stream have let go of it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use http::uri::Authority;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;

use crate::body::ReplayBody;
use crate::upstream::connect::Io;
use crate::upstream::h1::{MAX_HEAD_BYTES, Unanswered};
use crate::upstream::shelf::{Held, PoolGauges};

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
    gauges: PoolGauges,
    /// Under which state it is counted.
    held: RefCell<Held>,
}

impl H2 {
    pub(super) async fn open(
        io: Box<dyn Io>,
        authority: Authority,
        gauges: &PoolGauges,
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
            gauges: gauges.clone(),
            held: RefCell::new(Held::new(&gauges.idle)),
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

    /// Keeps new streams away. Those that are open go on.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Sends one request. Dropping the future resets the stream.
    pub(super) async fn send(
        &self,
        request: Request<ReplayBody>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut sender = self.sender.clone();
        Ok(sender.try_send_request(request).await?)
    }

    fn stream_opened(&self) {
        let streams = self.streams.get();
        self.streams.set(streams + 1);
        if streams == 0 {
            self.held.replace(Held::new(&self.gauges.active));
        }
    }

    fn stream_closed(&self) {
        let streams = self.streams.get() - 1;
        self.streams.set(streams);
        if streams == 0 {
            self.idle_since.set(Instant::now());
            self.held.replace(Held::new(&self.gauges.idle));
        }
    }
}

/// One call's part of a shared connection; counted until it is dropped.
pub(super) struct Stream(Rc<H2>);

impl Stream {
    pub(super) fn new(connection: Rc<H2>) -> Self {
        connection.stream_opened();
        Self(connection)
    }

    pub(super) fn connection(&self) -> &H2 {
        &self.0
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.stream_closed();
    }
}
