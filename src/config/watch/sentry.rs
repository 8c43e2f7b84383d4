//! The two sources of hints: file-system events and a look at the metadata.
//!
//! Events come from the directories of [`hops`]; every one of them counts, whatever file it names,
//! because an update of a ConfigMap names no file that anybody configured. Only accesses do not:
//! our own reads cause them, and a read that causes a read never ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::hops;

/// Two writes that are further apart than this differ in their times, on every file system in use;
/// the coarsest is FAT.
const TIMES_TELL_APART: Duration = Duration::from_secs(2);

/// Watches a set of files and the directories that lead to them.
#[derive(Debug)]
pub(super) struct Sentry {
    dirty: Arc<Notify>,
    files: Vec<PathBuf>,
    /// What `files` looked like before they were last read.
    seen: Vec<Sight>,
    /// When they began to look like that.
    seen_since: Instant,
    /// When the last read began.
    read_at: Instant,
    /// `None` before the first use, where events cannot be had, and after they proved unreliable.
    watcher: Option<RecommendedWatcher>,
    /// The directories that `watcher` watches, each as it was when the watch began.
    armed: BTreeMap<PathBuf, Identity>,
    /// Whether an operator was told that events are missing; once is enough.
    warned: bool,
    /// Whether some directory has no watch, so that the next look tries again.
    incomplete: bool,
}

impl Sentry {
    pub(super) fn new(dirty: Arc<Notify>) -> Self {
        Self {
            dirty,
            files: Vec::new(),
            seen: Vec::new(),
            seen_since: Instant::now(),
            read_at: Instant::now(),
            watcher: None,
            armed: BTreeMap::new(),
            warned: false,
            incomplete: false,
        }
    }

    /// Notes what the files look like, before they are read.
    pub(super) fn remember(&mut self) {
        self.see(sights(&self.files));
        self.read_at = Instant::now();
    }

    /// Whether reading the files again would find what the last read found.
    ///
    /// A folder that is busy with other files, such as our own access log, gives hints all day, and
    /// reading a large registry for each of them would keep a core busy.
    pub(super) fn is_settled(&self) -> bool {
        self.read_at >= self.seen_since + TIMES_TELL_APART && sights(&self.files) == self.seen
    }

    fn see(&mut self, now: Vec<Sight>) {
        if now != self.seen {
            self.seen = now;
            self.seen_since = Instant::now();
        }
    }

    /// Watches `files` from now on.
    ///
    /// What was read before its watch began may have changed in between, so a new file or a new
    /// directory asks for one more read. That read finds neither, which ends it.
    pub(super) fn follow(&mut self, files: &[PathBuf]) {
        if self.files != files {
            self.files = files.to_vec();
            self.remember();
            self.dirty.notify_one();
        }
        self.arm();
    }

    /// Compares the files' metadata with what it was before the last read.
    ///
    /// This is the net under the events: network and overlay mounts send none, queues overflow,
    /// a watched directory can be replaced, and a host can be out of watches.
    // spec: RELOAD-1
    pub(super) fn look(&mut self) {
        let now = sights(&self.files);
        if now != self.seen {
            self.see(now);
            // No event announced this, so the watches are not to be trusted: begin again.
            self.watcher = None;
            self.armed.clear();
            self.incomplete = true;
            self.dirty.notify_one();
        }
        if self.incomplete {
            self.arm();
        }
    }

    /// Brings the watches in line with where the files are now.
    pub(super) fn arm(&mut self) {
        let mut wanted = BTreeSet::new();
        for file in &self.files {
            hops::collect(file, &mut wanted);
        }
        self.incomplete = false;
        if self.watcher.is_none() {
            self.watcher = self.start();
        }
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        self.armed.retain(|directory, identity| {
            let keep = wanted.contains(directory) && Identity::of(directory) == Some(*identity);
            if !keep {
                // Fails when the directory is gone, and then there is nothing left to undo.
                let _ = watcher.unwatch(directory);
            }
            keep
        });
        let mut failed = None;
        for directory in wanted {
            if self.armed.contains_key(&directory) {
                continue;
            }
            // The identity is taken first: a directory that is replaced in between then looks
            // replaced, not watched.
            let identity = Identity::of(&directory);
            match (
                watcher.watch(&directory, RecursiveMode::NonRecursive),
                identity,
            ) {
                (Ok(()), Some(identity)) => {
                    self.armed.insert(directory, identity);
                    self.dirty.notify_one();
                }
                // It vanished on the way. The look at the files will find out what came of it.
                (Ok(()), None) => self.incomplete = true,
                (Err(error), _) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => self.without_events(&error),
            None => self.warned = false,
        }
    }

    fn start(&mut self) -> Option<RecommendedWatcher> {
        let dirty = Arc::clone(&self.dirty);
        let on_event = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if event.kind.is_access() => {}
            // An error or an overflow may stand for any number of lost events.
            Ok(_) | Err(_) => dirty.notify_one(),
        };
        notify::recommended_watcher(on_event)
            .map_err(|error| self.without_events(&error))
            .ok()
    }

