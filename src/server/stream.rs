//! Listening sockets and connections of either kind, TCP or Unix.
//!
//! What is served over a connection does not depend on its kind, so the kind ends here: behind a
//! [`Stream`] there are only bytes.

use std::io;
use std::net;
use std::os::unix;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tracing::debug;

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
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                // A small answer must not wait for the client's delayed acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "nodelay not set");
                }
                Stream::Tcp(stream)
            }),
            Self::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a socket file.
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
