//! Exchanges in which both sides take turns, so that no row of a table could hold them.

use std::time::Duration;

use super::answers::{self, AN_ANSWER, FORGED};
use super::playing::Connection;
use super::stage::{Reached, Stage, expect_echo, expect_refusal};
use super::upstream::{Act, From};
use super::wire::{Answer, Body, End, Fault};
use super::{impatient, wide};

// spec: BODY-1
#[test]
fn a_byte_now_and_then_is_too_slow_as_well() {
    let stage = impatient();
    let head = format!("GET /tools/t HTTP/1.1\r\nX: {}", "x".repeat(60_000));
    let chunks = "POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = format!("{chunks}{}", "1\r\nx\r\n".repeat(10_000));
    for (whole, at_once) in [(head, 0), (body, chunks.len())] {
        let mark = stage.upstream.mark();
        let mut agent = stage.agent();
        agent.send(&whole.as_bytes()[..at_once]);
        let rest = whole.as_bytes()[at_once..].iter();
        let sent = rest.take_while(|byte| {
            agent.send(&[**byte]) && !agent.is_stirring(Duration::from_millis(5))
        });
        assert!(sent.count() < whole.len() - at_once, "it may take for ever");
        expect_refusal(&mut agent, 408, "request_timeout").unwrap();
        stage.has_reached(mark, &[]).unwrap();
    }
    stage.goes_on().unwrap();
}

// spec: UP-1
#[test]
fn an_answer_before_its_request_reaches_no_other_call() {
    let stage = wide();
    let row = answers::early();
    row.run(&stage, Connection::New).unwrap();
    stage.goes_on().unwrap();
}

/// Makes a call whose script is in its wait once the answer is there.
fn answered(stage: &Stage, acts: Vec<Act>) {
    stage.upstream.play(From::Request, acts);
    let mut agent = stage.agent();
    agent.send(b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = agent.answer(false).unwrap().expect("an answer");
    assert_eq!(answer.body, Body::Whole(b"hello".to_vec()));
    stage.upstream.go_on();
    stage.upstream.has_played();
}

// spec: RETRY-1 UP-1
#[test]
fn what_an_idle_connection_says_reaches_no_call() {
    let stage = wide();
    let says = |bytes: &'static [u8]| Act::Write(bytes.into());
    for last in [
        says(FORGED),
        says(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"),
        says(b"HTTP/1.1 2"),
        says(b"\r\n"),
        says(b"\0"),
        Act::Close,
        Act::Reset,
    ] {
        let what = format!("{last:?}");
        answered(&stage, vec![says(AN_ANSWER), Act::Wait, last]);
        stage
            .goes_on()
            .unwrap_or_else(|fault| panic!("after {what}: {fault}"));
    }
}

// spec: RESP-1
#[test]
fn an_answer_while_we_still_send_is_passed_on() {
    const BYTES: usize = 5 << 20;
    let refusal: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nhello";
    let stage = wide();
    let mut request =
        format!("POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BYTES}\r\n\r\n");
    request.push_str(&"x".repeat(BYTES));
    let call = |acts| -> Result<Option<Answer>, Fault> {
        stage.upstream.play(From::Head, acts);
        let mut agent = stage.agent();
        agent.send(request.as_bytes());
        agent.answer(false)
    };
    // It reads nothing of the body until the agent has its answer.
    let answer = call(vec![Act::Write(refusal.into()), Act::Wait, Act::Close]).unwrap();
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status, answer.body),
        (413, Body::Whole(b"hello".to_vec()))
    );
    stage.upstream.go_on();
    stage.upstream.has_played();
    stage.goes_on().unwrap();
    // It ends with the body unread, and the reset may overtake the answer.
    let answer = call(vec![Act::Write(refusal.into()), Act::Close]).unwrap();
    let answer = answer.expect("an answer");
    assert!(matches!(answer.status, 413 | 502), "{answer:?}");
    stage.goes_on().unwrap();
}

// spec: RESP-1
#[test]
fn the_pieces_of_an_answer_flow_as_they_come() {
    let stage = wide();
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut acts = vec![Act::Write(head[..].into()), Act::Wait];
    for event in [
        &b"9\r\ndata: 1\n\n\r\n"[..],
        b"9\r\ndata: 2\n\n\r\n",
        b"9\r\ndata: 3\n\n\r\n",
    ] {
        acts.extend([Act::Write(event.into()), Act::Wait]);
    }
    acts.push(Act::Write(b"0\r\n\r\n".into()));
    stage.upstream.play(From::Request, acts);
    let mut agent = stage.agent();
    agent.send(b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, status) = agent.answer_head().unwrap().expect("a head");
    assert_eq!(
        (status, head.one("content-type").unwrap()),
        (200, "text/event-stream")
    );
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        stage.upstream.go_on();
        assert_eq!(agent.chunk().unwrap().unwrap(), event.as_bytes());
    }
    stage.upstream.go_on();
    assert_eq!(agent.chunk().unwrap().unwrap(), b"");
    stage.goes_on().unwrap();
}

// spec: RESP-1 RESP-2
#[test]
fn an_agent_of_http_1_0_gets_its_answers_without_chunks() {
    let stage = wide();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for fields in ["", "Connection: keep-alive\r\n"] {
        let call = |acts| {
            stage.upstream.play(From::Request, acts);
            let mut agent = stage.agent();
            agent.send(format!("GET /tools/t HTTP/1.0\r\n{fields}\r\n").as_bytes());
            agent
        };
        let whole = [&chunked[..], b"0\r\n\r\n"].concat();
        let answer = call(vec![Act::Write(whole.into())])
            .answer(false)
            .unwrap()
            .unwrap();
        assert_eq!(
            answer.body,
            Body::UntilEnd(b"hello".to_vec(), End::Closed),
            "{fields}"
        );
        // Only a reset tells such an agent that something is missing.
        let mut agent = call(vec![Act::Write(chunked[..].into()), Act::Wait, Act::Close]);
        agent.waits_for_more();
        stage.upstream.go_on();
        let ended = agent
            .answer(false)
            .map(|answer| answer.map(|answer| answer.body));
        let looks_whole = matches!(
            ended,
            Ok(Some(Body::UntilEnd(_, End::Closed) | Body::Whole(_)))
        );
        assert!(!looks_whole, "{fields}: {ended:?}");
        stage.goes_on().unwrap();
    }
}

// spec: CANCEL-1
#[test]
fn two_agents_do_not_get_each_others_answers() {
    let stage = wide();
    let (mut first, mut second) = (stage.agent(), stage.agent());
    stage.upstream.play(
        From::Request,
        vec![Act::Write(AN_ANSWER.into()), Act::Write(FORGED.into())],
    );
    first.send(b"GET /tools/t?first HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = first.answer(false).unwrap().expect("an answer");
    assert_eq!(answer.body, Body::Whole(b"hello".to_vec()));
    // What comes after the second request would be its answer.
    stage.upstream.has_played();
    second.send(b"GET /tools/t?second HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect_echo(&mut second, &Reached::new("GET /v1/t?second HTTP/1.1", b"")).unwrap();
    stage.goes_on().unwrap();
}
