//! The kill switches of a fleet, as this sidecar last heard of them.
//!
//! They are kept by the server without expiry, since an agent that was switched off stays off until
//! somebody says otherwise, and mirrored here, so that asking costs no round trip and an outage
//! switches nobody on. A follower is told of every change as a whole.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// The agents that are off, each with what whoever switched it off wrote down.
pub type Off = HashMap<String, Bytes>;

/// Agents that were switched, each off, with what is to be known of it, or on.
pub(super) type Changes = HashMap<String, Option<Bytes>>;

/// Is told all agents that are off whenever that may have changed, and whether that is what the server
/// has said: before its first answer it is only what was switched here.
type Follower = Box<dyn FnMut(&Off, bool) + Send>;

#[derive(Default)]
struct Mirror {
    last: Option<Off>,
    follower: Option<Follower>,
}

/// The mirror, and whoever follows it.
pub(super) struct Switches {
    /// Guards the mirror and its one follower, which is called under the lock so that it hears of
    /// changes in their order.
    mirror: Mutex<Mirror>,
    known: watch::Sender<bool>,
}

impl Switches {
    pub(super) fn new() -> Self {
        Self {
            mirror: Mutex::default(),
            known: watch::Sender::new(false),
        }
    }

    /// Tells `follower` what is known, and from now on every change.
    pub(super) fn follow(&self, mut follower: Follower) {
        let mut mirror = self.lock();
        if let Some(last) = &mirror.last {
            follower(last, *self.known.borrow());
        }
        mirror.follower = Some(follower);
    }

    /// Shows what the server has said, changed by what it has not heard yet.
    pub(super) fn publish(&self, mut off: Off, unsaid: &Changes) {
        change(&mut off, unsaid);
        self.show(off, true);
        self.known.send_replace(true);
    }

    /// Shows what the server has said before, changed by what it has not heard yet.
    pub(super) fn overlay(&self, unsaid: &Changes) {
        let last = self.lock().last.clone();
        let mut off = last.unwrap_or_default();
        change(&mut off, unsaid);
        self.show(off, *self.known.borrow());
    }

    fn show(&self, off: Off, is_known: bool) {
        let mut mirror = self.lock();
        if let Some(follower) = &mut mirror.follower {
            follower(&off, is_known);
        }
        mirror.last = Some(off);
    }

    fn lock(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when the server has said which agents are off.
    pub(super) async fn known(&self) {
        // The sender is `self`, so the wait cannot fail.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }
}

fn change(off: &mut Off, changes: &Changes) {
    for (agent, change) in changes {
        match change {
            Some(known) => off.insert(agent.clone(), known.clone()),
            None => off.remove(agent),
        };
    }
}
