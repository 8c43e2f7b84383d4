//! Real clients and a real backend: curl and httpx through the sidecar to FastAPI.

use std::path::PathBuf;
use std::process::Command;

use countersign::test_support::process::{Sidecar, run};
use countersign::test_support::python;
use tempfile::TempDir;

use crate::support::BINARY;

const SECRET: &str = "a-secret-of-the-test";

/// The example registry's three tools, at the address where the backend really is.
fn registry(dir: &TempDir, backend: &python::Backend) -> PathBuf {
    let path = dir.path().join("tools.yaml");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tools.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let here = format!("http://{}", backend.address());
    assert!(text.contains("http://127.0.0.1:8000"));
    std::fs::write(&path, text.replace("http://127.0.0.1:8000", &here)).unwrap();
    path
}

fn start() -> (TempDir, python::Backend, Sidecar) {
    let dir = TempDir::new().unwrap();
    let backend = python::Backend::start(SECRET);
    let registry = registry(&dir, &backend);
    let sidecar = Sidecar::start_with(BINARY, &registry, &[], &[("TOOL_SECRET", SECRET)]);
    (dir, backend, sidecar)
}

#[test]
fn curl_calls_the_three_tools_of_the_example_backend() {
    let (_dir, _backend, sidecar) = start();
    let curl = |tool: &str, body: &str| {
        let url = format!("http://{}/tools/{tool}", sidecar.agents);
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--noproxy",
            "*",
            "-w",
            "\n%{http_code}",
            "-d",
            body,
            &url,
        ]);
        curl.args(["-H", "Content-Type: application/json"]);
        curl.args(["-H", "X-OnceOnly-Agent-Id: support_bot"]);
        let (code, out, err) = run(&mut curl);
        assert_eq!(code, 0, "{err}");
        let (body, status) = out.rsplit_once('\n').unwrap();
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        (status.to_owned(), json)
    };
    let (status, sent) = curl("send_email", r#"{"args":{"to":"user@example.com"}}"#);
    assert_eq!(
        (status.as_str(), &sent["status"]),
        ("200", &"sent".into()),
        "{sent}"
    );
    assert_eq!(sent["verified"]["agent"], "support_bot");
    assert_eq!(sent["verified"]["tool"], "send_email");

    let (status, failed) = curl("fail_test", "{}");
    assert_eq!(status, "500", "{failed}");

    let ticket = r#"{"args":{"title":"Broken"},"lease_id":"lease_1"}"#;
    let (status, first) = curl("create_ticket", ticket);
    let (_, second) = curl("create_ticket", ticket);
    assert_eq!(
        (status.as_str(), &first["ticket"]["id"]),
        ("200", &second["ticket"]["id"])
    );
}

#[test]
fn httpx_bodies_arrive_as_they_were_sent() {
    let (_dir, _backend, sidecar) = start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/agent_httpx.py");
    let base = format!("http://{}", sidecar.agents);
    let out = python::run(python::python().args([script, &base, "send_email"]));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let calls = report["calls"].as_array().unwrap();
    assert!(calls.len() > 20, "{report}");
    for call in calls {
        assert_eq!(call["sent_sha256"], call["verified_sha256"], "{call}");
        // The backend verifies every body and says 400 to those that are no JSON.
        let no_json = ["binary", "empty", "form"]
            .iter()
            .any(|c| call["case"].as_str().is_some_and(|case| case.contains(c)));
        assert_eq!(call["status"], if no_json { 400 } else { 200 }, "{call}");
    }
    assert_eq!(report["keep_alive"]["connections"], 1, "{report}");
}

/// A backend with another secret refuses: the verification above is a real one.
#[test]
fn a_wrong_secret_is_noticed() {
    let (_dir, _backend, wrong) = {
        let dir = TempDir::new().unwrap();
        let backend = python::Backend::start("another-secret");
        let registry = registry(&dir, &backend);
        let sidecar = Sidecar::start_with(BINARY, &registry, &[], &[("TOOL_SECRET", SECRET)]);
        (dir, backend, sidecar)
    };
    let reply = crate::support::post(wrong.agents, "/tools/send_email", "{}");
    reply.expect_answer(401);
}
