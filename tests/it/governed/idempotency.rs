//! `Idempotency-Key` on the transparent door.

use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Gate, Harness, Reply, Step, World};
use http::Request;
use http_body_util::Full;
use tokio::task::spawn_local;

use super::world;

async fn call(world: &World, method: &str, path: &str, key: &str, body: &'static str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("idempotency-key", key)
        .body(Full::from(body))
        .unwrap();
    world.send(request).await
}

async fn post(world: &World, key: &str, body: &'static str) -> Reply {
    call(world, "POST", "/tools/t", key, body).await
}

/// An answer with a field of its own.
fn created(number: u32) -> Step {
    Step::Answer(answer(
        201,
        &[
            ("x-created", &number.to_string()),
            ("connection", "keep-alive"),
        ],
    ))
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_repetition_gets_the_answer_that_was_given() {
    let world = world(FakeTool::script([created(1), created(2)]));
    let first = post(&world, "k", "{\"a\":1}").await;
    first.expect_answer(201);
    assert!(!first.headers.contains_key("x-countersign-replayed"));
    let again = post(&world, "k", "{\"a\":1}").await;
    again.expect_answer(201);
    assert_eq!(again.header("x-countersign-replayed"), "true");
    assert_eq!((again.attempts(), again.header("x-created")), (0, "1"));
    assert_eq!(again.header("content-type"), "application/json");
    assert_eq!(again.body, first.body);
    let other = post(&world, "other", "{\"a\":1}").await;
    assert_eq!(other.header("x-created"), "2");
    let series = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"dedup\"}";
    assert_eq!(
        (world.backend.received().len(), world.metric(series)),
        (2, 1.0)
    );
    // The tool gets the key, too.
    assert_eq!(world.backend.received()[0].head.one("idempotency-key"), "k");
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_belongs_to_one_request_of_one_agent() {
    let world = world(FakeTool::ok());
    post(&world, "k", "{}").await.expect_answer(200);
    for (method, path, body) in [
        ("POST", "/tools/t", "{ }"),
        ("POST", "/tools/t?x=1", "{}"),
        ("PATCH", "/tools/t", "{}"),
    ] {
        let reply = call(&world, method, path, "k", body).await;
        reply.expect_refusal(422, "idempotency_mismatch");
    }
    let request = Request::post("/tools/t")
        .header("idempotency-key", "k")
        .header("x-onceonly-agent-id", "other")
        .body(Full::from("{}"))
        .unwrap();
    let reply = world.send(request).await;
    reply.expect_answer(200);
    assert!(!reply.headers.contains_key("x-countersign-replayed"));
    assert_eq!(world.backend.received().len(), 2);
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_in_flight_is_refused_and_then_answered() {
    let gate = Gate::closed();
    let slow = Step::AnswerWhenOpen(gate.clone(), answer(200, &[]));
    let world = Rc::new(world(FakeTool::script([slow])));
    let first = {
        let world = Rc::clone(&world);
        spawn_local(async move { post(&world, "k", "{}").await })
    };
    world
        .until(|world| world.backend.received().len() == 1)
        .await;
    let busy = post(&world, "k", "{}").await;
    busy.expect_refusal(409, "idempotency_in_flight");
    assert_eq!(busy.header("retry-after"), "1");
    gate.open();
    first.await.unwrap().expect_answer(200);
    let again = post(&world, "k", "{}").await;
    assert_eq!(again.header("x-countersign-replayed"), "true");
    assert_eq!(world.backend.received().len(), 1);
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_did_not_happen_may_be_tried_again() {
    for step in [
        Step::status(500, &[]),
        Step::status(429, &[("Retry-After", "60")]),
        Step::status(409, &[]),
        Step::CloseAfterRequest,
        Step::Refuse,
        Step::AnswerAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
    ] {
        let backend = FakeTool::script([step.clone(), Step::ok()]);
        let world = Harness::with_tool("t", backend).retries(0).start();
        let first = post(&world, "k", "{}").await;
        assert_ne!(first.status, 200, "{step:?}");
        let again = post(&world, "k", "{}").await;
        again.expect_answer(200);
        assert!(!again.headers.contains_key("x-countersign-replayed"));
    }
    // A client's fault is the answer, now and later.
    let world = world(FakeTool::script([Step::status(422, &[]), Step::ok()]));
    for _ in 0..2 {
        post(&world, "k", "{}").await.expect_answer(422);
    }
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_is_too_large_is_passed_on_and_not_kept() {
    let chunked = |size: usize| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        let half = format!("{:x}\r\n{}\r\n", size / 2, "1".repeat(size / 2));
        Step::Answer((head + &half + &half + "0\r\n\r\n").into_bytes())
    };
    let fixed = |size: usize| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
        Step::Answer((head + &"1".repeat(size)).into_bytes())
    };
    for (step, size, kept) in [
        (fixed(1_000), 1_000, true),
        (chunked(1_000), 1_000, true),
        (fixed(1_001), 1_001, false),
        (chunked(1_002), 1_002, false),
    ] {
        let world = Harness::with_tool("t", FakeTool::script([step]))
            .max_result(1_000)
            .start();
        for round in 0..2 {
            let reply = post(&world, "k", "{}").await;
            reply.expect_answer(200);
            assert_eq!(reply.body.as_ref().unwrap().len(), size);
            let replayed = reply.headers.contains_key("x-countersign-replayed");
            assert_eq!(replayed, kept && round == 1, "{size}");
        }
        assert_eq!(world.backend.received().len(), if kept { 1 } else { 2 });
    }
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_takes_its_call_along_and_may_ask_again() {
    let backend = FakeTool::script([Step::Silence, Step::ok()]);
    let world = Harness::with_tool("t", backend).start();
    let left = tokio::time::timeout(Duration::from_secs(5), post(&world, "k", "{}")).await;
    assert!(left.is_err());
    let series = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"cancelled\"}";
    world.until(|world| world.metric(series) == 1.0).await;
    post(&world, "k", "{}").await.expect_answer(200);
    assert_eq!(world.backend.received().len(), 2);
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_means_nothing_where_nothing_changes_or_the_tool_wants_each_call() {
    let world = world(FakeTool::ok());
    for _ in 0..2 {
        call(&world, "GET", "/tools/t", "k", "")
            .await
            .expect_answer(200);
    }
    assert_eq!(world.backend.received().len(), 2);
    let world = Harness::with_tool("t", FakeTool::ok())
        .spec(|t| {
            t.once_off();
        })
        .start();
    for _ in 0..2 {
        post(&world, "k", "{}").await.expect_answer(200);
    }
    assert_eq!(world.backend.received().len(), 2);
}

// spec: IDEM-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_that_is_none_is_refused() {
    let world = world(FakeTool::ok());
    let long = "k".repeat(257);
    for key in ["", "a b", &long] {
        post(&world, key, "{}")
            .await
            .expect_refusal(400, "bad_request");
    }
    let twice = Request::post("/tools/t")
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .body(Full::from("{}"))
        .unwrap();
    world.send(twice).await.expect_refusal(400, "bad_request");
    post(&world, &"k".repeat(256), "{}")
        .await
        .expect_answer(200);
}
