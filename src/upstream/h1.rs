//! One HTTP/1.1 connection: it carries one request at a time and can be used again afterwards.
//!
//! A request runs on its caller's task and there is no other, so whoever holds the connection
//! holds the socket: dropping it cuts whatever is under way. The invariant: before a request is
//! written the peer owes nothing and has said nothing, and a request of which it cannot have a byte
//! is handed back. Where connections wait in between is the shelf's business.

mod body;
mod error;
mod exchange;
mod heads;
mod incoming;
mod lease;
mod outgoing;

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::Response;
use tokio::io::ReadBuf;
use tokio::task::unconstrained;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::sign::Signed;
use crate::turn::Turn;
use crate::upstream::connect::Io;
use crate::upstream::error::Unanswered;
use crate::upstream::h1::exchange::{Exchange, Late};
use crate::upstream::h1::incoming::Incoming;
use crate::upstream::h1::lease::Answering;
use crate::upstream::shelf::Held;
use crate::upstream::stock::Home;

pub(super) use body::Http1Body;
pub use error::Http1Error;

/// An HTTP/1.1 connection.
pub(super) struct H1 {
    io: Box<dyn Io>,
    /// Whether TLS stands between us and the socket.
    is_encrypted: bool,
    opened: Instant,
    /// Whether nothing is under way.
    is_between: bool,
    /// Where it goes when it has carried its request.
    pub(super) home: Home,
    /// Under which state it is counted.
    pub(super) held: Held,
    /// What has come of an answer and was not taken yet; holds no memory between two answers.
    incoming: Incoming,
    answering: Answering,
    /// For the deadline of the request under way. It stays, because the next one's is later.
    alarm: Alarm,
}

impl H1 {
    pub(super) fn new(io: Box<dyn Io>, is_encrypted: bool, home: Home, held: Held) -> Self {
        Self {
            io,
            is_encrypted,
            opened: Instant::now(),
            is_between: true,
            home,
            held,
            incoming: Incoming::new(),
            answering: Answering::nothing(),
            alarm: Alarm::default(),
        }
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Checks, without waiting, that the peer is there and has said nothing that nobody asked for.
    ///
    /// # Errors
    /// When it has closed, failed or spoken. The connection is of no use then.
    pub(super) fn quiet(&mut self) -> Result<(), Http1Error> {
        let mut byte = [0];
        let mut read = ReadBuf::new(&mut byte);
        let polled = {
            let io = &mut *self.io;
            // A used-up budget of the task would look like a peer that is silent.
            let looked = unconstrained(poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut read)));
            // Nobody waits: whoever reads next brings a waker of its own.
            pin!(looked).poll(&mut Context::from_waker(Waker::noop()))
        };
        match polled {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) if read.filled().is_empty() => Err(Http1Error::Closed),
            Poll::Ready(Ok(())) => Err(Http1Error::Unasked),
            Poll::Ready(Err(error)) => Err(Http1Error::Io(error)),
        }
    }

    /// Sends one request and waits for the head of its answer, at most until `deadline`. The body
    /// keeps the connection and brings it home in the end.
    ///
    /// Dropping the future cuts the connection.
    // spec: RETRY-1 CANCEL-1
    pub(super) async fn send(
        self: Box<Self>,
        request: &Signed<'_>,
        deadline: Instant,
    ) -> Result<Response<Http1Body>, Unanswered> {
        let mut exchange = Exchange::new(self, request);
        let mut turn = Turn::default();
        poll_fn(|cx| turn.poll(cx)).await;
        // Right before the first byte: what the peer does meanwhile must not cost a request that
        // could still go over another connection.
        if let Err(why) = exchange.begin() {
            return Err(exchange.failed(why));
        }
        match poll_fn(|cx| exchange.poll_head_until(deadline, cx)).await {
            Ok(Ok(head)) => Ok(exchange.answered(head)),
            Ok(Err(why)) => Err(exchange.failed(why)),
            Err(Late) => Err(exchange.late()),
        }
    }
}

impl Drop for H1 {
    /// Says goodbye where nothing is under way: over TLS the peer can then tell the end from an
    /// attack. It is said once, and not waited for.
    fn drop(&mut self) {
        if self.is_between {
            let mut nobody = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut *self.io).poll_shutdown(&mut nobody);
        }
    }
}
