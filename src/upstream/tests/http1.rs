//! HTTP/1.1: reuse, replacement, expiry, cancellation, and what an answer may look like.

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

/// Leaves `count` idle connections behind and gives their peers.
async fn warmed_up(world: &World, count: usize) -> Vec<Peer> {
    let mut answers = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..count {
        let (answer, peer) = join!(world.send(), async {
            let mut peer = world.accept().await;
            peer.serve().await;
            peer
        });
        answers.push(answer.unwrap());
        peers.push(peer);
    }
    for answer in answers {
        read(answer).await.unwrap();
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

// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_new_connection_that_hands_the_request_back_did_not_send_it() {
    let world = World::http();
    let (answer, ()) = join!(world.call(), async {
        // Closed before its task could take the request.
        drop(world.accept().await);
    });
    assert_eq!(failure(answer), (Seen::NotSent, FailureKind::Closed));
    assert_eq!(world.dials(), 1);
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
    let (first, mut one) = join!(world.send(), async {
        let mut peer = world.accept().await;
        peer.serve().await;
        peer
    });
    let (second, mut two) = join!(world.send(), async {
        let mut peer = world.accept().await;
        peer.serve().await;
        peer
    });
    read(first.unwrap()).await.unwrap();
    read(second.unwrap()).await.unwrap();
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
        tokio::task::spawn_local(async move { pool.send(&origin, signed, deadline).await.is_ok() })
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

/// What a peer says after the request before it closes, and what becomes of the attempt.
// spec: RETRY-1 RETRY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_is_not_an_answer_is_a_failure() {
    use FailureKind::{Closed, InvalidResponse};
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let many_fields = format!(
        "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
        "x: y\r\n".repeat(100)
    );
    for (says, kind) in [
        ("", Closed),
        ("HTTP/1.1 200 OK\r\ncontent-le", Closed),
        ("HTTP/1.1 100 Continue\r\n\r\n", Closed),
        ("SSH-2.0-OpenSSH_9.2\r\n", InvalidResponse),
        ("\0\0\0\0\0\0\0\0", InvalidResponse),
        ("HTTP/1.1 20 OK\r\n\r\n", InvalidResponse),
        ("HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", InvalidResponse),
        (&long_head, InvalidResponse),
        (&many_fields, InvalidResponse),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            InvalidResponse,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            InvalidResponse,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            InvalidResponse,
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            InvalidResponse,
        ),
    ] {
        let world = World::http();
        let (answer, ()) = join!(world.call(), async {
            let mut peer = world.accept().await;
            peer.request().await;
            peer.say(says).await;
        });
        assert_eq!(failure(answer), (Seen::MaybeSeen, kind), "{says:.60}");
        assert_eq!(world.counted(), (0.0, 0.0), "{says:.60}");
    }
}

/// What follows the status line, the body that it makes (`None` for one that breaks off), and
/// whether the connection is kept while the peer holds it open.
// spec: RESP-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_ends_cleanly_only_when_it_is_complete() {
    const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n";
    for (says, closes, body, kept) in [
        ("content-length: 5\r\n\r\nhello", false, Some("hello"), true),
        ("content-length: 0\r\n\r\n", false, Some(""), true),
        (
            &format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"),
            false,
            Some("hello"),
            true,
        ),
        (
            &format!("content-length: 3\r\n{CHUNKED}5\r\nhello\r\n0\r\n\r\n"),
            false,
            Some("hello"),
            false,
        ),
        (
            "connection: close\r\ncontent-length: 5\r\n\r\nhello",
            false,
            Some("hello"),
            false,
        ),
        ("\r\nuntil the end", true, Some("until the end"), false),
        ("content-length: 9\r\n\r\nhello", true, None, false),
        (&format!("{CHUNKED}5\r\nhello\r\n"), true, None, false),
        (&format!("{CHUNKED}5\r\nhel"), true, None, false),
        (&format!("{CHUNKED}zz\r\nhello\r\n"), false, None, false),
    ] {
        let world = World::http();
        let (answer, peer) = join!(world.send(), async {
            let mut peer = world.accept().await;
            peer.request().await;
            peer.say(format!("HTTP/1.1 200 OK\r\n{says}")).await;
            (!closes).then_some(peer)
        });
        let answer = answer.unwrap();
        let both = ["content-length", "transfer-encoding"];
        assert!(!both.iter().all(|name| answer.headers().contains_key(*name)));
        assert_eq!(read(answer).await.ok().as_deref(), body, "{says}");
        let idle = if kept { 1.0 } else { 0.0 };
        assert_eq!(world.counted(), (idle, 0.0), "{says}");
        if !kept && let Some(mut peer) = peer {
            peer.closed().await;
        }
    }
}

/// An answer to a request that is still being written: the connection cannot be used again.
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_early_answer_passes_and_closes_the_connection() {
    let world = World::http();
    let body: &'static str = "x".repeat(1 << 20).leak();
    let signed = signed(Method::POST, body).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    let (answer, mut peer) = join!(world.pool.send(&world.origin, signed, deadline), async {
        let mut peer = world.accept().await;
        peer.head().await;
        peer.say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await;
        peer
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(read(answer).await.unwrap(), "no");
    assert_eq!(world.counted(), (0.0, 0.0));
    let mut rest = Vec::new();
    peer.0.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() < body.len());
}
