//! HTTP/1.1: reuse, replacement, expiry and cancellation.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::join;

use super::*;

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_is_used_again_after_its_answer_was_read() {
    let world = World::http();
    let serve = async {
        let mut peer = world.accept().await;
        let request = peer.request().await;
        assert!(
            request.starts_with("POST /hook?x=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("\r\nhost: api.test:8080\r\n"), "{request}");
        assert!(request.contains("\r\ncontent-length: 2\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{}"), "{request}");
        peer.say(OK).await;
        peer
    };
    let (first, mut peer) = join!(world.call(), serve);
    assert_eq!(first.unwrap(), "OK");
    assert_eq!(world.counted(), (1.0, 0.0));

    let (second, ()) = join!(world.call(), async {
        peer.request().await;
        assert_eq!(world.counted(), (0.0, 1.0));
        peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    assert_eq!(second.unwrap(), "");
    assert_eq!((world.dials(), world.counted()), (1, (1.0, 0.0)));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn equal_origins_share_connections() {
    let world = World::http();
    let (first, mut peer) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.serve().await;
        peer
    });
    first.unwrap();
    let reloaded = World {
        origin: origin("http://api.test:8080/elsewhere"),
        ..world
    };
    let (second, ()) = join!(reloaded.call(), peer.serve());
    second.unwrap();
    assert_eq!(reloaded.dials(), 1);
}

// The timer stays with the connection, so it may be set for the request before.
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_on_a_used_connection_has_a_deadline_of_its_own() {
    for (first, second) in [(20, 5), (5, 20)] {
        let world = World::http();
        let send = async |within| {
            let deadline = Instant::now() + Duration::from_secs(within);
            let signed = signed(Method::POST, "{}").await;
            world.pool.send(&world.origin, &signed, deadline).await
        };
        let (answer, mut peer) = join!(send(first), async {
            let mut peer = world.accept().await;
            peer.serve().await;
            peer
        });
        assert_eq!(read(answer.unwrap()).await.unwrap(), "OK");
        sleep(Duration::from_secs(3)).await;

        let start = Instant::now();
        let (late, _) = join!(send(second), peer.request());
        assert_eq!(failure(late), (Seen::MaybeSeen, FailureKind::Timeout));
        let expected = (1, Duration::from_secs(second));
        assert_eq!((world.dials(), start.elapsed()), expected);
    }
}

/// Sends a request on a connection of its own and leaves the answer unfinished.
async fn half_answered(world: &World) -> (Response<UpstreamBody>, Peer) {
    let (answer, peer) = join!(world.send(), async {
        let mut peer = world.accept().await;
        peer.request().await;
        peer.say(&OK[..OK.len() - 1]).await;
        peer
    });
    (answer.unwrap(), peer)
}

/// Finishes what [`half_answered`] began; the connection is idle then.
async fn finish(answer: Response<UpstreamBody>, peer: &mut Peer) {
    peer.say(&OK[OK.len() - 1..]).await;
    assert_eq!(read(answer).await.unwrap(), "OK");
}

/// Leaves `count` idle connections behind and gives their peers.
async fn warmed_up(world: &World, count: usize) -> Vec<Peer> {
    let mut answers = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..count {
        let (answer, peer) = half_answered(world).await;
        answers.push(answer);
        peers.push(peer);
    }
    for (answer, peer) in answers.into_iter().zip(&mut peers) {
        finish(answer, peer).await;
    }
    assert_eq!(world.counted(), (count as f64, 0.0));
    peers
}

// spec: RETRY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn dead_pooled_connections_are_replaced_without_a_word() {
    for dead in [1, 2, 4] {
        let world = World::http();
        let peers = warmed_up(&world, dead).await;
        // The next call comes before any of the connections' tasks could notice.
        drop(peers);
        let (answer, ()) = join!(world.call(), async { world.accept().await.serve().await });
        assert_eq!(answer.unwrap(), "OK");
        assert_eq!(world.dials(), dead + 1);
    }
}

// spec: RETRY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_that_ends_while_its_request_lets_others_go_first_is_replaced() {
    let world = World::http();
    let mut peers = warmed_up(&world, 1).await;
    let mut call = pin!(world.call());
    let first = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
    assert!(first.is_pending(), "it steps back");
    // As the kernel has it when a FIN comes: what we write is still taken.
    peers[0].0.shutdown().await.unwrap();
    let (answer, ()) = join!(call, async { world.accept().await.serve().await });
    assert_eq!(answer.unwrap(), "OK");
    assert_eq!(world.dials(), 2);
}

// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_new_connection_that_hands_the_request_back_did_not_send_it() {
    for (greeting, kind) in [
        ("", FailureKind::Closed),
        ("SSH-2.0-OpenSSH_9.2\r\n", FailureKind::InvalidResponse),
        (OK, FailureKind::InvalidResponse),
    ] {
        let world = World::http().plan([Plan::Greet(greeting)]);
        assert_eq!(failure(world.call().await), (Seen::NotSent, kind));
        assert_eq!((world.dials(), world.counted()), (1, (0.0, 0.0)));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_idle_connection_is_closed_in_time_and_nothing_stays_awake() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let world = World::http();
    let mut peers = warmed_up(&world, 1).await;
    let idle_since = Instant::now();
    peers[0].closed().await;
    assert_eq!(idle_since.elapsed(), Duration::from_secs(4));
    tasks_end(before).await;
    assert_eq!(world.counted(), (0.0, 0.0));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_old_connection_takes_no_more_requests() {
    let settings = PoolSettings {
        max_age: Duration::from_secs(3),
        ..PoolSettings::default()
    };
    let world = World::new("http://api.test/", settings);
    let mut peers = warmed_up(&world, 1).await;
    sleep(Duration::from_millis(2_500)).await;
    let (answer, ()) = join!(world.call(), peers[0].serve());
    answer.unwrap();
    sleep(Duration::from_millis(600)).await;
    let (answer, ()) = join!(world.call(), async { world.accept().await.serve().await });
    answer.unwrap();
    peers[0].closed().await;
}

/// The one that expires first came last, when the next look at the idle ones was planned already.
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_expired_connection_is_not_used_even_while_it_is_still_open() {
    let settings = PoolSettings {
        max_age: Duration::from_secs(3),
        ..PoolSettings::default()
    };
    let world = World::new("http://api.test/", settings);
    let (slow, mut old) = join!(world.send(), async {
        let mut peer = world.accept().await;
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nO")
            .await;
        peer
    });
    sleep(Duration::from_secs(2)).await;
    let (answer, mut young) = join!(world.call(), async {
        let mut peer = world.accept().await;
        peer.serve().await;
        peer
    });
    answer.unwrap();
    sleep(Duration::from_millis(500)).await;
    old.say("K").await;
    read(slow.unwrap()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let (answer, ()) = join!(world.call(), young.serve());
    answer.unwrap();
    old.closed().await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn beyond_the_limit_the_longest_idle_connection_goes() {
    let settings = PoolSettings {
        max_idle_per_origin: 1,
        ..PoolSettings::default()
    };
    let world = World::new("http://api.test/", settings);
    let (first, mut one) = half_answered(&world).await;
    let (second, mut two) = half_answered(&world).await;
    finish(first, &mut one).await;
    finish(second, &mut two).await;
    let start = Instant::now();
    one.closed().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (third, ()) = join!(world.call(), two.serve());
    third.unwrap();
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn dropping_the_attempt_or_the_body_closes_the_connection() {
    let world = World::http();
    let attempt = {
        let pool = world.pool.clone();
        let origin = Arc::clone(&world.origin);
        let signed = signed(Method::POST, "{}").await;
        let deadline = Instant::now() + Duration::from_secs(15);
        tokio::task::spawn_local(async move { pool.send(&origin, &signed, deadline).await.is_ok() })
    };
    let mut peer = world.accept().await;
    peer.request().await;
    attempt.abort();
    peer.closed().await;

    let (answer, mut peer) = join!(world.send(), async {
        let mut peer = world.accept().await;
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            .await;
        peer
    });
    drop(answer.unwrap());
    peer.closed().await;
    assert_eq!(world.counted(), (0.0, 0.0));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn dropping_the_pool_closes_what_is_idle() {
    let before = tasks();
    let world = World::http();
    let mut peers = warmed_up(&world, 2).await;
    // Whatever looks after idle connections is asleep by now.
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    drop(world);
    tasks_end(before).await;
    for peer in &mut peers {
        peer.closed().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}
