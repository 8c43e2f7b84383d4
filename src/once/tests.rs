//! The claims of a process, at their door, with a store in memory and paused time.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::Timestamp;
use crate::store::{Change, Place, Space};

mod ends;
mod in_flight;
mod limits;
mod model;
mod restarts;

/// One process and its claims.
struct Process {
    once: Once,
    store: Store,
    clock: Clock,
}

impl Process {
    fn start() -> Self {
        Self::with(u64::MAX, Bounds::default())
    }

    fn with(max_bytes: u64, bounds: Bounds) -> Self {
        let clock = Clock::anchored_at(Timestamp::from_unix_millis(1_705_322_400_000));
        Self::over(Vec::new(), max_bytes, clock, bounds)
    }

    fn over(entries: Vec<Entry>, max_bytes: u64, clock: Clock, bounds: Bounds) -> Self {
        let (store, _) = Store::open(Place::Memory, max_bytes).unwrap();
        let changes = entries.iter().cloned().map(|entry| Change {
            space: entry.space,
            key: entry.key,
            value: Some(entry.value),
        });
        drop(store.write(changes.collect()));
        let once = Once::new(store.clone(), &entries, clock, bounds);
        Self { once, store, clock }
    }

    /// The process is killed and another one finds what its store has of these keys.
    fn killed(self, keys: &[ClaimKey]) -> Self {
        let entries = keys.iter().filter_map(|key| self.entry(key)).collect();
        Self::over(entries, u64::MAX, self.clock, Bounds::default())
    }

    fn entry(&self, key: &ClaimKey) -> Option<Entry> {
        let value = self.store.get(Space::Claims, key.as_bytes()).unwrap()?;
        Some(Entry {
            space: Space::Claims,
            key: Bytes::copy_from_slice(key.as_bytes()),
            value,
        })
    }

    fn entries(&self) -> u64 {
        self.store.health().unwrap().entries
    }

    async fn claim(&self, key: &str) -> Claimed {
        self.claim_on(key, &terms()).await
    }

    async fn claim_on(&self, name: &str, terms: &Terms) -> Claimed {
        self.once.claim(key(name), terms.clone()).await.unwrap()
    }

    async fn lease(&self, key: &str) -> Lease {
        ours(self.claim(key).await)
    }
}

fn key(name: &str) -> ClaimKey {
    let (agent, tool) = ("billing".parse().unwrap(), "charge".parse().unwrap());
    ClaimKey::explicit(&agent, &tool, name)
}

/// Kept for a minute, run again when in doubt.
fn terms() -> Terms {
    Terms {
        ttl: Duration::from_secs(60),
        in_doubt: InDoubt::Retry,
        fingerprint: None,
    }
}

fn refusing() -> Terms {
    Terms {
        in_doubt: InDoubt::Refuse,
        ..terms()
    }
}

/// A lease whose run has begun.
#[track_caller]
fn ours(claimed: Claimed) -> Lease {
    let Claimed::Ours(mut lease) = claimed else {
        panic!("expected a lease, found {claimed:?}");
    };
    lease.begin();
    lease
}

#[track_caller]
fn finished(claimed: Claimed) -> Stored {
    let Claimed::Finished(stored) = claimed else {
        panic!("expected an answer, found {claimed:?}");
    };
    stored
}

#[track_caller]
fn running(claimed: Claimed) -> Joining {
    let Claimed::Running(joining) = claimed else {
        panic!("expected a run to join, found {claimed:?}");
    };
    joining
}

