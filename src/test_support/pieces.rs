//! A body that arrives in pieces and does not tell its length: a chunked upload.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// Yields its pieces one by one.
#[derive(Debug)]
pub struct Pieces(pub VecDeque<Bytes>);

impl Pieces {
    /// `whole`, cut into pieces of `size` bytes.
    pub fn of(whole: Bytes, size: usize) -> Self {
        let starts = (0..whole.len()).step_by(size);
        Self(
            starts
                .map(|from| whole.slice(from..whole.len().min(from + size)))
                .collect(),
        )
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}
