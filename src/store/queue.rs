//! What waits to be written, and what a store holds once it has been.
//!
//! A change counts from the moment it is queued: it is what `get` finds and what the limit is about.
//! Writes leave the queue in their order and in batches. When a batch fails, everything that was queued
//! by then fails with it, so that no write becomes durable whose predecessor has not. Nothing here
//! touches the disk.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::ledger::{Ledger, Mark, Tidying};
use super::log::Rows;
use super::row::{self, Slot};
use super::spaces::Spaces;
use super::written::{self, Promise};
use super::{Change, Space, StoreError, StoreFigures, weight};
use bytes::Bytes;

/// How much one batch takes, in bytes, unless a single write has more. A value is read with the row
/// that it is in, so rows must not become large.
const BATCH_BYTES: usize = 256 * 1024;

/// How much may wait, in bytes: a disk that hangs must not fill the memory. The largest answer that
/// may be kept fits several times.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// A change in the queue.
#[derive(Debug)]
struct Queued {
    space: Space,
    key: Arc<[u8]>,
    value: Option<Bytes>,
}

/// A write in the queue.
#[derive(Debug)]
struct Waiting {
    number: u64,
    changes: Vec<Queued>,
    bytes: usize,
    /// For whoever waits for it.
    promise: Option<Promise>,
}

/// The latest value of a key that is not durable yet.
#[derive(Debug)]
struct Pending {
    /// The write it belongs to.
    write: u64,
    value: Option<Bytes>,
}

/// What [`Queue::find`] finds.
pub(super) enum Found {
    /// It is in memory, also that there is none.
    Here(Option<Bytes>),
    /// It is in this row of the log.
    InRow(u64),
}

/// Writes that become durable together.
#[derive(Debug)]
pub(super) struct Batch {
    /// The row for it.
    pub(super) number: u64,
    /// Old rows to tidy up with it.
    pub(super) tidying: Tidying,
    /// The last change of each key.
    changes: Vec<Queued>,
    /// Deletions of keys that the log knows nothing of.
    idle: Vec<Queued>,
    /// The last write in it.
    last_write: u64,
    promises: Vec<Promise>,
}

/// The state of a store with a file.
#[derive(Debug)]
pub(super) struct Queue {
    max_bytes: u64,
    ledger: Ledger,
    next_row: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// How many of them somebody waits for.
    awaited: usize,
    pending: Spaces<Pending>,
    next_write: u64,
    /// A batch was taken and has not come to its end.
    in_flight: bool,
    /// What the entries will weigh when everything is written.
    promised: u64,
    batches: u64,
    failures: u64,
    failure: Option<StoreError>,
}

impl Queue {
    /// An empty queue before a file with these books.
    pub(super) fn new(ledger: Ledger, max_bytes: u64) -> Self {
        Self {
            max_bytes,
            next_row: ledger.last_row().map_or(0, |last| last + 1),
            promised: ledger.bytes(),
            ledger,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            awaited: 0,
            pending: Spaces::default(),
            next_write: 0,
            in_flight: false,
            batches: 0,
            failures: 0,
            failure: None,
        }
    }

    /// Queues a write, with a promise if somebody waits for it.
    ///
    /// # Errors
    /// When there is no room for it, in the store or in the queue.
    pub(super) fn push(
        &mut self,
        changes: Vec<Change>,
        promise: Option<Promise>,
    ) -> Result<(), StoreError> {
        let changes = last_of_each(changes.into_iter().map(Queued::from).collect());
        let promised = self.promised_with(&changes)?;
        let bytes = changes.iter().map(Queued::size).sum::<usize>();
        if self.waiting_bytes + bytes > WAITING_BYTES && self.waiting_bytes > 0 {
            return Err(StoreError::Busy);
        }
        let number = self.next_write;
        self.next_write += 1;
        self.promised = promised;
        self.waiting_bytes += bytes;
        for change in &changes {
            let pending = Pending {
                write: number,
                value: change.value.clone(),
            };
            let key = Arc::clone(&change.key);
            self.pending.insert(change.space, key, pending);
        }
        self.awaited += usize::from(promise.is_some());
        self.waiting.push_back(Waiting {
            number,
            changes,
            bytes,
            promise,
        });
        Ok(())
    }

    /// What the entries will weigh with these changes too.
    // spec: STORE-3
    fn promised_with(&self, changes: &[Queued]) -> Result<u64, StoreError> {
        let full = StoreError::Full {
            max_bytes: self.max_bytes,
        };
        let mut promised = self.promised;
        for Queued { space, key, value } in changes {
            if key.len().max(value.as_ref().map_or(0, Bytes::len)) > row::MOST_BYTES {
                return Err(full);
            }
            promised += value.as_ref().map_or(0, |new| weight(key.len(), new.len()));
            promised -= match self.pending.get(*space, key) {
                Some(Pending { value, .. }) => {
                    value.as_ref().map_or(0, |old| weight(key.len(), old.len()))
                }
                None => self.ledger.weight_of(*space, key),
            };
        }
        if promised > self.max_bytes && promised > self.promised {
            return Err(full);
        }
        Ok(promised)
    }

    /// Where the latest value of a key is.
    pub(super) fn find(&self, space: Space, key: &[u8]) -> Found {
        if let Some(pending) = self.pending.get(space, key) {
            return Found::Here(pending.value.clone());
        }
        match self.ledger.row_of(space, key) {
            Some(row) => Found::InRow(row),
            None => Found::Here(None),
        }
    }

