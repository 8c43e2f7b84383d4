//! A socket that follows a script and keeps count.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What comes of a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Write {
    /// So many bytes are taken.
    Takes(usize),
    /// None is taken now. As the last step, for ever.
    Full,
    Fails,
}

/// What comes of a read.
#[derive(Clone, Debug)]
pub(super) enum Read {
    Says(Vec<u8>),
    /// The end of the stream.
    Ends,
    Fails,
}

/// What a socket does, and what became of it. Beyond the script it takes everything and says
/// nothing, and it says nothing before the first write.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) writes: VecDeque<Write>,
    pub(super) reads: VecDeque<Read>,
    is_asked: bool,
    written: Vec<u8>,
    /// Writes that took something.
    pub(super) write_calls: usize,
    /// How much was asked for by each read that brought something.
    pub(super) room: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Socket(pub(super) Rc<RefCell<Script>>);

impl Socket {
    pub(super) fn new(writes: &[Write], reads: &[Read]) -> Self {
        let socket = Self::default();
        socket.0.borrow_mut().writes.extend(writes);
        socket.0.borrow_mut().reads.extend(reads.iter().cloned());
        socket
    }

    pub(super) fn written(&self) -> Vec<u8> {
        self.0.borrow().written.clone()
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut script = self.0.borrow_mut();
        script.is_asked = true;
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        let bytes = slices.concat();
        let count = match script.writes.front().copied() {
            Some(Write::Full) if script.writes.len() == 1 => return Poll::Pending,
            Some(Write::Full) => {
                script.writes.pop_front();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Write::Fails) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Some(Write::Takes(count)) => count.min(bytes.len()),
            None => bytes.len(),
        };
        script.writes.pop_front();
        script.write_calls += 1;
        script.written.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.0.borrow_mut();
        if !script.is_asked {
            return Poll::Pending;
        }
        Poll::Ready(match script.reads.pop_front() {
            None => return Poll::Pending,
            Some(Read::Ends) => Ok(()),
            Some(Read::Fails) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(Read::Says(mut bytes)) => {
                script.room.push(into.remaining());
                let rest = bytes.split_off(bytes.len().min(into.remaining()));
                into.put_slice(&bytes);
                if !rest.is_empty() {
                    script.reads.push_front(Read::Says(rest));
                }
                Ok(())
            }
        })
    }
}
