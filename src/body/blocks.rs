//! The bytes of a body in memory: gathered in blocks while they arrive, sent from them any number of
//! times.
//!
//! The invariant: beyond its own length, a body holds at most one read buffer and the free rest of
//! one block, whatever the pieces look like that it came in. How many bodies there may be is left
//! to the limits.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};

use crate::body::limits::Reservation;

/// Gathers pieces so that a body costs its own size.
///
/// The first piece is kept as it came, which spares small bodies every copy. Of the later ones, a
/// large one that is alone in its memory is kept, too. The others are copied into blocks: a piece
/// pins the whole read buffer it was cut from, so keeping thousands of tiny ones would cost a
/// multiple of the body.
#[derive(Default)]
pub(super) struct Blocks {
    done: Stored,
    filling: BytesMut,
}

/// Small enough to waste little at a body's end, large enough that a 10 MiB body is 160 blocks.
const BLOCK_BYTES: usize = 64 * 1024;

/// What is smaller is copied: that costs little, and its handle would weigh more.
const KEPT_BYTES: usize = 16 * 1024;

impl Blocks {
    pub(super) fn push(&mut self, piece: Bytes, expected_after: Option<usize>) {
        if piece.is_empty() {
            return;
        }
        if self.done.as_slice().is_empty() && self.filling.is_empty() {
            self.done.push(piece);
            return;
        }
        // Not beside a block that is being filled: its free rest would be lost each time.
        let piece = if self.filling.is_empty() {
            match alone(piece) {
                Ok(whole) => return self.done.push(whole),
                Err(part) => part,
            }
        } else {
            piece
        };
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

    /// The body, which holds `room` until the last replay of it is gone.
    pub(super) fn finish(mut self, room: Reservation) -> ReplayBody {
        self.seal();
        let blocks = self.done;
        let remaining = blocks.as_slice().iter().map(|b| b.len() as u64).sum();
        ReplayBody {
            held: Rc::new(Held { blocks, room }),
            next: 0,
            remaining,
        }
    }
}

/// Gives a piece back as `Ok` if keeping it pins little more than its own length: if it is large,
/// shares its memory with nobody, and fills three quarters of it.
fn alone(piece: Bytes) -> Result<Bytes, Bytes> {
    if piece.len() < KEPT_BYTES {
        return Err(piece);
    }
    let memory = piece.try_into_mut()?;
    let fills = memory.len() >= memory.capacity() / 4 * 3;
    let piece = memory.freeze();
    if fills { Ok(piece) } else { Err(piece) }
}

/// Blocks in order, none of them empty. Most bodies are one, which needs no list.
#[derive(Debug)]
enum Stored {
    Small(Option<Bytes>),
    Large(Vec<Bytes>),
}

impl Default for Stored {
    fn default() -> Self {
        Self::Small(None)
    }
}

impl Stored {
    fn push(&mut self, block: Bytes) {
        match self {
            Self::Small(free @ None) => *free = Some(block),
            Self::Small(first @ Some(_)) => {
                *self = Self::Large(first.take().into_iter().chain([block]).collect());
            }
            Self::Large(blocks) => blocks.push(block),
        }
    }

    fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::Small(block) => block.as_slice(),
            Self::Large(blocks) => blocks,
        }
    }
}

/// What all replays of a body share.
#[derive(Debug)]
struct Held {
    blocks: Stored,
    #[expect(dead_code, reason = "dropping it gives the room back")]
    room: Reservation,
}

/// The captured bytes as a body of known length that can be sent any number of times.
///
/// The body's room is given back with the last of its replays, because an upstream may be sent the
/// rest of a request that it has answered already.
// spec: BODY-1
#[derive(Clone, Debug)]
pub struct ReplayBody {
    held: Rc<Held>,
    next: usize,
    remaining: u64,
}

impl ReplayBody {
    /// What is left to send, in order. No block is empty.
    pub fn blocks(&self) -> &[Bytes] {
        let blocks = self.held.blocks.as_slice();
        blocks.get(self.next..).unwrap_or_default()
    }
}

impl Body for ReplayBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let block = self.blocks().first().cloned();
        if let Some(block) = &block {
            self.next += 1;
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// A piece of `len` bytes in memory for `capacity`.
    fn piece(len: usize, capacity: usize) -> Bytes {
        let mut memory = BytesMut::with_capacity(capacity);
        memory.resize(len, b'x');
        memory.freeze()
    }

    /// Whether `second`, which comes after another piece, is kept where it is.
    async fn is_kept(second: Bytes) -> bool {
        let mut blocks = Blocks::default();
        blocks.push(piece(1, 1), None);
        let place = second.as_ptr();
        blocks.push(second, None);
        let mut body = blocks.finish(Reservation::nothing());
        body.frame().await.unwrap().unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        frame.data_ref().unwrap().as_ptr() == place
    }

    #[tokio::test]
    async fn a_large_piece_that_is_alone_in_its_memory_is_not_copied() {
        const KIB: usize = 1024;
        assert!(is_kept(piece(64 * KIB, 64 * KIB)).await);
        assert!(is_kept(piece(16 * KIB, 16 * KIB)).await);
        assert!(is_kept(piece(48 * KIB, 64 * KIB)).await);
        assert!(!is_kept(piece(48 * KIB - 1, 64 * KIB)).await);
        assert!(!is_kept(piece(16 * KIB - 1, 16 * KIB)).await);
        let shared = piece(64 * KIB, 64 * KIB);
        assert!(!is_kept(shared.clone()).await);
        assert!(!is_kept(shared.slice(..32 * KIB)).await);
    }

    #[tokio::test]
    async fn a_block_that_is_being_filled_is_filled_first() {
        let mut blocks = Blocks::default();
        for len in [1, 1, BLOCK_BYTES - 1] {
            blocks.push(piece(len, len), None);
        }
        // The first piece, and one block for both of the others.
        assert_eq!(
            (blocks.done.as_slice().len(), blocks.filling.len()),
            (1, BLOCK_BYTES)
        );
    }
}
