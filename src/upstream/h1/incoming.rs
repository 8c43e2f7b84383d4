//! Bytes of an answer that have arrived and have not been taken yet.
//!
//! Memory follows what arrives: reads begin small, grow while they come back full, and ask for no
//! more than is known to follow. What is taken shares the buffer's memory, so nothing is copied,
//! and nothing is kept once the answer has ended.

use std::future::Future as _;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

use crate::scratch::{self, SCRATCH_BYTES};
use crate::upstream::connect::Io;

/// A piece keeps the buffer alive that it was cut from, so small pieces get small buffers.
const LEAST_READ: usize = 4 * 1024;
/// More at once saves no time, and the agent's side would hold it all.
const MOST_READ: usize = 64 * 1024;

/// A buffer that grows and shrinks with what is read into it.
pub(super) struct Incoming {
    pub(super) buffer: BytesMut,
    /// How much the next read asks for.
    next_read: usize,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            next_read: SCRATCH_BYTES,
        }
    }

    /// Reads once what may be a head. Most answers come whole in one such read, and no memory is
    /// held while they are waited for.
    pub(super) fn poll_read_head(
        &mut self,
        io: &mut dyn Io,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let count = ready!(scratch::poll_read(io, cx, &mut self.buffer))?;
        self.learn(count, SCRATCH_BYTES);
        Poll::Ready(Ok(count))
    }

    /// Reads once; `expected` is how many more bytes belong to the answer, where that is known.
    /// Gives the number of bytes that came, 0 at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        io: &mut dyn Io,
        cx: &mut Context<'_>,
        expected: Option<u64>,
    ) -> Poll<io::Result<usize>> {
        // One byte more than is expected: a read that fills its buffer has to be repeated to learn
        // that there is nothing more, and a byte too many should show itself.
        let limit = expected.and_then(|bytes| usize::try_from(bytes).ok()?.checked_add(1));
        self.make_room(limit.map_or(self.next_read, |limit| limit.min(self.next_read)));
        let room = self.buffer.capacity() - self.buffer.len();
        let count = ready!(pin!(io.read_buf(&mut self.buffer)).poll(cx))?;
        self.learn(count, room);
        Poll::Ready(Ok(count))
    }

    fn learn(&mut self, count: usize, room: usize) {
        if count == room {
            self.next_read = MOST_READ.min(self.next_read * 4);
        } else if count < self.next_read / 4 {
            self.next_read = LEAST_READ.max(self.next_read / 2);
        }
    }

    fn make_room(&mut self, wanted: usize) {
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare >= wanted.div_ceil(2) || self.buffer.try_reclaim(wanted) {
            return;
        }
        // `reserve` would take as much as the buffer had when it was largest.
        let mut larger = BytesMut::with_capacity(self.buffer.len() + wanted);
        larger.extend_from_slice(&self.buffer);
        self.buffer = larger;
    }
}
