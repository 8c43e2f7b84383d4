//! Every method of the published Python SDK against the real binary, blocking and asynchronous.

use std::path::Path;
use std::process::Command;

use countersign::test_support::process::{Sidecar, run};
use countersign::test_support::{FakeTool, python};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, ask};

/// The operator's token, and the first digits of its SHA-256.
const TOKEN: &str = "an-operators-token";
const KEY_HASH: &str = "k_263e7419";

fn start(folder: &Path) -> Sidecar {
    let registry = folder.join("tools.yaml");
    let environment = [
        ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
        ("COUNTERSIGN_UPSTREAM_ALLOW_PRIVATE", "true"),
    ];
    Sidecar::start_with(BINARY, &registry, &[], &environment)
}

/// What is never the same twice becomes the kind of what it is.
fn masked(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let shown = match (name.as_str(), value) {
                    ("lease_id", Value::String(id)) if id.starts_with("lease_") => json!("LEASE"),
                    ("first_seen_at" | "done_at" | "disabled_at", Value::String(_)) => {
                        json!("TIME")
                    }
                    ("ts", Value::Number(ts)) if ts.as_u64() > Some(1_700_000_000) => json!("TIME"),
                    ("id" | "event_id", Value::Number(_)) => json!("NUMBER"),
                    ("usage", Value::Number(_)) => json!("NUMBER"),
                    _ => masked(value),
                };
                (name.clone(), shown)
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// `value` and more members.
fn with(mut value: Value, more: Value) -> Value {
    let members = value.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    value
}

fn raised(class: &str, text: &str, status: impl Into<Value>) -> Value {
    json!({ "raised": class, "text": text, "status": status.into() })
}

/// An answer to a call of a tool.
fn ruling(decision: &str, reason: &str, risk: &str, result: Value) -> Value {
    let allowed = decision != "blocked";
    json!({
        "ok": allowed, "allowed": allowed, "decision": decision, "policy_reason": reason,
        "risk_level": risk, "result": result,
    })
}

/// A lease as `ai.status` shows it.
fn standing(status: &str, key: &str) -> Value {
    json!({
        "ok": true, "status": status, "key": key, "lease_id": null, "version": 1,
        "ttl_left": null, "first_seen_at": "TIME", "done_at": null, "result_hash": null,
        "error_code": null, "retry_after_sec": null,
    })
}

fn outcome(key: &str, result: Value) -> Value {
    json!({
        "ok": true, "status": "completed", "key": key, "result": result, "result_hash": null,
        "error_code": null, "done_at": "TIME",
    })
}

/// What the SDK makes of the answers about tools and their calls.
fn of_tools(url: &str) -> Value {
    let tool = json!({
        "name": "send_email", "scope_id": "global", "url": url, "timeout_ms": 15000,
        "max_retries": 2, "enabled": true, "description": null, "has_secret": true,
        "secret_id": "sec_c216f5c0", "secret_mask": "***our",
    });
    let answer = json!({ "status": 200 });
    let executed = ruling("executed", "ok", "low", answer.clone());
    let dedup = ruling("dedup", "tool_idempotency", "low", answer);
    let off = json!({
        "agent_id": "bot", "is_enabled": false, "disabled_reason": "fraud",
        "disabled_at": "TIME",
    });
    let on = json!({
        "agent_id": "bot", "is_enabled": true, "disabled_reason": null, "disabled_at": null,
    });
    json!({
        "create_tool": tool,
        "get_tool": tool,
        "list_tools": [tool],
        "toggle_off": { "name": "send_email", "enabled": false },
        "toggle_on": { "name": "send_email", "enabled": true },
        "delete_tool": { "ok": true, "deleted": "send_email", "scope_id": "global" },
        "run_tool": executed,
        "run_tool_again": dedup,
        "run_by_agent": executed,
        "run_and_wait_by_agent": dedup,
        "disable_agent": off,
        "run_disabled": ruling("blocked", "agent_disabled", "high", Value::Null),
        "enable_agent": on,
        "run_enabled": dedup,
        "run_blocked": ruling("blocked", "tool_explicitly_blocked", "high", Value::Null),
        "agent_metrics": {
            "agent_id": "bot", "period": "hour", "total_actions": 6, "blocked_actions": 1,
            "total_spend_usd": 0.5, "top_tools": [{ "tool": "send_email", "count": 6 }],
        },
    })
}

/// What it makes of the answers about locks, leases and runs.
fn of_work() -> Value {
    let lock = |locked: bool, first_seen_at: Value, request_id: &str| {
        json!({
            "locked": locked, "duplicate": !locked, "key": "key", "ttl": 60,
            "first_seen_at": first_seen_at, "request_id": request_id, "status_code": 200,
        })
    };
    let by_hand = with(
        outcome("by-hand", json!({ "n": 1.5 })),
        json!({ "result_hash": "h" }),
    );
    let held = json!({ "ttl_left": 60, "retry_after_sec": 1 });
    let lease = |key: &str| {
        let taken = json!({
            "lease_id": "LEASE", "ttl": 60, "ttl_left": 60, "charged": 1, "usage": "NUMBER",
            "limit": null,
        });
        with(standing("acquired", key), taken)
    };
    let ended = |status: &str, key: &str, ttl: u64| json!({ "ok": true, "status": status, "key": key, "ttl": ttl, "version": 1 });
    let event = json!({
        "id": "NUMBER", "run_id": "run x/y", "ts": 7, "type": "tool_result", "status": "ok",
        "duration_ms": 120, "step": null, "tool": "send_email", "req_id": null,
        "lease_id": null, "agent_id": null, "message": null, "data": { "n": 1 }, "key": null,
    });
    let failed = json!({ "ok": false, "status": "failed", "result": null, "error_code": "boom" });
    let absent = json!({ "ok": false, "version": 0, "first_seen_at": null });
    let found = json!({ "charged": 0, "lease_id": null, "ttl_left": 60, "retry_after_sec": 1 });
    json!({
        "check_lock": lock(true, Value::Null, "req-1"),
        "check_lock_again": lock(false, json!("TIME"), "req-2"),
        "idempotent": "done",
        "idempotent_again": "skipped",
        "times_done": 1,
        "lease": lease("by-hand"),
        "lease_again": with(with(lease("by-hand"), found.clone()), json!({ "status": "in_progress" })),
        "status_held": with(standing("in_progress", "by-hand"), held),
        "extend": ended("extended", "by-hand", 120),
        "complete": ended("completed", "by-hand", 120),
        "result": by_hand,
        "wait": by_hand,
        "status_absent": with(standing("not_found", "absent"), absent),
        "fail": ended("failed", "in-vain", 300),
        "result_failed": with(outcome("in-vain", Value::Null), failed),
        "cancel": ended("canceled", "given-back", 300),
        "run": with(lease("by-run"), json!({ "result": null })),
        "ai_run": with(
            with(lease("by-run"), found),
            json!({ "status": "in_progress", "result": null }),
        ),
        "run_and_wait": outcome("by-run", json!({ "n": 2 })),
        "ai_run_and_wait": outcome("by-run", json!({ "n": 2 })),
        "run_fn_again": outcome("by-fn", json!({ "n": 3 })),
        "idempotent_ai_again": outcome("by-decorator", json!({ "n": 5 })),
        "post_event": { "ok": true, "event_id": "NUMBER", "run_id": "run x/y" },
        "timeline": { "run_id": "run x/y", "total": 1, "events": [event] },
        "events": { "data": [event] },
        "notify": {
            "email_notifications_enabled": false,
            "tool_error_notifications_enabled": true,
            "run_failure_notifications_enabled": false,
        },
    })
}

// spec: GOV-1 POLICY-6 POLICY-8 LOCK-1 LEASE-1 LEASE-2 LEASE-3 RUN-1 USAGE-1 AUDIT-5
fn tour(kind: &str) {
    let backend = FakeTool::ok();
    let url = format!("http://{}/send", backend.listen());
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("tools.yaml"), "tools: []\n").unwrap();
    let sidecar = start(folder.path());
    let mut script = python::python();
    script
        .args(["tests/python/sdk_tour.py", kind])
        .arg(format!("http://{}/v1", sidecar.admin))
        .arg(&url)
        .envs([("COUNTERSIGN_ADMIN_TOKEN", TOKEN), ("NO_PROXY", "*")]);
    let told: Value = serde_json::from_str(&python::run(&mut script)).unwrap();
    assert_eq!(
        told["missed"],
        json!([]),
        "the SDK has methods that are not toured"
    );
    let seen = told["seen"].as_object().unwrap();
    for (step, expected) in of_tools(&url)
        .as_object()
        .unwrap()
        .iter()
        .chain(of_work().as_object().unwrap())
    {
        let found = masked(&seen[step]["returned"]);
        assert_eq!(found, *expected, "{step}: {}", seen[step]);
    }
    assert_eq!(
        seen["run_absent_tool"],
        raised("ApiError", "tool_not_found", 404)
    );
    assert_eq!(seen["complete_late"], raised("ApiError", "lease_lost", 409));
    assert_eq!(seen["check_lock_wrong"]["raised"], "ValidationError");
    expect_helpers(kind, seen);
    expect_policies(seen);
    expect_logs(seen);
    expect_account(seen);
    // Two different calls were made, and a third one was blocked.
    assert_eq!(backend.received().len(), 2);
    expect_kept(folder.path(), sidecar);
}

