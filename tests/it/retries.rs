//! Attempts and retries against a scripted upstream, in paused time: how many requests it saw,
//! when, with which timestamps, and what the agent got.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::Sidecar;
use countersign::test_support::{FakeTool, Harness, Reply, Step, World};

use crate::support::BINARY;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Makes one call against a script and says what came of it.
async fn play(script: impl IntoIterator<Item = Step>, retries: i64) -> (World, Reply) {
    let world = Harness::with_tool("t", FakeTool::script(script))
        .retries(retries)
        .start();
    let reply = world.call("t", "{}").await;
    (world, reply)
}

// spec: RETRY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_refused_dial_is_retried() {
    let (world, reply) = play([Step::Refuse, Step::ok()], 2).await;
    reply.expect_answer(200);
    assert_eq!((reply.attempts(), world.backend.received().len()), (2, 1));
}

// spec: RETRY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn refused_dials_run_out() {
    let (world, reply) = play([Step::Refuse], 2).await;
    reply.expect_refusal(502, "upstream_connect");
    assert!(
        reply.text().contains("nothing was sent"),
        "{}",
        reply.text()
    );
    assert_eq!(
        (
            reply.attempts(),
            world.backend.dials(),
            world.backend.connections()
        ),
        (3, 3, 0)
    );
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_reset_after_the_head_may_have_been_seen() {
    let (world, reply) = play([Step::CloseAfterHead, Step::ok()], 2).await;
    reply.expect_answer(200);
    assert_eq!((reply.attempts(), world.backend.received().len()), (2, 2));

    let (world, reply) = play([Step::CloseAfterRequest], 1).await;
    reply.expect_refusal(502, "upstream_closed");
    assert!(
        reply.text().contains("may have been carried out"),
        "{}",
        reply.text()
    );
    assert_eq!((reply.attempts(), world.backend.received().len()), (2, 2));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_last_attempt_that_was_never_sent_does_not_undo_the_ones_before() {
    for first in [
        Step::CloseAfterRequest,
        Step::AnswerAndClose(answer(500, &[])),
    ] {
        let (world, reply) = play([first, Step::Refuse], 1).await;
        reply.expect_refusal(502, "upstream_connect");
        assert_eq!(world.backend.received().len(), 1);
        assert!(
            reply.text().contains("may have been carried out"),
            "{}",
            reply.text()
        );
    }
}

// spec: RETRY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_may_have_been_seen_is_sent_once_where_repeating_is_not_safe() {
    let unsafe_tool = |script: Step| {
        let tool = FakeTool::script([script]);
        Harness::with_tool("t", tool).retries(5).spec(|spec| {
            spec.idempotent(false);
        })
    };
    for (step, status, code) in [
        (Step::CloseAfterHead, 502, "upstream_closed"),
        (Step::CloseAfterRequest, 502, "upstream_closed"),
        (Step::Silence, 504, "upstream_timeout"),
        (
            Step::AnswerAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            502,
            "upstream_invalid_response",
        ),
    ] {
        let world = unsafe_tool(step).start();
        let reply = world.call("t", "{}").await;
        reply.expect_refusal(status, code);
        assert_eq!((reply.attempts(), world.backend.received().len()), (1, 1));
    }
    // An answer of the upstream's own is passed on as it is.
    for status in [500, 502, 504, 408] {
        let world = unsafe_tool(Step::status(status, &[])).start();
        let reply = world.call("t", "{}").await;
        reply.expect_answer(status);
        assert_eq!((reply.attempts(), world.backend.received().len()), (1, 1));
    }
    // 429 and 503 say that nothing was done.
    for status in [429, 503] {
        let world = unsafe_tool(Step::status(status, &[])).start();
        world.call("t", "{}").await.expect_answer(status);
        assert_eq!(world.backend.received().len(), 6);
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_method_or_a_key_makes_a_call_repeatable() {
    use http::Request;
    use http_body_util::Full;

    let requests = [
        Request::put("/tools/t"),
        Request::get("/tools/t"),
        Request::delete("/tools/t"),
        Request::post("/tools/t").header("Idempotency-Key", "\"k1\""),
    ];
    for request in requests {
        let tool = FakeTool::script([Step::CloseAfterRequest, Step::ok()]);
        let world = Harness::with_tool("t", tool).spec(|spec| {
            spec.idempotent(false);
        });
        let world = world.start();
        let reply = world
            .send(request.body(Full::<bytes::Bytes>::default()).unwrap())
            .await;
        reply.expect_answer(200);
        assert_eq!(world.backend.received().len(), 2);
    }
}

// spec: RETRY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn the_last_answer_is_passed_on_as_it_is() {
    for status in [408, 429, 500, 502, 503, 504] {
        let (world, reply) = play([Step::status(status, &[("x-mine", "yes")])], 2).await;
        reply.expect_answer(status);
        assert_eq!(reply.header("x-mine"), "yes");
        assert_eq!(
            reply.body.as_deref(),
            Some(format!("{{\"status\":{status}}}").as_bytes())
        );
        assert_eq!((reply.attempts(), world.backend.received().len()), (3, 3));
    }
    for status in [200, 204, 302, 400, 404, 409, 422, 501, 505] {
        let bytes = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").into_bytes();
        let (world, reply) = play([Step::Answer(bytes)], 2).await;
        reply.expect_answer(status);
        assert_eq!((reply.attempts(), world.backend.received().len()), (1, 1));
    }
}

// spec: RETRY-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn retry_after_is_waited_for_in_both_forms() {
    let in_seconds = Step::status(503, &[("Retry-After", "7")]);
    // Nine seconds after the world's start.
    let as_date = Step::status(429, &[("Retry-After", "Mon, 15 Jan 2024 12:40:09 GMT")]);
    for (step, waited) in [(in_seconds, secs(7)), (as_date, secs(9))] {
        let (world, reply) = play([step, Step::ok()], 2).await;
        reply.expect_answer(200);
        let times: Vec<_> = world.backend.received().iter().map(|r| r.at).collect();
        assert_eq!(times[1] - times[0], waited);
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_retry_after_that_is_too_long_returns_the_answer_in_hand() {
    let (world, reply) = play([Step::status(503, &[("Retry-After", "31")])], 2).await;
    reply.expect_answer(503);
    assert_eq!(reply.header("retry-after"), "31");
    assert_eq!((reply.attempts(), world.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_deadline_ends_the_waiting() {
    let tool = FakeTool::script([Step::status(503, &[("Retry-After", "5")])]);
    let world = Harness::with_tool("t", tool).retries(10).spec(|spec| {
        spec.deadline(Duration::from_secs(12));
    });
    let world = world.start();
    let reply = world.call("t", "{}").await;
    reply.expect_answer(503);
    // At 0 s, 5 s and 10 s; another wait would end at 15 s.
    assert_eq!((reply.attempts(), world.elapsed()), (3, secs(10)));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_deadline_cuts_the_last_attempt_short() {
    let world = Harness::with_tool("t", FakeTool::silent())
        .retries(0)
        .spec(|spec| {
            spec.deadline(Duration::from_secs(4));
        });
    let world = world.start();
    world
        .call("t", "{}")
        .await
        .expect_refusal(504, "upstream_timeout");
    assert_eq!(world.elapsed(), secs(4));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_silent_tool_is_cut_off_at_its_own_timeout() {
    let world = Harness::with_tool("slow", FakeTool::silent())
        .timeout(secs(15))
        .retries(0)
        .start();
    world
        .call("slow", "{}")
        .await
        .expect_refusal(504, "upstream_timeout");
    assert_eq!(world.elapsed(), secs(15));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_just_in_time_counts_and_one_just_late_does_not() {
    let at = |millis| Step::AnswerAfter(Duration::from_millis(millis), answer(200, &[]));
    let world = Harness::with_tool("t", FakeTool::script([at(14_900)]))
        .retries(0)
        .start();
    world.call("t", "{}").await.expect_answer(200);
    assert_eq!(world.elapsed(), Duration::from_millis(14_900));

    let world = Harness::with_tool("t", FakeTool::script([at(15_100)]))
        .retries(0)
        .start();
    world
        .call("t", "{}")
        .await
        .expect_refusal(504, "upstream_timeout");
    assert_eq!(world.elapsed(), secs(15));
}

// spec: SIG-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn every_attempt_is_stamped_afresh() {
    let world = Harness::with_tool("t", FakeTool::silent())
        .timeout(secs(120))
        .retries(10)
        .start();
    world
        .call("t", "{}")
        .await
        .expect_refusal(504, "upstream_timeout");
    let received = world.backend.received();
    assert_eq!(received.len(), 11);
    let stamps: Vec<u64> = received
        .iter()
        .map(|r| r.head.one("x-onceonly-timestamp").parse().unwrap())
        .collect();
    assert_eq!(stamps[0], 1_705_322_400);
    // Eleven attempts of 120 s outlive the 300 s window that backends allow.
    assert!(
        stamps
            .windows(2)
            .all(|pair| (120..=125).contains(&(pair[1] - pair[0]))),
        "{stamps:?}"
    );
    let spans: std::collections::HashSet<_> = received
        .iter()
        .map(|r| r.head.one("traceparent").to_owned())
        .collect();
    assert_eq!(spans.len(), 11);
}

// spec: RETRY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_dead_pooled_connection_costs_no_retry() {
    let tool = FakeTool::script([Step::AnswerAndClose(answer(200, &[])), Step::ok()]);
    let world = Harness::with_tool("t", tool).retries(0).start();
    world.call("t", "{}").await.expect_answer(200);
    let reply = world.call("t", "{}").await;
    reply.expect_answer(200);
    assert_eq!((reply.attempts(), world.backend.connections()), (1, 2));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn connections_are_reused() {
    let world = Harness::with_tool("t", FakeTool::ok()).start();
    for _ in 0..5 {
        world.call("t", "{}").await.expect_answer(200);
    }
    assert_eq!(world.backend.connections(), 1);
}

// spec: RETRY-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_empty_budget_returns_the_answer_in_hand() {
    let tool = FakeTool::script([Step::Refuse]);
    let world = Rc::new(Harness::with_tool("t", tool).retries(10).start());
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let world = Rc::clone(&world);
            tokio::task::spawn_local(async move { world.call("t", "{}").await })
        })
        .collect();
    let mut retries = 0;
    for call in calls {
        let reply = call.await.unwrap();
        reply.expect_refusal(502, "upstream_connect");
        retries += reply.attempts() - 1;
    }
    assert_eq!(world.backend.dials(), 200 + retries);
    // Ten to begin with, one for five calls, ten a second; without a budget it were 2,000.
    let seconds = usize::try_from(world.elapsed().as_secs()).unwrap() + 1;
    assert!(
        (50..=50 + 10 * seconds).contains(&retries),
        "{retries} retries in {seconds} s"
    );
    let text = world.metrics();
    assert!(
        text.contains("countersign_retry_budget_exhausted_total{tool=\"t\"} "),
        "{text}"
    );
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tool_can_narrow_what_is_retried() {
    let tool = FakeTool::script([Step::status(503, &[]), Step::ok()]);
    let world = Harness::with_tool("t", tool).spec(|spec| {
        spec.retry_on(&["not_sent", "500"]);
    });
    let world = world.start();
    world.call("t", "{}").await.expect_answer(503);
    assert_eq!(world.backend.received().len(), 1);
}

// spec: RESP-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_breaks_off_is_never_retried_and_never_whole() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n".to_vec();
    for bytes in [half, chunked] {
        let (world, reply) = play([Step::AnswerAndClose(bytes), Step::ok()], 2).await;
        assert_eq!((reply.status.as_u16(), reply.body), (200, None));
        assert_eq!(world.backend.received().len(), 1);
    }
}

/// An agent of HTTP/1.0 knows the end of an answer by the end of the connection alone.
// spec: RESP-2
#[test]
fn an_answer_that_breaks_off_resets_an_old_agents_connection() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n".to_vec();
    let whole = [&chunked[..], b"0\r\n\r\n"].concat();
    let upstream = FakeTool::script([Step::AnswerAndClose(chunked), Step::Answer(whole)]);
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("tools.yaml");
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let url = upstream.listen();
    let text = format!("tools:\n  - name: t\n    url: http://{url}/\n    auth: {auth}\n");
    std::fs::write(&path, text).unwrap();
    let sidecar = Sidecar::start(BINARY, &path);
    for is_whole in [false, true] {
        let mut agent = TcpStream::connect(sidecar.agents).unwrap();
        agent.write_all(b"GET /tools/t HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        let end = agent.read_to_string(&mut answer);
        let expected = if is_whole {
            None
        } else {
            Some(ErrorKind::ConnectionReset)
        };
        assert_eq!(end.err().map(|error| error.kind()), expected, "{answer}");
        assert!(!is_whole || answer.ends_with("\r\n\r\n01234"), "{answer}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn silence_within_an_answer_is_bounded() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_vec();
    let (world, reply) = play([Step::AnswerThenSilence(half)], 2).await;
    assert_eq!((reply.body, world.elapsed()), (None, secs(15)));
}
