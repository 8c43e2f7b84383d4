//! `max_concurrency`: so many calls of a tool may be at its upstream at once, over all workers.
//!
//! Who finds no place waits, first come first served, for a bounded time in a bounded queue. A
//! [`Place`] is held until the call has ended and returns by itself. The number of places may change
//! while calls are under way: when it shrinks, places that return disappear until the rest is right.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Most calls of one tool that wait. Each of them holds a body and a connection of its agent's; a
/// quarter of the connections that are served by default leaves the rest to other tools.
const MAX_QUEUED: usize = 1024;

/// The places of one tool.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    /// Guards how many places there should be and how many too many there are.
    size: Mutex<Size>,
    taken: AtomicUsize,
    queued: AtomicUsize,
}

#[derive(Debug)]
struct Size {
    max: usize,
    /// Places that are still in use and will not be free again.
    surplus: usize,
}

/// There was no place in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoPlace;

/// One call's place. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    /// Taken when it is dropped.
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(max: NonZeroU16) -> Self {
        let max = usize::from(max.get());
        Self {
            free: Arc::new(Semaphore::new(max)),
            size: Mutex::new(Size { max, surplus: 0 }),
            taken: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
        }
    }

    /// A place, if nobody has to wait for one.
    pub fn try_take(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.place(permit))
    }

    /// Waits in line for a place, at most for `patience` and at most until `deadline`.
    ///
    /// Dropping the future leaves the queue.
    ///
    /// # Errors
    /// When the time is over, or at once when there is none or the queue is full.
    // spec: LIMIT-1 CANCEL-1
    pub async fn take(
        self: &Arc<Self>,
        patience: Duration,
        deadline: Option<Instant>,
    ) -> Result<Place, NoPlace> {
        let patience_ends = Instant::now() + patience;
        let until = deadline.map_or(patience_ends, |deadline| deadline.min(patience_ends));
        if until <= Instant::now() {
            return self.try_take().ok_or(NoPlace);
        }
        // Declared before the wait, so that it is dropped after it: a place that came too late for
        // a call that has left is then free already and can be counted against the surplus.
        let _in_line = InLine::join(self)?;
        let acquired = timeout_at(until, Arc::clone(&self.free).acquire_owned()).await;
        let permit = acquired.map_err(|_| NoPlace)?;
        let permit = permit.expect("nothing closes the semaphore");
        Ok(self.place(permit))
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Place {
            places: Arc::clone(self),
            permit: Some(permit),
        }
    }

    /// Makes it `max` places from now on. Calls that have one keep it.
    pub(super) fn resize(&self, max: NonZeroU16) {
        let max = usize::from(max.get());
        self.with_size(|size| {
            let more = max.saturating_sub(size.max);
            size.surplus += size.max.saturating_sub(max);
            size.max = max;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.free.add_permits(more - kept);
            size.surplus -= self.free.forget_permits(size.surplus);
        });
    }

    /// How many places there are.
    pub fn max(&self) -> usize {
        self.with_size(|size| size.max)
    }

    /// How many calls have a place.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many calls wait for one.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    fn with_size<T>(&self, act: impl FnOnce(&mut Size) -> T) -> T {
        // Arithmetic cannot leave the numbers half changed, so a poisoned lock is still good.
        act(&mut self.size.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        let permit = self.permit.take();
        self.places.with_size(|size| match permit {
            Some(permit) if size.surplus > 0 => {
                size.surplus -= 1;
                permit.forget();
            }
            returned => drop(returned),
        });
    }
}

/// A call in the queue.
struct InLine<'p>(&'p Places);

impl<'p> InLine<'p> {
    fn join(places: &'p Places) -> Result<Self, NoPlace> {
        let before = places.queued.fetch_add(1, Ordering::Relaxed);
        let joined = Self(places);
        if before < MAX_QUEUED {
            Ok(joined)
        } else {
            Err(NoPlace)
        }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
        self.0
            .with_size(|size| size.surplus -= self.0.free.forget_permits(size.surplus));
    }
}

#[cfg(test)]
mod tests;
