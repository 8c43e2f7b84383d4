//! From the `X-Request-Id` of any answer to the story of its call: real calls of every kind through the
//! real binary, each explained by the real binary from the log that it wrote.

mod scene;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign::test_support::process::{eventually, run};
use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, ask, code_block, get};
use scene::{SECRET, Scene, TOKEN, raw};

fn explain(id: &str, log: &Path, more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(BINARY);
    command
        .args(["explain", "--request-id", id, "--log"])
        .arg(log);
    run(command.args(more))
}

fn upstreams(scene: &mut Scene) {
    scene.call(
        "good",
        &["200 success", "by agent", "the backend answered 200"],
    );
    scene.call("bad", &["404 client_error", "look at what the agent sent"]);
    scene.call(
        "broken",
        &["500 server_error", "no retry   the backend may have acted"],
    );
    scene.call(
        "narrow",
        &["502 server_error", "no retry   the tool's retry_on"],
    );
    scene.call(
        "flaky",
        &[
            "200 success",
            "attempt 1  the backend answered 503",
            "wait ",
            "attempt 2",
        ],
    );
    scene.call(
        "patient",
        &["503 server_error", "no retry   the backend's Retry-After"],
    );
    scene.call(
        "hurried",
        &["503 server_error", "no retry   the wait would have passed"],
    );
    let unsent = "nothing of the call reached the backend";
    scene.call(
        "dead",
        &[
            "502 upstream_connect",
            "no retry   the tool's max_retries",
            unsent,
        ],
    );
    scene.call(
        "plain",
        &["504 upstream_timeout", "limit      timeout_ms", unsent],
    );
    scene.call(
        "silent",
        &[
            "504 upstream_timeout",
            "limit      timeout_ms",
            "maybe_seen",
        ],
    );
    scene.call("late", &["504 upstream_timeout", "limit      deadline_ms"]);
    scene.call(
        "closing",
        &["502 upstream_closed", "the call may have been carried out"],
    );
    scene.call(
        "garbage",
        &["502 upstream_invalid_response", "not an HTTP server"],
    );
    scene.call("cut", &["200 aborted", "cut within the answer"]);
}

fn limits(scene: &mut Scene) {
    scene.call(
        "stopped",
        &["403 tool_disabled", "attempts   none", "tools enable"],
    );
    scene.call(
        "nobody",
        &["404 tool_not_found", "no such tool for this agent"],
    );
    scene.call("rated", &["200 success"]);
    scene.call(
        "rated",
        &[
            "429 rate_limited",
            "limit      rate_limit (a field of the tool)",
        ],
    );
    scene.call("tripped", &["502 upstream_connect"]);
    scene.call(
        "tripped",
        &["503 circuit_open", "circuit    open: the call was refused"],
    );
}

fn unfit(scene: &mut Scene) {
    let to = |path: &str| Request::post(path);
    scene.send(
        to("/tools/good").header("host", "evil.example"),
        "{}",
        &["421 host_not_allowed"],
    );
    scene.send(
        to("/tools/good").header("origin", "https://x.example"),
        "{}",
        &["403 origin_not_allowed"],
    );
    scene.send(to("/elsewhere"), "{}", &["404 not_found", "no tool"]);
    scene.send(
        Request::get("/v1/ai/run"),
        "",
        &["405 method_not_allowed", "through /v1/ai/run"],
    );
    scene.send(to("/v1/ai/run"), "{", &["invalid_request"]);
    let body: &'static str = Box::leak("x".repeat(1001).into_boxed_str());
    let large = [
        "413 body_too_large",
        "limit      limits.max_body_bytes (a setting of the sidecar)",
    ];
    scene.send(to("/tools/good"), body, &large);
    let agents = scene.sidecar.agents;
    let malformed = raw(agents, b"POST /tools/good HTTP/1.1\r\nHost : x\r\n\r\n");
    scene.expect(
        &malformed,
        &["400 bad_request", "an unreadable request for no tool"],
    );
    let mut long = b"POST /tools/good HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    long.resize(100_000, b'x');
    scene.expect(
        &raw(agents, &long),
        &["431 head_too_large", "limit      limits.max_head_bytes"],
    );
}

