//! An agent that goes away takes its call with it.

use std::time::Duration;

use countersign::test_support::{FakeTool, Harness, Step, World};
use tokio::io::AsyncWriteExt as _;

/// An agent that goes away once the tool has its call.
async fn call_and_leave(world: &World) {
    let mut agent = world.connect();
    let request = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}";
    agent.write_all(request.as_bytes()).await.unwrap();
    world
        .until(|world| world.backend.received().len() == 1)
        .await;
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_cancels_its_attempt_and_starts_no_other() {
    let backend = FakeTool::script([Step::Silence]);
    let world = Harness::with_tool("t", backend).retries(5).start();
    call_and_leave(&world).await;
    world
        .until(|world| world.metrics().contains("outcome=\"cancelled\""))
        .await;
    assert_eq!(world.buffered(), 0);
    world.let_time_pass(Duration::from_secs(600)).await;
    assert_eq!(world.backend.received().len(), 1);
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_during_a_wait_gets_no_retry() {
    let backend = FakeTool::script([Step::status(503, &[("Retry-After", "20")]), Step::ok()]);
    let world = Harness::with_tool("t", backend).retries(5).start();
    call_and_leave(&world).await;
    world.let_time_pass(Duration::from_secs(600)).await;
    assert_eq!(world.backend.received().len(), 1);
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    use countersign::test_support::http1::Reader;

    let world = Harness::with_tool("t", FakeTool::ok()).start();
    let mut agent = Reader::new(world.connect());
    let request = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf";
    agent.io().write_all(request.as_bytes()).await.unwrap();
    let head = agent.head().await.expect("an answer");
    assert_eq!(head.one("x-countersign-error"), "request_timeout");
    assert_eq!(
        (world.elapsed(), world.buffered()),
        (Duration::from_secs(30), 0)
    );
    assert_eq!(world.backend.received().len(), 0);
}
