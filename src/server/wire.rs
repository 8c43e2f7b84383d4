//! The bytes of one connection: what has been read and not been used, and what is still to be sent
//! before an answer.
//!
//! Memory is taken when something arrives and given back when it is used up, so a connection that
//! waits holds none. Whose turn it is to read is decided by whoever polls: the body while it is
//! wanted, the connection otherwise.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};

use crate::scratch;
use crate::server::client_io::{self, ClientIo};
use crate::server::intake::Intake;

/// Room for one read of chunks that follow others.
const CHUNKS_BYTES: usize = 32 * 1024;

/// Most bytes of later requests, or of a body that nobody asks for, that are read ahead.
const MOST_AHEAD: usize = 64 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The connection has ended in a way that no answer can get past.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Gone;

/// One connection's bytes.
pub(super) struct Wire {
    pub(super) io: Box<dyn ClientIo>,
    /// Read and not used.
    pub(super) ahead: BytesMut,
    /// How far the current request's body has been read.
    pub(super) intake: Intake,
    /// An interim answer that is being sent.
    interim: Bytes,
    /// The client has closed its sending side. It may still read.
    pub(super) ended: bool,
    gone: bool,
}

impl Wire {
    pub(super) fn new(io: Box<dyn ClientIo>) -> Self {
        Self {
            io,
            ahead: BytesMut::new(),
            intake: Intake::default(),
            interim: Bytes::new(),
            ended: false,
            gone: false,
        }
    }

    /// Whether the connection has turned out to be dead.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Reads a little more into `ahead`, if there is something; 0 bytes are the end of the client's
    /// side.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        if self.gone || self.ended {
            return self.nothing();
        }
        let read = scratch::poll_read(&mut *self.io, cx, &mut self.ahead);
        read.map(|read| self.note(read))
    }

    /// Reads much more into `ahead`, for a body of which more is sure to come.
    pub(super) fn poll_fill_chunks(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        if self.ahead.capacity() - self.ahead.len() < CHUNKS_BYTES / 2 {
            self.ahead.reserve(CHUNKS_BYTES);
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        let room = ahead.capacity() - ahead.len();
        let read = self.poll_read(cx, &mut ahead, room);
        if !ahead.is_empty() {
            self.ahead = ahead;
        }
        read
    }

    /// Reads at most `most` bytes, not 0, into a buffer that has room for them.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
        most: usize,
    ) -> Poll<Result<usize, Gone>> {
        if self.gone || self.ended {
            return self.nothing();
        }
        let read = client_io::poll_read(&mut *self.io, cx, buf, most);
        read.map(|read| self.note(read))
    }

    /// What there is to read once the client's side has ended.
    fn nothing(&self) -> Poll<Result<usize, Gone>> {
        Poll::Ready(if self.gone { Err(Gone) } else { Ok(0) })
    }

    /// Remembers what a read has told about the client.
    fn note(&mut self, read: io::Result<usize>) -> Result<usize, Gone> {
        self.gone = read.is_err();
        self.ended = matches!(read, Ok(0));
        read.map_err(|_| Gone)
    }

    /// Looks whether the client says something while it should wait. Completes when it is gone;
    /// see `ended` for whether it has closed its sending side.
    // spec: CANCEL-1
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        if self.poll_interim(cx) == Poll::Ready(Err(Gone)) {
            return Poll::Ready(Gone);
        }
        while !self.ended && self.ahead.len() < MOST_AHEAD {
            match ready!(self.poll_fill(cx)) {
                // What has arrived may be what the body, polled before, waits for.
                Ok(_) if self.intake.waits => cx.waker().wake_by_ref(),
                Ok(_) => {}
                Err(Gone) => return Poll::Ready(Gone),
            }
        }
        Poll::Pending
    }

    /// Starts an interim answer, unless one is still being sent.
    pub(super) fn say_continue(&mut self) {
        if self.interim.is_empty() {
            self.interim = Bytes::from_static(CONTINUE);
        }
    }

    /// Sends what is left of an interim answer.
    pub(super) fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        while !self.interim.is_empty() {
            let rest = self.interim.clone();
            let written = ready!(self.poll_write(cx, &[IoSlice::new(&rest)]))?;
            self.interim.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what is left of an interim answer in front of the final one.
    pub(super) fn take_interim(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&std::mem::take(&mut self.interim));
    }

    /// Writes some of these, which are not all empty.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Gone>> {
        match ready!(client_io::poll_write(&mut *self.io, cx, slices)) {
            Ok(written @ 1..) => Poll::Ready(Ok(written)),
            Ok(0) | Err(_) => {
                self.gone = true;
                Poll::Ready(Err(Gone))
            }
        }
    }
}