fn governed(scene: &mut Scene) {
    scene.govern(
        "bot",
        "good",
        &[
            "200 success",
            "through /v1/ai/run, by bot",
            "lease      lease_",
        ],
    );
    scene.govern(
        "bot",
        "good",
        &[
            "200 dedup",
            "attempts   none",
            "the answer of the earlier call",
        ],
    );
    scene.govern(
        "bot",
        "broken",
        &["200 failed: tool_error", "the backend answered 500"],
    );
    scene.govern(
        "bot",
        "large",
        &["200 failed: result_too_large", "limits.max_result_bytes"],
    );
    scene.govern(
        "narrow",
        "broken",
        &["200 blocked: tool_not_in_allowed_list"],
    );
    scene.govern("narrow", "bad", &["200 blocked: tool_explicitly_blocked"]);
    scene.govern("once", "good", &["200 success"]);
    scene.govern(
        "once",
        "bad",
        &["200 blocked: max_actions_per_hour_exceeded"],
    );
    let as_agent = |agent: &str| Request::post("/tools/bad").header("x-onceonly-agent-id", agent);
    scene.send(
        as_agent("narrow"),
        "{}",
        &["403 blocked: policy_tool_blocked"],
    );
    scene.send(
        as_agent("once"),
        "{}",
        &["429 blocked: policy_max_actions_per_hour"],
    );
    let disable = "/v1/agents/gone/disable";
    assert_eq!(
        ask(scene.sidecar.admin, TOKEN, "POST", disable, &Value::Null).status,
        200
    );
    scene.send(
        as_agent("gone"),
        "{}",
        &["403 blocked: agent_disabled", "who switched the agent off"],
    );
    let keyed = || Request::post("/tools/good").header("idempotency-key", "k1");
    scene.send(keyed(), "{}", &["200 success", "lease      lease_"]);
    scene.send(keyed(), "{}", &["200 dedup"]);
    scene.send(keyed(), "{ }", &["422 idempotency_mismatch"]);
}

/// An agent that leaves has no answer, so it brings its own id.
fn departed(scene: &mut Scene) {
    let mut agent = TcpStream::connect(scene.sidecar.agents).unwrap();
    let head = b"POST /tools/forever HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: its-own\r\n\
        Content-Length: 0\r\n\r\n";
    agent.write_all(head).unwrap();
    let metrics = || {
        let text = get(scene.sidecar.admin, "/metrics").text().to_owned();
        text.contains("countersign_upstream_connections{state=\"active\"} 1")
            .then_some(())
    };
    eventually(metrics).expect("the call is at its backend");
    drop(agent);
    let parts = vec![
        "499 cancelled",
        "cancelled after",
        "maybe_seen",
        "give the agent more patience",
    ];
    scene.told.push(("its-own".to_owned(), parts));
}

// spec: CLI-4 OBS-2
#[test]
fn every_answer_leads_to_its_line_and_its_story() {
    let mut scene = Scene::open();
    upstreams(&mut scene);
    limits(&mut scene);
    unfit(&mut scene);
    governed(&mut scene);
    departed(&mut scene);
    let log = scene.log();
    let lines = std::fs::read_to_string(&log).unwrap();
    let ids: BTreeSet<_> = scene.told.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), scene.told.len());
    for (id, parts) in &scene.told {
        let field = format!("\"request_id\":\"{id}\"");
        assert_eq!(lines.matches(&field).count(), 1, "{id}: {parts:?}");
        let (code, story, err) = explain(id, &log, &[]);
        assert_eq!((code, &*err), (0, ""), "{story}");
        assert!(story.contains("\nnext       "), "{story}");
        for part in parts {
            assert!(story.contains(part), "{part:?} is not in\n{story}");
        }
        let (code, json, _) = explain(id, &log, &["--json"]);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((code, &json["line"]["request_id"]), (0, &json!(id)));
        let headline = format!(
            "{} {}",
            json["line"]["status"],
            json["line"]["outcome"].as_str().unwrap()
        );
        assert!(story.starts_with(&headline), "{story}");
        // Nothing that this version writes is unknown to it, and no secret is in either.
        assert!(!story.contains("\nalso "), "{story}");
        assert!(!story.contains(SECRET) && !story.contains(TOKEN));
    }
}

