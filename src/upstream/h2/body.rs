//! The body of an answer over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use crate::upstream::body::BodyError;
use crate::upstream::h2::Stream;

/// A body and the stream that it comes from, which counts as open until the body's end.
pub(in crate::upstream) struct Http2Body {
    incoming: Incoming,
    /// `None` once the body has ended, one way or the other.
    stream: Option<Stream>,
}

impl Http2Body {
    pub(super) fn new(incoming: Incoming, stream: Stream) -> Self {
        let mut body = Self {
            incoming,
            stream: Some(stream),
        };
        // An empty body may never be asked for.
        body.note_end();
        body
    }

    /// The next frame, `None` after the last one.
    // spec: RESP-2
    pub(in crate::upstream) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.stream.is_none() {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Readers stop here and never poll for the end itself.
                self.note_end();
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.stream = None;
                Some(Err(BodyError::Http2(error)))
            }
            None => {
                self.stream = None;
                // hyper reads a stream that was reset with NO_ERROR as complete, whatever is
                // missing.
                (!self.incoming.is_end_stream()).then_some(Err(BodyError::Truncated))
            }
        })
    }

    pub(in crate::upstream) fn is_ended(&self) -> bool {
        self.stream.is_none()
    }

    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    fn note_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.stream = None;
        }
    }
}
