//! An answer's body on its way to the agent, together with the connection that it comes from.
//!
//! A body ends cleanly only if the upstream said that it was complete; everything else is an
//! error, never an end. The connection goes back to the pool after a clean end and is closed
//! otherwise.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::upstream::pool::Lease;

/// Why a body ended early.
// spec: RESP-2
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection failed, or what came is not HTTP.
    #[error("the upstream's answer broke off")]
    Broken(#[source] hyper::Error),
    /// The stream was ended in the words of success before the body was complete.
    #[error("the upstream ended its answer before it was complete")]
    Truncated,
}

/// An answer's body. Dropping it before its end closes its HTTP/1.1 connection, or resets its
/// HTTP/2 stream.
pub struct UpstreamBody {
    incoming: Incoming,
    /// `None` once the body has ended, one way or the other.
    lease: Option<Lease>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
        };
        // An empty body may never be polled.
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.lease.is_none() {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Readers stop here and never poll for the end itself.
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.lease = None;
                Some(Err(BodyError::Broken(error)))
            }
            // hyper reads a stream that was reset with NO_ERROR as complete, whatever is missing.
            None if self.cut_short() => {
                self.lease = None;
                Some(Err(BodyError::Truncated))
            }
            None => {
                self.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl UpstreamBody {
    fn cut_short(&self) -> bool {
        match self.lease {
            Some(Lease::Http2(_)) => !self.incoming.is_end_stream(),
            Some(Lease::Http1 { .. }) | None => false,
        }
    }
}
