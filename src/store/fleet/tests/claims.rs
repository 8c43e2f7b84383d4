//! Claims: one run for all sidecars, however it ends.

use super::*;

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_key_is_run_once_by_all_sidecars() {
    let server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    let held = ours(&one, ask(1)).await;
    let lease = *held.lease();
    let here = running(&one, ask(1)).await.wait();
    let there = running(&other, ask(1)).await.wait();
    let (end, here, there) = tokio::join!(held.end(End::Done(answer("sent"))), here, there);
    end.unwrap();
    let ended = Ended {
        lease,
        ok: true,
        answer: answer("sent"),
    };
    assert_eq!(here.as_ref(), Some(&ended));
    assert_eq!(there.as_ref(), Some(&ended));
    assert_eq!(finished(&one, ask(1)).await, ended);
    assert_eq!(finished(&other, ask(1)).await, ended);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_thousand_claims_over_two_sidecars_give_one_run() {
    let server = Server::start();
    let fleets = [server.sidecar(), server.sidecar()];
    let (mut held, mut waiting) = (Vec::new(), Vec::new());
    let asked = (0..1_000).map(|number| {
        let fleet = fleets[number % 2].clone();
        tokio::task::spawn_local(async move { fleet.claim(ask(1)).await.unwrap() })
    });
    for found in asked.collect::<Vec<_>>() {
        match found.await.unwrap() {
            Found::Ours(ours) => held.push(ours),
            Found::Running(run) => waiting.push(tokio::task::spawn_local(run.wait())),
            found @ (Found::Finished(_) | Found::InDoubt(_) | Found::Mismatch) => {
                panic!("{found:?}")
            }
        }
    }
    assert_eq!((held.len(), waiting.len()), (1, 999));
    let held = held.pop().unwrap();
    held.end(End::Done(answer("sent"))).await.unwrap();
    for waited in waiting {
        assert_eq!(waited.await.unwrap().unwrap().answer, "sent");
    }
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_failure_keeps_its_lease_and_a_release_leaves_nothing() {
    let server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    let held = ours(&one, ask(1)).await;
    let lease = *held.lease();
    let run = running(&other, ask(1)).await;
    let waited = tokio::task::spawn_local(run.wait());
    held.end(End::Failed(answer("no"))).await.unwrap();
    let failed = Ended {
        lease,
        ok: false,
        answer: answer("no"),
    };
    assert_eq!(waited.await.unwrap(), Some(failed));
    let again = ours(&other, ask(1)).await;
    assert_eq!(*again.lease(), lease);
    // Released, it is the failure that it was before.
    let run = running(&one, ask(1)).await;
    again.end(End::Released).await.unwrap();
    assert_eq!(run.wait().await, None);
    assert_eq!(*ours(&one, ask(1)).await.lease(), lease);

    let held = ours(&one, ask(2)).await;
    let lease = *held.lease();
    held.end(End::Released).await.unwrap();
    assert_ne!(*ours(&other, ask(2)).await.lease(), lease);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_run_that_is_dropped_is_in_doubt_at_once() {
    let server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    let held = ours(&one, ask(1)).await;
    let lease = *held.lease();
    let run = running(&other, ask(1)).await;
    drop(held);
    assert_eq!(run.wait().await, None);
    let refuse = Ask {
        retry_in_doubt: false,
        ..ask(1)
    };
    assert!(matches!(
        other.claim(refuse).await.unwrap(),
        Found::InDoubt(found) if found == lease
    ));
    assert_eq!(*ours(&other, ask(1)).await.lease(), lease);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_claim_that_is_dropped_before_its_run_begins_is_released() {
    let server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    let Found::Ours(held) = one.claim(ask(1)).await.unwrap() else {
        panic!("it is not ours");
    };
    let lease = *held.lease();
    let run = running(&other, ask(1)).await;
    drop(held);
    assert_eq!(run.wait().await, None);
    // Had it been in doubt, this were refused, or had the same lease.
    let refuse = Ask {
        retry_in_doubt: false,
        ..ask(1)
    };
    assert_ne!(*ours(&other, refuse).await.lease(), lease);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_call_that_looks_different_is_told_so() {
    let server = Server::start();
    let fleet = server.sidecar();
    let print = |print| Ask {
        fingerprint: Some([print; 32]),
        ..ask(1)
    };
    let held = ours(&fleet, print(7)).await;
    assert!(matches!(
        fleet.claim(print(8)).await.unwrap(),
        Found::Mismatch
    ));
    held.end(End::Done(answer("sent"))).await.unwrap();
    assert!(matches!(
        fleet.claim(print(8)).await.unwrap(),
        Found::Mismatch
    ));
    assert_eq!(finished(&fleet, print(7)).await.answer, "sent");
    assert_eq!(finished(&fleet, ask(1)).await.answer, "sent");
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn claims_end_with_their_time() {
    let server = Server::start();
    let fleet = server.sidecar();
    let short = Ask {
        ttl: Duration::from_millis(1),
        ..ask(1)
    };
    let held = ours(&fleet, short).await;
    let lease = *held.lease();
    held.end(End::Done(answer("sent"))).await.unwrap();
    eventually(|| server.redis.ask::<i64>(&["EXISTS", &claim_key(1)]) == 0).await;
    assert_ne!(*ours(&fleet, ask(1)).await.lease(), lease);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server, and as long as a dead sidecar counts as alive"]
async fn a_sidecar_that_died_leaves_its_claims_in_doubt() {
    let server = Server::start();
    let other = server.sidecar();
    // What a sidecar leaves behind that was killed: a claim, and a sign of life that nobody renews.
    let ours_no_more = ask(1);
    let lease = ours_no_more.lease.to_string();
    let (claim, owner) = (claim_key(1), "deadbeef");
    server.redis.ask::<i64>(&[
        "HSET",
        &claim,
        "state",
        "running",
        "token",
        "deadbeef.1",
        "owner",
        owner,
        "lease",
        &lease,
        "fingerprint",
        "",
        "prior",
        "",
    ]);
    let soon = Clock::System.now().unix_millis() + 2_000;
    server
        .redis
        .ask::<i64>(&["ZADD", "{test}:alive", &soon.to_string(), owner]);
    let again = eventually_ours(&other, 1).await;
    assert_eq!(again.lease().to_string(), lease);
    again.end(End::Done(answer("sent"))).await.unwrap();
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn the_last_handle_says_that_the_sidecar_is_gone() {
    let server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    other.known().await;
    let held = ours(&one, ask(1)).await;
    drop(one);
    // Its run keeps it alive; and what the run says last is heard before it leaves.
    drop(held);
    eventually(|| {
        let now = Clock::System.now().unix_millis().to_string();
        server
            .redis
            .ask::<i64>(&["ZCOUNT", "{test}:alive", "-inf", &now])
            == 1
    })
    .await;
    let state: String = server.redis.ask(&["HGET", &claim_key(1), "state"]);
    assert_eq!(state, "doubt");
}