#[track_caller]
fn in_doubt(claimed: Claimed) -> LeaseId {
    let Claimed::InDoubt(lease) = claimed else {
        panic!("expected a doubt, found {claimed:?}");
    };
    lease
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn of_a_thousand_equal_calls_one_runs() {
    let process = Rc::new(Process::start());
    let runs = Rc::new(AtomicUsize::new(0));
    let mut calls = Vec::new();
    for index in 0..1_000_u64 {
        let (process, runs) = (Rc::clone(&process), Rc::clone(&runs));
        calls.push(tokio::task::spawn_local(async move {
            // Some find it running, and some find it done.
            tokio::time::sleep(Duration::from_millis(index)).await;
            match process.claim("k").await {
                Claimed::Ours(lease) => {
                    runs.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    let id = *lease.id();
                    lease.complete(Bytes::from_static(b"sent")).await.unwrap();
                    Stored {
                        lease_id: id,
                        ok: true,
                        answer: Bytes::from_static(b"sent"),
                    }
                }
                Claimed::Running(joining) => joining.wait().await.unwrap(),
                claimed @ (Claimed::Finished(_) | Claimed::InDoubt(_) | Claimed::Mismatch) => {
                    finished(claimed)
                }
            }
        }));
    }
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(answers[0].answer, "sent");
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

// spec: ONCE-1
#[test]
fn a_run_is_joined_from_other_threads() {
    const THREADS: usize = 8;
    const CALLS: usize = 50;
    let (store, _) = Store::open(Place::Memory, u64::MAX).unwrap();
    let once = Arc::new(Once::new(store, &[], Clock::System, Bounds::default()));
    let joined = Arc::new(AtomicUsize::new(0));
    let thread = || {
        let (once, joined) = (Arc::clone(&once), Arc::clone(&joined));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let mut calls = Vec::new();
            for _ in 0..CALLS {
                let (once, joined) = (Arc::clone(&once), Arc::clone(&joined));
                calls.push(async move {
                    match once.claim(key("k"), terms()).await.unwrap() {
                        Claimed::Ours(lease) => {
                            while joined.load(Ordering::Relaxed) < THREADS * CALLS - 1 {
                                tokio::task::yield_now().await;
                            }
                            lease.complete(Bytes::from_static(b"sent")).await.unwrap();
                            (1, Bytes::from_static(b"sent"))
                        }
                        claimed @ (Claimed::Running(_)
                        | Claimed::Finished(_)
                        | Claimed::InDoubt(_)
                        | Claimed::Mismatch) => {
                            let joining = running(claimed);
                            joined.fetch_add(1, Ordering::Relaxed);
                            (0, joining.wait().await.unwrap().answer)
                        }
                    }
                });
            }
            runtime.unwrap().block_on(async {
                let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
                let mut runs = 0;
                for call in calls {
                    let (ran, answer) = call.await.unwrap();
                    assert_eq!(answer, "sent");
                    runs += ran;
                }
                runs
            })
        })
    };
    let threads: Vec<_> = (0..THREADS).map(|_| thread()).collect();
    let runs = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(runs.sum::<usize>(), 1);
}

// spec: ONCE-2
#[test]
fn a_key_is_of_one_agent_tool_and_kind() {
    let agent = |name: &str| name.parse().unwrap();
    let tool = |name: &str| name.parse().unwrap();
    let keys = [
        ClaimKey::explicit(&agent("a"), &tool("t"), "k"),
        ClaimKey::explicit(&agent("b"), &tool("t"), "k"),
        ClaimKey::explicit(&agent("a"), &tool("u"), "k"),
        ClaimKey::explicit(&agent("a"), &tool("t"), "l"),
        // The same bytes in a row, cut elsewhere.
        ClaimKey::explicit(&agent("at"), &tool("k"), "l"),
        ClaimKey::explicit(&agent("a"), &tool("tk"), "l"),
        ClaimKey::explicit(&agent("a"), &tool("t"), "kl"),
        ClaimKey::of_header(&agent("a"), &tool("t"), b"k"),
        ClaimKey::of_args(&agent("a"), &tool("t"), b"k"),
    ];
    assert_eq!(HashSet::from(keys).len(), keys.len());
}

/// Claims outlive versions of this program, so a key is what it always was. From Python:
/// `sha256(b"".join(struct.pack(">Q", len(p)) + p for p in [kind, b"billing", b"charge", b"{}"]))`
#[test]
fn keys_never_change() {
    let (agent, tool) = ("billing".parse().unwrap(), "charge".parse().unwrap());
    let begins = |key: ClaimKey| format!("{key:?}");
    for (key, expected) in [
        (ClaimKey::of_args(&agent, &tool, b"{}"), "65a0bbe4"),
        (ClaimKey::explicit(&agent, &tool, "{}"), "01ad3385"),
        (ClaimKey::of_header(&agent, &tool, b"{}"), "77199c0d"),
    ] {
        assert_eq!(begins(key), format!("ClaimKey({expected}..)"));
    }
}
