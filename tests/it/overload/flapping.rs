//! An upstream that is up for a second and down for a second, for a minute.

use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::fake_tool::Flapping;
use countersign::test_support::{FakeTool, Harness, Reply, Step, World};
use tokio::time::Instant;

use super::{millis, secs};

const CALLS: u32 = 3_000;
const EVERY: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(3);

/// Makes fifty calls a second for a minute, none of which may take longer than its deadline.
async fn play(harness: Harness) -> (Rc<World>, Vec<Reply>) {
    let world = harness.retries(5).timeout(secs(1)).spec(|spec| {
        spec.deadline(DEADLINE);
    });
    let world = Rc::new(world.start());
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let world = Rc::clone(&world);
        calls.push(tokio::task::spawn_local(async move {
            let began = Instant::now();
            let reply = world.call("t", "{}").await;
            assert!(began.elapsed() <= DEADLINE, "{reply:?}");
            reply
        }));
        tokio::time::sleep(EVERY).await;
    }
    let mut replies = Vec::new();
    for call in calls {
        replies.push(call.await.unwrap());
    }
    (world, replies)
}

/// The sum of all series of a metric.
fn sum(world: &World, metric: &str) -> f64 {
    let text = world.metrics();
    let prefix = format!("countersign_{metric}{{");
    let lines = text.lines().filter(|line| line.starts_with(&prefix));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

/// A fifth of the calls, ten a second, and one second's worth to begin with.
fn most_retries(world: &World) -> f64 {
    f64::from(CALLS) / 5.0 + 10.0 * world.elapsed().as_secs_f64() + 10.0
}

fn refused(replies: &[Reply], code: &str) -> usize {
    let is = |reply: &&Reply| {
        reply
            .headers
            .get("x-countersign-error")
            .is_some_and(|c| c == code)
    };
    replies.iter().filter(is).count()
}

fn tool(flapping: Flapping) -> FakeTool {
    FakeTool::script([Step::Flap(flapping)])
}

// spec: RETRY-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn retries_stay_within_their_budget() {
    let (world, _) = play(Harness::with_tool("t", tool(Flapping::every(secs(1))))).await;
    let retries = sum(&world, "retries_total");
    assert!(
        retries > 0.0 && retries <= most_retries(&world),
        "{retries}"
    );
    assert!(sum(&world, "retry_budget_exhausted_total") > 0.0);
    assert_eq!(sum(&world, "inflight_calls"), 0.0);
}

// spec: LIMIT-3 RETRY-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn the_circuit_opens_in_every_outage_and_closes_after_it() {
    let flapping = Flapping::every(secs(1));
    let harness = Harness::with_tool("t", tool(flapping)).spec(|spec| {
        spec.circuit_breaker(0.5, 20, millis(300));
    });
    let (world, replies) = play(harness).await;
    let (opened, outages) = (sum(&world, "circuit_opened_total"), 30.0);
    // Opened once in each second of outage, and again by each probe that fell into it: there is one
    // every 300 ms.
    assert!((outages..=outages * 4.0).contains(&opened), "{opened}");
    assert!(refused(&replies, "circuit_open") > 0);
    let retries = sum(&world, "retries_total");
    assert!(retries <= most_retries(&world), "{retries}");
    // A second brings fifty successes, so fifty failures open it; then there are the attempts
    // that had begun, and the probes.
    let connect = "upstream_attempts_total{tool=\"t\",outcome=\"upstream_connect\"}";
    let closed = "upstream_attempts_total{tool=\"t\",outcome=\"upstream_closed\"}";
    let failures = world.metric(connect) + world.metric(closed);
    assert!(failures <= outages * 60.0, "{failures}");
    // At the end of an outage, once it may be probed, the next call finds the tool well.
    while flapping.is_up() {
        world.let_time_pass(millis(10)).await;
    }
    while !flapping.is_up() {
        world.let_time_pass(millis(10)).await;
    }
    world.let_time_pass(millis(300)).await;
    world.call("t", "{}").await.expect_answer(200);
    assert_eq!(world.metric("circuit_state{tool=\"t\"}"), 0.0);
}
