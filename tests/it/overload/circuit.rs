//! `circuit_breaker`.

use std::rc::Rc;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Gate, Harness, Reply, Step, World};
use tokio::io::AsyncWriteExt as _;

use super::{begin, millis, secs};

/// A world whose tool opens its circuit for ten seconds when half of two attempts or more fail.
fn world(script: impl IntoIterator<Item = Step>, retries: i64) -> Rc<World> {
    let world = Harness::with_tool("t", FakeTool::script(script))
        .retries(retries)
        .timeout(secs(1))
        .spec(|spec| {
            spec.circuit_breaker(0.5, 2, secs(10));
        });
    Rc::new(world.start())
}

fn state(world: &World) -> f64 {
    world.metric("circuit_state{tool=\"t\"}")
}

const CLOSED: f64 = 0.0;
const HALF_OPEN: f64 = 1.0;
const OPEN: f64 = 2.0;

fn expect_open(reply: &Reply, retry_after: &str) {
    reply.expect_refusal(503, "circuit_open");
    assert_eq!(reply.header("retry-after"), retry_after);
    assert_eq!(reply.attempts(), 0);
}

fn error() -> Step {
    Step::status(500, &[])
}

// spec: LIMIT-3 ERR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn it_opens_and_is_probed_and_closes() {
    let world = world([error(), error(), error(), Step::ok()], 0);
    world.call("t", "a").await.expect_answer(500);
    assert_eq!(state(&world), CLOSED);
    world.call("t", "b").await.expect_answer(500);
    assert_eq!(state(&world), OPEN);
    expect_open(&world.call("t", "c").await, "10");
    world.let_time_pass(millis(9_001)).await;
    expect_open(&world.call("t", "d").await, "1");
    world.let_time_pass(millis(999)).await;
    assert_eq!(state(&world), HALF_OPEN);
    world.call("t", "e").await.expect_answer(500);
    expect_open(&world.call("t", "f").await, "10");
    world.let_time_pass(secs(10)).await;
    world.call("t", "g").await.expect_answer(200);
    assert_eq!(state(&world), CLOSED);
    assert_eq!(world.metric("circuit_opened_total{tool=\"t\"}"), 2.0);
    let refused = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"circuit_open\"}";
    assert_eq!(
        (world.metric(refused), world.backend.received().len()),
        (3.0, 4)
    );
}

// spec: LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_says_that_an_upstream_is_unwell() {
    let status = |status| Step::status(status, &[]);
    let garbage = || Step::AnswerAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    for (step, expected) in [
        (Step::Refuse, OPEN),
        (Step::CloseAfterHead, OPEN),
        (Step::CloseAfterRequest, OPEN),
        (Step::Silence, OPEN),
        (garbage(), OPEN),
        (status(500), OPEN),
        (status(503), OPEN),
        (status(599), OPEN),
        (status(400), CLOSED),
        (status(408), CLOSED),
        (status(429), CLOSED),
        (status(302), CLOSED),
    ] {
        let shown = format!("{step:?}");
        let world = world([step], 0);
        for _ in 0..3 {
            world.call("t", "a").await;
        }
        assert_eq!(state(&world), expected, "{shown}");
    }
}

// spec: LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn our_own_refusals_and_cancelled_calls_say_nothing() {
    let world = world([Step::Silence], 0);
    let cancelled = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"cancelled\"}";
    for so_far in [1.0, 2.0, 3.0] {
        let call = begin(&world, "a").await;
        call.abort();
        let _ = call.await;
        world.until(|world| world.metric(cancelled) == so_far).await;
    }
    let too_large = vec![b'x'; 11 * 1024 * 1024];
    for _ in 0..3 {
        world
            .call("t", too_large.clone())
            .await
            .expect_refusal(413, "body_too_large");
    }
    assert_eq!(state(&world), CLOSED);
}

// spec: LIMIT-3 RETRY-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn no_retry_starts_while_it_is_open() {
    let world = world([error()], 5);
    let reply = world.call("t", "a").await;
    reply.expect_answer(500);
    assert_eq!((reply.attempts(), world.backend.received().len()), (2, 2));
    expect_open(&world.call("t", "b").await, "10");
    // Nor after a probe that failed.
    world.let_time_pass(secs(10)).await;
    assert_eq!(world.call("t", "c").await.attempts(), 1);
}

// spec: LIMIT-3 RETRY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_is_kept_for_the_case_that_others_open_it_during_the_wait() {
    let busy = Step::status(503, &[("Retry-After", "5"), ("X-Which", "first")]);
    let world = world([busy, error(), Step::ok()], 2);
    let waiting = begin(&world, "a").await;
    world.call("t", "b").await.expect_answer(500);
    assert_eq!(state(&world), OPEN);
    let reply = waiting.await.unwrap();
    reply.expect_answer(503);
    assert_eq!((reply.header("x-which"), reply.attempts()), ("first", 1));
    assert_eq!(
        (reply.text(), world.elapsed()),
        ("{\"status\":503}", secs(5))
    );
}

