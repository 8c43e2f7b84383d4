//! The thread that makes durable what is queued.
//!
//! A batch costs nearly the same whether it has one write or fifty. While one is on its way to the disk the
//! next gathers behind it; when it is durable, those who waited for it go on and write again, and the
//! thread waits until they have. What nobody waits for it puts off until somebody does. Whether a disk
//! that has failed works again is tried with the next write.

use std::error::Error as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::display;
use tracing::{info, warn};

use super::durable::{Phase, Shared, Sleep, State};
use super::log::Rows;
use super::queue::Batch;
use super::{StoreError, lock};

/// How long it waits at most for those who are about to write: what a fast tool takes to answer thirty
/// calls, and a disk that is not fast.
const PATIENCE: Duration = Duration::from_millis(2);

/// After how many batches it tries again whether waiting for those who were told pays, once it did not.
const TRY_AGAIN: u32 = 16;

/// How long a write is put off that nobody waits for.
const LINGER: Duration = Duration::from_millis(10);

/// How much memory is kept for the next row, in bytes; only large values need more.
const ROW_BYTES: usize = 64 * 1024;

/// The thread that writes. However it ends, nobody waits for it afterwards.
pub(super) struct Thread {
    shared: Arc<Shared>,
    /// For how many batches it does not wait for those who were told; 0 while they come back in time.
    hopeless: u32,
    /// The row of the last batch, whose memory the next one uses.
    row: Vec<u8>,
}

impl Thread {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            hopeless: 0,
            row: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        while let Some(batch) = self.next() {
            let awaited = batch.awaited();
            let result = self.write(&batch);
            let failure = result.as_ref().err().cloned();
            let (worked, told) = {
                let mut state = lock(&self.shared.state);
                let worked = state.queue.failure().is_none();
                // Whoever is told is about to write: the next answer, or the next call.
                state.is_ripe &= awaited == 0;
                if self.hopeless == 0 {
                    state.expected = awaited + state.queue.awaited();
                } else {
                    self.hopeless -= 1;
                }
                let told = match result {
                    Ok(()) => state.queue.wrote(batch),
                    Err(error) => state.queue.failed(batch, error),
                };
                (worked, told)
            };
            self.note(worked, failure.as_ref());
            told.tell();
        }
    }

    /// Says when it stops working and when it works again, not how often it does not.
    fn note(&self, worked: bool, failure: Option<&StoreError>) {
        let path = self.shared.path.display();
        match failure {
            Some(error) if worked => {
                let cause = error.source().map(display);
                warn!(%path, %error, cause, "store cannot be written");
            }
            None if !worked => info!(%path, "store can be written again"),
            Some(_) | None => {}
        }
    }

    /// Waits until there is something to write, and for what comes with it; `None` at the end.
    fn next(&mut self) -> Option<Batch> {
        let mut state = lock(&self.shared.state);
        if state.expected > 0 {
            state = self.gather(state);
            let expected = std::mem::take(&mut state.expected);
            // Most of them are enough: there are always some who leave, and some who come.
            if state.queue.awaited() * 4 < expected * 3 {
                self.hopeless = TRY_AGAIN;
            }
        }
        if state.queue.awaited() == 0 {
            while state.phase == Phase::Open && state.queue.waiting() == 0 {
                state = self.sleep(state, Sleep::UntilFirst, None);
            }
            state = self.gather(state);
        }
        let batch = state.take();
        let is_gathering = state.queue.awaited() > 0;
        let gathering = &self.shared.is_gathering;
        gathering.store(is_gathering, Ordering::Release);
        batch
    }

    /// Waits for more until it is time, for as long as that is worth it.
    fn gather<'s>(&self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let since = Instant::now();
        loop {
            let is_put_off = state.expected == 0 && state.queue.awaited() == 0;
            let patience = if is_put_off { LINGER } else { PATIENCE };
            let rest = patience.saturating_sub(since.elapsed());
            let is_full = state.phase != Phase::Open || state.queue.fills_a_batch();
            if is_full || state.is_time() || rest.is_zero() {
                return state;
            }
            state = self.sleep(state, Sleep::UntilRipe, Some(rest));
        }
    }

    /// Waits until the bell rings, or until time is up.
    fn sleep<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        until: Sleep,
        within: Option<Duration>,
    ) -> MutexGuard<'s, State> {
        state.asleep = Some(until);
        let bell = &self.shared.bell;
        let mut state = match within {
            None => bell.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(within) => {
                let woken = bell.wait_timeout(state, within);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.asleep = None;
        state
    }

    // spec: STORE-2
    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut row = std::mem::take(&mut self.row);
        let result = self.write_as(&mut row, batch);
        row.clear();
        row.shrink_to(ROW_BYTES);
        self.row = row;
        result
    }

    fn write_as(&self, row: &mut Vec<u8>, batch: &Batch) -> Result<(), StoreError> {
        batch.encode(row);
        if row.is_empty() && batch.tidying.is_empty() {
            return Ok(());
        }
        let rows = match self.rows() {
            Some(rows) => rows,
            None => self.create()?,
        };
        rows.commit(batch.number, row, &batch.tidying)
    }

    fn rows(&self) -> Option<Arc<Rows>> {
        lock(&self.shared.state).rows.clone()
    }

    /// Creates the log that was not there at the start.
    fn create(&self) -> Result<Arc<Rows>, StoreError> {
        let path = &self.shared.path;
        let rows = Rows::create(path)?;
        // Somebody else has made one meanwhile, of which nothing is known here.
        if rows.last().is_some() {
            return Err(StoreError::Replaced { path: path.clone() });
        }
        let rows = Arc::new(rows);
        lock(&self.shared.state).rows = Some(Arc::clone(&rows));
        Ok(rows)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let (told, rows) = {
            let mut state = lock(&self.shared.state);
            state.phase = Phase::Ended;
            // Nothing is left, unless this is a panic.
            let told = state.queue.give_up(Vec::new(), StoreError::Closed);
            (told, state.rows.take())
        };
        told.tell();
        drop(rows);
    }
}
