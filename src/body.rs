//! The request body: captured once, within limits, hashed while it arrives, and then only shared.
//!
//! A [`Captured`] is a body that is complete and can no longer change; everything that is signed or
//! sent starts from one. What the digest is and what it is for is `sign`'s business.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// Something that takes in a body piece by piece, in order.
pub trait Absorb {
    /// Takes the next piece.
    fn absorb(&mut self, piece: &[u8]);
}

/// Bounds on bodies: one's size and duration, and the sum over all requests of the process.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// Most bytes of one body.
    pub max_bytes: usize,
    /// Longest time from the head to the last byte of one body.
    pub timeout: Duration,
    /// What all captured bodies together may take.
    pub buffered: BufferedBytes,
}

/// Counts the bytes that captured bodies hold, over all workers, against one limit.
#[derive(Clone, Debug)]
pub struct BufferedBytes {
    used: Arc<AtomicUsize>,
    max: usize,
}

impl BufferedBytes {
    /// A counter with room for `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            used: Arc::new(AtomicUsize::new(0)),
            max,
        }
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.checked_add(bytes).is_some_and(|sum| sum <= self.max);
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

/// What one body holds of the shared limit; given back on drop.
#[derive(Debug)]
struct Reservation {
    bytes: usize,
    pool: BufferedBytes,
}

impl Reservation {
    fn grow(&mut self, by: usize) -> bool {
        let granted = self.pool.reserve(by);
        if granted {
            self.bytes += by;
        }
        granted
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why a body could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError<E> {
    /// One body was larger than its limit.
    #[error("the body is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        max_bytes: usize,
    },
    /// All bodies together reached their limit.
    #[error("no room to buffer the body")]
    Overloaded,
    /// The body did not arrive in time.
    #[error("the body did not arrive within {} ms", timeout.as_millis())]
    TimedOut {
        /// The limit that was passed.
        timeout: Duration,
    },
    /// The sender stopped, or broke the framing.
    #[error("the body could not be read")]
    Broken(#[source] E),
}

/// A complete body with the digest that was taken of exactly these bytes.
// spec: BODY-1
#[derive(Debug)]
pub struct Captured<D> {
    body: ReplayBody,
    digest: D,
    held: Reservation,
}

impl<D: Absorb> Captured<D> {
    /// Reads `body` to its end, feeding every piece to `digest` as it arrives.
    ///
    /// Dropping the future drops what was read and gives its room back.
    ///
    /// # Errors
    /// When a limit is passed or the sender fails. A declared length over the limit fails before
    /// anything is read.
    pub async fn read<B>(
        body: B,
        limits: &BodyLimits,
        digest: D,
    ) -> Result<Self, CaptureError<B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let deadline = Instant::now() + limits.timeout;
        tokio::time::timeout_at(deadline, Self::read_untimed(body, limits, digest))
            .await
            .unwrap_or(Err(CaptureError::TimedOut {
                timeout: limits.timeout,
            }))
    }

    async fn read_untimed<B>(
        mut body: B,
        limits: &BodyLimits,
        mut digest: D,
    ) -> Result<Self, CaptureError<B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let too_large = || CaptureError::TooLarge {
            max_bytes: limits.max_bytes,
        };
        if body.size_hint().lower() > limits.max_bytes as u64 {
            return Err(too_large());
        }
        let mut held = Reservation {
            bytes: 0,
            pool: limits.buffered.clone(),
        };
        let mut blocks = Blocks::default();
        while let Some(frame) = body.frame().await {
            // Trailers end here: nothing that is forwarded may come after the signed bytes.
            let Ok(piece) = frame.map_err(CaptureError::Broken)?.into_data() else {
                continue;
            };
            if held.bytes + piece.len() > limits.max_bytes {
                return Err(too_large());
            }
            if !held.grow(piece.len()) {
                return Err(CaptureError::Overloaded);
            }
            digest.absorb(&piece);
            let expected = body.size_hint().exact().map(|rest| rest as usize);
            blocks.push(piece, expected);
        }
        Ok(Self {
            body: blocks.finish(),
            digest,
            held,
        })
    }
}

