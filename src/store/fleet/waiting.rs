//! Who waits for which run.
//!
//! One look at the server serves everybody here who waits for the same run, so that a thousand
//! repetitions of a call fetch its answer once.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::claims::{Ended, Key};

/// Whom to tell; none means that the key can be asked for again.
pub(super) type Waiter = oneshot::Sender<Option<Ended>>;

/// A run of a key.
pub(super) type RunName = (Key, String);

/// Everybody who waits, by run.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<RunName, Vec<Waiter>>);

impl Waiting {
    /// Adds somebody, and returns whether he is the first for this run. Then the server has to be
    /// looked at: the run may have ended before anybody waited.
    pub(super) fn add(&mut self, run: RunName, waiter: Waiter) -> bool {
        let waiters = self.0.entry(run).or_default();
        waiters.push(waiter);
        waiters.len() == 1
    }

    /// Tells everybody who waits for a run what it came to.
    pub(super) fn tell(&mut self, run: &RunName, ended: Option<&Ended>) {
        for waiter in self.0.remove(run).into_iter().flatten() {
            // Whoever has left needs no answer.
            let _ = waiter.send(ended.cloned());
        }
    }

    /// The runs of a key that somebody waits for.
    pub(super) fn of(&self, key: &Key) -> Vec<RunName> {
        let runs = self.0.range((*key, String::new())..);
        runs.take_while(|((found, _), _)| found == key)
            .map(|(run, _)| run.clone())
            .collect()
    }

    /// All runs that somebody still waits for; forgets those who have left.
    pub(super) fn all(&mut self) -> Vec<RunName> {
        self.0.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        self.0.keys().cloned().collect()
    }
}
