//! Whether the client is still there while its answer is being made.
//!
//! The end of its sending side does not tell: a client that says it will send no more looks like
//! one that is gone. After a moment it is asked, with an interim answer, which every client of
//! HTTP/1.1 has to skip (RFC 9110, 15.2). If nobody is there, the kernel says so, and the next
//! question fails.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Version;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::server::wire::{Gone, Wire};

/// How long an answer may take after the client's end before the client is asked. Most answers are
/// there by then, and a call that goes on a quarter of a second too long does no harm.
const FIRST_QUESTION: Duration = Duration::from_millis(250);

/// The longest wait between two questions: a client that leaves later is noticed in about this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Watches one client during one request.
pub(super) struct Departure {
    version: Version,
    /// When to ask next, once the client's side has ended.
    next: Option<Instant>,
    wait: Duration,
}

impl Departure {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            next: None,
            wait: FIRST_QUESTION,
        }
    }

    /// Completes when the client is gone. Not to be polled once the answer has begun, since
    /// questions would end up within it.
    // spec: CANCEL-1
    pub(super) fn poll(
        &mut self,
        wire: &mut Wire,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<Gone> {
        loop {
            if wire.poll_watch(cx).is_ready() {
                return Poll::Ready(Gone);
            }
            if !wire.ended {
                return Poll::Pending;
            }
            let now = Instant::now();
            let next = *self.next.get_or_insert(now + self.wait);
            ready!(alarm.poll_at(next, cx));
            if self.version == Version::HTTP_10 {
                // It knows no interim answers, so it cannot be asked.
                return Poll::Ready(Gone);
            }
            wire.say_continue();
            self.next = Some(Instant::now() + self.wait);
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }
}
