//! The real process: both listeners, all workers, one memory, and what a restart remembers.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use countersign::test_support::client::send;
use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::{FakeTool, Gate, Reply, Step};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_local;

use crate::abuse::allow_many_open_files;
use crate::governed::{dedup, executed, ruling};
use crate::support::{BINARY, block_on, get, metric};

const TOKEN: &str = "an-operators-token";

fn start(registry: &Path) -> Sidecar {
    Sidecar::start_with(BINARY, registry, &[], &[("COUNTERSIGN_ADMIN_TOKEN", TOKEN)])
}

/// The registry file of a tool `t` behind `url`.
fn registry(dir: &TempDir, url: SocketAddr) -> PathBuf {
    let path = dir.path().join("tools.yaml");
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let text = format!("tools:\n  - name: t\n    url: http://{url}/\n    auth: {auth}\n");
    fs::write(&path, text).unwrap();
    path
}

fn request(path: &str, token: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(body.to_string()))
        .unwrap()
}

fn run(address: SocketAddr, path: &str, token: &str, body: &Value) -> Reply {
    block_on(send(address, request(path, token, body)))
}

// spec: GOV-1 ONCE-1 POLICY-6
#[test]
fn both_listeners_remember_the_same_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let backend = FakeTool::ok();
    let path = registry(&dir, backend.listen());
    let store = dir.path().join("countersign.store");
    let call = json!({ "agent_id": "bot", "tool": "t", "args": { "idempotency_key": "k" } });
    let result = json!({ "status": 200 });

    let sidecar = start(&path);
    assert!(!store.exists(), "nobody has asked for anything yet");
    let by_operator = run(sidecar.admin, "/v1/ai/run", TOKEN, &call);
    assert_eq!(ruling(&by_operator), executed(&result));
    assert_eq!(
        fs::metadata(&store).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let by_agent = run(sidecar.agents, "/v1/ai/run", "anything", &call);
    assert_eq!(ruling(&by_agent), dedup(&result));
    let stranger = run(sidecar.admin, "/v1/ai/run", "wrong-token", &call);
    assert_eq!(stranger.status, 403);
    let off = run(sidecar.admin, "/v1/agents/off/disable", TOKEN, &json!({}));
    assert_eq!(off.status, 200);
    drop(sidecar);

    let sidecar = start(&path);
    let again = run(sidecar.agents, "/v1/ai/run", "anything", &call);
    assert_eq!(ruling(&again), dedup(&result));
    let call = json!({ "agent_id": "off", "tool": "t" });
    let off = run(sidecar.agents, "/v1/ai/run", "anything", &call);
    assert_eq!(ruling(&off)["policy_reason"], "agent_disabled");
    let received = backend.received();
    assert_eq!(received.len(), 1);
    let envelope: Value = serde_json::from_slice(&received[0].body).unwrap();
    // `printf an-operators-token | sha256sum`
    assert_eq!(envelope["key_hash"], "k_263e7419");
}

/// Over sockets, so that they come to all workers and to both listeners.
// spec: GOV-1 ONCE-1
#[test]
#[ignore = "opens 1,000 connections"]
fn a_thousand_calls_over_both_listeners_are_one() {
    allow_many_open_files();
    let dir = TempDir::new().unwrap();
    let gate = Gate::closed();
    let slow = Step::AnswerWhenOpen(gate.clone(), answer(200, &[]));
    let backend = FakeTool::script([slow]);
    let sidecar = start(&registry(&dir, backend.listen()));
    let (agents, admin) = (sidecar.agents, sidecar.admin);
    let opener = std::thread::spawn(move || {
        let waiting = "countersign_inflight_calls{tool=\"t\"}";
        let all = || (metric(get(admin, "/metrics").text(), waiting) == 1_000.0).then_some(());
        let all_are_there = eventually(all);
        gate.open();
        all_are_there.expect("a thousand calls in flight");
    });
    let told = block_on(async {
        let call = json!({ "agent_id": "bot", "tool": "t", "args": { "n": 1 } });
        let calls: Vec<_> = (0..1_000)
            .map(|number| {
                // The operator's listener has fewer places.
                let address = if number % 5 == 0 { admin } else { agents };
                spawn_local(send(address, request("/v1/ai/run", TOKEN, &call)))
            })
            .collect();
        let mut told = Vec::new();
        for call in calls {
            told.push(ruling(&call.await.unwrap()));
        }
        told
    });
    opener.join().unwrap();
    let result = json!({ "status": 200 });
    let first = told.iter().filter(|told| **told == executed(&result));
    let others = told.iter().filter(|told| **told == dedup(&result));
    assert_eq!((first.count(), others.count()), (1, 999));
    assert_eq!(backend.received().len(), 1);
}
