//! Why an attempt has no answer, and whether the upstream can have acted on it.
//!
//! [`Seen`] is a promise: `NotSent` is said only where it is certain that the upstream did not
//! process the request. Everything doubtful is `MaybeSeen`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::upstream::connect::ConnectError;
use crate::upstream::framing::InvalidHead;
use crate::upstream::h1::Http1Error;

/// Whether an upstream can have seen a request that it did not answer.
// spec: RETRY-1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Certainly not processed: sending it again cannot do anything twice.
    NotSent,
    /// It may have been processed and only the answer was lost.
    MaybeSeen,
}

/// What kind of failure it was, as far as a caller is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureKind {
    /// No connection.
    Connect,
    /// No TLS on the connection.
    Tls,
    /// The connection ended before the answer.
    Closed,
    /// What came back is not an answer that can be passed on.
    InvalidResponse,
    /// No answer before the deadline.
    Timeout,
}

/// Why a connection has no answer to a request.
pub(super) enum Unanswered {
    /// The peer cannot have a byte of the request, which is where it was.
    HandedBack(SendError),
    /// The attempt is over.
    Failed(SendError),
}

/// An attempt without an answer. The source chain is for logs.
#[derive(Debug)]
pub struct SendError {
    seen: Seen,
    kind: FailureKind,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// Shared, because several callers may have waited for one connection.
    Connect(Arc<ConnectError>),
    Http1(Http1Error),
    Http2(hyper::Error),
    Head(InvalidHead),
    Deadline,
}

impl SendError {
    /// Whether the upstream can have seen the request.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(super) fn connect(error: Arc<ConnectError>) -> Self {
        Self {
            seen: Seen::NotSent,
            kind: error.kind(),
            cause: Cause::Connect(error),
        }
    }

    pub(super) fn deadline(seen: Seen) -> Self {
        Self {
            seen,
            kind: FailureKind::Timeout,
            cause: Cause::Deadline,
        }
    }

    pub(super) fn http1(seen: Seen, error: Http1Error) -> Self {
        Self {
            seen,
            kind: error.kind(),
            cause: Cause::Http1(error),
        }
    }

    /// The connection gave the request back untouched.
    pub(super) fn http2_untouched(error: hyper::Error) -> Self {
        Self {
            seen: Seen::NotSent,
            kind: FailureKind::Closed,
            cause: Cause::Http2(error),
        }
    }

    /// The connection had taken the request.
    pub(super) fn http2(error: hyper::Error) -> Self {
        let (seen, kind) = classify(&error);
        Self {
            seen,
            kind,
            cause: Cause::Http2(error),
        }
    }

    pub(super) fn head(invalid: InvalidHead) -> Self {
        Self {
            seen: Seen::MaybeSeen,
            kind: FailureKind::InvalidResponse,
            cause: Cause::Head(invalid),
        }
    }
}

/// HTTP/2 says more than a closed socket: a refused stream, and one above the last that a GOAWAY
/// names, were not processed (RFC 9113, 8.7). What our own side of HTTP/2 objects to is the peer's
/// breach of the protocol.
fn classify(error: &hyper::Error) -> (Seen, FailureKind) {
    if error.is_parse() {
        return (Seen::MaybeSeen, FailureKind::InvalidResponse);
    }
    match find_source::<h2::Error>(error) {
        Some(h2) if h2.is_remote() && h2.is_go_away() => (Seen::NotSent, FailureKind::Closed),
        Some(h2) if h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM) => {
            (Seen::NotSent, FailureKind::Closed)
        }
        Some(h2) if h2.is_library() => (Seen::MaybeSeen, FailureKind::InvalidResponse),
        Some(_) | None => (Seen::MaybeSeen, FailureKind::Closed),
    }
}

fn find_source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(found) = source.downcast_ref() {
            return Some(found);
        }
        next = source.source();
    }
    None
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FailureKind::Connect => "no connection to the upstream",
            FailureKind::Tls => "no TLS connection to the upstream",
            FailureKind::Closed => "the upstream closed the connection without an answer",
            FailureKind::InvalidResponse => "the upstream did not answer in valid HTTP",
            FailureKind::Timeout => "no answer from the upstream in time",
        })
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Connect(error) => Some(&**error),
            Cause::Http1(error) => Some(error),
            Cause::Http2(error) => Some(error),
            Cause::Head(invalid) => Some(invalid),
            Cause::Deadline => None,
        }
    }
}