    /// How many writes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether waiting longer would not make the next batch larger.
    pub(super) fn fills_a_batch(&self) -> bool {
        self.waiting_bytes >= BATCH_BYTES
    }

    /// How many writes wait that somebody wants to know of.
    pub(super) fn awaited(&self) -> usize {
        self.awaited
    }

    /// Nothing waits, and nothing is being written.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() && !self.in_flight
    }

    pub(super) fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    pub(super) fn figures(&self) -> StoreFigures {
        StoreFigures {
            entries: self.ledger.entries(),
            bytes: self.ledger.bytes(),
            batches: self.batches,
            failures: self.failures,
        }
    }

    /// Takes what becomes durable next; `None` when nothing waits.
    pub(super) fn take(&mut self, log: Option<&Rows>) -> Option<Batch> {
        let last_write = self.waiting.front()?.number;
        let mut batch = Batch {
            number: self.next_row,
            tidying: log.map_or_else(Tidying::default, |log| self.ledger.tidying(log)),
            changes: Vec::new(),
            idle: Vec::new(),
            last_write,
            promises: Vec::with_capacity(self.awaited),
        };
        let mut bytes = 0;
        while let Some(write) = self.waiting.pop_front() {
            if bytes > 0 && bytes + write.bytes > BATCH_BYTES {
                self.waiting.push_front(write);
                break;
            }
            bytes += write.bytes;
            batch.last_write = write.number;
            batch.changes.extend(write.changes);
            batch.promises.extend(write.promise);
        }
        let matters = |change: &Queued| {
            change.value.is_some() || self.ledger.has_copies(change.space, &change.key)
        };
        let changes = last_of_each(batch.changes);
        (batch.changes, batch.idle) = changes.into_iter().partition(matters);
        self.waiting_bytes -= bytes;
        self.awaited -= batch.promises.len();
        self.in_flight = true;
        Some(batch)
    }

    /// The batch is durable.
    pub(super) fn wrote(&mut self, batch: Batch) -> Told {
        self.ledger.tidied(&batch.tidying);
        if !batch.changes.is_empty() {
            let marks = batch.changes.iter().map(Queued::mark).collect();
            self.ledger.append(batch.number, marks);
            self.next_row = batch.number + 1;
        }
        for change in batch.changes.iter().chain(&batch.idle) {
            let pending = self.pending.get(change.space, &change.key);
            if pending.is_some_and(|pending| pending.write <= batch.last_write) {
                self.pending.remove(change.space, &change.key);
            }
        }
        self.in_flight = false;
        self.batches += 1;
        self.failure = None;
        Told {
            promises: batch.promises,
            result: Ok(()),
        }
    }

    /// The batch could not be written, and so nothing that was queued behind it is.
    // spec: STORE-6
    pub(super) fn failed(&mut self, batch: Batch, error: StoreError) -> Told {
        let told = self.give_up(batch.promises, error);
        self.in_flight = false;
        self.failures += 1;
        told
    }

    /// Answers `promises` and everything that waits with `error`.
    pub(super) fn give_up(&mut self, mut promises: Vec<Promise>, error: StoreError) -> Told {
        promises.extend(self.waiting.drain(..).filter_map(|write| write.promise));
        self.waiting_bytes = 0;
        self.awaited = 0;
        self.pending = Spaces::default();
        self.promised = self.ledger.bytes();
        self.failure = Some(error.clone());
        Told {
            promises,
            result: Err(error),
        }
    }
}

impl Batch {
    /// How many wait for it.
    pub(super) fn awaited(&self) -> usize {
        self.promises.len()
    }

    /// Writes its row, which stays empty when it changes nothing.
    pub(super) fn encode(&self, row: &mut Vec<u8>) {
        row.reserve(self.changes.iter().map(Queued::size).sum());
        for change in &self.changes {
            change.slot().append_to(row);
        }
    }
}

impl Queued {
    /// What it takes in a row, in bytes.
    fn size(&self) -> usize {
        row::size(self.key.len(), self.value.as_ref().map(Bytes::len))
    }

    fn slot(&self) -> Slot<'_> {
        Slot {
            space: self.space,
            key: &self.key,
            value: self.value.as_deref(),
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            space: self.space,
            key: Arc::clone(&self.key),
            value: self.value.as_ref().map(Bytes::len),
        }
    }
}

impl From<Change> for Queued {
    /// The key is copied, because it stays in memory for as long as its value stays in the log, and
    /// may be a piece of something much larger.
    fn from(change: Change) -> Self {
        Self {
            space: change.space,
            key: change.key[..].into(),
            value: change.value,
        }
    }
}

/// Writes that have come to their end, to be told so once no lock is held.
#[must_use]
pub(super) struct Told {
    promises: Vec<Promise>,
    result: Result<(), StoreError>,
}

impl Told {
    pub(super) fn tell(self) {
        written::tell(self.promises, &self.result);
    }
}

/// Leaves only the last change of each key, in the order of these.
fn last_of_each(mut changes: Vec<Queued>) -> Vec<Queued> {
    if changes.len() < 2 {
        return changes;
    }
    let mut seen = HashSet::with_capacity(changes.len());
    changes.reverse();
    changes.retain(|change| seen.insert((change.space, Arc::clone(&change.key))));
    changes.reverse();
    changes
}
