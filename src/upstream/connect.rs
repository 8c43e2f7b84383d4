//! The seam between the pool and the network: opening one connection, with nothing said on it yet.
//!
//! An error from here means that no byte of a request has left. Which connections are opened when,
//! and for how long one may take, is the pool's business.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::registry::{ForbiddenAddress, Origin};
use crate::upstream::error::FailureKind;
use crate::upstream::tls::TlsSetupError;

/// Opens connections: the one place that dials out. Tests swap it for pipes in memory.
pub trait Connect {
    /// Opens a connection to `origin`, with TLS where its scheme asks for it.
    ///
    /// Dropping the future abandons every connection that it was opening.
    fn connect<'a>(
        &'a self,
        origin: &'a Origin,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + 'a>>;
}

/// A connection that is ready for its first request.
pub struct Connected {
    /// The byte stream, decrypted.
    pub io: Box<dyn Io>,
    /// What is spoken on it.
    pub protocol: Protocol,
}

/// A byte stream in both directions. It need not be `Send`: it stays with its worker.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// How requests travel on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// One request at a time.
    Http1,
    /// Many requests at once.
    Http2,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name could not be looked up.
    #[error("the upstream's name could not be resolved")]
    Resolve(#[source] io::Error),
    /// The name exists and has no address.
    #[error("the upstream's name has no address")]
    NoAddress,
    /// No address is left after the check.
    // spec: SSRF-1
    #[error("every address of the upstream is refused")]
    Forbidden(#[source] ForbiddenAddress),
    /// Every address was tried; this is what the last one said.
    #[error("could not connect to {address}")]
    Dial {
        /// The address that failed last.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The settings for this upstream's TLS are unusable.
    #[error("TLS could not be set up")]
    TlsSetup(#[source] TlsSetupError),
    /// The handshake failed, or the certificate is not acceptable.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The connection was there and HTTP/2 could not be started on it.
    #[error("HTTP/2 could not be started on the connection")]
    Handshake(#[source] hyper::Error),
    /// It took too long.
    #[error("no connection within {} ms", limit.as_millis())]
    TimedOut {
        /// The limit that was passed.
        limit: Duration,
    },
    /// The attempt to connect was given up by the side that ran it.
    #[error("the connection attempt was abandoned")]
    Abandoned,
}

impl ConnectError {
    /// The kind of failure that a caller is told.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::TlsSetup(_) | Self::Tls(_) => FailureKind::Tls,
            Self::Resolve(_)
            | Self::NoAddress
            | Self::Forbidden(_)
            | Self::Dial { .. }
            | Self::Handshake(_)
            | Self::TimedOut { .. }
            | Self::Abandoned => FailureKind::Connect,
        }
    }
}
