//! The body of an answer over HTTP/1.1.
//!
//! It ends cleanly only where its framing says so. The end is told together with the last piece,
//! because a reader that has all it expects does not ask again.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::SizeHint;

use crate::http1::{Decoded, Framing};
use crate::upstream::h1::error::Http1Error;
use crate::upstream::h1::lease::Lease;

/// A body and the connection that it comes from.
pub(in crate::upstream) struct Http1Body {
    /// Whether the head stated the length.
    is_counted: bool,
    /// What was found behind the piece that was given last.
    next: Option<Result<Bytes, Http1Error>>,
    /// `None` once the body has ended, one way or the other.
    lease: Option<Lease>,
}

impl Http1Body {
    pub(super) fn new(framing: Framing, lease: Lease) -> Self {
        let mut body = Self {
            is_counted: matches!(framing, Framing::None | Framing::Length(_)),
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
            match ready!(lease.poll_read(cx)) {
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
            Some(Err(_)) => return SizeHint::default(),
            None => 0,
        };
        if !self.is_counted && !self.is_ended() {
            return SizeHint::default();
        }
        let rest = self.lease.as_ref().and_then(Lease::remaining);
        SizeHint::with_exact(waiting + rest.unwrap_or(0))
    }

    /// Decodes what has arrived, up to the next piece or the end.
    fn look_ahead(&mut self) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        match lease.decode() {
            Ok(Decoded::Data(piece)) => {
                let is_last = lease.is_decoded();
                self.next = Some(Ok(piece));
                if is_last {
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
        match self.lease.as_ref().map(Lease::finish_at_eof) {
            Some(Ok(())) | None => self.lease = None,
            Some(Err(_)) => self.broke(Http1Error::Closed),
        }
    }

    fn broke(&mut self, error: Http1Error) {
        self.lease = None;
        self.next = Some(Err(error));
    }
}
