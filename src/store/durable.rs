//! A store on disk, as seen by those who write and read: they queue and look up, under one lock that
//! is never held while the disk works.
//!
//! The thread that makes durable what is queued starts with the first write, and ends with the last
//! handle. How it goes about that is left to `writer`.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use super::ledger::Ledger;
use super::log::Rows;
use super::queue::{Batch, Found, Queue};
use super::recovery::recover;
use super::writer::Thread;
use super::written::{Promise, promise};
use super::{Change, Entry, Space, StoreError, StoreFigures, Written, lock};

/// A store on disk.
#[derive(Debug)]
pub(super) struct Durable(Arc<Shared>);

/// What the handles share with the thread.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    /// Guards everything that changes; held for look-ups and book-keeping, never for the disk.
    pub(super) state: Mutex<State>,
    /// Tells the thread that it is time.
    pub(super) bell: Condvar,
    /// Somebody waits for a write that the thread has not begun with: changes with `state`.
    pub(super) is_gathering: AtomicBool,
}

/// What the thread waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sleep {
    /// A write.
    UntilFirst,
    /// Until nobody is about to write more, for a while at most.
    UntilRipe,
}

thread_local! {
    /// This thread says when it pauses.
    static PAUSES: Cell<bool> = const { Cell::new(false) };
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) queue: Queue,
    /// The log, once there is one.
    pub(super) rows: Option<Arc<Rows>>,
    thread: Option<JoinHandle<()>>,
    /// What the thread waits for; `None` while it does not.
    pub(super) asleep: Option<Sleep>,
    /// Nobody who has written is about to write more.
    pub(super) is_ripe: bool,
    /// How many are expected to wait for the next batch; 0 when nothing is known.
    pub(super) expected: usize,
    pub(super) phase: Phase,
}

/// How the store stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Open,
    /// The handles are gone: the thread writes what is queued, and ends.
    Closing,
    /// The thread has ended.
    Ended,
}

impl Durable {
    /// Opens the log if there is one, and reads it.
    ///
    /// # Errors
    /// As [`Store::open`](super::Store::open).
    pub(super) fn open(path: PathBuf, max_bytes: u64) -> Result<(Self, Vec<Entry>), StoreError> {
        let rows = Rows::open(&path)?;
        let (ledger, entries) = match &rows {
            Some(rows) => recover(rows)?,
            None => (Ledger::default(), Vec::new()),
        };
        let state = State {
            queue: Queue::new(ledger, max_bytes),
            rows: rows.map(Arc::new),
            thread: None,
            asleep: None,
            is_ripe: true,
            expected: 0,
            phase: Phase::Open,
        };
        let shared = Shared {
            path,
            state: Mutex::new(state),
            bell: Condvar::new(),
            is_gathering: AtomicBool::new(false),
        };
        Ok((Self(Arc::new(shared)), entries))
    }

    pub(super) fn write(&self, changes: Vec<Change>) -> Written {
        let mut state = lock(&self.0.state);
        if changes.is_empty() && state.queue.is_settled() {
            return Written::ready(Ok(()));
        }
        let (promise, written) = promise();
        match state.push(&self.0, changes, Some(promise)) {
            Ok(()) => {
                self.ring(state);
                written
            }
            Err(error) => Written::ready(Err(error)),
        }
    }

    pub(super) fn note(&self, changes: Vec<Change>) {
        let mut state = lock(&self.0.state);
        // Nobody wants to know.
        let _ = state.push(&self.0, changes, None);
        self.ring(state);
    }

    /// Tells the thread of a write if it has to know now.
    fn ring(&self, mut state: MutexGuard<'_, State>) {
        // Who says when it pauses is waited for, so that its next writes come along.
        state.is_ripe = !PAUSES.get();
        let is_time = match state.asleep {
            None => false,
            Some(Sleep::UntilFirst) => true,
            Some(Sleep::UntilRipe) => state.is_time(),
        };
        if is_time {
            state.asleep = None;
            drop(state);
            self.0.bell.notify_one();
        }
    }

    pub(super) fn pause(&self) {
        PAUSES.set(true);
        // Cheap where nobody writes, which is between any two calls of a thread that is not busy.
        if !self.0.is_gathering.load(Ordering::Acquire) {
            return;
        }
        let mut state = lock(&self.0.state);
        state.is_ripe = true;
        if state.asleep == Some(Sleep::UntilRipe) && state.is_time() {
            state.asleep = None;
            drop(state);
            self.0.bell.notify_one();
        }
    }

    pub(super) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let state = lock(&self.0.state);
        let number = match state.queue.find(space, key) {
            Found::Here(value) => return Ok(value),
            Found::InRow(number) => number,
        };
        let Some(rows) = state.rows.clone() else {
            let failure = state.queue.failure().cloned();
            return Err(failure.unwrap_or(StoreError::Closed));
        };
        // Taken under the lock, the glance cannot be so late that the row has been tidied up.
        let glance = rows.glance(number)?;
        drop(state);
        rows.value(&glance, space, key).map(Some)
    }

    pub(super) fn figures(&self) -> StoreFigures {
        lock(&self.0.state).queue.figures()
    }

    pub(super) fn health(&self) -> Result<StoreFigures, StoreError> {
        let state = lock(&self.0.state);
        match state.queue.failure() {
            Some(failure) => Err(failure.clone()),
            None => Ok(state.queue.figures()),
        }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        let thread = {
            let mut state = lock(&self.0.state);
            if state.phase == Phase::Open {
                state.phase = Phase::Closing;
            }
            state.thread.take()
        };
        self.0.bell.notify_one();
        if let Some(thread) = thread {
            // A panic of the thread has answered all writes already.
            let _ = thread.join();
        }
    }
}

impl State {
    /// Whether nothing is gained by waiting for more, as far as somebody waits.
    pub(super) fn is_time(&self) -> bool {
        let awaited = self.queue.awaited();
        match self.expected {
            0 => awaited > 0 && self.is_ripe,
            expected => awaited >= expected,
        }
    }

    fn push(
        &mut self,
        shared: &Arc<Shared>,
        changes: Vec<Change>,
        promise: Option<Promise>,
    ) -> Result<(), StoreError> {
        match self.phase {
            Phase::Open => {}
            Phase::Closing | Phase::Ended => return Err(StoreError::Closed),
        }
        self.start(shared)?;
        self.queue.push(changes, promise)?;
        let is_gathering = self.queue.awaited() > 0;
        shared.is_gathering.store(is_gathering, Ordering::Release);
        Ok(())
    }

    /// Takes what becomes durable next; `None` when nothing waits.
    pub(super) fn take(&mut self) -> Option<Batch> {
        self.queue.take(self.rows.as_deref())
    }

    /// Starts the thread if there is none.
    fn start(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        if self.thread.is_some() {
            return Ok(());
        }
        let writer = Thread::new(Arc::clone(shared));
        let thread = thread::Builder::new().name("store".to_owned());
        let thread = thread.spawn(move || writer.run());
        self.thread = Some(thread.map_err(|error| StoreError::Io {
            doing: "start a thread for",
            path: shared.path.clone(),
            source: Arc::new(error),
        })?);
        Ok(())
    }
}
