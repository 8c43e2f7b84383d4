//! One request on one connection, up to the head of its answer.
//!
//! Writing and reading go on side by side, because an upstream may answer before it has taken the
//! whole request, and because the kernel may hold an answer although it takes no more bytes.

use std::task::{Context, Poll, ready};

use http::{HeaderValue, Method, Response};

use crate::http1::ResponseHead;
use crate::sign::Signed;
use crate::turn::Turn;
use crate::upstream::error::{Seen, SendError, Unanswered};
use crate::upstream::h1::H1;
use crate::upstream::h1::body::Http1Body;
use crate::upstream::h1::error::Http1Error;
use crate::upstream::h1::heads::Heads;
use crate::upstream::h1::incoming::Incoming;
use crate::upstream::h1::lease::Lease;
use crate::upstream::h1::outgoing::Outgoing;
use crate::upstream::stock::Home;

/// A request under way.
pub(super) struct Exchange {
    connection: H1,
    method: Method,
    outgoing: Outgoing,
    incoming: Incoming,
    heads: Heads,
    turn: Turn,
}

impl Exchange {
    pub(super) fn new(connection: H1, request: &Signed<'_>, host: &HeaderValue) -> Self {
        let outgoing = Outgoing::new(request, host, connection.is_encrypted);
        Self {
            connection,
            method: request.method().clone(),
            outgoing,
            incoming: Incoming::new(),
            heads: Heads::new(),
            turn: Turn::default(),
        }
    }

    /// Writes what can be written and reads up to the final head.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, Http1Error>> {
        ready!(self.turn.poll(cx));
        let io = &mut *self.connection.io;
        if let Poll::Ready(Err(error)) = self.outgoing.poll(io, cx)
            && !self.outgoing.has_begun()
        {
            return Poll::Ready(Err(Http1Error::Io(error)));
        }
        loop {
            let read = ready!(self.incoming.poll_read_head(io, cx));
            if read.map_err(Http1Error::Io)? == 0 {
                return Poll::Ready(Err(Http1Error::Closed));
            }
            if !self.outgoing.has_begun() {
                return Poll::Ready(Err(Http1Error::Unasked));
            }
            let buffer = &mut self.incoming.buffer;
            if let Some(head) = self.heads.take(buffer, &self.method)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The answer, whose body takes over the connection.
    pub(super) fn answered(self, head: ResponseHead, home: Home) -> Response<Http1Body> {
        let unsent = (!self.outgoing.is_whole()).then(|| Box::new(self.outgoing));
        let lease = Lease::new(self.connection, unsent, &head, home);
        // The version is the connection's own and ends here.
        let mut answer = Response::new(Http1Body::new(head.framing, self.incoming, lease));
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
