//! How often a call is made that is asked for again: at the same time, later, and after its agent has
//! given up.

use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Gate, Harness, Step, World};
use serde_json::json;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::timeout;

use super::{blocked, dedup, executed, lease_of, ruling, world};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A world whose tool answers when the gate is opened.
fn gated(answers: impl IntoIterator<Item = Step>) -> (Rc<World>, Gate) {
    let gate = Gate::closed();
    let first = Step::AnswerWhenOpen(gate.clone(), answer(200, &[]));
    let script = [first].into_iter().chain(answers);
    (Rc::new(world(FakeTool::script(script))), gate)
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_thousand_calls_at_once_are_one() {
    let (world, gate) = gated([]);
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let world = Rc::clone(&world);
        calls.spawn_local(async move { ruling(&world.run("a", "t", "{\"n\":1}").await) });
    }
    world
        .until(|world| world.backend.received().len() == 1)
        .await;
    world.let_time_pass(secs(5)).await;
    gate.open();
    let mut decisions = Vec::new();
    while let Some(told) = calls.join_next().await {
        decisions.push(told.unwrap());
    }
    assert_eq!(world.backend.received().len(), 1);
    let result = json!({ "status": 200 });
    let first = decisions.iter().filter(|told| **told == executed(&result));
    let others = decisions.iter().filter(|told| **told == dedup(&result));
    assert_eq!((first.count(), others.count()), (1, 999));
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn workers_join_each_others_calls() {
    let (world, gate) = gated([]);
    let other = Rc::new(world.second_worker());
    let call = |world: &Rc<World>| {
        let world = Rc::clone(world);
        spawn_local(async move { ruling(&world.run("a", "t", "{}").await) })
    };
    let (first, second) = (call(&world), call(&other));
    world.let_time_pass(secs(1)).await;
    gate.open();
    let result = json!({ "status": 200 });
    assert_eq!(first.await.unwrap(), executed(&result));
    assert_eq!(second.await.unwrap(), dedup(&result));
    assert_eq!(world.backend.received().len(), 1);
}

/// The published client gives up after five seconds and asks again.
// spec: GOV-4 ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_gives_up_and_asks_again_finds_its_call_running() {
    let slow = Step::AnswerAfter(secs(12), answer(200, &[]));
    let world = world(FakeTool::script([slow]));
    for _ in 0..2 {
        let gone = timeout(secs(5), world.run("a", "t", "{}")).await;
        assert!(gone.is_err());
    }
    let told = ruling(&world.run("a", "t", "{}").await);
    assert_eq!(told, dedup(&json!({ "status": 200 })));
    assert_eq!(
        (world.elapsed(), world.backend.received().len()),
        (secs(12), 1)
    );
    let series = "calls_total{tool=\"t\",door=\"governed\",outcome=\"success\"}";
    assert_eq!(world.metric(series), 1.0);
}

