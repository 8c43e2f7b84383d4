//! An answer's hold on its connection, from the head to the end of the body.
//!
//! The invariant: a connection goes back to the pool only if the request left whole, the answer was
//! read to its end and its peer neither closed nor sent a byte more. Dropping a lease cuts it.

use std::io;
use std::task::{Context, Poll};

use crate::http1::{BodyDecoder, Decoded, Fault, Framing, ResponseHead};
use crate::upstream::h1::H1;
use crate::upstream::h1::incoming::Incoming;
use crate::upstream::h1::outgoing::Outgoing;
use crate::upstream::stock::Home;

/// A connection while an answer comes from it. All that is known of the answer is in the
/// connection's own box, because a body is handed on many times.
pub(super) struct Lease(Box<H1>);

/// What a connection has to know of the answer that comes from it.
pub(super) struct Answering {
    decoder: BodyDecoder,
    /// The rest of a request that is answered already, which is rare.
    unsent: Option<Box<Outgoing>>,
    can_be_reused: bool,
}

impl Answering {
    /// There is no answer.
    pub(super) fn nothing() -> Self {
        Self {
            decoder: BodyDecoder::new(Framing::None),
            unsent: None,
            can_be_reused: false,
        }
    }
}

impl Lease {
    /// A rest that is `unsent` goes on being sent unless the answer is an error: a server may
    /// answer as it reads, and one that refuses has said so (RFC 9112, 9.3).
    pub(super) fn new(
        mut connection: Box<H1>,
        unsent: Option<Box<Outgoing>>,
        head: &ResponseHead,
    ) -> Self {
        let is_error = head.status.is_client_error() || head.status.is_server_error();
        connection.answering = Answering {
            decoder: BodyDecoder::new(head.framing),
            can_be_reused: head.keep_alive && unsent.is_none(),
            unsent: unsent.filter(|_| !is_error),
        };
        Self(connection)
    }

    /// Reads more of the answer, and writes more of the request where some is left.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let expected = self.remaining();
        let H1 {
            io,
            incoming,
            answering,
            ..
        } = &mut *self.0;
        let io = &mut **io;
        // An upstream that takes no more has still to finish its answer.
        if let Some(unsent) = &mut answering.unsent
            && unsent.poll(io, cx).is_ready()
        {
            answering.unsent = None;
        }
        incoming.poll_read(io, cx, expected)
    }

    /// Decodes what has been read, up to the next piece or the end.
    ///
    /// # Errors
    /// When the body is malformed.
    pub(super) fn decode(&mut self) -> Result<Decoded, Fault> {
        let connection = &mut *self.0;
        let decoder = &mut connection.answering.decoder;
        decoder.decode(&mut connection.incoming.buffer)
    }

    /// Whether all of the body has been decoded.
    pub(super) fn is_decoded(&self) -> bool {
        self.0.answering.decoder.is_ended()
    }

    /// How many bytes of the body have not been decoded, where its length was stated.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.0.answering.decoder.remaining_hint()
    }

    /// Whether the body is whole if nothing more comes.
    ///
    /// # Errors
    /// When there should have been more.
    pub(super) fn finish_at_eof(&self) -> Result<(), Fault> {
        self.0.answering.decoder.finish_at_eof()
    }

    /// The answer has been read to its end. What is left came after it.
    // spec: FRAME-1
    pub(super) fn finish(mut self) {
        let connection = &mut *self.0;
        if !connection.incoming.buffer.is_empty() {
            return;
        }
        connection.incoming = Incoming::new();
        connection.is_between = connection.answering.unsent.is_none();
        if connection.answering.can_be_reused && connection.quiet().is_ok() {
            Home::keep(self.0);
        }
    }
}
