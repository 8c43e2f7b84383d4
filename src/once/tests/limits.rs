//! What there is no room for, and what makes room.

use super::*;

// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn claims_are_bounded() {
    let process = Process::with(u64::MAX, Bounds { max_claims: 2 });
    process
        .lease("a")
        .await
        .complete(Bytes::new())
        .await
        .unwrap();
    let running = process.lease("b").await;
    let error = process.once.claim(key("c"), terms()).await.unwrap_err();
    assert!(matches!(error, StoreError::TooManyClaims { max: 2 }));
    assert_eq!(
        error.to_string(),
        "there are as many claims as there may be (2)"
    );
    // What is known already is answered.
    finished(process.claim("a").await);
    pass(Duration::from_secs(60)).await;
    drop(process.lease("c").await);
    drop(running);
}

// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_has_expired_leaves_the_store() {
    let process = Process::start();
    for index in 0..200 {
        let lease = process.lease(&format!("old {index}")).await;
        match index % 3 {
            0 => lease.complete(Bytes::from_static(b"x")).await.unwrap(),
            1 => lease.fail(Bytes::new()).await.unwrap(),
            _ => drop(lease),
        }
    }
    assert_eq!(process.entries(), 200);
    pass(Duration::from_secs(60)).await;
    // A few with each claim.
    let mut left = Vec::new();
    for index in 0..8 {
        let lease = process.lease(&format!("new {index}")).await;
        lease.complete(Bytes::new()).await.unwrap();
        left.push(process.entries());
    }
    assert_eq!(left, [169, 138, 107, 76, 45, 14, 7, 8]);
    let Backend::Embedded(embedded) = &process.once.backend else {
        unreachable!("a process of these tests has claims of its own");
    };
    assert_eq!(embedded.sizes(), (8, 8));
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_cannot_be_stored_leaves_a_doubt() {
    let process = Process::with(400, Bounds::default());
    let lease = process.lease("k").await;
    let id = *lease.id();
    let joining = running(process.claim("k").await);
    let large = Bytes::from(vec![b'x'; 400]);
    let error = lease.complete(large.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { max_bytes: 400 }));
    // It was carried out, so whoever waited is told.
    assert_eq!(joining.wait().await.unwrap().answer, large);
    assert_eq!(in_doubt(process.claim_on("k", &refusing()).await), id);
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_cannot_be_stored_is_not_claimed() {
    let process = Process::with(450, Bounds::default());
    let first = process.lease("a").await;
    process.lease("b").await.fail(Bytes::new()).await.unwrap();
    let error = process.once.claim(key("c"), terms()).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { max_bytes: 450 }));
    first.release().await.unwrap();
    // Had it been claimed, this were a doubt.
    let lease = ours(process.claim_on("c", &refusing()).await);
    lease.complete(Bytes::new()).await.unwrap();
    finished(process.claim("c").await);
}

#[test]
fn nothing_of_an_answer_is_shown() {
    let stored = Stored {
        lease_id: LeaseId::from_bytes([0; 16]),
        ok: true,
        answer: Bytes::from_static(b"4111 1111 1111 1111"),
    };
    assert!(!format!("{stored:?}").contains("4111"));
}
