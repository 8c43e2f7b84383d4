//! One read buffer for all connections of a worker.
//!
//! The invariant: a look that finds nothing costs no memory, and what is found is kept in memory of
//! its own size. Most messages are small, so a buffer for each read would be allocated, filled to a
//! twentieth, and held for as long as the call. When to read, and long bodies, which go straight to
//! where they stay, are left to the callers.

use std::cell::Cell;
use std::future::Future as _;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Most bytes of one read. Most requests and answers come whole in one.
pub const SCRATCH_BYTES: usize = 8 * 1024;

/// What is longer is handed over with the buffer, since copying would cost more than another
/// buffer, and the buffer is mostly filled.
const MOST_COPIED: usize = SCRATCH_BYTES / 2;

thread_local! {
    /// Empty between two reads. It is taken for the time of one, so that a stream that reads from
    /// another one only finds nothing here.
    static SCRATCH: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Reads once and puts what has come behind what is in `buf`; `Ok(0)` is the end of the stream.
///
/// # Errors
/// What the stream says.
pub fn poll_read<I>(io: &mut I, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>>
where
    I: AsyncRead + Unpin + ?Sized,
{
    let fresh = || BytesMut::with_capacity(SCRATCH_BYTES);
    let mut scratch = SCRATCH.take().unwrap_or_else(fresh);
    // The future holds no state between polls, and reads into memory that nobody has to zero.
    let polled = pin!(io.read_buf(&mut scratch)).poll(cx);
    if buf.is_empty() && scratch.len() > MOST_COPIED {
        *buf = scratch;
    } else {
        if buf.is_empty() && !buf.try_reclaim(scratch.len()) {
            // What is made in its size is cheaper than what grows to it.
            *buf = BytesMut::from(&scratch[..]);
        } else {
            buf.extend_from_slice(&scratch);
        }
        scratch.clear();
        SCRATCH.set(Some(scratch));
    }
    let count = ready!(polled)?;
    Poll::Ready(Ok(count))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Reads what a peer has written, behind `before`.
    async fn read(written: usize, before: &[u8]) -> BytesMut {
        let (mut ours, mut theirs) = tokio::io::duplex(2 * SCRATCH_BYTES);
        theirs.write_all(&vec![b'x'; written]).await.unwrap();
        let mut buf = BytesMut::from(before);
        let count = poll_fn(|cx| poll_read(&mut ours, cx, &mut buf)).await;
        let expected = [before, &vec![b'x'; written.min(SCRATCH_BYTES)]].concat();
        assert_eq!(buf, expected);
        assert_eq!(count.unwrap(), expected.len() - before.len());
        buf
    }

    #[tokio::test]
    async fn memory_follows_what_has_come() {
        for (written, most) in [
            (1, 8),
            (500, 500),
            (MOST_COPIED, MOST_COPIED),
            (MOST_COPIED + 1, SCRATCH_BYTES),
            (2 * SCRATCH_BYTES, SCRATCH_BYTES),
            // The buffer that was handed over is not read into again.
            (500, 500),
        ] {
            let buf = read(written, b"").await;
            assert!(buf.capacity() <= most, "{} for {written}", buf.capacity());
        }
    }

    #[tokio::test]
    async fn what_comes_later_is_put_behind() {
        for written in [1, MOST_COPIED + 1, SCRATCH_BYTES] {
            read(written, b"before").await;
        }
    }

    #[tokio::test]
    async fn a_look_that_finds_nothing_takes_no_memory() {
        let (mut ours, theirs) = tokio::io::duplex(64);
        let mut buf = BytesMut::new();
        poll_fn(|cx| {
            assert!(poll_read(&mut ours, cx, &mut buf).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(theirs);
        let end = poll_fn(|cx| poll_read(&mut ours, cx, &mut buf)).await;
        assert_eq!((end.unwrap(), buf.capacity()), (0, 0));
    }
}
