//! What is on its way to the client: the head or a chunk's size, a piece of data, and what ends it.
//!
//! They leave together in one write. A piece is taken over, and only copied where that is cheaper.

use std::io::IoSlice;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::http1::MOST_BEHIND_HEAD;
use crate::server::wire::{Gone, Wire};

/// Bytes that have to be written before there can be more.
pub(super) struct Outbox {
    /// Written first.
    pub(super) head: BytesMut,
    /// Written next.
    data: Bytes,
    /// Written last.
    pub(super) tail: Bytes,
    /// How long the client may take nothing.
    patience: Duration,
    /// Since when it has taken nothing.
    stalled: Option<Instant>,
}

/// How much of a body of this length comes behind the head in its buffer.
pub(super) fn behind_head(length: Option<u64>) -> usize {
    let length = length.and_then(|length| usize::try_from(length).ok());
    length
        .filter(|length| *length <= MOST_BEHIND_HEAD)
        .unwrap_or(0)
}

impl Outbox {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            head: BytesMut::new(),
            data: Bytes::new(),
            tail: Bytes::new(),
            patience,
            stalled: None,
        }
    }

    /// Puts a piece behind the head.
    pub(super) fn put(&mut self, piece: Bytes) {
        if piece.len() <= MOST_BEHIND_HEAD {
            self.head.extend_from_slice(&piece);
        } else {
            self.data = piece;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Writes everything. Fails when the client is gone, or reads nothing for too long.
    // spec: BODY-1 CANCEL-1
    pub(super) fn poll_flush(
        &mut self,
        wire: &mut Wire,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        while !self.is_empty() {
            match self.poll_write(wire, cx) {
                Poll::Ready(Ok(())) => self.stalled = None,
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(gone)),
                Poll::Pending => {
                    let since = *self.stalled.get_or_insert_with(Instant::now);
                    return alarm.poll_at(since + self.patience, cx).map(|()| Err(Gone));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let all = [&self.head[..], &self.data[..], &self.tail[..]];
        let mut slices = [IoSlice::new(&[]); 3];
        let mut count = 0;
        for part in all.into_iter().filter(|part| !part.is_empty()) {
            slices[count] = IoSlice::new(part);
            count += 1;
        }
        wire.poll_write(cx, &slices[..count])
            .map_ok(|written| self.advance(written))
    }

    fn advance(&mut self, written: usize) {
        let of_head = written.min(self.head.len());
        self.head.advance(of_head);
        let of_data = (written - of_head).min(self.data.len());
        self.data.advance(of_data);
        self.tail.advance(written - of_head - of_data);
    }
}
