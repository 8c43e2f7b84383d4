//! What a connection runs on: a byte stream that can be broken off.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream};
use tokio::net::{TcpStream, UnixStream};

/// A client's connection.
pub trait ClientIo: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Makes the close that follows look like an accident to the peer.
    ///
    /// That is what tells an answer that broke off from a complete one where only the end of the
    /// connection ends it.
    // spec: RESP-2
    fn reset_on_close(&mut self);
}

impl ClientIo for TcpStream {
    fn reset_on_close(&mut self) {
        // It fails for a socket that is dead already.
        let _ = self.set_zero_linger();
    }
}

impl ClientIo for UnixStream {
    /// Nothing: the kernel resets a Unix socket only when it is closed with bytes unread.
    fn reset_on_close(&mut self) {}
}

impl ClientIo for DuplexStream {
    /// Nothing: a pipe in memory only ends.
    fn reset_on_close(&mut self) {}
}

/// Reads at most `most` bytes into `buf`; `Ok(0)` is the end.
pub(super) fn poll_read(
    io: &mut dyn ClientIo,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
    most: usize,
) -> Poll<io::Result<usize>> {
    use std::future::Future as _;

    use bytes::BufMut as _;

    let mut room = buf.limit(most);
    // The future holds no state between polls, and reads into memory that nobody has to zero.
    std::pin::pin!(io.read_buf(&mut room)).poll(cx)
}

/// Writes what it can of `slices`.
pub(super) fn poll_write(
    io: &mut dyn ClientIo,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut io = Pin::new(io);
    match slices {
        [only] => io.as_mut().poll_write(cx, only),
        many => io.as_mut().poll_write_vectored(cx, many),
    }
}
