//! A request on its way out: head and body written together, and only a short body copied for it.
//!
//! The invariant: as long as [`Outgoing::has_begun`] is false, the peer cannot have a single byte
//! of the request. What the peer says meanwhile is read elsewhere.

use std::io::{self, IoSlice};
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HOST};

use crate::body::ReplayBody;
use crate::http1::{MOST_BEHIND_HEAD, write_request_head};
use crate::sign::Signed;
use crate::upstream::connect::Io;
use crate::upstream::framing::stated_length;

/// Pieces that one write hands to the kernel: a head and 15 blocks are nearly 1 MiB, more than a
/// socket takes at once.
const MOST_SLICES: usize = 16;

/// A request and how much of it has been taken.
pub(super) struct Outgoing {
    /// With the body behind it, if that is short.
    head: BytesMut,
    /// The body that is not in `head`.
    body: Option<ReplayBody>,
    /// The first part that has not been taken whole. Part 0 is the head, the body's blocks follow.
    part: usize,
    /// Bytes of it that have been taken.
    offset: usize,
    /// Whether TLS stands between us and the kernel.
    is_encrypted: bool,
    has_begun: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Writing,
    /// All has been taken; TLS may still hold some of it.
    Flushing,
    Whole,
    Failed,
}

impl Outgoing {
    /// The head says which `host` it is for and how long the body is, and otherwise what was signed.
    pub(super) fn new(request: &Signed<'_>, host: &HeaderValue, is_encrypted: bool) -> Self {
        let blocks = request.body().blocks();
        let size = blocks.iter().map(Bytes::len).sum();
        let length = stated_length(request.method(), size as u64);
        let fields = iter::once((&HOST, host.as_bytes()))
            .chain(request.fields())
            .chain(
                length
                    .iter()
                    .map(|length| (&CONTENT_LENGTH, length.as_ref())),
            );
        let mut head = BytesMut::new();
        let behind = if size > MOST_BEHIND_HEAD { 0 } else { size };
        write_request_head(&mut head, request.method(), request.path(), fields, behind);
        let body = if behind == size {
            blocks
                .iter()
                .for_each(|block| head.extend_from_slice(block));
            None
        } else {
            Some(request.body().clone())
        };
        Self {
            head,
            body,
            part: 0,
            offset: 0,
            is_encrypted,
            has_begun: false,
            state: State::Writing,
        }
    }

    /// Whether the peer may have a byte of it.
    // spec: RETRY-1
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether all of it has left.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// Writes as much as the peer takes. Ready when nothing is left, and at once after a failure.
    ///
    /// # Errors
    /// Once, when the connection takes no more.
    pub(super) fn poll(&mut self, io: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let done = match self.state {
                State::Writing => ready!(self.poll_write(io, cx)).map(|count| self.taken(count)),
                State::Flushing => {
                    ready!(Pin::new(&mut *io).poll_flush(cx)).map(|()| self.state = State::Whole)
                }
                State::Whole | State::Failed => return Poll::Ready(Ok(())),
            };
            if let Err(error) = done {
                self.state = State::Failed;
                // TLS reports the failure of a later record and not the success of an earlier one.
                self.has_begun |= self.is_encrypted;
                return Poll::Ready(Err(error));
            }
        }
    }

    fn poll_write(&self, io: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let written = ready!(match &self.body {
            None => Pin::new(io).poll_write(cx, &self.head[self.offset..]),
            Some(_) => self.poll_write_parts(io, cx),
        });
        Poll::Ready(match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(_) | Err(_) => written,
        })
    }

    fn poll_write_parts(&self, io: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let mut used = 0;
        while used < MOST_SLICES
            && let Some(part) = self.part(self.part + used)
        {
            let skipped = if used == 0 { self.offset } else { 0 };
            slices[used] = IoSlice::new(&part[skipped..]);
            used += 1;
        }
        let io = Pin::new(io);
        match &slices[..used] {
            [only] => io.poll_write(cx, only),
            many => io.poll_write_vectored(cx, many),
        }
    }

    fn taken(&mut self, count: usize) {
        self.has_begun = true;
        self.offset += count;
        while let Some(length) = self.part(self.part).map(<[u8]>::len) {
            if self.offset < length {
                return;
            }
            self.offset -= length;
            self.part += 1;
        }
        self.state = State::Flushing;
    }

    fn part(&self, index: usize) -> Option<&[u8]> {
        match index.checked_sub(1) {
            None => Some(&self.head),
            Some(block) => Some(self.body.as_ref()?.blocks().get(block)?),
        }
    }
}
