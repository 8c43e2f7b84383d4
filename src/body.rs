//! The request body: captured once, within limits, hashed while it arrives, and then only shared.
//!
//! A [`Captured`] is a body that is complete and can no longer change; everything that is signed or
//! sent starts from one. What the digest is and what it is for is `sign`'s business.

mod blocks;
mod limits;

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;

use blocks::Blocks;

pub use blocks::ReplayBody;
pub use limits::{BodyLimits, BufferedBytes, Reservation};

/// Something that takes in a body piece by piece, in order.
pub trait Absorb {
    /// What comes of the whole body.
    type Digest;

    /// Takes the next piece.
    fn absorb(&mut self, piece: &[u8]);

    /// There is no other piece.
    fn finish(self) -> Self::Digest;
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
    size: usize,
}

impl<D> Captured<D> {
    /// Reads `body` to its end, feeding every piece to `absorb` as it arrives.
    ///
    /// Dropping the future drops what was read and gives its room back.
    ///
    /// # Errors
    /// When a limit is passed or the sender fails. A declared length that is over the limit or
    /// finds no room fails before anything is read.
    pub async fn read<B>(
        body: B,
        limits: &BodyLimits,
        absorb: impl Absorb<Digest = D>,
    ) -> Result<Self, CaptureError<B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let timeout = limits.timeout;
        let mut reading = pin!(Self::read_untimed(body, limits, absorb));
        // Most bodies are there with their heads, and need no timer.
        let first = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
        if let Poll::Ready(captured) = first {
            return captured;
        }
        tokio::time::timeout(timeout, reading)
            .await
            .unwrap_or(Err(CaptureError::TimedOut { timeout }))
    }

    async fn read_untimed<B>(
        mut body: B,
        limits: &BodyLimits,
        mut absorb: impl Absorb<Digest = D>,
    ) -> Result<Self, CaptureError<B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let too_large = || CaptureError::TooLarge {
            max_bytes: limits.max_bytes,
        };
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if declared > limits.max_bytes {
            return Err(too_large());
        }
        let mut held = limits.reservation();
        // The first poll of the body tells the agent to go on. Room for all that was announced is
        // taken before that, so that what has begun is never refused midway for want of it.
        if !held.grow_to(declared) {
            return Err(CaptureError::Overloaded);
        }
        let mut blocks = Blocks::default();
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            // Trailers end here: nothing that is forwarded may come after the signed bytes.
            let Ok(piece) = frame.map_err(CaptureError::Broken)?.into_data() else {
                continue;
            };
            size += piece.len();
            if size > limits.max_bytes {
                return Err(too_large());
            }
            if !held.grow_to(size) {
                return Err(CaptureError::Overloaded);
            }
            absorb.absorb(&piece);
            let expected = body.size_hint().exact().map(|rest| rest as usize);
            blocks.push(piece, expected);
        }
        held.shrink_to(size);
        Ok(Self {
            body: blocks.finish(held),
            digest: absorb.finish(),
            size,
        })
    }

    /// The bytes. Another attempt is another clone: a reference count, not a copy.
    pub fn replay(&self) -> &ReplayBody {
        &self.body
    }

    /// What was computed over the bytes.
    pub fn digest(&self) -> &D {
        &self.digest
    }

    /// Length in bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests;