impl<D> Captured<D> {
    /// The bytes, for one attempt: a reference count, not a copy.
    pub fn replay(&self) -> ReplayBody {
        self.body.clone()
    }

    /// What was computed over the bytes.
    pub fn digest(&self) -> &D {
        &self.digest
    }

    /// Length in bytes.
    pub fn size(&self) -> usize {
        self.held.bytes
    }
}

/// Gathers pieces so that a body costs its own size.
///
/// The first piece is kept as it came, which spares small bodies every copy, and so are pieces that
/// are blocks already. Others are copied into blocks: a piece pins the whole read buffer it was cut
/// from, so keeping thousands of tiny ones would cost a multiple of the body.
#[derive(Default)]
struct Blocks {
    done: Vec<Bytes>,
    filling: BytesMut,
}

/// Small enough to waste little at a body's end, large enough that a 10 MiB body is 160 blocks.
const BLOCK_BYTES: usize = 64 * 1024;

/// A piece of this size fills most of what it was read into, and is kept as it is.
const KEPT_BYTES: usize = BLOCK_BYTES / 4 * 3;

impl Blocks {
    fn push(&mut self, piece: Bytes, expected_after: Option<usize>) {
        if piece.is_empty() {
            return;
        }
        let is_first = self.done.is_empty() && self.filling.is_empty();
        if is_first || piece.len() >= KEPT_BYTES {
            self.seal();
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

    fn finish(mut self) -> ReplayBody {
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

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::Pieces;

    /// Remembers everything it was fed.
    #[derive(Debug, Default)]
    struct Copy(Vec<u8>);

    impl Absorb for Copy {
        fn absorb(&mut self, piece: &[u8]) {
            self.0.extend_from_slice(piece);
        }
    }

    fn limits(max_bytes: usize, max_buffered: usize) -> BodyLimits {
        let timeout = Duration::from_secs(30);
        BodyLimits {
            max_bytes,
            timeout,
            buffered: BufferedBytes::new(max_buffered),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_piece_arrives_once_in_order(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100_000), 0..5)
        ) {
            let whole = pieces.concat();
            let limits = limits(usize::MAX, usize::MAX);
            let source = Pieces(pieces.into_iter().map(Bytes::from).collect());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let (captured, replays) = runtime.block_on(async {
                let captured = Captured::read(source, &limits, Copy::default()).await.unwrap();
                let mut replays = Vec::new();
                for _ in 0..2 {
                    replays.push(captured.replay().collect().await.unwrap().to_bytes());
                }
                (captured, replays)
            });
            prop_assert_eq!(&captured.digest().0, &whole);
            prop_assert_eq!(captured.size(), whole.len());
            prop_assert_eq!(limits.buffered.used(), whole.len());
            for replay in replays {
                prop_assert_eq!(&replay[..], &whole[..]);
            }
            drop(captured);
            prop_assert_eq!(limits.buffered.used(), 0);
        }
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_refused_unread() {
        let body = Full::new(Bytes::from_static(b"0123456789"));
        let error = Captured::read(body, &limits(9, 100), Copy::default())
            .await
            .unwrap_err();
        assert!(matches!(error, CaptureError::TooLarge { max_bytes: 9 }));
    }

    #[tokio::test]
    async fn room_is_given_back_when_a_body_is_refused() {
        let limits = limits(8, 100);
        let source = Pieces([Bytes::from_static(b"01234"), Bytes::from_static(b"56789")].into());
        let error = Captured::read(source, &limits, Copy::default())
            .await
            .unwrap_err();
        assert!(matches!(error, CaptureError::TooLarge { max_bytes: 8 }));
        assert_eq!(limits.buffered.used(), 0);
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_limit() {
        let limits = limits(10, 15);
        let body = || Full::new(Bytes::from_static(b"0123456789"));
        let first = Captured::read(body(), &limits, Copy::default())
            .await
            .unwrap();
        let error = Captured::read(body(), &limits, Copy::default())
            .await
            .unwrap_err();
        assert!(matches!(error, CaptureError::Overloaded));
        drop(first);
        Captured::read(body(), &limits, Copy::default())
            .await
            .unwrap();
    }
}
