//! What an agent is told: every decision, and every shape of a result.

use std::time::Duration;

use countersign::test_support::{FakeTool, Harness, Step};
use serde_json::json;

use super::{blocked, dedup, executed, ruling, world};

/// A whole answer.
fn answer(status: u16, body: &[u8]) -> Step {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Step::Answer([head.as_bytes(), body].concat())
}

// spec: GOV-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_result_is_passed_on_byte_for_byte_in_an_object() {
    for (body, result) in [
        (
            &b"{\"n\": 1.0, \"b\":12345678901234567890123}"[..],
            "{\"n\": 1.0, \"b\":12345678901234567890123}",
        ),
        (b"[1.0]", "{\"data\":[1.0]}"),
        (b"plain", "{\"data\":\"plain\"}"),
        (b"\xff", "{\"data_base64\":\"/w==\"}"),
        (b"", "{\"data\":null}"),
    ] {
        let world = world(FakeTool::script([answer(201, body)]));
        let reply = world.run("a", "t", "{}").await;
        let expected = format!(
            "{{\"ok\":true,\"allowed\":true,\"decision\":\"executed\",\"policy_reason\":\"ok\",\
             \"risk_level\":\"low\",\"result\":{result}}}"
        );
        assert_eq!(reply.text(), expected);
        // The repetition's result has the same bytes.
        let again = world.run("a", "t", "{}").await;
        let expected = expected
            .replace("executed", "dedup")
            .replace("\"ok\",\"risk", "\"tool_idempotency\",\"risk");
        assert_eq!(again.text(), expected);
        assert_eq!((again.attempts(), world.backend.received().len()), (0, 1));
    }
}

// spec: GOV-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tool_that_fails_is_told_of_and_may_be_called_again_under_the_same_lease() {
    let failed = answer(422, b"{\"error\":\"invalid_email\"}");
    let world = world(FakeTool::script([failed, Step::ok()]));
    let reply = world.run("a", "t", "{}").await;
    let expected = json!({
        "ok": false,
        "allowed": true,
        "decision": "failed",
        "policy_reason": "tool_error",
        "risk_level": "low",
        "result": {
            "error": "tool_status",
            "status": 422,
            "body": { "error": "invalid_email" },
        },
    });
    assert_eq!(ruling(&reply), expected);
    let again = world.run("a", "t", "{}").await;
    assert_eq!(ruling(&again), executed(&json!({ "status": 200 })));
    let received = world.backend.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        super::lease_of(&received[0].body),
        super::lease_of(&received[1].body)
    );
}

// spec: GOV-3 RETRY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tool_without_an_answer_is_told_of() {
    for (step, word, means) in [
        (Step::Refuse, "upstream_connect", "nothing was sent"),
        (
            Step::Silence,
            "upstream_timeout",
            "may have been carried out",
        ),
        (
            Step::CloseAfterRequest,
            "upstream_closed",
            "may have been carried out",
        ),
    ] {
        let world = Harness::with_tool("t", FakeTool::script([step]))
            .retries(0)
            .start();
        let told = ruling(&world.run("a", "t", "{}").await);
        assert_eq!(
            (&told["decision"], &told["policy_reason"]),
            (&json!("failed"), &json!("tool_error"))
        );
        assert_eq!(told["result"]["error"], word);
        let message = told["result"]["message"].as_str().unwrap();
        assert!(message.contains(means), "{message}");
    }
}

// spec: GOV-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_result_that_breaks_off_or_falls_silent_is_a_failure() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\"".to_vec();
    for (step, word) in [
        (Step::AnswerAndClose(head.clone()), "upstream_closed"),
        (Step::AnswerThenSilence(head), "upstream_timeout"),
    ] {
        let world = world(FakeTool::script([step]));
        let told = ruling(&world.run("a", "t", "{}").await);
        assert_eq!(told["decision"], "failed");
        assert_eq!(told["result"]["error"], word);
    }
}

// spec: GOV-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_result_that_is_too_large_is_left_out_and_never_cut() {
    let text = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
    let chunked = |size: usize| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let chunk = format!("{size:x}\r\n{}\r\n0\r\n\r\n", text(size));
        Step::Answer([head, chunk.into_bytes()].concat())
    };
    let too_large = json!({
        "ok": false,
        "allowed": true,
        "decision": "failed",
        "policy_reason": "result_too_large",
        "risk_level": "low",
        "result": { "error": "result_too_large", "status": 200, "body": null },
    });
    for (step, fits) in [
        (answer(200, text(1_000).as_bytes()), true),
        (chunked(1_000), true),
        (answer(200, text(1_001).as_bytes()), false),
        (chunked(1_001), false),
    ] {
        let world = Harness::with_tool("t", FakeTool::script([step]))
            .max_result(1_000)
            .start();
        let told = ruling(&world.run("a", "t", "{}").await);
        assert_eq!(told["decision"] == "executed", fits, "{told}");
        if !fits {
            assert_eq!(told, too_large);
        }
        assert_eq!(world.buffered(), 0);
    }
}

// spec: GOV-3 CALL-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tool_that_is_off_is_blocked_and_one_that_is_not_there_is_not_found() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .spec(|t| {
            t.enabled(false);
        })
        .start();
    let reply = world.run("a", "t", "{}").await;
    assert_eq!(ruling(&reply), blocked("tool_disabled", "medium"));
    let reply = world.run("a", "nobody", "{}").await;
    reply.expect_refusal(404, "tool_not_found");
    assert_eq!(reply.json()["detail"]["name"], "nobody");
    assert_eq!(world.backend.received().len(), 0);
}

// spec: LIMIT-1 LIMIT-2 LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn limits_of_the_tool_refuse_and_leave_no_claim() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .spec(|t| {
            t.rate_limit(0.1, 1);
        })
        .start();
    ruling(&world.run("a", "t", "{\"n\":1}").await);
    let reply = world.run("a", "t", "{\"n\":2}").await;
    reply.expect_refusal(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), "10");
    // A repetition needs no token.
    let again = world.run("a", "t", "{\"n\":1}").await;
    assert_eq!(ruling(&again), dedup(&json!({ "status": 200 })));
    world.let_time_pass(Duration::from_secs(10)).await;
    let late = world.run("a", "t", "{\"n\":2}").await;
    assert_eq!(ruling(&late), executed(&json!({ "status": 200 })));
}

// spec: OBS-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn every_decision_is_counted() {
    let world = world(FakeTool::script([Step::ok(), Step::status(500, &[])]));
    world.policy("capped", |policy| {
        policy.block("t");
    });
    for (agent, args) in [
        ("a", "{}"),
        ("a", "{}"),
        ("a", "{\"n\":1}"),
        ("capped", "{}"),
    ] {
        ruling(&world.run(agent, "t", args).await);
    }
    world.run_body("{}".to_owned()).await.text();
    for (tool, outcome) in [
        ("t", "success"),
        ("t", "dedup"),
        ("t", "failed"),
        ("t", "blocked"),
        ("_unknown", "invalid_request"),
    ] {
        let series =
            format!("calls_total{{tool=\"{tool}\",door=\"governed\",outcome=\"{outcome}\"}}");
        assert_eq!(world.metric(&series), 1.0, "{outcome}");
    }
}
