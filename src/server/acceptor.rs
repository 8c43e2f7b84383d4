//! Listening sockets of either kind, TCP or Unix.
//!
//! What is served over a connection does not depend on its kind, so the kind ends here: behind a
//! [`ClientIo`] there are only bytes.

use std::io;
use std::net;
use std::os::unix;

use tokio::net::{TcpListener, UnixListener};
use tracing::debug;

use crate::server::ClientIo;

/// A listening socket that belongs to no runtime yet, so that it can be given to a worker. It does
/// not block.
#[derive(Debug)]
pub enum Listener {
    /// At an IP address.
    Tcp(net::TcpListener),
    /// At a socket file.
    Unix(unix::net::UnixListener),
}

impl Listener {
    /// Gives it to the current runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn acceptor(self) -> io::Result<Acceptor> {
        match self {
            Self::Tcp(listener) => TcpListener::from_std(listener).map(Acceptor::Tcp),
            Self::Unix(listener) => UnixListener::from_std(listener).map(Acceptor::Unix),
        }
    }
}

/// A listening socket of the current runtime.
#[derive(Debug)]
pub enum Acceptor {
    /// At an IP address.
    Tcp(TcpListener),
    /// At a socket file.
    Unix(UnixListener),
}

impl Acceptor {
    /// The next connection. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When there is none to be had: because it ended while it waited, or because the system is out
    /// of something.
    pub async fn accept(&self) -> io::Result<Box<dyn ClientIo>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A small answer must not wait for the client's delayed acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "nodelay not set");
                }
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Box::new(stream))
            }
        }
    }
}
