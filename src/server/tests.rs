//! Connections in memory: bytes in, bytes out, and time that stands still unless somebody waits.

mod bodies;
mod departures;
mod script;
mod waits;

use std::time::Duration;

use script::{Piece, Script, closing, echo, serve};

/// Every answer's head ends with a date that nobody can know.
fn without_date(head: &str) -> String {
    let lines = head.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

#[track_caller]
fn assert_answers(got: &[u8], expected: &[&str]) {
    let got = without_date(std::str::from_utf8(got).unwrap());
    assert_eq!(got, expected.concat());
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

// spec: RESP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn requests_are_answered_in_order_however_they_arrive() {
    let requests = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none\
        POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n\r\n\
        GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let expected = [
        OK,
        "content-length: 8\r\n\r\n/a 3 one",
        OK,
        "content-length: 8\r\n\r\n/b 3 two",
        OK,
        "content-length: 5\r\nconnection: close\r\n\r\n/c 0 ",
    ];
    for size in [1, 7, requests.len()] {
        let mut client = serve(echo());
        for piece in requests.as_bytes().chunks(size) {
            client.send(piece).await;
        }
        assert_answers(&client.rest().await, &expected);
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn head_and_body_leave_in_one_write() {
    let mut client = serve(echo());
    for writes in 1..=3 {
        client
            .send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none")
            .await;
        client.head().await;
        assert_eq!(client.body(8).await, b"/a 3 one");
        assert_eq!(client.seen().writes, writes);
    }
}

// spec: RESP-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_is_framed_as_its_request_can_read_it() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    let old_keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let known = || Script::of(200, &["abc"]).sized();
    let unknown = || Script::of(200, &["abc", "", "de"]);
    let chunks = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (request, script, expected) in [
        (get, known(), format!("{OK}content-length: 3\r\n\r\nabc")),
        (
            get,
            unknown(),
            format!("{OK}transfer-encoding: chunked\r\n\r\n{chunks}"),
        ),
        (
            get,
            Script::of(200, &[]).sized(),
            format!("{OK}content-length: 0\r\n\r\n"),
        ),
        (
            get,
            Script::of(204, &[]).sized(),
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        ),
        (
            get,
            Script::of(304, &["abc"]).sized(),
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n".to_owned(),
        ),
        (head, known(), format!("{OK}content-length: 3\r\n\r\n")),
        (head, unknown(), format!("{OK}\r\n")),
        (
            head,
            known().field("content-length", "9"),
            format!("{OK}content-length: 9\r\n\r\n"),
        ),
        (
            get,
            known()
                .field("connection", "x")
                .field("content-length", "9"),
            format!("{OK}content-length: 3\r\n\r\nabc"),
        ),
        (
            old,
            known(),
            "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc".to_owned(),
        ),
        (
            old,
            unknown(),
            "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nabcde".to_owned(),
        ),
        (
            old_keep,
            known(),
            "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\nabc".to_owned(),
        ),
        (
            old_keep,
            unknown(),
            "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nabcde".to_owned(),
        ),
    ] {
        let mut client = serve(script.service());
        client.send(request.as_bytes()).await;
        client.pause(Duration::from_millis(1)).await;
        let got = client.arrived().await;
        assert_answers(&got, &[&expected]);
        let stays = !expected.contains("connection: close");
        assert_eq!(!client.has_ended().await, stays, "{request:?} {expected:?}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_date_is_told_once() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = serve(Script::of(200, &[]).sized().service());
    client.send(request).await;
    let date = client.head().await.one("date").to_owned();
    // `Sun, 06 Nov 1994 08:49:37 GMT` is as long as every other.
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    let mut client = serve(
        Script::of(200, &[])
            .sized()
            .field("date", "theirs")
            .service(),
    );
    client.send(request).await;
    assert_eq!(client.head().await.one("date"), "theirs");
}

// spec: FRAME-1 ERR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_is_no_request_ends_the_connection_with_an_answer() {
    let both =
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (bytes, sentence) in [
        (
            both,
            "Content-Length and Transfer-Encoding exclude each other",
        ),
        (
            "GET / HTTP/1.1\n",
            "a line of the head ends in LF without CR",
        ),
        ("GET / HTTP/1.1\r\nHost: a", "the head ends before its end"),
    ] {
        let mut client = serve(echo());
        client.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.send(bytes.as_bytes()).await;
        client.send(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if sentence.contains("before its end") {
            client = serve(echo());
            client.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
            client.send(bytes.as_bytes()).await;
            client.half_close().await;
        }
        let refusal = format!(
            "{}connection: close\r\n\r\n{sentence}",
            closing(400, sentence)
        );
        let expected = [OK, "content-length: 9\r\n\r\n/first 0 ", &refusal];
        assert_answers(&client.rest().await, &expected);
    }
}

// spec: LIFE-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_drain_closes_what_waits_and_finishes_what_runs() {
    let request = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut silent = serve(echo());
    silent.pause(Duration::from_millis(1)).await;
    silent.drain().await;
    assert!(silent.rest().await.is_empty());
    assert_eq!(silent.elapsed(), Duration::from_millis(1));

    let mut idle = serve(echo());
    idle.send(request).await;
    idle.head().await;
    idle.body(5).await;
    idle.drain().await;
    assert!(idle.rest().await.is_empty());

    let mut unread = serve(echo());
    unread.write(request).await;
    unread.drain().await;
    let answer = [OK, "content-length: 5\r\nconnection: close\r\n\r\n/a 0 "];
    assert_answers(&unread.rest().await, &answer);

    let mut slow = Script::of(200, &["abc"]);
    slow.pieces.push_front(Piece::Wait(5));
    let mut running = serve(slow.after(Duration::from_secs(5)).service());
    running.send(request).await;
    running.pause(Duration::from_secs(1)).await;
    running.drain().await;
    let answer = [
        OK,
        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ];
    assert_answers(&running.rest().await, &answer);
    assert_eq!(running.elapsed(), Duration::from_secs(10));
}
