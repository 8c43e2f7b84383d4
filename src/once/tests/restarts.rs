//! What the next process knows.

use super::*;

// spec: ONCE-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_restart_keeps_what_had_ended_and_doubts_what_had_not() {
    let process = Process::start();
    let completed = process.lease("completed").await;
    let failed = process.lease("failed").await;
    let running = process.lease("running").await;
    let released = process.lease("released").await;
    let ids = [*completed.id(), *failed.id(), *running.id(), *released.id()];
    completed
        .complete(Bytes::from_static(b"sent"))
        .await
        .unwrap();
    failed.fail(Bytes::from_static(b"no")).await.unwrap();
    released.release().await.unwrap();

    let keys = ["completed", "failed", "running", "released"].map(key);
    let process = process.killed(&keys);
    let stored = finished(process.claim("completed").await);
    assert_eq!(
        (stored.lease_id, &stored.answer[..]),
        (ids[0], &b"sent"[..])
    );
    assert_eq!(*process.lease("failed").await.id(), ids[1]);
    assert_eq!(
        in_doubt(process.claim_on("running", &refusing()).await),
        ids[2]
    );
    assert_eq!(*process.lease("running").await.id(), ids[2]);
    assert_ne!(*process.lease("released").await.id(), ids[3]);
    // The process before ends no run of this one.
    drop(running);
}

// spec: ONCE-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_fingerprint_outlives_the_process() {
    let process = Process::start();
    let printed = Terms {
        fingerprint: Some([1; 32]),
        ..terms()
    };
    let lease = ours(process.claim_on("k", &printed).await);
    let process = process.killed(&[key("k")]);
    let other = Terms {
        fingerprint: Some([2; 32]),
        ..terms()
    };
    assert!(matches!(
        process.claim_on("k", &other).await,
        Claimed::Mismatch
    ));
    drop(lease);
}

// spec: ONCE-3 ONCE-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn time_goes_on_between_processes() {
    let process = Process::start();
    process
        .lease("completed")
        .await
        .complete(Bytes::new())
        .await
        .unwrap();
    let running = process.lease("running").await;
    let id = *running.id();
    pass(Duration::from_secs(59)).await;
    let process = process.killed(&["completed", "running"].map(key));
    finished(process.claim("completed").await);
    pass(Duration::from_secs(1)).await;
    // Nobody knows for how long it ran, so its time began with this process, and goes on in the next.
    assert_eq!(in_doubt(process.claim_on("running", &refusing()).await), id);
    pass(Duration::from_secs(58)).await;
    let process = process.killed(&[key("running")]);
    assert_eq!(in_doubt(process.claim_on("running", &refusing()).await), id);
    pass(Duration::from_secs(1)).await;
    assert_ne!(*process.lease("running").await.id(), id);
    drop(running);
}

// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_expired_while_there_was_no_process_leaves_the_store() {
    let process = Process::start();
    let lease = process.lease("old").await;
    let id = *lease.id();
    lease.complete(Bytes::new()).await.unwrap();
    pass(Duration::from_secs(60)).await;
    let process = process.killed(&[key("old")]);
    assert_eq!(process.entries(), 1);
    drop(process.lease("new").await);
    assert_eq!(process.entries(), 1);
    assert!(process.entry(&key("old")).is_none());
    assert_ne!(*process.lease("old").await.id(), id);
}

/// A clock that is set back by a year does not keep a claim for a year.
// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_clock_that_was_set_back_keeps_nothing_for_longer() {
    let process = Process::start();
    process
        .lease("k")
        .await
        .complete(Bytes::new())
        .await
        .unwrap();
    let entries = vec![process.entry(&key("k")).unwrap()];
    let earlier = Clock::anchored_at(Timestamp::from_unix_millis(1_673_786_400_000));
    let process = Process::over(entries, u64::MAX, earlier, Bounds::default());
    finished(process.claim("k").await);
    pass(Duration::from_secs(60)).await;
    drop(process.lease("k").await);
}

// spec: ONCE-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_cannot_be_read_is_passed_over() {
    let entry = |space, key: &'static [u8], value: &'static [u8]| Entry {
        space,
        key: Bytes::from_static(key),
        value: Bytes::from_static(value),
    };
    let entries = vec![
        entry(Space::Claims, b"short", b"\x01"),
        entry(Space::Claims, &[7; 32], b"\x02 of a later version"),
        entry(Space::Audit, &[8; 32], b"not a claim"),
    ];
    let clock = Clock::anchored_at(Timestamp::from_unix_millis(0));
    let process = Process::over(entries, u64::MAX, clock, Bounds::default());
    let claimed = process
        .once
        .claim(ClaimKey::from_bytes([7; 32]), terms())
        .await;
    ours(claimed.unwrap()).complete(Bytes::new()).await.unwrap();
    assert_eq!(process.entries(), 3);
}
