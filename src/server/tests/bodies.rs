//! Bodies, on their way in and out.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::script::{Piece, Script, Stub, echo, serve};
use super::{OK, assert_answers, without_date};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const EXPECTING: &[u8] =
    b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_waits_is_asked_for_its_body() {
    let mut client = serve(echo());
    client.send(EXPECTING).await;
    assert_eq!(client.arrived().await, CONTINUE.as_bytes());
    client.send(b"one").await;
    client.half_close().await;
    let answer = [OK, "content-length: 8\r\n\r\n/a 3 one"];
    assert_answers(&client.rest().await, &answer);
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_does_not_wait_is_not_asked() {
    let mut client = serve(echo());
    client.send(&[EXPECTING, b"o"].concat()).await;
    client.pause(Duration::from_secs(1)).await;
    client.send(b"ne").await;
    client.head().await;
    assert_eq!(client.body(8).await, b"/a 3 one");

    let old = b"POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let mut client = serve(echo());
    client.send(old).await;
    client.pause(Duration::from_secs(1)).await;
    client.send(b"one").await;
    assert_eq!(client.head().await.start_line, "HTTP/1.0 200 OK");
}

// spec: CALL-3 BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_that_is_refused_by_its_head_costs_no_upload() {
    let mut client = serve(Script::of(404, &["no"]).sized().service());
    client.send(EXPECTING).await;
    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    assert_answers(&client.rest().await, &[answer]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_goes_on_behind_a_body_that_was_not_read_only_if_it_is_here() {
    let upload = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    let service = || Stub::new(|_| async { Script::of(404, &[]).sized().response() });
    let mut client = serve(service());
    let next = "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.send(format!("{upload}one{next}").as_bytes()).await;
    let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n";
    let both = [missing, "\r\n", missing, "connection: close\r\n\r\n"];
    assert_answers(&client.rest().await, &both);

    let mut client = serve(service());
    client.send(format!("{upload}on").as_bytes()).await;
    client.send(b"eGET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_answers(
        &client.rest().await,
        &[missing, "connection: close\r\n\r\n"],
    );
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_is_cut_or_malformed_is_an_error_and_the_end() {
    for (head, body, sentence) in [
        ("Content-Length: 5", "abc", "the body ends before its end"),
        (
            "Content-Length: 99999",
            "abc",
            "the body ends before its end",
        ),
        (
            "Transfer-Encoding: chunked",
            "3\r\nab",
            "the body ends before its end",
        ),
        (
            "Transfer-Encoding: chunked",
            "3\r\nabcd\r\n",
            "a chunk is not as long as its size says",
        ),
    ] {
        let mut client = serve(echo());
        let request = format!("POST /a HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{body}");
        client.send(request.as_bytes()).await;
        client.half_close().await;
        let got = client.rest().await;
        let got = without_date(std::str::from_utf8(&got).unwrap());
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with("connection: close"), "{head}");
        assert_eq!(body, format!("/a {} {sentence}", sentence.len()));
    }
}

/// Whole blocks, so that nobody has to copy them to save memory.
// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_long_body_comes_in_blocks() {
    const LENGTH: usize = 200_000;
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&sizes);
    let mut client = serve(Stub::new(move |request| {
        let noted = Rc::clone(&noted);
        async move {
            let mut body = request.into_body();
            assert_eq!(body.size_hint().exact(), Some(LENGTH as u64));
            let mut whole = Vec::new();
            while let Some(frame) = body.frame().await {
                let piece = frame.unwrap().into_data().unwrap();
                noted.borrow_mut().push(piece.len());
                whole.extend_from_slice(&piece);
            }
            assert!(body.is_end_stream());
            assert_eq!(whole, data());
            Script::of(200, &[]).sized().response()
        }
    }));
    fn data() -> Vec<u8> {
        (0..LENGTH).map(|n| n as u8).collect()
    }
    let head = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
    let request = [head.into_bytes(), data()].concat();
    for piece in request.chunks(1_000) {
        client.send(piece).await;
    }
    client.send(b"GET / HT").await;
    assert_eq!(client.head().await.start_line, "HTTP/1.1 200 OK");
    let block = 64 * 1024;
    assert_eq!(*sizes.borrow(), [block, block, block, LENGTH - 3 * block]);
}

// spec: RESP-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_breaks_off_never_looks_whole() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    let broken = || {
        let mut script = Script::of(200, &["abc"]);
        script.pieces.push_back(Piece::Fail);
        script
    };
    for (request, script, body, reset) in [
        (get, broken(), "3\r\nabc\r\n", false),
        (get, broken().saying_size(5), "abc", false),
        (get, Script::of(200, &["abc"]).saying_size(5), "abc", false),
        (old, broken(), "abc", true),
        (old, Script::of(200, &["abc"]), "abc", false),
    ] {
        let mut client = serve(script.service());
        client.send(request.as_bytes()).await;
        client.head().await;
        assert_eq!(client.rest().await, body.as_bytes());
        assert_eq!(client.seen().reset, reset, "{request:?}");
    }
}
