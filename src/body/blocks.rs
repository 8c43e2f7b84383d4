//! The bytes of a body in memory: gathered in blocks while they arrive, sent from them any number of
//! times.
//!
//! The invariant: beyond its own length, a body holds at most one read buffer and the free rest of
//! one block, whatever the pieces look like that it came in. How many bodies there may be is left
//! to the limits.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};

/// Gathers pieces so that a body costs its own size.
///
/// The first piece is kept as it came, which spares small bodies every copy. Later ones are copied
/// into blocks: a piece pins the whole read buffer it was cut from, so keeping thousands of tiny
/// ones would cost a multiple of the body.
#[derive(Default)]
pub(super) struct Blocks {
    done: Vec<Bytes>,
    filling: BytesMut,
}

/// Small enough to waste little at a body's end, large enough that a 10 MiB body is 160 blocks.
const BLOCK_BYTES: usize = 64 * 1024;

impl Blocks {
    pub(super) fn push(&mut self, piece: Bytes, expected_after: Option<usize>) {
        if piece.is_empty() {
            return;
        }
        if self.done.is_empty() && self.filling.is_empty() {
            self.done.push(piece);
            return;
        }
        let mut rest = &piece[..];
        while !rest.is_empty() {
            if self.filling.capacity() == self.filling.len() {
                self.seal();
                let wanted = expected_after.map_or(BLOCK_BYTES, |more| more + rest.len());
                self.filling = BytesMut::with_capacity(wanted.clamp(1, BLOCK_BYTES));
            }
            let room = self.filling.capacity() - self.filling.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.filling.extend_from_slice(now);
            rest = later;
        }
    }

    fn seal(&mut self) {
        let full = std::mem::take(&mut self.filling);
        if !full.is_empty() {
            self.done.push(full.freeze());
        }
    }

    pub(super) fn finish(mut self) -> ReplayBody {
        self.seal();
        let remaining = self.done.iter().map(|block| block.len() as u64).sum();
        let blocks = match self.done.len() {
            0 => Stored::Small(None),
            1 => Stored::Small(self.done.pop()),
            _ => Stored::Large {
                blocks: self.done.into(),
                next: 0,
            },
        };
        ReplayBody { blocks, remaining }
    }
}

/// The captured bytes as a body of known length that can be sent any number of times.
#[derive(Clone, Debug)]
pub struct ReplayBody {
    blocks: Stored,
    remaining: u64,
}

#[derive(Clone, Debug)]
enum Stored {
    Small(Option<Bytes>),
    Large { blocks: Arc<[Bytes]>, next: usize },
}

impl ReplayBody {
    /// A body of these bytes.
    #[cfg(test)]
    pub fn from_bytes(bytes: Bytes) -> Self {
        let remaining = bytes.len() as u64;
        let blocks = Stored::Small((!bytes.is_empty()).then_some(bytes));
        Self { blocks, remaining }
    }
}

impl Body for ReplayBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let block = match &mut self.blocks {
            Stored::Small(block) => block.take(),
            Stored::Large { blocks, next } => {
                let block = blocks.get(*next).cloned();
                *next += 1;
                block
            }
        };
        if let Some(block) = &block {
            self.remaining -= block.len() as u64;
        }
        Poll::Ready(block.map(|block| Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
