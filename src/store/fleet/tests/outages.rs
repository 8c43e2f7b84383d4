//! A server that is lost, that comes back, that is full, and whose messages get lost.

use super::*;

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn an_outage_loses_no_ending_and_runs_nothing_twice() {
    let mut server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    let held = ours(&one, ask(1)).await;
    let lease = *held.lease();
    let before = ours(&one, ask(2)).await;
    before.end(End::Done(answer("before"))).await.unwrap();
    server.redis.kill();
    let ending = tokio::task::spawn_local(held.end(End::Done(answer("during"))));
    let asked = tokio::task::spawn_local({
        let other = other.clone();
        async move { other.claim(ask(1)).await.unwrap() }
    });
    server.redis.come_back();
    ending.await.unwrap().unwrap();
    let ended = ended(asked.await.unwrap()).await;
    assert_eq!(
        ended,
        Ended {
            lease,
            ok: true,
            answer: answer("during")
        }
    );
    assert_eq!(finished(&other, ask(2)).await.answer, "before");
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_question_in_an_outage_fails_and_its_ending_is_told_later() {
    let mut server = Server::start();
    let (one, other) = (
        server.sidecar_with(Duration::from_millis(300)),
        server.sidecar(),
    );
    let held = ours(&one, ask(1)).await;
    server.redis.kill();
    let unreachable = |error| matches!(error, StoreError::Unreachable);
    assert!(unreachable(one.claim(ask(2)).await.unwrap_err()));
    assert!(unreachable(
        held.end(End::Done(answer("late"))).await.unwrap_err()
    ));
    server.redis.come_back();
    let ended = ended(other.claim(ask(1)).await.unwrap()).await;
    assert_eq!(ended.answer, "late");
    // What was asked for in vain is nobody's.
    let held = ours(&other, ask(2)).await;
    held.end(End::Done(answer("other"))).await.unwrap();
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn whoever_waits_in_an_outage_is_told_that_it_is_over() {
    let mut server = Server::start();
    let one = server.sidecar_with(Duration::from_millis(300));
    let _held = ours(&one, ask(1)).await;
    let run = running(&one, ask(1)).await;
    server.redis.kill();
    assert_eq!(run.wait().await, None);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_lost_message_is_made_good_by_the_next_beat() {
    let server = Server::start();
    let fleet = server.sidecar();
    let shown = followed(&fleet);
    fleet.known().await;
    let held = ours(&fleet, ask(1)).await;
    let waited = tokio::task::spawn_local(running(&fleet, ask(1)).await.wait());
    // What a sidecar would do whose messages get lost: the facts without the news.
    server
        .redis
        .ask::<i64>(&["HSET", "{test}:off", "bot", "{}"]);
    server.redis.ask::<i64>(&["INCR", "{test}:off:version"]);
    server
        .redis
        .ask::<i64>(&["HSET", &claim_key(1), "state", "done", "answer", "sent"]);
    eventually(|| *shown.lock().unwrap() == ["bot"]).await;
    assert_eq!(waited.await.unwrap().unwrap().answer, "sent");
    drop(held);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_server_that_refuses_is_not_a_server_that_is_silent() {
    let server = Server::start();
    let fleet = server.sidecar();
    let begun = ours(&fleet, ask(2)).await;
    let limit = |bytes| {
        server
            .redis
            .ask::<String>(&["CONFIG", "SET", "maxmemory", bytes])
    };
    limit("1");
    // There is room for the end of what had room to begin.
    begun.end(End::Done(answer("sent"))).await.unwrap();
    let error = fleet.claim(ask(1)).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { code } if **code == *"OOM"),
        "{error}"
    );
    limit("0");
    ours(&fleet, ask(1)).await.end(End::Released).await.unwrap();
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_server_that_hangs_is_a_server_that_is_lost() {
    let server = Server::start();
    let fleet = server.sidecar_with(Duration::from_millis(300));
    let held = ours(&fleet, ask(1)).await;
    server.redis.signal("STOP");
    let error = fleet.claim(ask(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable), "{error}");
    held.end(End::Done(answer("late"))).await.unwrap_err();
    server.redis.signal("CONT");
    // What was asked for in vain has been given back, and what could not be said has been said.
    eventually_ours(&fleet, 2).await;
    let told = async {
        loop {
            match fleet.claim(ask(1)).await {
                Ok(found) => return ended(found).await,
                Err(error) => {
                    assert!(matches!(error, StoreError::Unreachable), "{error}");
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    };
    assert_eq!(timeout(LONG, told).await.unwrap().answer, "late");
}

// spec: FLEET-6
#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn in_a_cluster_the_connection_goes_to_where_the_keys_are() {
    let folder = tempfile::tempdir().unwrap();
    let (nodes, port) = RedisServer::start_cluster(folder.path());
    let fleet = Fleet::open(FleetOptions {
        address: FleetAddress::parse(&format!("redis://127.0.0.1:{port}")).unwrap(),
        prefix: "test".to_owned(),
        patience: PATIENCE,
        gauges: FleetGauges::noop(),
    });
    let fleet = fleet.unwrap();
    let held = ours(&fleet, ask(1)).await;
    held.end(End::Done(answer("sent"))).await.unwrap();
    assert_eq!(finished(&fleet, ask(1)).await.answer, "sent");
    let state: String = nodes[1].ask(&["HGET", &claim_key(1), "state"]);
    assert_eq!(state, "done");
}