// spec: LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_retry_uses_the_connection_of_the_answer_it_replaces() {
    // Less than connections may be idle.
    let busy = Step::status(503, &[("Retry-After", "3")]);
    let backend = FakeTool::script([Step::ok(), Step::ok(), busy, Step::ok()]);
    let world = Harness::with_tool("t", backend).retries(1).spec(|spec| {
        spec.circuit_breaker(0.5, 20, secs(10));
    });
    let world = world.start();
    for _ in 0..3 {
        world.call("t", "a").await.expect_answer(200);
    }
    // The answer that was kept during the wait was read to its end before the retry.
    assert_eq!(world.backend.connections(), 1);
    assert_eq!(world.backend.received().len(), 4);
}

// spec: LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn one_probe_at_a_time() {
    let gate = Gate::closed();
    let held = Step::AnswerWhenOpen(gate.clone(), answer(200, &[]));
    let world = world([error(), error(), held, Step::ok()], 0);
    world.call("t", "a").await;
    world.call("t", "b").await;
    world.let_time_pass(secs(10)).await;
    let probe = begin(&world, "c").await;
    expect_open(&world.call("t", "d").await, "1");
    gate.open();
    probe.await.unwrap().expect_answer(200);
    world.call("t", "e").await.expect_answer(200);
    assert_eq!(state(&world), CLOSED);
}

// spec: LIMIT-3 CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_probe_whose_agent_leaves_lets_the_next_one_try() {
    let world = world([error(), error(), Step::Silence, Step::ok()], 0);
    world.call("t", "a").await;
    world.call("t", "b").await;
    world.let_time_pass(secs(10)).await;
    let mut agent = world.connect();
    let request = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nc";
    agent.write_all(request.as_bytes()).await.unwrap();
    world
        .until(|world| world.backend.received().len() == 3)
        .await;
    expect_open(&world.call("t", "d").await, "1");
    drop(agent);
    let cancelled = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"cancelled\"}";
    world.until(|world| world.metric(cancelled) == 1.0).await;
    world.call("t", "e").await.expect_answer(200);
    assert_eq!(state(&world), CLOSED);
}

// spec: LIMIT-2 LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_call_that_it_refuses_uses_no_token() {
    let backend = FakeTool::script([error(), error(), Step::ok()]);
    let world = Harness::with_tool("t", backend).retries(0).spec(|spec| {
        spec.circuit_breaker(0.5, 2, secs(10)).rate_limit(0.001, 3);
    });
    let world = world.start();
    world.call("t", "a").await.expect_answer(500);
    world.call("t", "b").await.expect_answer(500);
    for _ in 0..5 {
        expect_open(&world.call("t", "c").await, "10");
    }
    world.let_time_pass(secs(10)).await;
    world.call("t", "d").await.expect_answer(200);
    world
        .call("t", "e")
        .await
        .expect_refusal(429, "rate_limited");
}

// spec: LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_call_in_the_queue_is_refused_when_its_turn_comes() {
    let gate = Gate::closed();
    let held = Step::AnswerWhenOpen(gate.clone(), answer(500, &[]));
    let world = Harness::with_tool("t", FakeTool::script([held]))
        .retries(0)
        .spec(|spec| {
            spec.circuit_breaker(0.5, 1, secs(10));
            spec.max_concurrency(Some(1)).queue_timeout(secs(60));
        });
    let world = Rc::new(world.start());
    let first = begin(&world, "a").await;
    let second = begin(&world, "b").await;
    gate.open();
    first.await.unwrap().expect_answer(500);
    expect_open(&second.await.unwrap(), "10");
    assert_eq!(world.backend.received().len(), 1);
}

// spec: LIMIT-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn workers_share_it() {
    let world = world([error()], 0);
    let other = world.second_worker();
    world.call("t", "a").await.expect_answer(500);
    other.call("t", "b").await.expect_answer(500);
    expect_open(&world.call("t", "c").await, "10");
    expect_open(&other.call("t", "d").await, "10");
}

// spec: LIMIT-3 RELOAD-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_reload_closes_it_only_if_its_numbers_are_others() {
    let world = world([error(), error(), Step::ok()], 0);
    world.call("t", "a").await;
    world.call("t", "b").await;
    world.reload(|spec| {
        spec.rate_limit(100.0, 100);
    });
    expect_open(&world.call("t", "c").await, "10");
    world.reload(|spec| {
        spec.circuit_breaker(0.5, 2, secs(20));
    });
    world.call("t", "d").await.expect_answer(200);
}