    /// Loses all events, as on a network mount.
    #[cfg(test)]
    pub(super) fn go_deaf(&mut self) {
        self.watcher = Some(notify::recommended_watcher(|_| {}).unwrap());
    }

    fn without_events(&mut self, error: &notify::Error) {
        self.incomplete = true;
        if !self.warned {
            self.warned = true;
            tracing::warn!(
                %error,
                "file changes cannot be watched everywhere; they are found by polling"
            );
        }
    }
}

/// A file's metadata as far as it tells one content from another; `None` while there is no file.
///
/// Besides size and modification time there is the time of the last status change: it moves when a
/// tool restores the other two, and when a file becomes readable.
type Sight = Option<(Inode, u64, Time, Time)>;
type Inode = (u64, u64);
type Time = (i64, i64);

fn sights(files: &[PathBuf]) -> Vec<Sight> {
    let sight = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((
            (found.dev(), found.ino()),
            found.size(),
            (found.mtime(), found.mtime_nsec()),
            (found.ctime(), found.ctime_nsec()),
        ))
    };
    files.iter().map(sight).collect()
}

/// Tells a directory from another one that has taken its name. Inode numbers are reused at once by
/// some file systems, so the time of birth belongs to it where there is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity {
    inode: Inode,
    born: Option<SystemTime>,
}

impl Identity {
    fn of(directory: &Path) -> Option<Self> {
        let found = fs::metadata(directory).ok()?;
        Some(Self {
            inode: (found.dev(), found.ino()),
            born: found.created().ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// Whether a hint was given since the last call.
    fn hinted(sentry: &Sentry) -> bool {
        pin!(sentry.dirty.notified()).enable()
    }

    /// A sentry that has given the first hint, and whose events reach nobody from now on.
    fn deaf_sentry(files: &[PathBuf]) -> Sentry {
        let mut sentry = Sentry::new(Arc::default());
        sentry.follow(files);
        assert!(hinted(&sentry));
        sentry.go_deaf();
        sentry
    }

    #[test]
    fn a_new_file_or_directory_asks_for_one_more_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("tools.yaml")];
        let mut sentry = Sentry::new(Arc::default());
        sentry.follow(&files);
        assert!(hinted(&sentry));
        sentry.follow(&files);
        assert!(!hinted(&sentry));
    }

    #[test]
    fn the_look_finds_what_no_event_announced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tools.yaml");
        fs::write(&file, "one").unwrap();
        let mut sentry = deaf_sentry(std::slice::from_ref(&file));
        sentry.look();
        assert!(!hinted(&sentry), "nothing changed yet");

        fs::write(&file, "three").unwrap();
        sentry.look();
        assert!(hinted(&sentry));
        sentry.look();
        assert!(!hinted(&sentry), "one change is one hint");

        fs::remove_file(&file).unwrap();
        sentry.look();
        assert!(hinted(&sentry));
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_settled_when_a_read_came_well_after_their_last_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tools.yaml");
        fs::write(&file, "one").unwrap();
        let mut sentry = deaf_sentry(std::slice::from_ref(&file));
        assert!(
            !sentry.is_settled(),
            "a second write may carry the same time"
        );
        tokio::time::advance(TIMES_TELL_APART).await;
        assert!(
            !sentry.is_settled(),
            "such a write would not have been read"
        );
        sentry.remember();
        assert!(sentry.is_settled());
        fs::write(&file, "three").unwrap();
        assert!(!sentry.is_settled());
        sentry.remember();
        assert!(!sentry.is_settled());
    }

    #[test]
    fn watches_are_made_anew_after_events_failed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tools.yaml");
        let mut sentry = deaf_sentry(std::slice::from_ref(&file));
        fs::write(&file, "one").unwrap();
        sentry.look();
        assert!(hinted(&sentry));
        assert_eq!(sentry.armed.len(), 1);
        assert!(sentry.watcher.is_some());
    }

    #[test]
    fn a_directory_that_was_replaced_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().canonicalize().unwrap().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut sentry = deaf_sentry(&[inner.join("tools.yaml")]);
        let before = sentry.armed[&inner];
        fs::rename(&inner, folder.path().join("away")).unwrap();
        fs::create_dir(&inner).unwrap();
        sentry.arm();
        assert_ne!(sentry.armed[&inner], before);
        assert!(hinted(&sentry));
    }

    #[test]
    fn a_file_that_a_failed_read_named_stays_on_watch() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("deep/er/tools.yaml");
        let mut sentry = deaf_sentry(std::slice::from_ref(&missing));
        fs::create_dir_all(folder.path().join("deep/er")).unwrap();
        sentry.arm();
        let folder = folder.path().canonicalize().unwrap();
        assert_eq!(
            sentry.armed.keys().collect::<Vec<_>>(),
            [&folder.join("deep/er")]
        );
    }
}
