//! An answer's hold on its connection, from the head to the end of the body.
//!
//! The invariant: a connection goes back to the pool only if the request left whole, the answer was
//! read to its end and its peer neither closed nor sent a byte more. Dropping a lease cuts it.

use std::io;
use std::task::{Context, Poll};

use bytes::BytesMut;

use crate::http1::ResponseHead;
use crate::upstream::h1::H1;
use crate::upstream::h1::incoming::Incoming;
use crate::upstream::h1::outgoing::Outgoing;
use crate::upstream::stock::Home;

/// A connection while an answer comes from it.
pub(super) struct Lease {
    connection: Box<H1>,
    /// The rest of a request that is answered already. It is rare, and most of what a body would
    /// carry with it.
    unsent: Option<Box<Outgoing>>,
    can_be_reused: bool,
}

impl Lease {
    /// A rest that is `unsent` goes on being sent unless the answer is an error: a server may
    /// answer as it reads, and one that refuses has said so (RFC 9112, 9.3).
    pub(super) fn new(
        connection: Box<H1>,
        unsent: Option<Box<Outgoing>>,
        head: &ResponseHead,
    ) -> Self {
        let is_error = head.status.is_client_error() || head.status.is_server_error();
        Self {
            connection,
            can_be_reused: head.keep_alive && unsent.is_none(),
            unsent: unsent.filter(|_| !is_error),
        }
    }

    /// Reads more of the answer, and writes more of the request where some is left.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        expected: Option<u64>,
    ) -> Poll<io::Result<usize>> {
        let H1 { io, incoming, .. } = &mut *self.connection;
        let io = &mut **io;
        // An upstream that takes no more has still to finish its answer.
        if let Some(unsent) = &mut self.unsent
            && unsent.poll(io, cx).is_ready()
        {
            self.unsent = None;
        }
        incoming.poll_read(io, cx, expected)
    }

    /// What has been read and not been taken.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.connection.incoming.buffer
    }

    /// The answer has been read to its end. What is left came after it.
    // spec: FRAME-1
    pub(super) fn finish(mut self) {
        if !self.buffer().is_empty() {
            return;
        }
        self.connection.incoming = Incoming::new();
        self.connection.is_between = self.unsent.is_none();
        if self.can_be_reused && self.connection.quiet().is_ok() {
            Home::keep(self.connection);
        }
    }
}
