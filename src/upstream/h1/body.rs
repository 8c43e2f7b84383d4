//! The body of an answer over HTTP/1.1.
//!
//! It ends cleanly only where its framing says so. The end is told together with the last piece,
//! because a reader that has all it expects does not ask again.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::SizeHint;

use crate::http1::{BodyDecoder, Decoded, Framing};
use crate::upstream::h1::error::Http1Error;
use crate::upstream::h1::lease::Lease;

/// A body and the connection that it comes from.
pub(in crate::upstream) struct Http1Body {
    decoder: BodyDecoder,
    /// What was found behind the piece that was given last.
    next: Option<Result<Bytes, Http1Error>>,
    /// `None` once the body has ended, one way or the other.
    lease: Option<Lease>,
}

impl Http1Body {
    pub(super) fn new(framing: Framing, lease: Lease) -> Self {
        let mut body = Self {
            decoder: BodyDecoder::new(framing),
            next: None,
            lease: Some(lease),
        };
        // An empty body may never be asked for.
        body.look_ahead();
        body
    }

    /// The next piece, `None` after the last one.
    // spec: RESP-2
    pub(in crate::upstream) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Http1Error>>> {
        while self.next.is_none() {
            let Some(lease) = &mut self.lease else {
                return Poll::Ready(None);
            };
            let expected = self.decoder.remaining_hint();
            match ready!(lease.poll_read(cx, expected)) {
                Ok(0) => self.stream_ended(),
                Ok(_) => self.look_ahead(),
                Err(error) => self.broke(Http1Error::Io(error)),
            }
        }
        let piece = self.next.take();
        if matches!(piece, Some(Ok(_))) {
            self.look_ahead();
        }
        Poll::Ready(piece)
    }

    pub(in crate::upstream) fn is_ended(&self) -> bool {
        self.lease.is_none() && self.next.is_none()
    }

    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        let waiting = match &self.next {
            Some(Ok(piece)) => piece.len() as u64,
            Some(Err(_)) | None => 0,
        };
        match self.decoder.remaining_hint() {
            Some(rest) => SizeHint::with_exact(waiting + rest),
            None if self.is_ended() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }

    /// Decodes what has arrived, up to the next piece or the end.
    fn look_ahead(&mut self) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        match self.decoder.decode(lease.buffer()) {
            Ok(Decoded::Data(piece)) => {
                self.next = Some(Ok(piece));
                if self.decoder.is_ended() {
                    self.finish();
                }
            }
            Ok(Decoded::NeedMore) => {}
            Ok(Decoded::End) => self.finish(),
            Err(fault) => self.broke(fault.into()),
        }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }

    fn stream_ended(&mut self) {
        match self.decoder.finish_at_eof() {
            Ok(()) => self.lease = None,
            Err(_) => self.broke(Http1Error::Closed),
        }
    }

    fn broke(&mut self, error: Http1Error) {
        self.lease = None;
        self.next = Some(Err(error));
    }
}
