//! Beginning and end of the process: readiness, and the drain that every long task takes part in.
//!
//! Nothing long-lived is spawned without a [`DrainWatch`]: holding one means "wait for me", and
//! dropping it means "I am done". What outlives the connection that asked for it is [`Work`]. What
//! finishing means is each task's own business. What the service manager is told of all this goes
//! through a [`Supervisor`].

mod roll_call;
mod supervisor;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::watch;

pub use roll_call::{Member, RollCall};
pub use supervisor::Supervisor;

/// Makes the two ends of a drain.
pub fn drain() -> (Drainer, DrainWatch) {
    let (signal, watch) = watch::channel(false);
    (Drainer { signal }, DrainWatch { watch })
}

/// Starts the drain and waits for its end.
#[derive(Debug)]
pub struct Drainer {
    signal: watch::Sender<bool>,
}

impl Drainer {
    /// Asks every holder of a watch to finish, and waits for all of them for at most `timeout`.
    ///
    /// Returns whether all of them did.
    // spec: LIFE-2
    pub async fn drain(self, timeout: Duration) -> bool {
        // No receiver is left when everything has finished already.
        let _ = self.signal.send(true);
        tokio::time::timeout(timeout, self.signal.closed())
            .await
            .is_ok()
    }
}

/// A task's part in the drain.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    watch: watch::Receiver<bool>,
}

impl DrainWatch {
    /// Completes when the drain starts. May be dropped and called again.
    pub async fn started(&mut self) {
        // An error means that the drainer is gone, and then the process is going too.
        let _ = self.watch.wait_for(|draining| *draining).await;
    }

    /// Whether the drain has started, for those who do not wait for it.
    pub fn has_started(&self) -> bool {
        *self.watch.borrow() || self.watch.has_changed().is_err()
    }
}

/// What goes on although whoever asked for it may be gone: it is waited for, and not interrupted.
///
/// Clones count together.
#[derive(Clone, Debug)]
pub struct Work(Arc<watch::Sender<()>>);

/// A piece of work, until it is dropped.
#[derive(Debug)]
pub struct Working(
    #[expect(dead_code, reason = "its being there is what counts")] watch::Receiver<()>,
);

impl Work {
    /// Nothing goes on yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }

    /// Begins a piece of work.
    pub fn begin(&self) -> Working {
        Working(self.0.subscribe())
    }

    /// Completes when nothing goes on. May be dropped and called again.
    // spec: LIFE-2
    pub async fn ended(&self) {
        self.0.closed().await;
    }
}

/// Whether this process wants traffic.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<AtomicU8>);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Not ready yet.
    pub fn starting() -> Self {
        Self(Arc::new(AtomicU8::new(STARTING)))
    }

    /// The registry is loaded and the listeners are bound.
    pub fn set_ready(&self) {
        self.0.store(READY, Ordering::Relaxed);
    }

    /// The end has begun; there is no way back.
    pub fn set_draining(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    /// `Err` says in a word why there should be no traffic.
    // spec: LIFE-1
    pub fn check(&self) -> Result<(), &'static str> {
        match self.0.load(Ordering::Relaxed) {
            STARTING => Err("starting"),
            READY => Ok(()),
            _ => Err("draining"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_last_watch() {
        let (drainer, watch) = drain();
        let mut theirs = watch.clone();
        drop(watch);
        let task = tokio::spawn(async move {
            theirs.started().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        });
        assert!(drainer.drain(Duration::from_secs(10)).await);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_drain_has_started_once_it_was_asked_for() {
        let (drainer, mut watch) = drain();
        assert!(!watch.has_started());
        drainer.signal.send(true).unwrap();
        assert!(watch.has_started());
        watch.started().await;
        assert!(watch.has_started());
    }

    #[tokio::test]
    async fn without_a_drainer_the_end_has_begun() {
        let (drainer, mut watch) = drain();
        drop(drainer);
        assert!(watch.has_started());
        watch.started().await;
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_over_when_its_last_piece_is() {
        let work = Work::new();
        work.ended().await;
        let first = work.begin();
        let second = work.clone().begin();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop((first, second));
        });
        let started = tokio::time::Instant::now();
        work.ended().await;
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_gives_up_at_its_timeout() {
        let (drainer, _held) = drain();
        assert!(!drainer.drain(Duration::from_secs(10)).await);
    }
}
