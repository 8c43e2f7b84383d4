//! How long a connection may keep everybody waiting.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use super::assert_answers;
use super::script::{Script, closing, echo, serve};
use crate::server::wire::Wire;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

// spec: BIND-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_on_which_nothing_comes_is_closed_without_a_word() {
    let mut fresh = serve(echo());
    assert!(fresh.rest().await.is_empty());
    assert_eq!(fresh.elapsed(), secs(10));

    let mut idle = serve(echo());
    idle.send(GET).await;
    idle.head().await;
    idle.body(5).await;
    // The end of a line that an old client adds to its body is nothing either.
    idle.send(b"\r\n").await;
    assert!(idle.rest().await.is_empty());
    assert_eq!(idle.elapsed(), secs(75));
}

// spec: BIND-1 ERR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_that_does_not_end_is_answered() {
    let refusal = format!(
        "{}connection: close\r\n\r\ntoo slow",
        closing(408, "too slow")
    );
    let mut fresh = serve(echo());
    fresh.pause(secs(4)).await;
    fresh.send(b"GET / HTTP/1.1\r\nHo").await;
    fresh.pause(secs(4)).await;
    fresh.send(b"s").await;
    assert_answers(&fresh.rest().await, &[&refusal]);
    // It lingers for a second, because the client has not closed.
    assert_eq!(fresh.elapsed(), secs(10));

    let mut later = serve(echo());
    later.send(GET).await;
    later.head().await;
    later.body(5).await;
    later.pause(secs(60)).await;
    later.send(b"G").await;
    assert_answers(&later.rest().await, &[&refusal]);
    assert_eq!(later.elapsed(), secs(70));
}

// spec: BODY-1 ERR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_that_is_too_large_is_answered_before_it_ends() {
    let mut client = serve(echo());
    client
        .send(&[b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 8192]].concat())
        .await;
    let refusal = format!(
        "{}connection: close\r\n\r\ntoo large",
        closing(431, "too large")
    );
    assert_answers(&client.rest().await, &[&refusal]);
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_does_not_read_is_cut_off() {
    let long: &'static str = "x".repeat(200 * 1024).leak();
    let mut client = serve(Script::of(200, &[long, long, long]).service());
    client.send(GET).await;
    client.pause(secs(29)).await;
    // Reading something starts the wait anew.
    client.body(100_000).await;
    client.pause(secs(29)).await;
    assert_eq!(client.elapsed(), secs(58));
    client.body(100_000).await;
    client.pause(secs(31)).await;
    let rest = client.rest().await;
    assert!(rest.len() < 300 * 1024, "{} bytes came", rest.len());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_that_waits_holds_no_buffer() {
    use tokio::io::AsyncWriteExt as _;

    let (mut client, server) = tokio::io::duplex(1024);
    let mut wire = Wire::new(Box::new(server));
    poll_fn(|cx| {
        assert!(wire.poll_fill(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(wire.ahead.capacity(), 0);
    client.write_all(b"GET").await.unwrap();
    let read = poll_fn(|cx| wire.poll_fill(cx)).await;
    assert_eq!((read, &wire.ahead[..]), (Ok(3), &b"GET"[..]));
}

/// What every connection costs while it waits, beside its socket.
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_is_small() {
    let (_, watch) = crate::lifecycle::drain();
    let limits = crate::server::HttpLimits {
        head_timeout: secs(1),
        max_head_bytes: 8192,
        body_timeout: secs(1),
    };
    let (_client, server) = tokio::io::duplex(1024);
    let serving =
        crate::server::serve_connection(Box::new(server), std::rc::Rc::new(echo()), limits, watch);
    let size = size_of_val(&serving);
    assert!(size <= 2048, "{size} bytes");
}
