//! The governed door from outside: what the tool gets, what the agent is told, and how often a call
//! is made.

mod crashes;
mod decisions;
mod drain;
mod envelope;
mod idempotency;
mod kill_switch;
mod once;
mod policies;
mod process;
mod requests;
mod room;
mod unsent;

use countersign::test_support::{FakeTool, Harness, Reply, World};
use serde_json::{Value, json};

/// A world with one tool `t`, whose backend answers like this.
fn world(backend: FakeTool) -> World {
    Harness::with_tool("t", backend).start()
}

/// What a call that was executed is answered with.
fn executed(result: &Value) -> Value {
    json!({
        "ok": true,
        "allowed": true,
        "decision": "executed",
        "policy_reason": "ok",
        "risk_level": "low",
        "result": result,
    })
}

/// What its repetition is answered with.
fn dedup(result: &Value) -> Value {
    let mut answer = executed(result);
    answer["decision"] = "dedup".into();
    answer["policy_reason"] = "tool_idempotency".into();
    answer
}

/// What a call that may not be made is answered with.
fn blocked(reason: &str, risk: &str) -> Value {
    json!({
        "ok": false,
        "allowed": false,
        "decision": "blocked",
        "policy_reason": reason,
        "risk_level": risk,
    })
}

/// A ruling is always a 200 with JSON.
#[track_caller]
fn ruling(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(!reply.headers.contains_key("x-countersign-error"));
    reply.json()
}

/// The lease that a request to the tool carries.
fn lease_of(body: &[u8]) -> String {
    let envelope: Value = serde_json::from_slice(body).unwrap();
    envelope["lease_id"].as_str().unwrap().to_owned()
}
