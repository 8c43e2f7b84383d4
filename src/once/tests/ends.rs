//! How a run ends, and what that means for the next claim of its key.

use super::*;

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_failed_run_leaves_its_lease_to_the_next() {
    let process = Process::start();
    let first = process.lease("k").await;
    let joining = running(process.claim("k").await);
    let id = *first.id();
    first.fail(Bytes::from_static(b"no")).await.unwrap();
    let expected = Stored {
        lease_id: id,
        ok: false,
        answer: Bytes::from_static(b"no"),
    };
    assert_eq!(joining.wait().await, Some(expected));

    let second = process.lease("k").await;
    assert_eq!(*second.id(), id);
    second.complete(Bytes::from_static(b"yes")).await.unwrap();
    let stored = finished(process.claim("k").await);
    assert_eq!(stored.answer, "yes");
    assert_eq!(stored.lease_id, id);
}

// spec: ONCE-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_run_that_was_cut_off_is_in_doubt() {
    let process = Process::start();
    let lease = process.lease("k").await;
    let joining = running(process.claim("k").await);
    let id = *lease.id();
    drop(lease);
    assert_eq!(joining.wait().await, None);
    assert_eq!(in_doubt(process.claim_on("k", &refusing()).await), id);

    // The terms of the claim that finds the doubt decide.
    let again = process.lease("k").await;
    assert_eq!(*again.id(), id);
    again.complete(Bytes::from_static(b"yes")).await.unwrap();
    assert_eq!(
        finished(process.claim_on("k", &refusing()).await).answer,
        "yes"
    );
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_released_key_is_as_it_was() {
    let process = Process::start();
    let fresh = process.lease("k").await;
    let joining = running(process.claim("k").await);
    let first = *fresh.id();
    fresh.release().await.unwrap();
    assert_eq!(joining.wait().await, None);
    assert_eq!(process.entries(), 0);

    // Nothing was known of the key, so nothing of the lease stays.
    let failing = process.lease("k").await;
    let second = *failing.id();
    assert_ne!(second, first);
    failing.fail(Bytes::new()).await.unwrap();

    // It had failed, so it has failed, with its lease and for the rest of its time.
    pass(Duration::from_secs(40)).await;
    let released = process.lease("k").await;
    assert_eq!(*released.id(), second);
    released.release().await.unwrap();
    pass(Duration::from_millis(19_999)).await;
    let kept = process.lease("k").await;
    assert_eq!(*kept.id(), second);
    kept.release().await.unwrap();
    pass(Duration::from_millis(1)).await;
    let cut_off = process.lease("k").await;
    let third = *cut_off.id();
    assert_ne!(third, second);

    // It was in doubt, so it is in doubt.
    drop(cut_off);
    process.lease("k").await.release().await.unwrap();
    assert_eq!(in_doubt(process.claim_on("k", &refusing()).await), third);
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_run_that_never_began_leaves_its_key_as_it_was() {
    let process = Process::start();
    let forsaken = async || {
        let Claimed::Ours(lease) = process.claim("k").await else {
            panic!("nobody else runs it");
        };
        let joining = running(process.claim("k").await);
        let id = *lease.id();
        drop(lease);
        assert_eq!(joining.wait().await, None);
        id
    };
    let first = forsaken().await;
    assert_eq!(process.entries(), 0);
    // It is not in doubt, so this runs, as a call of which nothing is known.
    let failing = ours(process.claim_on("k", &refusing()).await);
    let second = *failing.id();
    assert_ne!(second, first);
    failing.fail(Bytes::new()).await.unwrap();
    // It had failed, so it has failed; and it was in doubt, so it is in doubt.
    assert_eq!(forsaken().await, second);
    drop(ours(process.claim_on("k", &refusing()).await));
    assert_eq!(forsaken().await, second);
    assert_eq!(in_doubt(process.claim_on("k", &refusing()).await), second);
}

// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_claim_is_kept_for_its_time_from_its_end_on() {
    for end in ["completed", "failed", "cut off"] {
        let process = Process::start();
        let lease = process.lease("k").await;
        let id = *lease.id();
        // A run is never forgotten, however long it takes.
        pass(Duration::from_secs(1_620)).await;
        drop(running(process.claim("k").await));
        match end {
            "completed" => lease.complete(Bytes::new()).await.unwrap(),
            "failed" => lease.fail(Bytes::new()).await.unwrap(),
            _ => drop(lease),
        }
        pass(Duration::from_millis(59_999)).await;
        let found = match process.claim("k").await {
            Claimed::Ours(lease) => {
                let found = *lease.id();
                lease.release().await.unwrap();
                found
            }
            claimed @ (Claimed::Running(_)
            | Claimed::Finished(_)
            | Claimed::InDoubt(_)
            | Claimed::Mismatch) => finished(claimed).lease_id,
        };
        assert_eq!(found, id, "{end}");
        pass(Duration::from_millis(1)).await;
        assert_ne!(*process.lease("k").await.id(), id, "{end}");
    }
}

// spec: ONCE-2 ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_that_an_agent_named_is_kept_for_a_day() {
    let process = Process::start();
    let day = Terms {
        ttl: EXPLICIT_TTL,
        ..terms()
    };
    let lease = ours(process.claim_on("k", &day).await);
    lease.complete(Bytes::from_static(b"sent")).await.unwrap();
    pass(Duration::from_millis(24 * 3_600_000 - 1)).await;
    assert_eq!(finished(process.claim_on("k", &day).await).answer, "sent");
    pass(Duration::from_millis(1)).await;
    drop(ours(process.claim_on("k", &day).await));
}

// spec: ONCE-5
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_is_not_reused_for_another_call() {
    let process = Process::start();
    let printed = |print| Terms {
        fingerprint: Some([print; 32]),
        ..terms()
    };
    let mismatches = async |when: &str| {
        let other = process.claim_on("k", &printed(2)).await;
        assert!(matches!(other, Claimed::Mismatch), "{when}: {other:?}");
    };
    let lease = ours(process.claim_on("k", &printed(1)).await);
    mismatches("running").await;
    drop(running(process.claim_on("k", &printed(1)).await));
    drop(running(process.claim_on("k", &terms()).await));
    drop(lease);
    mismatches("in doubt").await;
    // A claim without a fingerprint does not wipe the one that is there.
    ours(process.claim_on("k", &terms()).await)
        .fail(Bytes::new())
        .await
        .unwrap();
    mismatches("failed").await;
    let lease = ours(process.claim_on("k", &printed(1)).await);
    lease.complete(Bytes::new()).await.unwrap();
    mismatches("finished").await;
    finished(process.claim_on("k", &printed(1)).await);
    pass(Duration::from_secs(60)).await;
    drop(ours(process.claim_on("k", &printed(2)).await));
}
