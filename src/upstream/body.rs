//! An answer's body on its way to the agent, whichever protocol it comes over.
//!
//! A body ends cleanly only if the upstream said that it was complete; everything else is an
//! error, never an end. What it holds of its connection is given back at the end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::upstream::h1::{Http1Body, Http1Error};
use crate::upstream::h2::Http2Body;

/// Why a body ended early.
// spec: RESP-2
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection failed or ended, or what came is not HTTP/1.1.
    #[error("the upstream's answer broke off")]
    Http1(#[source] Http1Error),
    /// The stream was reset, or the connection failed.
    #[error("the upstream's answer broke off")]
    Http2(#[source] hyper::Error),
    /// The stream was ended in the words of success before the body was complete.
    #[error("the upstream ended its answer before it was complete")]
    Truncated,
}

/// An answer's body. Dropping it before its end closes its HTTP/1.1 connection, or resets its
/// HTTP/2 stream.
pub struct UpstreamBody(Source);

enum Source {
    Http1(Http1Body),
    Http2(Http2Body),
}

impl UpstreamBody {
    pub(super) fn http1(body: Http1Body) -> Self {
        Self(Source::Http1(body))
    }

    pub(super) fn http2(body: Http2Body) -> Self {
        Self(Source::Http2(body))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Source::Http1(body) => body.poll_data(cx).map(|piece| {
                let piece = piece?;
                Some(piece.map(Frame::data).map_err(BodyError::Http1))
            }),
            Source::Http2(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Http1(body) => body.is_ended(),
            Source::Http2(body) => body.is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Http1(body) => body.size_hint(),
            Source::Http2(body) => body.size_hint(),
        }
    }
}
