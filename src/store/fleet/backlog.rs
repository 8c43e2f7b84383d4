//! Endings that the shared server has not heard yet.
//!
//! An ending stays here from when it is said until the server has answered, through any number of
//! outages. A server that does not answer grants no claims either, so there are never more of them
//! than runs that were in progress when it fell silent. Their answers have a bound in bytes; past it
//! an ending keeps its run and forgets its answer, and is said as one that nobody knows.

use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::oneshot;

use super::super::StoreError;
use super::claims::{End, Saying};

/// The most bytes of answers that wait for the server. An operator sees the warning of a lost server
/// long before this many large answers have come in.
// spec: FLEET-3
const MAX_BYTES: usize = 64 << 20;

/// Who wants to know that it was heard.
pub(super) type Reply = oneshot::Sender<Result<(), StoreError>>;

struct Waiting {
    saying: Rc<Saying>,
    reply: Option<Reply>,
    /// Whether it is on its way right now.
    sent: bool,
}

/// The endings, oldest first.
#[derive(Default)]
pub(super) struct Backlog {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    bytes: usize,
}

impl Backlog {
    /// Takes an ending in and returns its number.
    pub(super) fn add(&mut self, mut saying: Saying, reply: Option<Reply>) -> u64 {
        let bytes = saying.end.answer().len();
        if self.bytes + bytes > MAX_BYTES {
            tracing::warn!("an answer is too large to wait for the shared store");
            saying.end = End::Doubt;
        } else {
            self.bytes += bytes;
        }
        let number = self.next;
        self.next += 1;
        let saying = saying.into();
        let waiting = Waiting {
            saying,
            reply,
            sent: false,
        };
        self.waiting.insert(number, waiting);
        number
    }

    /// An ending, to be sent now; none when it has been heard or is on its way.
    pub(super) fn send(&mut self, number: u64) -> Option<Rc<Saying>> {
        let waiting = self.waiting.get_mut(&number)?;
        if waiting.sent {
            return None;
        }
        waiting.sent = true;
        Some(waiting.saying.clone())
    }

    /// The server has heard it.
    pub(super) fn heard(&mut self, number: u64) {
        if let Some(waiting) = self.waiting.remove(&number) {
            self.bytes -= waiting.saying.end.answer().len();
            if let Some(reply) = waiting.reply {
                // Whoever asked may have left.
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// The server has not heard it in time. Whoever asked is told, and it is sent again later.
    pub(super) fn unheard(&mut self, number: u64, error: StoreError) {
        if let Some(waiting) = self.waiting.get_mut(&number) {
            waiting.sent = false;
            if let Some(reply) = waiting.reply.take() {
                let _ = reply.send(Err(error));
            }
        }
    }

    /// The numbers of all that can be sent again.
    pub(super) fn unsent(&self) -> Vec<u64> {
        let unsent = self.waiting.iter().filter(|(_, waiting)| !waiting.sent);
        unsent.map(|(number, _)| *number).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
