//! Two sidecars' claims on a real server.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::once::Once;
use crate::store::fleet::{FleetAddress, FleetGauges, FleetOptions};
use crate::test_support::redis_server::RedisServer;

fn once(redis: &RedisServer) -> Once {
    let fleet = Fleet::open(FleetOptions {
        address: FleetAddress::parse(&redis.url()).unwrap(),
        prefix: "test".to_owned(),
        patience: Duration::from_secs(10),
        gauges: FleetGauges::noop(),
    });
    Once::shared(fleet.unwrap(), Clock::System)
}

fn key(name: &str) -> ClaimKey {
    let (agent, tool) = ("bot".parse().unwrap(), "send_email".parse().unwrap());
    ClaimKey::explicit(&agent, &tool, name)
}

fn terms(in_doubt: InDoubt) -> Terms {
    Terms {
        ttl: Duration::from_secs(60),
        in_doubt,
        fingerprint: None,
    }
}

async fn ours(once: &Once, name: &str) -> Lease {
    let Claimed::Ours(mut lease) = once.claim(key(name), terms(InDoubt::Retry)).await.unwrap()
    else {
        panic!("it is not ours");
    };
    lease.begin();
    lease
}

// spec: FLEET-1 FLEET-2
#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn claims_mean_the_same_as_in_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(folder.path());
    let (one, other) = (once(&redis), once(&redis));

    let lease = ours(&one, "done").await;
    let id = *lease.id();
    let Claimed::Running(joining) = other
        .claim(key("done"), terms(InDoubt::Retry))
        .await
        .unwrap()
    else {
        panic!("it runs");
    };
    let waited = tokio::task::spawn_local(joining.wait());
    lease.complete(Bytes::from_static(b"sent")).await.unwrap();
    let stored = Stored {
        lease_id: id,
        ok: true,
        answer: Bytes::from_static(b"sent"),
    };
    assert_eq!(waited.await.unwrap().as_ref(), Some(&stored));
    let found = other
        .claim(key("done"), terms(InDoubt::Refuse))
        .await
        .unwrap();
    assert!(matches!(found, Claimed::Finished(found) if found == stored));

    let lease = ours(&one, "failed").await;
    let id = *lease.id();
    lease.fail(Bytes::from_static(b"no")).await.unwrap();
    let again = ours(&other, "failed").await;
    assert_eq!(*again.id(), id);
    again.release().await.unwrap();

    let lease = ours(&one, "doubt").await;
    let id = *lease.id();
    let Claimed::Running(joining) = other
        .claim(key("doubt"), terms(InDoubt::Retry))
        .await
        .unwrap()
    else {
        panic!("it runs");
    };
    drop(lease);
    assert_eq!(joining.wait().await, None);
    let found = other
        .claim(key("doubt"), terms(InDoubt::Refuse))
        .await
        .unwrap();
    assert!(matches!(found, Claimed::InDoubt(found) if found == id));
    assert_eq!(*ours(&other, "doubt").await.id(), id);
}
