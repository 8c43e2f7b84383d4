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
use crate::telemetry::Limit;
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
    /// What it was too large for.
    pub(super) limit: Limit,
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
    if let Some(limit) = passed(declared, max, &mut room) {
        return too_large(pieces, body, limit);
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
        if let Some(limit) = passed(pieces.size, max, &mut room) {
            return too_large(pieces, body, limit);
        }
    }
    let bytes = pieces.join();
    Collected::Whole(Whole { bytes, room })
}

/// Takes room for a body of this size, or says which limit is in the way.
fn passed(size: usize, max: usize, room: &mut Reservation) -> Option<Limit> {
    if size > max {
        Some(Limit::MaxResultBytes)
    } else if room.grow_to(size) {
        None
    } else {
        Some(Limit::MaxBufferedBytes)
    }
}

fn too_large(pieces: Pieces, rest: UpstreamBody, limit: Limit) -> Collected {
    let ahead = pieces.join();
    Collected::TooLarge(TooLarge { ahead, rest, limit })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::BufferedBytes;

    #[test]
    fn the_limit_that_is_in_the_way_is_named() {
        let check = |size: usize, max: usize, room: usize, expected: Option<Limit>| {
            let limits = BodyLimits {
                max_bytes: room,
                timeout: Duration::ZERO,
                buffered: BufferedBytes::new(room),
            };
            let mut room = limits.reservation();
            assert_eq!(passed(size, max, &mut room), expected, "{size} of {max}");
            let taken = if expected.is_none() { size } else { 0 };
            assert_eq!(limits.buffered.used(), taken, "{size} of {max}");
        };
        check(10, 10, 10, None);
        check(11, 10, 100, Some(Limit::MaxResultBytes));
        check(11, 100, 10, Some(Limit::MaxBufferedBytes));
        // What may never be given is not worth waiting for room.
        check(11, 10, 10, Some(Limit::MaxResultBytes));
    }
}
