//! A store in a file, which is slower than its callers.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

impl Process {
    /// A process whose store is a file.
    fn at(path: &Path, clock: Clock) -> Self {
        let (store, entries) = Store::open(Place::File(path.to_owned()), 1 << 30).unwrap();
        let once = Once::new(store.clone(), &entries, clock, Bounds::default());
        Self { once, store, clock }
    }
}

/// Polls a future once and drops it. Whether it was still waiting.
fn drops_early<T>(future: impl Future<Output = T>) -> bool {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Pending)
}

/// Does it until the disk has been slower than the processor, which is nearly always the first time.
async fn until_early(process: &Process, mut attempt: impl AsyncFnMut(&str) -> bool) -> String {
    for name in 0.. {
        let name = format!("k{name}");
        if attempt(&name).await {
            return name;
        }
        // What was queued is done with, so the next attempt finds the disk at rest.
        process.store.write(Vec::new()).await.unwrap();
    }
    unreachable!("there are enough numbers")
}

// spec: ONCE-1
#[tokio::test(flavor = "local")]
async fn a_claim_that_is_not_waited_for_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::at(&folder.path().join("store"), Clock::System);
    let name = until_early(&process, async |name| {
        drops_early(process.claim_on(name, &terms()))
    });
    let name = name.await;
    // Had it been kept, this were a doubt.
    let lease = ours(process.claim_on(&name, &refusing()).await);
    lease.release().await.unwrap();
    assert!(process.entry(&key(&name)).is_none());
}

// spec: ONCE-1
#[tokio::test(flavor = "local")]
async fn an_answer_that_is_not_waited_for_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let process = Process::at(&path, Clock::System);
    let name = until_early(&process, async |name| {
        let lease = process.lease(name).await;
        let joining = running(process.claim(name).await);
        let early = drops_early(lease.complete(Bytes::from_static(b"sent")));
        assert_eq!(joining.wait().await.is_none(), early);
        early
    });
    let name = name.await;
    // It is not given away before it is durable, so the next process has it too.
    assert_eq!(finished(process.claim(&name).await).answer, "sent");
    let clock = process.clock;
    drop(process);
    let process = Process::at(&path, clock);
    assert_eq!(finished(process.claim(&name).await).answer, "sent");
}

// spec: ONCE-1 ONCE-4
#[tokio::test(flavor = "local")]
async fn claims_are_found_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let process = Process::at(&path, Clock::System);
    let answer = Bytes::from(vec![b'x'; 4 << 20]);
    let completed = process.lease("completed").await;
    completed.complete(answer.clone()).await.unwrap();
    let running = process.lease("running").await;
    let id = *running.id();
    assert_eq!(process.entries(), 2);
    let other = Process::at(&copy(&path), process.clock);
    assert_eq!(finished(other.claim("completed").await).answer, answer);
    assert_eq!(in_doubt(other.claim_on("running", &refusing()).await), id);
    drop(running);
}

/// The folder as a process that is killed now leaves it.
fn copy(path: &Path) -> std::path::PathBuf {
    let copy = path.with_extension("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(path).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    copy
}