/// The helpers that keep a lease alive while they work.
fn expect_helpers(kind: &str, seen: &Map<String, Value>) {
    for (step, key, n) in [("run_fn", "by-fn", 3), ("idempotent_ai", "by-decorator", 5)] {
        let expected = match kind {
            // The work is done, as the step behind this one shows, but the SDK falls over its own
            // heartbeat before it can say so.
            "async" => raised("CancelledError", "", Value::Null),
            _ => json!({ "returned": outcome(key, json!({ "n": n })) }),
        };
        assert_eq!(masked(&seen[step]), expected, "{step}");
    }
}

fn expect_policies(seen: &Map<String, Value>) {
    let policy = |step: &str| &seen[step]["returned"];
    for step in ["upsert_policy", "get_policy"] {
        assert_eq!(policy(step)["agent_id"], "governed", "{}", seen[step]);
        assert_eq!(policy(step)["max_actions_per_hour"], 100);
        assert_eq!(policy(step)["blocked_tools"], json!(["send_email"]));
    }
    assert_eq!(
        seen["get_absent_policy"],
        raised("ApiError", "policy_not_found", 404)
    );
    // The template allows 50 an hour, which was overridden, and two dollars a day, which was not.
    assert_eq!(policy("template")["max_actions_per_hour"], 7);
    assert_eq!(
        policy("template")["max_spend_usd_per_day"].as_f64(),
        Some(2.0)
    );
    let listed: Vec<_> = policy("list_policies").as_array().unwrap().iter().collect();
    let agents: Vec<_> = listed.iter().map(|policy| &policy["agent_id"]).collect();
    assert_eq!(agents, ["careful", "governed"]);
}

