//! An agent that is switched off: its next calls, and those in flight.

use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Step, World};
use http::Request;
use http_body_util::Full;
use tokio::task::{JoinHandle, spawn_local};

use super::{blocked, ruling, world};

fn call(world: &Rc<World>, agent: &str) -> JoinHandle<countersign::test_support::Reply> {
    let world = Rc::clone(world);
    let request = Request::post("/tools/t")
        .header("x-onceonly-agent-id", agent)
        .body(Full::from("{}"))
        .unwrap();
    spawn_local(async move { world.send(request).await })
}

fn run(world: &Rc<World>, agent: &'static str) -> JoinHandle<countersign::test_support::Reply> {
    let world = Rc::clone(world);
    spawn_local(async move { world.run(agent, "t", "{}").await })
}

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_is_off_is_off_at_every_door_and_worker() {
    let world = Rc::new(world(FakeTool::ok()));
    let other = Rc::new(world.second_worker());
    world.switch_off("bad", false).await;
    for world in [&world, &other] {
        let told = ruling(&world.run("bad", "t", "{}").await);
        assert_eq!(told, blocked("agent_disabled", "high"));
        call(world, "bad")
            .await
            .unwrap()
            .expect_refusal(403, "agent_disabled");
        call(world, "good").await.unwrap().expect_answer(200);
    }
    assert_eq!(world.audit().len(), 4);
    world.switch_on("bad").await;
    call(&other, "bad").await.unwrap().expect_answer(200);
}

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn calls_in_flight_go_on_unless_they_are_to_be_cut() {
    let slow = || Step::AnswerAfter(Duration::from_secs(10), answer(200, &[]));
    let world = Rc::new(world(FakeTool::script([slow()])));
    let other = Rc::new(world.second_worker());
    let calls = [
        call(&world, "bad"),
        run(&other, "bad"),
        call(&other, "good"),
    ];
    world
        .until(|world| world.backend.received().len() == 3)
        .await;
    world.switch_off("bad", false).await;
    world.let_time_pass(Duration::from_secs(1)).await;
    assert!(calls.iter().all(|call| !call.is_finished()));
    world.switch_off("bad", true).await;
    let [transparent, governed, good] = calls;
    transparent
        .await
        .unwrap()
        .expect_refusal(403, "agent_disabled");
    assert_eq!(
        ruling(&governed.await.unwrap()),
        blocked("agent_disabled", "high")
    );
    assert!(world.elapsed() < Duration::from_secs(2));
    good.await.unwrap().expect_answer(200);
    assert_eq!(world.elapsed(), Duration::from_secs(10));
    for door in ["proxy", "governed"] {
        let series = format!("calls_total{{tool=\"t\",door=\"{door}\",outcome=\"blocked\"}}");
        assert_eq!(world.metric(&series), 1.0, "{door}");
    }
    let attempts = "upstream_attempts_total{tool=\"t\",outcome=\"cancelled\"}";
    assert_eq!(world.metric(attempts), 2.0);
    // Cut calls are in the log, also those of an agent of whom nothing was known before.
    let cut = world.audit();
    assert_eq!(cut.len(), 2);
    assert!(
        cut.iter()
            .all(|record| record["policy_reason"] == "agent_disabled")
    );
}

// spec: POLICY-6 RESP-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_is_still_coming_is_broken_off() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    let world = Rc::new(world(FakeTool::script([Step::AnswerThenSilence(half)])));
    let call = call(&world, "bad");
    world.let_time_pass(Duration::from_secs(1)).await;
    assert!(!call.is_finished());
    world.switch_off("bad", true).await;
    let reply = call.await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body), (200, None));
    assert!(world.elapsed() < Duration::from_secs(2));
    let series = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"aborted\"}";
    assert_eq!(world.metric(series), 1.0);
}
