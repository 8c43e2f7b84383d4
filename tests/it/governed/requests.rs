//! Who may ask, and what is no question.

use countersign::test_support::{FakeTool, Harness};
use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{ruling, world};

fn request(fields: &[(&str, &str)], body: &'static str) -> Request<Full<bytes::Bytes>> {
    let mut request = Request::post("/v1/ai/run").header("content-type", "application/json");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body)).unwrap()
}

const CALL: &str = r#"{"agent_id":"bot","tool":"t","args":{}}"#;

// spec: GOV-1 CALL-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn without_tokens_the_body_says_who_calls() {
    let world = world(FakeTool::ok());
    for fields in [&[][..], &[("x-onceonly-agent-id", "bot")]] {
        ruling(&world.send(request(fields, CALL)).await);
        let received = world.backend.received();
        assert_eq!(received[0].head.one("x-onceonly-agent-id"), "bot");
    }
    let other = request(&[("x-onceonly-agent-id", "other")], CALL);
    world
        .send(other)
        .await
        .expect_refusal(403, "agent_mismatch");
    assert_eq!(world.backend.received().len(), 1);
}

// spec: GOV-1 CALL-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn with_tokens_the_token_says_who_calls() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .token("bot", "a-token-of-the-bot")
        .token("other", "a-token-of-another")
        .start();
    let bearer = |token: &'static str| [("authorization", token)];
    ruling(
        &world
            .send(request(&bearer("Bearer a-token-of-the-bot"), CALL))
            .await,
    );
    let other = request(&bearer("Bearer a-token-of-another"), CALL);
    world
        .send(other)
        .await
        .expect_refusal(403, "agent_mismatch");
    let nobody = world.send(request(&[], CALL)).await;
    nobody.expect_refusal(401, "unauthorized");
    let received = world.backend.received();
    assert_eq!(received.len(), 1);
    let envelope: serde_json::Value = serde_json::from_slice(&received[0].body).unwrap();
    // `printf a-token-of-the-bot | sha256sum`
    assert_eq!(envelope["key_hash"], "k_8056855b");
}

// spec: GOV-1 ORIGIN-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn pages_and_rebound_names_are_refused() {
    let world = world(FakeTool::ok());
    let page = request(&[("origin", "https://evil.example")], CALL);
    world
        .send(page)
        .await
        .expect_refusal(403, "origin_not_allowed");
    let rebound = request(&[("host", "evil.example")], CALL);
    world
        .send(rebound)
        .await
        .expect_refusal(421, "host_not_allowed");
    let get = Request::get("/v1/ai/run").body(Full::default()).unwrap();
    let reply = world.send(get).await;
    reply.expect_refusal(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "POST");
    let slash = Request::post("/v1/ai/run/").body(Full::default()).unwrap();
    world.send(slash).await.expect_refusal(404, "not_found");
    assert_eq!(world.backend.received().len(), 0);
}

// spec: GOV-1 API-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_is_wrong_with_a_body_is_told_in_full() {
    let world = world(FakeTool::ok());
    let body = r#"{"agent_id":"","tool":"a b","args":"supersecret","spend_usd":"much"}"#;
    let reply = world.run_body(body.to_owned()).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.header("x-countersign-error"), "invalid_request");
    let told = reply.json();
    let faults: Vec<_> = told["detail"].as_array().unwrap().iter().collect();
    let told: Vec<_> = faults
        .iter()
        .map(|fault| (&fault["type"], &fault["loc"][1]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("string_pattern_mismatch"), &json!("agent_id")),
            (&json!("string_pattern_mismatch"), &json!("tool")),
            (&json!("dict_type"), &json!("args")),
            (&json!("float_parsing"), &json!("spend_usd")),
        ]
    );
    assert!(!reply.text().contains("supersecret"));
    for body in ["", "{", "[]", "nothing"] {
        assert_eq!(world.run_body(body.to_owned()).await.status, 422, "{body}");
    }
    assert_eq!(world.backend.received().len(), 0);
}

// spec: GOV-1 BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_is_bounded_like_every_other() {
    let world = Harness::with_tool("t", FakeTool::ok())
        .body_limits(1_000, 30_000)
        .start();
    let args = format!("{{\"x\":\"{}\"}}", "x".repeat(1_000));
    let reply = world.run("a", "t", &args).await;
    reply.expect_refusal(413, "body_too_large");
    assert_eq!((world.backend.received().len(), world.buffered()), (0, 0));
    // What fits does so in its envelope, too.
    let args = format!("{{\"x\":\"{}\"}}", "x".repeat(950));
    ruling(&world.run("a", "t", &args).await);
    assert!(world.backend.received()[0].body.len() > 1_000);
}
