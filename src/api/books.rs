//! What the API remembers by itself: locks and leases that agents take for work of their own, the
//! events of their runs, and the counts of all that.
//!
//! An answer that says something was taken or finished is given when that is durable. Everything
//! here belongs to the admin thread; no borrow is held while something is waited for. How requests
//! and answers look is left to the endpoints.

mod account;
mod days;
mod events;
mod keys;
mod leases;
mod locks;
mod shelf;

use std::cell::RefCell;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::store::{Entry, Space, Store, StoreError};
use crate::telemetry::StoreState;

pub use account::{Counts, Preferences};
pub use days::{DayNumber, month_of};
pub use events::{Event, Run, limits as event_limits};
pub use keys::Asked;
pub use leases::{End, Lease, LeaseState, Lost, Taken};
pub use locks::Checked;

use account::Account;
use events::Events;
use leases::Leases;
use locks::Locks;
use shelf::NoRoom;

/// Why something was not written down.
#[derive(Debug)]
pub enum Unwritten {
    /// There are as many keys as there may be, and all of them still count.
    TooMany,
    /// The store did not take it.
    Store(StoreError),
}

impl From<NoRoom> for Unwritten {
    fn from(NoRoom: NoRoom) -> Self {
        Self::TooMany
    }
}

impl From<StoreError> for Unwritten {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// All books.
pub struct Books {
    store: Store,
    clock: Clock,
    pages: RefCell<Pages>,
}

#[derive(Default)]
struct Pages {
    locks: Locks,
    leases: Leases,
    events: Events,
    account: Account,
}

impl Books {
    /// Books that go on where `recovered`, the entries that `store` was opened with, ends.
    pub fn new(store: Store, recovered: &[Entry], clock: Clock) -> Self {
        let mut pages = Pages::default();
        for Entry { space, key, value } in recovered {
            match space {
                Space::Leases => match key.split_first() {
                    Some((&locks::KIND, key)) => pages.locks.recover(key, value),
                    Some((&leases::KIND, key)) => pages.leases.recover(key, value),
                    Some(_) | None => {}
                },
                Space::Events => pages.events.recover(key, value),
                Space::Account => pages.account.recover(key, value),
                Space::Claims | Space::Counters | Space::Agents | Space::Audit => {}
            }
        }
        Self {
            store,
            clock,
            pages: RefCell::new(pages),
        }
    }

    /// How the store stands in which these are kept, with everything else.
    pub fn store_state(&self) -> StoreState {
        let figures = self.store.figures();
        StoreState {
            entries: figures.entries,
            bytes: figures.bytes,
            working: self.store.health().is_ok(),
            batches: figures.batches,
            failures: figures.failures,
        }
    }

    /// The time that everything here goes by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds an event that an agent reports, and returns its number.
    ///
    /// Dropping the future leaves the event in the book, durable or not.
    ///
    /// # Errors
    /// When the store fails; whether the event is kept is not known then.
    // spec: RUN-1
    pub async fn report(&self, event: Event) -> Result<u64, Unwritten> {
        let (id, written) = {
            let mut pages = self.pages.borrow_mut();
            let mut changes = Vec::new();
            let id = pages.events.add(event, &mut changes);
            (id, self.store.write(changes))
        };
        written.await?;
        Ok(id)
    }

    /// Events of all kinds, the newest first.
    pub fn events(&self, limit: usize, offset: usize) -> Vec<Event> {
        self.pages.borrow().events.page(limit, offset)
    }

    /// A run's events in their order, and how many there are.
    pub fn run(&self, run_id: &str, limit: usize, offset: usize) -> (usize, Vec<Event>) {
        self.pages.borrow().events.run(run_id, limit, offset)
    }

    /// Runs whose name contains `part`, the one that was heard of last first, and how many there
    /// are.
    pub fn runs(&self, part: &str, limit: usize, offset: usize) -> (usize, Vec<Run>) {
        self.pages.borrow().events.runs(part, limit, offset)
    }

    /// The counts of each day from `first` to `last` that has any.
    pub fn counts(&self, first: DayNumber, last: DayNumber) -> Vec<(DayNumber, Counts)> {
        self.pages.borrow().account.between(first, last)
    }

    /// What the operator wants to be told.
    pub fn preferences(&self) -> Preferences {
        self.pages.borrow().account.preferences
    }

    /// Changes what the operator wants to be told.
    ///
    /// Dropping the future leaves the change made, durable or not.
    ///
    /// # Errors
    /// When the store fails; the preferences are as they were before.
    pub async fn prefer(
        &self,
        change: impl FnOnce(&mut Preferences),
    ) -> Result<Preferences, Unwritten> {
        let (before, after, written) = {
            let account = &mut self.pages.borrow_mut().account;
            let before = account.preferences;
            change(&mut account.preferences);
            let after = account.preferences;
            let changes = vec![account::preferences_change(after)];
            (before, after, self.store.write(changes))
        };
        if let Err(error) = written.await {
            self.pages.borrow_mut().account.preferences = before;
            return Err(error.into());
        }
        Ok(after)
    }
}

/// A value as it is kept.
fn json(value: &impl Serialize) -> Bytes {
    let bytes = serde_json::to_vec(value).expect("books hold texts, numbers and JSON values");
    bytes.into()
}

/// The key of something that has a name, behind its kind.
fn named(kind: u8, name: &str) -> Bytes {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(kind);
    key.extend_from_slice(name.as_bytes());
    key.into()
}

#[cfg(test)]
mod tests;