fn expect_logs(seen: &Map<String, Value>) {
    let logged = |step: &str| {
        let items = seen[step]["returned"].as_array().unwrap();
        let shown =
            |item: &Value| json!([item["decision"], item["policy_reason"], item["spend_usd"]]);
        items.iter().map(shown).collect::<Vec<_>>()
    };
    let last = [
        json!(["dedup", "tool_idempotency", 0.0]),
        json!(["blocked", "agent_disabled", 0.0]),
        json!(["dedup", "tool_idempotency", 0.0]),
    ];
    assert_eq!(logged("agent_logs"), last);
    let blocked = [json!(["blocked", "tool_explicitly_blocked", 0.0])];
    assert_eq!(logged("blocked_logs"), blocked);
    let hash = &seen["agent_logs"]["returned"][0]["args_hash"];
    // Of {"to":"é@example.com"}, without the run's name, by Python's `hashlib`.
    assert_eq!(hash, "0d4ee4ce");
}

fn expect_account(seen: &Map<String, Value>) {
    let me = &seen["me"]["returned"];
    assert_eq!(
        (&me["plan"], &me["key_preview"]),
        (&json!("self_hosted"), &json!(KEY_HASH))
    );
    let make = &seen["usage"]["returned"];
    assert_eq!(
        (&make["usage"], &make["requests_total_month"]),
        (&json!(2), &json!(4))
    );
    let ai = &seen["usage_ai"]["returned"];
    // Six leases and the two calls that were made.
    assert_eq!(ai["usage"], 8);
    let all = &seen["usage_all"]["returned"];
    assert_eq!(
        (&all["make"]["usage"], &all["ai"]["usage"]),
        (&json!(2), &json!(8))
    );
    let days = seen["metrics"]["returned"]["data"].as_array().unwrap();
    let sum = |count: &str| {
        days.iter()
            .filter_map(|day| day[count].as_u64())
            .sum::<u64>()
    };
    let counts = [
        "checks_total",
        "ai_acquired",
        "ai_completed",
        "ai_failed",
        "calls_executed",
    ];
    assert_eq!(counts.map(sum), [4, 6, 4, 1, 2]);
}