// spec: ONCE-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn spellings_and_run_ids_do_not_tell_calls_apart() {
    let world = world(FakeTool::ok());
    let first = world
        .run("a", "t", r#"{"a":1,"b":[1.0,"é"],"run_id":"r1"}"#)
        .await;
    assert_eq!(ruling(&first)["decision"], "executed");
    let same = world
        .run("a", "t", r#"{ "b":[1,"\u00e9"],"a":1.0 ,"run_id":"r2"}"#)
        .await;
    assert_eq!(ruling(&same)["decision"], "dedup");
    for (agent, args) in [("a", r#"{"a":2}"#), ("b", r#"{"a":1,"b":[1.0,"é"]}"#)] {
        let other = world.run(agent, "t", args).await;
        assert_eq!(ruling(&other)["decision"], "executed");
    }
    assert_eq!(world.backend.received().len(), 3);
}

// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_call_is_remembered_for_its_time() {
    let world = world(FakeTool::ok());
    let named = r#"{"idempotency_key":"k","n":1}"#;
    let told = |args: &'static str| {
        let world = &world;
        async move { ruling(&world.run("a", "t", args).await)["decision"].clone() }
    };
    assert_eq!(
        (told("{}").await, told(named).await),
        (json!("executed"), json!("executed"))
    );
    world.let_time_pass(secs(59)).await;
    assert_eq!(told("{}").await, "dedup");
    world.let_time_pass(secs(2)).await;
    assert_eq!(told("{}").await, "executed");
    // What has a name is the same whatever else is said, for a day.
    world.let_time_pass(secs(23 * 3_600)).await;
    assert_eq!(told(r#"{"idempotency_key":"k","n":2}"#).await, "dedup");
    world.let_time_pass(secs(3_600)).await;
    assert_eq!(told(named).await, "executed");
}

// spec: ONCE-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tool_without_once_is_called_each_time_and_left_with_its_agent() {
    let slow = Step::AnswerAfter(secs(9), answer(200, &[]));
    let world = Harness::with_tool("t", FakeTool::script([Step::ok(), Step::ok(), slow]))
        .spec(|t| {
            t.once_off();
        })
        .start();
    for _ in 0..2 {
        assert_eq!(
            ruling(&world.run("a", "t", "{}").await)["decision"],
            "executed"
        );
    }
    let received = world.backend.received();
    assert_ne!(lease_of(&received[0].body), lease_of(&received[1].body));
    assert!(timeout(secs(5), world.run("a", "t", "{}")).await.is_err());
    let series = "calls_total{tool=\"t\",door=\"governed\",outcome=\"cancelled\"}";
    world.until(|world| world.metric(series) == 1.0).await;
}

// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn those_who_wait_for_a_failure_are_told_of_it() {
    let gate = Gate::closed();
    let failing = Step::AnswerWhenOpen(gate.clone(), answer(400, &[]));
    let world = Rc::new(world(FakeTool::script([failing, Step::ok()])));
    let call = || {
        let world = Rc::clone(&world);
        spawn_local(async move { ruling(&world.run("a", "t", "{}").await) })
    };
    let (first, second) = (call(), call());
    world
        .until(|world| world.backend.received().len() == 1)
        .await;
    gate.open();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first["decision"], "failed");
    assert_eq!(first, second);
    assert_eq!(world.backend.received().len(), 1);
}

// spec: ONCE-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_call_that_was_cut_off_is_made_again_under_its_lease_or_not_at_all() {
    for (in_doubt, again) in [("retry", true), ("refuse", false)] {
        let script = [Step::Silence, Step::ok()];
        let world = Harness::with_tool("t", FakeTool::script(script))
            .spec(|t| {
                t.once(secs(60), in_doubt);
            })
            .start();
        let world = Rc::new(world);
        let cut = {
            let world = Rc::clone(&world);
            spawn_local(async move { world.run("a", "t", "{}").await })
        };
        world
            .until(|world| world.backend.received().len() == 1)
            .await;
        world.switch_off("a", true).await;
        assert_eq!(
            ruling(&cut.await.unwrap()),
            blocked("agent_disabled", "high")
        );
        world.switch_on("a").await;
        let told = ruling(&world.run("a", "t", "{}").await);
        let received = world.backend.received();
        let lease = lease_of(&received[0].body);
        if again {
            assert_eq!(told, executed(&json!({ "status": 200 })));
            assert_eq!((received.len(), lease_of(&received[1].body)), (2, lease));
        } else {
            assert_eq!(
                (&told["decision"], &told["policy_reason"]),
                (&json!("blocked"), &json!("in_doubt"))
            );
            assert_eq!(
                (&told["result"]["lease_id"], received.len()),
                (&json!(lease), 1)
            );
        }
    }
}

// spec: GOV-5
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_call_that_cannot_be_remembered_is_refused_or_made_without() {
    for proceed in [false, true] {
        let world = Harness::with_tool("t", FakeTool::ok())
            .claims(1, proceed)
            .start();
        ruling(&world.run("a", "t", "{}").await);
        let keyed = || {
            http::Request::post("/tools/t")
                .header("idempotency-key", "k")
                .body(http_body_util::Full::from("{}"))
                .unwrap()
        };
        for _ in 0..2 {
            let governed = world.run("a", "t", "{\"n\":1}").await;
            let transparent = world.send(keyed()).await;
            if proceed {
                assert_eq!(ruling(&governed)["decision"], "executed");
                transparent.expect_answer(200);
            } else {
                for refused in [governed, transparent] {
                    refused.expect_refusal(503, "store_unavailable");
                    assert_eq!(refused.header("retry-after"), "1");
                }
            }
        }
        // What is known goes on being answered.
        assert_eq!(
            ruling(&world.run("a", "t", "{}").await)["decision"],
            "dedup"
        );
        assert_eq!(world.backend.received().len(), if proceed { 5 } else { 1 });
    }
}
