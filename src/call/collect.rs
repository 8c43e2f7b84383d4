//! An answer's body, read to its end within a limit: what can be kept, or given as a whole.
//!
//! What is read takes room like every captured body. A body that turns out to be too large is handed
//! back as it is, so that whoever wants to can pass it on.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::body::{BodyLimits, Reservation};
use crate::upstream::{FailureKind, UpstreamBody};

/// What came of reading an answer's body.
pub(super) enum Collected {
    /// All of it.
    Whole(Whole),
    /// It is larger than it may be, or there is no room for it.
    TooLarge(TooLarge),
    /// It broke off, or fell silent.
    Failed(FailureKind),
}

/// A whole body and the room that it takes, which is to be kept for as long as any of it is.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) room: Reservation,
}

/// The beginning of a body, and the rest.
pub(super) struct TooLarge {
    pub(super) ahead: Bytes,
    pub(super) rest: UpstreamBody,
}

/// Reads at most `max` bytes, with no silence longer than `max_silence`.
///
/// Dropping the future drops the body, and its connection with it.
pub(super) async fn collect(
    mut body: UpstreamBody,
    max: usize,
    max_silence: Duration,
    limits: &BodyLimits,
) -> Collected {
    let mut room = limits.reservation();
    let mut pieces = Pieces::default();
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > max || !room.grow_to(declared) {
        return too_large(pieces, body);
    }
    loop {
        let frame = match timeout(max_silence, body.frame()).await {
            Err(_) => return Collected::Failed(FailureKind::Timeout),
            Ok(Some(Err(_))) => return Collected::Failed(FailureKind::Closed),
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
        };
        // Trailers end here.
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        pieces.push(piece);
        if pieces.size > max || !room.grow_to(pieces.size) {
            return too_large(pieces, body);
        }
    }
    let bytes = pieces.join();
    Collected::Whole(Whole { bytes, room })
}

fn too_large(pieces: Pieces, rest: UpstreamBody) -> Collected {
    let ahead = pieces.join();
    Collected::TooLarge(TooLarge { ahead, rest })
}

/// Most bodies are one piece, which is then not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    more: BytesMut,
    size: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.size += piece.len();
        if self.first.is_empty() && self.more.is_empty() {
            self.first = piece;
            return;
        }
        if self.more.is_empty() {
            self.more
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&piece);
    }

    fn join(self) -> Bytes {
        if self.more.is_empty() {
            self.first
        } else {
            self.more.freeze()
        }
    }
}
