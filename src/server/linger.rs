//! Closing without losing the answer.
//!
//! A socket that is closed while the client still sends is reset, and the reset overtakes an answer
//! that the client has not read yet: whoever uploads too much would see a broken connection instead
//! of the 413 that says why. So the sending side is closed first, and what the client has on the
//! way is read and thrown away for a moment (RFC 9112, 9.6).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A client that has read its answer closes at once; one that has not is given this long.
const LONGEST: Duration = Duration::from_secs(1);

/// What a client can have on the way beside what it adds while it does not read.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A byte stream that lingers when it is shut down.
#[derive(Debug)]
pub(super) struct Lingering<I> {
    io: I,
    state: State,
}

#[derive(Debug)]
enum State {
    Open,
    /// The client has closed its side: nothing is on the way.
    Drained,
    /// Our side is closed and the rest of the client's is being thrown away.
    Discarding {
        until: Pin<Box<Sleep>>,
        bytes_left: usize,
    },
}

impl<I> Lingering<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            state: State::Open,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Lingering<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        let ended = read.is_err() || (buf.filled().len() == before && buf.remaining() > 0);
        if ended {
            self.state = State::Drained;
        }
        Poll::Ready(read)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let State::Open = this.state {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            let until = Box::pin(tokio::time::sleep(LONGEST));
            this.state = State::Discarding {
                until,
                bytes_left: MOST_BYTES,
            };
        }
        match &mut this.state {
            State::Discarding { until, bytes_left } => {
                ready!(poll_discard(&mut this.io, until, bytes_left, cx));
                this.state = State::Drained;
                Poll::Ready(Ok(()))
            }
            State::Open | State::Drained => Pin::new(&mut this.io).poll_shutdown(cx),
        }
    }
}

/// Completes at the end of the client's side or at a limit.
fn poll_discard<I: AsyncRead + Unpin>(
    io: &mut I,
    until: &mut Pin<Box<Sleep>>,
    bytes_left: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let mut scratch = [0_u8; 8 * 1024];
    while *bytes_left > 0 && until.as_mut().poll(cx).is_pending() {
        let mut buf = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                *bytes_left = bytes_left.saturating_sub(buf.filled().len());
            }
            Ok(()) | Err(_) => break,
        }
    }
    Poll::Ready(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_on_the_way_is_read_until_the_client_closes() {
        let (mut client, server) = duplex(1024);
        let mut server = Lingering::new(server);
        let upload = tokio::spawn(async move {
            client.write_all(&[0; 100_000]).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        });
        server.write_all(b"413").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(upload.await.unwrap(), b"413");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stays_is_left() {
        let (_client, server) = duplex(1024);
        let started = Instant::now();
        Lingering::new(server).shutdown().await.unwrap();
        assert_eq!(started.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_left_is_not_waited_for() {
        let (client, server) = duplex(1024);
        drop(client);
        let mut server = Lingering::new(server);
        let started = Instant::now();
        server.read_to_end(&mut Vec::new()).await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
