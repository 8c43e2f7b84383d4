//! Two sidecars, each a thread with a connection of its own, on one real server.

mod claims;
mod outages;
mod spending;
mod switches;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;
use crate::clock::Clock;
use crate::ids::LeaseId;
use crate::test_support::process::PATIENCE as LONG;
use crate::test_support::redis_server::RedisServer;

/// Longer than a server needs to be started again.
const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    redis: RedisServer,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = RedisServer::start(folder.path());
        Self {
            redis,
            _folder: folder,
        }
    }

    /// A sidecar that waits this long for answers.
    fn sidecar_with(&self, patience: Duration) -> Fleet {
        let address = FleetAddress::parse(&self.redis.url()).unwrap();
        let prefix = "test".to_owned();
        Fleet::open(FleetOptions {
            address,
            prefix,
            patience,
            gauges: FleetGauges::noop(),
        })
        .unwrap()
    }

    fn sidecar(&self) -> Fleet {
        self.sidecar_with(PATIENCE)
    }

    /// The names of all keys that have no expiry.
    fn for_ever(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.redis.ask(&["KEYS", "*"]);
        keys.retain(|key| self.redis.ask::<i64>(&["PTTL", key]) == -1);
        keys.sort();
        keys
    }
}

fn ask(key: u8) -> Ask {
    Ask {
        key: [key; 32],
        lease: LeaseId::new(Clock::System.now()),
        ttl: Duration::from_secs(60),
        retry_in_doubt: true,
        fingerprint: None,
    }
}

fn answer(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A run that has begun.
async fn ours(fleet: &Fleet, ask: Ask) -> Held {
    let Found::Ours(mut held) = fleet.claim(ask).await.unwrap() else {
        panic!("it is not ours");
    };
    held.begin();
    held
}

async fn running(fleet: &Fleet, ask: Ask) -> Run {
    let Found::Running(run) = fleet.claim(ask).await.unwrap() else {
        panic!("it is not running");
    };
    run
}

async fn finished(fleet: &Fleet, ask: Ask) -> Ended {
    let Found::Finished(ended) = fleet.claim(ask).await.unwrap() else {
        panic!("it is not finished");
    };
    ended
}

/// What a run came to that has ended or does so now.
async fn ended(found: Found) -> Ended {
    match found {
        Found::Finished(ended) => ended,
        Found::Running(run) => run.wait().await.expect("it ends"),
        found @ (Found::Ours(_) | Found::InDoubt(_) | Found::Mismatch) => panic!("{found:?}"),
    }
}

/// Waits until `state` holds.
async fn eventually(mut state: impl FnMut() -> bool) {
    let wait = async {
        while !state() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, wait).await.expect("the state is reached");
}

/// Asks until the claim is ours. That a sidecar has died, or that the server is back, shows nowhere
/// else.
async fn eventually_ours(fleet: &Fleet, asked: u8) -> Held {
    let wait = async {
        loop {
            match fleet.claim(ask(asked)).await {
                Ok(Found::Ours(held)) => return held,
                Ok(Found::Running(run)) => assert_eq!(run.wait().await, None),
                Ok(found @ (Found::Finished(_) | Found::InDoubt(_) | Found::Mismatch)) => {
                    panic!("{found:?}")
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Unreachable), "{error}");
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    };
    timeout(LONG, wait).await.expect("nobody else has it")
}

fn claim_key(key: u8) -> String {
    format!("{{test}}:claim:{}", script::hex(&[key; 32]))
}

fn charge() -> Charge {
    Charge {
        agent: "bot".to_owned(),
        tool: "send_email".to_owned(),
        price: 100_000,
        per_hour: None,
        per_tool: None,
        per_day: None,
    }
}

/// What a sidecar shows of kill switches.
fn followed(fleet: &Fleet) -> Arc<Mutex<Vec<String>>> {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&shown);
    fleet.follow(move |off, _| {
        let mut agents: Vec<_> = off.keys().cloned().collect();
        agents.sort();
        *into.lock().unwrap() = agents;
    });
    shown
}

// spec: FLEET-6
#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn everything_expires_but_kill_switches() {
    let server = Server::start();
    let fleet = server.sidecar();
    let held = ours(&fleet, ask(1)).await;
    ours(&fleet, ask(2))
        .await
        .end(End::Done(answer("sent")))
        .await
        .unwrap();
    ours(&fleet, ask(3))
        .await
        .end(End::Failed(answer("no")))
        .await
        .unwrap();
    drop(ours(&fleet, ask(4)).await);
    let capped = Charge {
        per_hour: Some(2),
        ..charge()
    };
    fleet.spend(capped).await.unwrap();
    fleet.switch("bot", Some(answer("{}"))).await.unwrap();
    assert_eq!(server.for_ever(), ["{test}:off", "{test}:off:version"]);
    drop(held);
}
