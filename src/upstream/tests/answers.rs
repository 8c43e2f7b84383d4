//! HTTP/1.1: what an answer may look like, and what becomes of its connection.

use http::header::CONTENT_LENGTH;
use hyper::body::Body as _;
use tokio::join;

use super::*;

/// What a peer says after the request before it closes, and what becomes of the attempt.
// spec: RETRY-1 RETRY-4 FRAME-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_is_not_an_answer_is_a_failure() {
    use FailureKind::{Closed, InvalidResponse};
    let fields = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let long_line = format!("x: {}\r\n", "y".repeat(70_000));
    let long_interim = format!("HTTP/1.1 103 X\r\nx: {}\r\n\r\n", "y".repeat(30_000));
    for (says, kind) in [
        ("", Closed),
        ("HTTP/1.1 200 OK\r\ncontent-le", Closed),
        ("HTTP/1.1 100 Continue\r\n\r\n", Closed),
        ("H", Closed),
        ("SSH-2.0-OpenSSH_9.2\r\n", InvalidResponse),
        ("\0\0\0\0\0\0\0\0", InvalidResponse),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", InvalidResponse),
        ("PRI * HTTP/2.0\r\n\r\n", InvalidResponse),
        ("HTTP/2 200\r\n\r\n", InvalidResponse),
        ("HTTP/1.2 200 OK\r\n\r\n", InvalidResponse),
        ("http/1.1 200 OK\r\n\r\n", InvalidResponse),
        ("HTTP/1.1 20 OK\r\n\r\n", InvalidResponse),
        ("HTTP/1.1 2000 OK\r\n\r\n", InvalidResponse),
        ("HTTP/1.1  200 OK\r\n\r\n", InvalidResponse),
        ("HTTP/1.1 200 OK\n\n", InvalidResponse),
        ("HTTP/1.1 200 OK\r\nx: y\n\r\n", InvalidResponse),
        ("HTTP/1.1 200 OK\r\nx: y\rz\r\n\r\n", InvalidResponse),
        ("HTTP/1.1 200 OK\r\nx: y\0\r\n\r\n", InvalidResponse),
        (
            "HTTP/1.1 200 OK\r\nx: y\r\n folded\r\n\r\n",
            InvalidResponse,
        ),
        (&fields("bad name: x\r\n"), InvalidResponse),
        (&fields("x : y\r\n"), InvalidResponse),
        (&fields("no colon\r\n"), InvalidResponse),
        (&fields(&long_line), InvalidResponse),
        (&fields(&"x: y\r\n".repeat(101)), InvalidResponse),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            InvalidResponse,
        ),
        (
            &fields("content-length: 1\r\ncontent-length: 2\r\n"),
            InvalidResponse,
        ),
        (&fields("content-length: 1, 1\r\n"), InvalidResponse),
        (&fields("content-length: +1\r\n"), InvalidResponse),
        (&fields("content-length: 0x1\r\n"), InvalidResponse),
        (&fields("content-length: \r\n"), InvalidResponse),
        (
            &fields("content-length: 18446744073709551617\r\n"),
            InvalidResponse,
        ),
        (
            &fields("transfer-encoding: gzip, chunked\r\n"),
            InvalidResponse,
        ),
        (&fields("transfer-encoding: identity\r\n"), InvalidResponse),
        (
            &fields("transfer-encoding: chunked, chunked\r\n"),
            InvalidResponse,
        ),
        (
            &fields("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
            InvalidResponse,
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            InvalidResponse,
        ),
        // The seventeenth interim answer, and three that are small enough each.
        (
            &format!("{}{OK}", "HTTP/1.1 102 X\r\n\r\n".repeat(17)),
            InvalidResponse,
        ),
        (&format!("{}{OK}", long_interim.repeat(3)), InvalidResponse),
    ] {
        let world = World::http();
        let start = Instant::now();
        let (answer, peer) = join!(world.call(), async {
            let mut peer = world.accept().await;
            peer.request().await;
            peer.say(says).await;
            // What can still become an answer is waited for; what cannot is not.
            (kind == InvalidResponse).then_some(peer)
        });
        assert_eq!(failure(answer), (Seen::MaybeSeen, kind), "{says:.60}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{says:.60}");
        assert_eq!(world.counted(), (0.0, 0.0), "{says:.60}");
        if let Some(mut peer) = peer {
            peer.closed().await;
        }
    }
}

