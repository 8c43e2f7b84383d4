//! The process's end: calls in flight finish, nothing new comes in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::{Sidecar, eventually, run};
use countersign::test_support::{FakeTool, Gate, Reply, Step};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{BINARY, ask, get, post};

const TOKEN: &str = "an-operators-token";

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

// spec: LIFE-1 CLI-1
#[test]
fn ready_says_whether_a_sidecar_takes_calls() {
    let dir = TempDir::new().unwrap();
    let gate = Gate::closed();
    let upstream = FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]);
    let mut sidecar = Sidecar::start(BINARY, &registry(&dir, &upstream));
    let url = format!("http://{}", sidecar.admin);
    let ready = || run(Command::new(BINARY).args(["ready", "--admin-url", &url]));
    assert_eq!(ready(), (0, "ready\n".into(), String::new()));
    let agents = sidecar.agents;
    let call = thread::spawn(move || post(agents, "/tools/t", "{}"));
    eventually(|| (upstream.received().len() == 1).then_some(())).expect("a call in flight");
    sidecar.signal("TERM");
    eventually(|| (get(sidecar.admin, "/readyz").status == 503).then_some(())).expect("draining");
    assert_eq!(ready(), (1, String::new(), "not ready: draining\n".into()));
    gate.open();
    call.join().unwrap();
    assert_eq!(sidecar.exit().code(), Some(0));
    let (code, printed, said) = ready();
    assert_eq!((code, &*printed), (1, ""));
    assert!(said.starts_with("nobody answers at "), "{said}");
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

/// A sidecar with an admin token, and one call that the tool has and does not answer yet.
fn with_a_call_in_flight(dir: &TempDir, gate: &Gate) -> (Sidecar, thread::JoinHandle<Reply>) {
    let upstream = FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]);
    let environment = [("COUNTERSIGN_ADMIN_TOKEN", TOKEN)];
    let sidecar = Sidecar::start_with(BINARY, &registry(dir, &upstream), &[], &environment);
    let agents = sidecar.agents;
    let call = thread::spawn(move || post(agents, "/tools/t", "{}"));
    eventually(|| (upstream.received().len() == 1).then_some(())).expect("a call in flight");
    (sidecar, call)
}

fn quit(sidecar: &Sidecar) {
    let reply = ask(sidecar.admin, TOKEN, "POST", "/quit", &Value::Null);
    assert_eq!(reply.status, 202);
    assert_eq!(reply.text(), r#"{"ok":true,"status":"draining"}"#);
}

// spec: LIFE-4 LIFE-2
#[test]
fn an_operator_can_ask_for_the_end_as_a_signal_does() {
    let dir = TempDir::new().unwrap();
    let gate = Gate::closed();
    let (mut sidecar, call) = with_a_call_in_flight(&dir, &gate);
    let refused = ask(
        sidecar.admin,
        "another-token",
        "POST",
        "/quit",
        &Value::Null,
    );
    assert_eq!(refused.status, 403);
    assert_eq!(get(sidecar.admin, "/readyz").status, 200);

    quit(&sidecar);
    eventually(|| (get(sidecar.admin, "/readyz").status == 503).then_some(())).expect("not ready");
    eventually(|| TcpStream::connect(sidecar.agents).is_err().then_some(()))
        .expect("connections refused");
    // Neither cuts the call off: an operator who is in doubt asks again, and Kubernetes always does.
    quit(&sidecar);
    sidecar.signal("TERM");
    assert_eq!(get(sidecar.admin, "/readyz").text(), "draining");

    gate.open();
    call.join().unwrap().expect_answer(200);
    assert_eq!(sidecar.exit().code(), Some(0));
    assert_eq!(
        sidecar.stdout.all().len(),
        1,
        "the call is in the access log"
    );
}

// spec: LIFE-4
#[test]
fn a_second_signal_ends_that_drain_too() {
    let dir = TempDir::new().unwrap();
    let (mut sidecar, _call) = with_a_call_in_flight(&dir, &Gate::closed());
    quit(&sidecar);
    // Two signals of one kind may arrive as one; two of different kinds, in either order.
    sidecar.signal("INT");
    sidecar.signal("TERM");
    let code = sidecar.exit().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
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
