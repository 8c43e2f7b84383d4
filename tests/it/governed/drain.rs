//! The end of the process waits for calls whose agents have left.

use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Step, World};
use tokio::time::timeout;

use super::world;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A world in which a call goes on that takes this long, and whose agent has left after five seconds.
async fn left_alone(took: Duration) -> World {
    let slow = Step::AnswerAfter(took, answer(200, &[]));
    let world = world(FakeTool::script([slow]));
    let gone = timeout(secs(5), world.run("a", "t", "{}")).await;
    assert!(gone.is_err());
    world
}

// spec: GOV-4 LIFE-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_drain_waits_for_calls_that_were_left_alone() {
    let started = tokio::time::Instant::now();
    assert!(left_alone(secs(12)).await.drain(secs(30)).await);
    assert_eq!(started.elapsed(), secs(12));
}

// spec: GOV-4 LIFE-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_drain_does_not_wait_for_them_for_ever() {
    let started = tokio::time::Instant::now();
    assert!(!left_alone(secs(14)).await.drain(secs(3)).await);
    assert_eq!(started.elapsed(), secs(8));
}