/// An answer, the body that it makes (`None` for one that breaks off), and whether the connection
/// is kept while the peer holds it open.
// spec: RESP-2 FRAME-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_ends_cleanly_only_when_it_is_complete() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    const FIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n";
    const WHOLE: &str = "5\r\nhello\r\n0\r\n\r\n";
    const HELLO: Option<&str> = Some("hello");
    for (says, closes, body, kept) in [
        (format!("{FIVE}\r\nhello"), false, HELLO, true),
        (
            format!("{FIVE}content-length: 5\r\n\r\nhello"),
            false,
            HELLO,
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
            false,
            Some(""),
            true,
        ),
        (format!("{CHUNKED}{WHOLE}"), false, HELLO, true),
        (
            format!("{CHUNKED}2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nx: y\r\n\r\n"),
            false,
            HELLO,
            true,
        ),
        (format!("{CHUNKED}0\r\n\r\n"), false, Some(""), true),
        // The connection's future.
        (
            format!("{FIVE}connection: close\r\n\r\nhello"),
            false,
            HELLO,
            false,
        ),
        (
            format!("{FIVE}connection: x, Close\r\n\r\nhello"),
            false,
            HELLO,
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
            false,
            HELLO,
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello"
                .to_owned(),
            false,
            HELLO,
            true,
        ),
        // Framing that two readers could take for two things.
        (
            format!("{FIVE}transfer-encoding: chunked\r\n\r\n{WHOLE}"),
            false,
            HELLO,
            false,
        ),
        // More than was announced.
        (format!("{FIVE}\r\nhello!"), false, HELLO, false),
        (format!("{FIVE}\r\nhello{OK}"), false, HELLO, false),
        (format!("{CHUNKED}{WHOLE}\r\n"), false, HELLO, false),
        (format!("{CHUNKED}0\r\n\r\n{OK}"), false, Some(""), false),
        // The end of the connection is the end of the body.
        (
            "HTTP/1.1 200 OK\r\n\r\nuntil the end".to_owned(),
            true,
            Some("until the end"),
            false,
        ),
        ("HTTP/1.0 200 OK\r\n\r\n".to_owned(), true, Some(""), false),
        // Less than was announced, and what is not chunks.
        (format!("{FIVE}\r\nhell"), true, None, false),
        (format!("{FIVE}\r\n"), true, None, false),
        (format!("{CHUNKED}5\r\nhello\r\n"), true, None, false),
        (format!("{CHUNKED}5\r\nhello\r\n0\r\n"), true, None, false),
        (format!("{CHUNKED}5\r\nhel"), true, None, false),
        (CHUNKED.to_owned(), true, None, false),
        (format!("{CHUNKED}zz\r\nhello\r\n"), false, None, false),
        (
            format!("{CHUNKED}5\r\nhello!\r\n0\r\n\r\n"),
            false,
            None,
            false,
        ),
        (
            format!("{CHUNKED}5\nhello\r\n0\r\n\r\n"),
            false,
            None,
            false,
        ),
        (format!("{CHUNKED}5\r\nhello\r\n-1\r\n"), false, None, false),
        (
            format!("{CHUNKED}fffffffffffffffff\r\nhello"),
            false,
            None,
            false,
        ),
    ] {
        let world = World::http();
        let start = Instant::now();
        let (answer, peer) = join!(world.send(), async {
            let mut peer = world.accept().await;
            peer.request().await;
            peer.say(&says).await;
            (!closes).then_some(peer)
        });
        let answer = answer.unwrap();
        let both = ["content-length", "transfer-encoding"];
        assert!(!both.iter().all(|name| answer.headers().contains_key(*name)));
        assert_eq!(read(answer).await.ok().as_deref(), body, "{says}");
        let idle = if kept { 1.0 } else { 0.0 };
        assert_eq!(
            (world.counted(), start.elapsed()),
            ((idle, 0.0), Duration::ZERO),
            "{says}"
        );
        if !kept && let Some(mut peer) = peer {
            peer.closed().await;
        }
    }
}

/// A method, the answer to it, whether a length is passed on, and whether the connection is kept.
// spec: FRAME-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_cannot_have_a_body_has_none() {
    const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
    let (head, post) = (Method::HEAD, Method::POST);
    for (method, says, length, kept) in [
        (
            &head,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            Some("5"),
            true,
        ),
        (&head, "HTTP/1.1 200 OK\r\n\r\n", None, true),
        (
            &head,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            None,
            true,
        ),
        (
            &head,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            Some("5"),
            false,
        ),
        (
            &head,
            &format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{CHUNKS}"),
            None,
            false,
        ),
        (&post, "HTTP/1.1 204 No Content\r\n\r\n", None, true),
        (
            &post,
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            None,
            true,
        ),
        (
            &post,
            "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
            None,
            false,
        ),
        (&post, "HTTP/1.1 204 No Content\r\n\r\nhello", None, false),
        (
            &post,
            &format!("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n{CHUNKS}"),
            None,
            false,
        ),
        (
            &post,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
            Some("5"),
            true,
        ),
        (
            &post,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello",
            Some("5"),
            false,
        ),
    ] {
        let world = World::http();
        let (answer, mut peer) = join!(world.send_as(method.clone(), ""), async {
            let mut peer = world.accept().await;
            peer.request().await;
            peer.say(says).await;
            peer
        });
        let answer = answer.unwrap();
        assert_eq!(answer.body().size_hint().exact(), Some(0), "{says}");
        assert!(answer.body().is_end_stream(), "{says}");
        let stated = answer.headers().get(CONTENT_LENGTH);
        assert_eq!(
            stated.map(|value| value.to_str().unwrap()),
            length,
            "{says}"
        );
        let idle = if kept { 1.0 } else { 0.0 };
        assert_eq!(world.counted(), (idle, 0.0), "{says}");
        if !kept {
            peer.closed().await;
        }
    }
}

// spec: RESP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                   HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    for many in [interim.to_owned(), "HTTP/1.1 100 X\r\n\r\n".repeat(16)] {
        let world = World::http();
        let (answer, mut peer) = join!(world.send(), async {
            let mut peer = world.accept().await;
            peer.request().await;
            peer.say(format!("{many}{OK}")).await;
            peer
        });
        let answer = answer.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().len()), (200, 1));
        assert_eq!(read(answer).await.unwrap(), "OK");
        let (again, ()) = join!(world.call(), peer.serve());
        again.unwrap();
        assert_eq!(world.dials(), 1);
    }
}
