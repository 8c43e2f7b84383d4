//! The process's end: calls in flight finish, nothing new comes in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::{Sidecar, eventually, run};
use countersign::test_support::{FakeTool, Gate, Step};
use tempfile::TempDir;

use crate::support::{BINARY, get, post};

/// A registry with one tool `t` that is behind `upstream`.
fn registry(dir: &TempDir, upstream: &FakeTool) -> PathBuf {
    let path = dir.path().join("tools.yaml");
    let url = upstream.listen();
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let text = format!("tools:\n  - name: t\n    url: http://{url}/\n    auth: {auth}\n");
    std::fs::write(&path, text).unwrap();
    path
}

// spec: LIFE-1 LIFE-2 LIFE-3
#[test]
fn calls_in_flight_finish_and_new_ones_are_refused() {
    let dir = TempDir::new().unwrap();
    let gate = Gate::closed();
    let upstream = FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]);
    let mut sidecar = Sidecar::start(BINARY, &registry(&dir, &upstream));
    assert_eq!(get(sidecar.admin, "/healthz").text(), "ok");
    assert_eq!(get(sidecar.admin, "/readyz").status, 200);

    let agents = sidecar.agents;
    let calls: Vec<_> = (0..50)
        .map(|_| thread::spawn(move || post(agents, "/tools/t", "{}")))
        .collect();
    eventually(|| (upstream.received().len() == 50).then_some(())).expect("all calls in flight");

    sidecar.signal("TERM");
    eventually(|| (get(sidecar.admin, "/readyz").status == 503).then_some(())).expect("not ready");
    assert_eq!(get(sidecar.admin, "/healthz").status, 200);
    eventually(|| TcpStream::connect(agents).is_err().then_some(())).expect("connections refused");

    gate.open();
    for call in calls {
        let reply = call.join().unwrap();
        reply.expect_answer(200);
        assert_eq!(reply.body.as_deref(), Some(&b"{\"status\":200}"[..]));
    }
    assert_eq!(sidecar.exit().code(), Some(0));
    assert_eq!(
        sidecar.stdout.all().len(),
        50,
        "every call has its line in the access log"
    );
}

// spec: LIFE-2
#[test]
fn a_drain_does_not_wait_for_ever() {
    let dir = TempDir::new().unwrap();
    let upstream = FakeTool::silent();
    let environment = [("COUNTERSIGN_DRAIN_TIMEOUT_MS", "100")];
    let mut sidecar = Sidecar::start_with(BINARY, &registry(&dir, &upstream), &[], &environment);
    let agents = sidecar.agents;
    let mut held = TcpStream::connect(agents).unwrap();
    held.write_all(b"POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    eventually(|| (upstream.received().len() == 1).then_some(())).expect("a call in flight");
    sidecar.signal("INT");
    assert_eq!(sidecar.exit().code(), Some(0));
    drop(held);
}

// spec: LIFE-2
#[test]
fn a_second_signal_ends_the_process_at_once() {
    let dir = TempDir::new().unwrap();
    let upstream = FakeTool::silent();
    let mut sidecar = Sidecar::start(BINARY, &registry(&dir, &upstream));
    let agents = sidecar.agents;
    let call = thread::spawn(move || {
        let mut stream = TcpStream::connect(agents).unwrap();
        let request = b"POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request).unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    eventually(|| (upstream.received().len() == 1).then_some(())).expect("a call in flight");
    sidecar.signal("TERM");
    eventually(|| (get(sidecar.admin, "/readyz").status == 503).then_some(())).expect("draining");
    sidecar.signal("TERM");
    assert_eq!(sidecar.exit().code(), Some(128 + 15));
    let _ = call.join().unwrap();
}

/// The kernel would let it join in and take half of the calls.
#[test]
fn a_second_sidecar_of_the_same_address_refuses_to_start() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir, &FakeTool::ok());
    let first = Sidecar::start(BINARY, &registry);
    let mut second = Command::new(BINARY);
    second.args([
        "serve",
        "--admin-listen",
        "127.0.0.1:0",
        "--listen",
        &first.agents.to_string(),
    ]);
    let (code, _, said) = run(second.arg("--registry").arg(&registry));
    assert_eq!(code, 78);
    let start = format!("agents.listen: {} cannot be bound: ", first.agents);
    assert!(said.starts_with(&start), "{said}");
}
