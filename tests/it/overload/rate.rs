//! `rate_limit`.

use countersign::test_support::http1::Reader;
use countersign::test_support::{FakeTool, Harness, Reply, World};
use tokio::io::AsyncWriteExt as _;

use super::{millis, secs};

fn world(per_second: f64, burst: i64) -> World {
    let world = Harness::with_tool("t", FakeTool::ok()).spec(|spec| {
        spec.rate_limit(per_second, burst);
    });
    world.start()
}

fn expect_limited(reply: &Reply, retry_after: &str) {
    reply.expect_refusal(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), retry_after);
    assert_eq!(reply.attempts(), 0);
}

// spec: LIMIT-2 ERR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn calls_beyond_the_rate_are_told_when_to_come_back() {
    let world = world(0.2, 2);
    world.call("t", "a").await.expect_answer(200);
    world.call("t", "b").await.expect_answer(200);
    expect_limited(&world.call("t", "c").await, "5");
    world.let_time_pass(millis(1_500)).await;
    expect_limited(&world.call("t", "d").await, "4");
    world.let_time_pass(millis(3_499)).await;
    expect_limited(&world.call("t", "e").await, "1");
    world.let_time_pass(millis(1)).await;
    world.call("t", "f").await.expect_answer(200);
    expect_limited(&world.call("t", "g").await, "5");
    assert_eq!(world.backend.received().len(), 3);
    assert_eq!(world.metric("rate_limited_total{tool=\"t\"}"), 4.0);
}

// spec: LIMIT-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_refused_call_is_spared_its_upload() {
    let world = world(0.001, 1);
    world.call("t", "a").await.expect_answer(200);
    let mut agent = Reader::new(world.connect());
    let request = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n\
                   Content-Length: 1000000\r\n\r\n";
    agent.io().write_all(request.as_bytes()).await.unwrap();
    let head = agent.head().await.expect("an answer");
    assert_eq!(head.one("x-countersign-error"), "rate_limited");
    assert_eq!(head.one("retry-after"), "1000");
    assert_eq!(world.buffered(), 0);
}

// spec: LIMIT-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn workers_share_the_tokens() {
    let world = world(0.5, 2);
    let other = world.second_worker();
    world.call("t", "a").await.expect_answer(200);
    other.call("t", "b").await.expect_answer(200);
    expect_limited(&world.call("t", "c").await, "2");
    expect_limited(&other.call("t", "d").await, "2");
}

// spec: LIMIT-2 RELOAD-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_reload_fills_the_bucket_only_if_the_rate_is_another() {
    let world = world(0.5, 1);
    world.call("t", "a").await.expect_answer(200);
    world.reload(|spec| {
        spec.deadline(secs(60));
    });
    expect_limited(&world.call("t", "b").await, "2");
    world.reload(|spec| {
        spec.rate_limit(0.5, 2);
    });
    world.call("t", "c").await.expect_answer(200);
    world.call("t", "d").await.expect_answer(200);
    expect_limited(&world.call("t", "e").await, "2");
}
