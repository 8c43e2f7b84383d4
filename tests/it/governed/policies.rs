//! Policies hold on every door, and what they decide is written down.

use std::time::Duration;

use countersign::test_support::{FakeTool, World};
use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{blocked, ruling, world};

async fn call(world: &World, agent: &str) -> countersign::test_support::Reply {
    let request = Request::post("/tools/t")
        .header("x-onceonly-agent-id", agent)
        .body(Full::from("{}"))
        .unwrap();
    world.send(request).await
}

// spec: POLICY-1 GOV-3
#[tokio::test(flavor = "local", start_paused = true)]
async fn lists_are_kept_to_on_both_doors() {
    let world = world(FakeTool::ok());
    world.policy("listed", |policy| {
        policy.allow("other");
    });
    world.policy("banned", |policy| {
        policy.block("t");
    });
    for (agent, reason, risk, code) in [
        (
            "listed",
            "tool_not_in_allowed_list",
            "medium",
            "policy_tool_not_allowed",
        ),
        (
            "banned",
            "tool_explicitly_blocked",
            "high",
            "policy_tool_blocked",
        ),
    ] {
        assert_eq!(
            ruling(&world.run(agent, "t", "{}").await),
            blocked(reason, risk)
        );
        call(&world, agent).await.expect_refusal(403, code);
    }
    call(&world, "free").await.expect_answer(200);
    assert_eq!(world.backend.received().len(), 1);
}

// spec: POLICY-2 POLICY-3 POLICY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn caps_count_the_calls_of_both_doors_together() {
    for (name, reason, code, wait) in [
        (
            "hour",
            "max_actions_per_hour_exceeded",
            "policy_max_actions_per_hour",
            3_600,
        ),
        // The world begins at 12:40:00 UTC.
        (
            "tool",
            "max_calls_per_tool_exceeded",
            "policy_max_calls_per_tool",
            40_800,
        ),
        (
            "spend",
            "max_spend_usd_per_day_exceeded",
            "policy_max_spend_usd_per_day",
            40_800,
        ),
    ] {
        let world = world(FakeTool::ok());
        world.policy("a", |policy| match name {
            "hour" => drop(policy.per_hour(2)),
            "tool" => drop(policy.per_tool("t", 2)),
            _ => drop(policy.spend(0.2).price("t", 0.1)),
        });
        assert_eq!(
            ruling(&world.run("a", "t", "{\"n\":1}").await)["decision"],
            "executed"
        );
        call(&world, "a").await.expect_answer(200);
        // A repetition costs nothing.
        assert_eq!(
            ruling(&world.run("a", "t", "{\"n\":1}").await)["decision"],
            "dedup"
        );
        let told = world.run("a", "t", "{\"n\":2}").await;
        assert_eq!(ruling(&told), blocked(reason, "medium"));
        let refused = call(&world, "a").await;
        refused.expect_refusal(429, code);
        let after: u64 = refused.header("retry-after").parse().unwrap();
        assert!((wait - 1..=wait + 1).contains(&after), "{name}: {after}");
        assert_eq!(told.header("retry-after"), refused.header("retry-after"));
        world.let_time_pass(Duration::from_secs(after)).await;
        call(&world, "a").await.expect_answer(200);
        assert_eq!(world.backend.received().len(), 3);
    }
}

// spec: POLICY-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_the_agent_says_that_it_costs_counts() {
    let world = world(FakeTool::ok());
    world.policy("a", |policy| {
        policy.spend(1.0);
    });
    let run = |n: u32, spend: &'static str| {
        let body = format!(
            "{{\"agent_id\":\"a\",\"tool\":\"t\",\"args\":{{\"n\":{n}}},\"spend_usd\":{spend}}}"
        );
        world.run_body(body)
    };
    assert_eq!(ruling(&run(1, "0.75").await)["decision"], "executed");
    let told = ruling(&run(2, "0.5").await);
    assert_eq!(told, blocked("max_spend_usd_per_day_exceeded", "medium"));
    assert_eq!(ruling(&run(3, "0.25").await)["decision"], "executed");
    let spent: Vec<_> = world
        .audit()
        .iter()
        .map(|r| r["spend_usd"].clone())
        .collect();
    assert_eq!(spent, [json!(0.75), json!(null), json!(0.25)]);
}

// spec: AUDIT-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn decisions_are_written_down_with_what_tells_them_apart() {
    let world = world(FakeTool::ok());
    world.policy("listed", |policy| {
        policy.allow("t");
    });
    // An agent of whom nothing is known passes the transparent door without a trace.
    call(&world, "free").await.expect_answer(200);
    call(&world, "listed").await.expect_answer(200);
    let reply = world.run("free", "t", "{\"b\":1,\"a\":\"secret\"}").await;
    world.run("free", "t", "{\"a\":\"secret\",\"b\":1.0}").await;
    world.policy("listed", |policy| {
        policy.block("t");
    });
    call(&world, "listed")
        .await
        .expect_refusal(403, "policy_tool_blocked");
    let log = world.audit();
    let told: Vec<_> = log
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            [
                "door",
                "agent_id",
                "decision",
                "policy_reason",
                "risk_level",
            ]
            .map(text)
            .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "proxy listed executed - low",
            "governed free executed ok low",
            "governed free dedup tool_idempotency low",
            "proxy listed blocked tool_explicitly_blocked high",
        ]
    );
    // `printf '{"a":"secret","b":1}' | sha256sum`
    assert_eq!(log[1]["args_hash"], "4ed19ace");
    assert_eq!(log[1]["args_hash"], log[2]["args_hash"]);
    assert_eq!(log[1]["request_id"], reply.header("x-request-id"));
    let lease = super::lease_of(&world.backend.received()[2].body);
    assert_eq!(log[1]["lease_id"], lease);
    assert!(
        log.iter()
            .all(|record| !record.to_string().contains("secret"))
    );
}
