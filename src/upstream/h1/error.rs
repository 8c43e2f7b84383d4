//! How the use of an HTTP/1.1 connection ends when it does not end well.

use std::io;

use crate::http1::Fault;
use crate::upstream::error::FailureKind;

/// Interim answers that may come before the final one. Servers send one or two; each is a head to
/// read for nothing.
pub(super) const MOST_INTERIM: usize = 16;

/// Why a connection carried no answer, or not the whole of it.
#[derive(Debug, thiserror::Error)]
pub enum Http1Error {
    /// The operating system or TLS reported a failure.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// The stream ended where there should have been more of it.
    #[error("the connection was closed")]
    Closed,
    /// Bytes came while nothing had been asked.
    #[error("the upstream spoke before it was asked")]
    Unasked,
    /// The first bytes are those of another protocol.
    #[error("what came is not HTTP/1.x")]
    NotHttp,
    /// A final status that no request of ours can have.
    #[error("the upstream switched protocols, which nobody asked for")]
    SwitchedProtocols,
    /// The final answer did not come into sight.
    #[error("there are more than {MOST_INTERIM} interim answers")]
    TooManyInterim,
    /// The rules of HTTP/1.1 are broken.
    #[error("the answer is malformed")]
    Malformed(#[from] Fault),
}

impl Http1Error {
    /// What a caller is told.
    pub(in crate::upstream) fn kind(&self) -> FailureKind {
        match self {
            Self::Io(_) | Self::Closed => FailureKind::Closed,
            Self::Unasked
            | Self::NotHttp
            | Self::SwitchedProtocols
            | Self::TooManyInterim
            | Self::Malformed(_) => FailureKind::InvalidResponse,
        }
    }
}