fn one_line() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("access.log");
    let line = json!({
        "ts": "2024-01-15T12:40:00.000Z", "request_id": "r-1", "trace_id": "0", "door": "proxy",
        "tool": "a\u{1b}[2J\u{9b}b", "status": 200, "outcome": "success", "attempts": [],
        "request_bytes": 0, "response_bytes": 0, "duration_ms": 1.0, "overhead_ms": 1.0,
    });
    let other = "POST r-3 200\n";
    std::fs::write(&log, format!("{line}\n{line}\n{other}")).unwrap();
    (folder, log)
}

// spec: CLI-1 CLI-4
#[test]
fn the_exit_code_says_whether_there_was_such_a_call() {
    let (folder, log) = one_line();
    let (code, out, err) = explain("r-1", &log, &[]);
    assert_eq!(code, 0);
    assert_eq!(out.matches("200 success").count(), 2);
    assert!(err.starts_with("2 calls came with this id"), "{err}");
    let (_, json, _) = explain("r-1", &log, &["--json"]);
    for said in [out, json] {
        assert!(!said.contains(['\u{1b}', '\u{9b}']), "{said}");
    }

    let (code, out, err) = explain("r-2", &log, &[]);
    assert_eq!((code, &*out), (1, ""));
    assert!(
        err.starts_with("no call with this id among 3 lines"),
        "{err}"
    );
    let (_, _, err) = explain("r-3", &log, &[]);
    assert!(
        err.contains("\n1 lines name the id and are no JSON lines"),
        "{err}"
    );

    for (id, log) in [
        ("", &log),
        ("a b", &log),
        ("r-1", &folder.path().join("nothing")),
    ] {
        assert_eq!(explain(id, log, &[]).0, 64, "{id:?}");
    }
}

#[test]
fn the_page_shows_a_story_as_it_is_told() {
    let attempt =
        |took| json!({"outcome": "upstream_connect", "verdict": "not_sent", "duration_ms": took});
    let line = json!({
        "ts": "2024-01-15T12:40:00.000Z", "request_id": "018d0d22-c900-7d3e-9c1f-2b8f0c1a4e55",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "door": "proxy", "tool": "send_email",
        "scope": "global", "agent": "support_bot", "method": "POST", "status": 502,
        "outcome": "upstream_connect", "code": "upstream_connect",
        "attempts": [attempt(0.412), attempt(0.291)],
        "retries": [{"reason": "not_sent", "wait_ms": 61.204}], "no_retry": "max_retries",
        "request_bytes": 54, "response_bytes": 0, "duration_ms": 62.514, "overhead_ms": 0.607,
    });
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("access.log");
    std::fs::write(&log, line.to_string()).unwrap();
    let (code, story, _) = explain(line["request_id"].as_str().unwrap(), &log, &[]);
    let page = include_str!("../../docs/cli.md");
    assert_eq!(
        (code, story.trim_end()),
        (0, code_block(page, "text test=explain"))
    );
}

#[test]
fn the_log_may_come_through_a_pipe() {
    let (_folder, log) = one_line();
    let mut explain = Command::new(BINARY)
        .args(["explain", "--request-id", "r-1", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = explain.stdin.take().unwrap();
    stdin.write_all(&std::fs::read(log).unwrap()).unwrap();
    drop(stdin);
    let output = explain.wait_with_output().unwrap();
    let lines: Vec<_> = output.stdout.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 3);
    let first: Value = serde_json::from_slice(lines[0]).unwrap();
    assert_eq!(
        (&first["ok"], &first["reached_backend"]),
        (&json!(true), &json!("no"))
    );
}
