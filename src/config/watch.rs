//! Tells that the registry's files may have changed, soon after they did.
//!
//! A report is only ever a hint: it names no file and promises no difference, and whoever gets it
//! reads everything again and compares contents. What this module promises is the other direction:
//! a change that stays is reported. Two sources stand behind that, file-system events for speed and
//! a look at the files' metadata every few seconds for everything that events miss. Reading the
//! files and judging them is left to `reload`.

mod hops;
mod sentry;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until};

use sentry::Sentry;

/// How long it must have been quiet before a change is reported. Editors and `kubectl` make several
/// events of one save, a few milliseconds apart; reading in their middle would find half a file.
const QUIET: Duration = Duration::from_millis(50);

/// The longest that a storm of events can put a report off. A change must be in service within a
/// second, and reading and compiling needs the larger part of it.
// spec: RELOAD-1
const LONGEST_STORM: Duration = Duration::from_millis(300);

/// Watches the files that a registry was read from.
#[derive(Debug)]
pub struct Watch {
    /// Holds one permit from the moment that something happened until it is reported.
    dirty: Arc<Notify>,
    /// Guards what is watched. Taken on blocking threads only, since every use of it touches the
    /// file system and a network mount may hang.
    sentry: Arc<Mutex<Sentry>>,
    poll_interval: Duration,
}

impl Watch {
    /// Watches nothing until [`Reading::finish`] says which files there are.
    pub fn new(poll_interval: Duration) -> Self {
        let dirty = Arc::new(Notify::new());
        Self {
            sentry: Arc::new(Mutex::new(Sentry::new(Arc::clone(&dirty)))),
            dirty,
            poll_interval,
        }
    }

    /// Returns when the files may have changed and the change seems to be complete.
    ///
    /// Dropping the future forgets what it noticed, so only drop it in order to read the files.
    pub async fn changed(&self) {
        self.something_happened().await;
        let latest = sleep_until(Instant::now() + LONGEST_STORM);
        tokio::pin!(latest);
        loop {
            tokio::select! {
                biased;
                () = &mut latest => return,
                () = self.dirty.notified() => {}
                () = sleep(QUIET) => return,
            }
        }
    }

    async fn something_happened(&self) {
        loop {
            tokio::select! {
                () = self.dirty.notified() => return,
                () = sleep(self.poll_interval) => {
                    let sentry = Arc::clone(&self.sentry);
                    // A look that panicked saw nothing; the next one is due soon.
                    let _: Result<(), JoinError> =
                        tokio::task::spawn_blocking(move || lock(&sentry).look()).await;
                }
            }
        }
    }

    /// Whether a hint came from other files than ours, so that there is nothing to read. Blocks on
    /// the file system.
    pub fn is_settled(&self) -> bool {
        let mut sentry = lock(&self.sentry);
        let settled = sentry.is_settled();
        if settled {
            // The hint may have been about a directory on the way.
            sentry.arm();
        }
        settled
    }

    /// Announces that the files are about to be read. Blocks on the file system.
    pub fn reading(&self) -> Reading {
        lock(&self.sentry).remember();
        Reading {
            sentry: Arc::clone(&self.sentry),
        }
    }
}

/// The files are being read. What they looked like before that is on record, so that a change
/// during the read is noticed by the next look at them.
#[derive(Debug)]
#[must_use = "the files that were read are watched only after `finish`"]
pub struct Reading {
    sentry: Arc<Mutex<Sentry>>,
}

impl Reading {
    /// Watches `files`, the ones that were read or could not be, and no others.
    ///
    /// The directories are derived afresh each time, because links may have moved. Blocks on the
    /// file system.
    pub fn finish(self, files: &[PathBuf]) {
        lock(&self.sentry).follow(files);
    }
}

fn lock(sentry: &Mutex<Sentry>) -> MutexGuard<'_, Sentry> {
    // What a panic may have left half done is only an incomplete list of watches, which the next
    // look completes.
    sentry.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls too rarely to take part.
    fn watch() -> Watch {
        Watch::new(Duration::from_secs(3600))
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_reported_after_a_moment_of_quiet() {
        let watch = watch();
        let start = Instant::now();
        watch.dirty.notify_one();
        watch.changed().await;
        assert_eq!(start.elapsed(), Duration::from_millis(50));
    }

    // spec: RELOAD-1
    #[tokio::test(start_paused = true)]
    async fn a_change_without_events_is_found_by_polling() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tools.yaml");
        let watch = Watch::new(Duration::from_secs(5));
        watch.reading().finish(std::slice::from_ref(&file));
        watch.changed().await;
        lock(&watch.sentry).go_deaf();
        std::fs::write(&file, "tools: []").unwrap();
        let start = Instant::now();
        watch.changed().await;
        assert_eq!(start.elapsed(), Duration::from_millis(5_050));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_at_once_are_one_report() {
        let watch = watch();
        for _ in 0..100 {
            watch.dirty.notify_one();
        }
        watch.changed().await;
        let second = tokio::time::timeout(Duration::from_secs(60), watch.changed());
        second.await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_cannot_put_a_report_off_for_long() {
        let watch = watch();
        let dirty = Arc::clone(&watch.dirty);
        let storm = async move {
            loop {
                dirty.notify_one();
                sleep(Duration::from_millis(20)).await;
            }
        };
        let start = Instant::now();
        tokio::select! {
            () = storm => {}
            () = watch.changed() => {}
        }
        assert_eq!(start.elapsed(), Duration::from_millis(300));
    }
}
