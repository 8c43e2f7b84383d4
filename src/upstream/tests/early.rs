//! HTTP/1.1: answers that come before the whole request has left, and peers that do not read.

use tokio::join;

use super::*;

/// More than a pipe holds.
fn large_body() -> &'static str {
    "x".repeat(1 << 20).leak()
}

/// An answer to a request that is still being written: the connection cannot be used again.
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_early_answer_passes_and_closes_the_connection() {
    let world = World::http();
    let body = large_body();
    let (answer, mut peer) = join!(world.send_as(Method::POST, body), async {
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

/// A server may answer while it reads. It gets the whole request, because it was signed as a whole.
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_goes_along_with_the_request_gets_all_of_it() {
    let world = World::http();
    let body = large_body();
    let (answer, ()) = join!(
        async { read(world.send_as(Method::POST, body).await.unwrap()).await },
        async {
            let mut peer = world.accept().await;
            peer.head().await;
            peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            let mut seen = 0;
            while seen < body.len() {
                let mut some = vec![0; 100_000.min(body.len() - seen)];
                peer.0.read_exact(&mut some).await.unwrap();
                seen += some.len();
                peer.say("1\r\n.\r\n").await;
            }
            peer.say("0\r\n\r\n").await;
            peer.closed().await;
        }
    );
    assert_eq!(answer.unwrap(), ".".repeat(11));
    assert_eq!(world.counted(), (0.0, 0.0));
}

// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_peer_that_neither_reads_nor_answers_is_ended_by_the_deadline() {
    let world = World::http();
    let start = Instant::now();
    let (answer, mut peer) = join!(world.send_as(Method::POST, large_body()), async {
        let mut peer = world.accept().await;
        peer.head().await;
        peer
    });
    assert_eq!(
        failure(answer.map(drop)),
        (Seen::MaybeSeen, FailureKind::Timeout)
    );
    assert_eq!(start.elapsed(), Duration::from_secs(15));
    let mut rest = Vec::new();
    peer.0.read_to_end(&mut rest).await.unwrap();
    assert_eq!(world.counted(), (0.0, 0.0));
}

// spec: RETRY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_peer_that_leaves_within_the_request_may_have_seen_it() {
    let world = World::http();
    let (answer, ()) = join!(world.send_as(Method::POST, large_body()), async {
        world.accept().await.head().await;
    });
    assert_eq!(
        failure(answer.map(drop)),
        (Seen::MaybeSeen, FailureKind::Closed)
    );
}
