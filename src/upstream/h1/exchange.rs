//! One request on one connection, up to the head of its answer.
//!
//! Writing and reading go on side by side, because an upstream may answer before it has taken the
//! whole request, and because the kernel may hold an answer although it takes no more bytes.

use std::task::{Context, Poll, ready};

use http::{Method, Response};
use tokio::time::Instant;

use crate::http1::ResponseHead;
use crate::sign::Signed;
use crate::upstream::error::{Seen, SendError, Unanswered};
use crate::upstream::h1::H1;
use crate::upstream::h1::body::Http1Body;
use crate::upstream::h1::error::Http1Error;
use crate::upstream::h1::heads::Heads;
use crate::upstream::h1::lease::Lease;
use crate::upstream::h1::outgoing::Outgoing;

/// A request under way.
pub(super) struct Exchange<'r> {
    connection: Box<H1>,
    method: &'r Method,
    outgoing: Outgoing,
    heads: Heads,
}

/// The deadline has passed.
pub(super) struct Late;

impl<'r> Exchange<'r> {
    pub(super) fn new(connection: Box<H1>, request: &'r Signed<'_>) -> Self {
        let host = connection.home.origin.authority();
        let outgoing = Outgoing::new(request, host, connection.is_encrypted);
        Self {
            connection,
            method: request.method(),
            outgoing,
            heads: Heads::new(),
        }
    }

    /// Takes the connection for this request.
    ///
    /// # Errors
    /// When it is of no use any more. Nothing has been written then.
    pub(super) fn begin(&mut self) -> Result<(), Http1Error> {
        self.connection.quiet()?;
        self.connection.is_between = false;
        Ok(())
    }

    /// Writes what can be written and reads up to the final head, until it is late.
    pub(super) fn poll_head_until(
        &mut self,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<ResponseHead, Http1Error>, Late>> {
        if let Poll::Ready(head) = self.poll_head(cx) {
            return Poll::Ready(Ok(head));
        }
        let alarm = &mut self.connection.alarm;
        alarm.poll_at(deadline, cx).map(|()| Err(Late))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Http1Error>> {
        let H1 { io, incoming, .. } = &mut *self.connection;
        let io = &mut **io;
        if let Poll::Ready(Err(error)) = self.outgoing.poll(io, cx)
            && !self.outgoing.has_begun()
        {
            return Poll::Ready(Err(Http1Error::Io(error)));
        }
        loop {
            let read = ready!(incoming.poll_read_head(io, cx));
            if read.map_err(Http1Error::Io)? == 0 {
                return Poll::Ready(Err(Http1Error::Closed));
            }
            if !self.outgoing.has_begun() {
                return Poll::Ready(Err(Http1Error::Unasked));
            }
            if let Some(head) = self.heads.take(&mut incoming.buffer, self.method)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The answer, whose body takes over the connection.
    pub(super) fn answered(self, head: ResponseHead) -> Response<Http1Body> {
        let unsent = (!self.outgoing.is_whole()).then(|| Box::new(self.outgoing));
        let lease = Lease::new(self.connection, unsent, &head);
        // The version is the connection's own and ends here.
        let mut answer = Response::new(Http1Body::new(head.framing, lease));
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.headers;
        answer
    }

    /// No answer came, for this reason. The connection is cut.
    // spec: RETRY-1
    pub(super) fn failed(self, why: Http1Error) -> Unanswered {
        if self.outgoing.has_begun() {
            return Unanswered::Failed(SendError::http1(Seen::MaybeSeen, why));
        }
        Unanswered::HandedBack(SendError::http1(Seen::NotSent, why))
    }

    /// No answer came in time. The connection is cut.
    pub(super) fn late(self) -> Unanswered {
        let seen = if self.outgoing.has_begun() {
            Seen::MaybeSeen
        } else {
            Seen::NotSent
        };
        Unanswered::Failed(SendError::deadline(seen))
    }
}
