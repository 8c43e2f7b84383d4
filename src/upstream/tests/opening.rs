//! Opening connections: time limits, failures, and callers that wait for one attempt together.

use tokio::join;

use super::*;

// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_limit_that_passes_says_whether_anything_was_sent() {
    async fn check(
        world: World,
        answers: bool,
        deadline: u64,
        expected: (Seen, FailureKind),
        after: u64,
    ) {
        let start = Instant::now();
        let signed = signed(Method::POST, "{}").await;
        let deadline = start + Duration::from_millis(deadline);
        let sent = world.pool.send(&world.origin, &signed, deadline);
        let (answer, mut peer) = join!(sent, async {
            if !answers {
                return None;
            }
            let mut peer = world.accept().await;
            peer.request().await;
            Some(peer)
        });
        assert_eq!(failure(answer), expected);
        assert_eq!(start.elapsed(), Duration::from_millis(after));
        if let Some(peer) = &mut peer {
            peer.closed().await;
        }
    }
    use FailureKind::{Connect, Timeout};
    use Seen::{MaybeSeen, NotSent};
    let silent = |world: World| world.plan([Plan::Silent]);
    check(
        silent(World::http()),
        false,
        2_000,
        (NotSent, Timeout),
        2_000,
    )
    .await;
    check(
        silent(World::https()),
        false,
        2_000,
        (NotSent, Timeout),
        2_000,
    )
    .await;
    check(
        silent(World::http()),
        false,
        9_000,
        (NotSent, Connect),
        5_000,
    )
    .await;
    check(
        silent(World::https()),
        false,
        9_000,
        (NotSent, Connect),
        5_000,
    )
    .await;
    check(World::http(), true, 9_000, (MaybeSeen, Timeout), 9_000).await;
    check(World::https(), true, 9_000, (MaybeSeen, Timeout), 9_000).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_refused_connection_was_not_sent_on_and_names_its_cause() {
    let world = World::http().plan([Plan::Refuse]);
    let error = world.send().await.err().unwrap();
    assert_eq!(
        (error.seen(), error.kind()),
        (Seen::NotSent, FailureKind::Connect)
    );
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    assert_eq!(
        chain,
        "no connection to the upstream: could not connect to 10.0.0.1:80: connection refused"
    );
}

/// Before the protocol is known, ten calls wait for one attempt.
#[tokio::test(flavor = "local", start_paused = true)]
async fn first_calls_share_one_attempt_until_the_protocol_is_known() {
    let second = Duration::from_secs(1);
    let world = World::https().plan([Plan::AcceptAfter(second, Protocol::Http1)]);
    let start = Instant::now();
    let serve = async {
        sleep(second / 2).await;
        assert_eq!(world.dials(), 1);
        for _ in 0..3 {
            world.accept().await.serve().await;
        }
        assert_eq!(start.elapsed(), second);
    };
    let (a, b, c, ()) = join!(world.call(), world.call(), world.call(), serve);
    for answer in [a, b, c] {
        assert_eq!(answer.unwrap(), "OK");
    }
    // HTTP/1.1 it is: one connection each, the two others opened side by side.
    assert_eq!(world.dials(), 3);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_caller_who_started_the_attempt_may_leave() {
    let second = Duration::from_secs(1);
    let world = World::https().plan([Plan::AcceptAfter(second, Protocol::Http1)]);
    let impatient = tokio::time::timeout(second / 2, world.call());
    let (first, other, ()) = join!(impatient, world.call(), async {
        world.accept().await.serve().await;
    });
    assert!(first.is_err());
    assert_eq!(other.unwrap(), "OK");
    assert_eq!(world.dials(), 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_shared_attempt_fails_all_who_wait_and_the_next_call_tries_again() {
    let world = World::https().plan([Plan::Refuse]);
    let (a, b) = join!(world.call(), world.call());
    for answer in [a, b] {
        assert_eq!(failure(answer), (Seen::NotSent, FailureKind::Connect));
    }
    assert_eq!(world.dials(), 1);
    let (again, ()) = join!(world.call(), async { world.accept().await.serve().await });
    assert_eq!(again.unwrap(), "OK");
    assert_eq!(world.dials(), 2);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_attempt_that_nobody_can_use_any_more_ends() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let world = World::https().plan([Plan::Silent]);
    tokio::time::timeout(Duration::from_secs(1), world.call())
        .await
        .unwrap_err();
    assert!(tasks() > before);
    drop(world);
    tasks_end(before).await;
}