/// After the end of the process, on disk and in the next one.
fn expect_kept(folder: &Path, sidecar: Sidecar) {
    let get = |sidecar: &Sidecar, path: &str| {
        let reply = ask(sidecar.admin, TOKEN, "GET", path, &Value::Null);
        assert_eq!(reply.status, 200, "{path}");
        reply.json()
    };
    let paths = [
        "/v1/agents/bot/logs",
        "/v1/agents/bot/metrics",
        "/v1/ai/result?key=by-hand",
        "/v1/ai/status?key=in-vain",
        "/v1/runs",
        "/v1/events?limit=500",
        "/v1/usage",
        "/v1/usage?kind=ai",
        "/v1/me",
    ];
    let before = paths.map(|path| get(&sidecar, path));
    // What a lease's last seconds do not change was written before it was answered; the log of calls
    // is written within the time that this takes.
    drop(sidecar);
    let store = folder.join("countersign.store");
    let verify =
        |command: &mut Command| run(command.args(["audit", "verify", "--store"]).arg(&store));
    let (code, said, _) = verify(&mut Command::new(BINARY));
    assert_eq!((code, said.lines().next()), (0, Some("ok: records 1 to 7")));
    let sidecar = start(folder);
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(get(&sidecar, path), before, "{path}");
    }
    let body = json!({ "key": "key" });
    let again = ask(sidecar.admin, TOKEN, "POST", "/v1/check-lock", &body);
    assert_eq!(again.json()["status"], "duplicate");
    let (code, _, said) = verify(&mut Command::new(BINARY));
    assert_eq!(code, 64);
    assert!(said.contains("another process uses"), "{said}");
}

#[test]
fn the_blocking_sdk_goes_everywhere() {
    tour("sync");
}

#[test]
fn the_asynchronous_sdk_goes_everywhere() {
    tour("async");
}

/// The one test of the SDK's own that needs a server.
// spec: LOCK-1 USAGE-1
#[test]
#[ignore = "needs the SDK's source distribution from PyPI"]
fn the_sdks_own_live_test_passes() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("tools.yaml"), "tools: []\n").unwrap();
    let sidecar = start(folder.path());
    let mut pytest = python::sdk_tests();
    pytest
        .args(["-q", "-m", "integration", "-p", "no:cacheprovider"])
        .envs([
            ("TEST_API_KEY", TOKEN.to_owned()),
            ("TEST_BASE_URL", format!("http://{}", sidecar.admin)),
            ("NO_PROXY", "*".to_owned()),
        ]);
    let said = python::run(&mut pytest);
    assert!(said.contains("1 passed"), "{said}");
}
