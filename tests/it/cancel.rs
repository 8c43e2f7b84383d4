//! An agent that goes away takes its call with it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::http1::Reader;
use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::{FakeTool, Gate, Harness, Step, World};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::support::{BINARY, get, metric};

const CALL: &[u8] = b"POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// An agent that goes away once the tool has its call.
async fn call_and_leave(world: &World) {
    let mut agent = world.connect();
    agent.write_all(CALL).await.unwrap();
    world
        .until(|world| world.backend.received().len() == 1)
        .await;
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_cancels_its_attempt_and_starts_no_other() {
    let backend = FakeTool::script([Step::Silence]);
    let world = Harness::with_tool("t", backend).retries(5).start();
    call_and_leave(&world).await;
    world
        .until(|world| world.metrics().contains("outcome=\"cancelled\""))
        .await;
    assert_eq!(world.buffered(), 0);
    world.let_time_pass(Duration::from_secs(600)).await;
    assert_eq!(world.backend.received().len(), 1);
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_during_a_wait_gets_no_retry() {
    let backend = FakeTool::script([Step::status(503, &[("Retry-After", "20")]), Step::ok()]);
    let world = Harness::with_tool("t", backend).retries(5).start();
    call_and_leave(&world).await;
    world.let_time_pass(Duration::from_secs(600)).await;
    assert_eq!(world.backend.received().len(), 1);
}

// spec: CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_only_closes_its_sending_side_gets_its_answer() {
    let backend = FakeTool::script([Step::status(503, &[("Retry-After", "20")]), Step::ok()]);
    let world = Harness::with_tool("t", backend).retries(5).start();
    let mut agent = Reader::new(world.connect());
    agent.io().write_all(CALL).await.unwrap();
    agent.io().shutdown().await.unwrap();
    let mut head = agent.head().await.expect("an answer");
    while head.start_line == "HTTP/1.1 100 Continue" {
        head = agent.head().await.expect("a final answer");
    }
    assert_eq!(head.start_line, "HTTP/1.1 200 OK");
    assert_eq!(head.one("x-countersign-attempts"), "2");
    assert!(world.elapsed() >= Duration::from_secs(20));
}

/// What the kernel says about either kind of agent.
// spec: CANCEL-1
#[test]
fn a_socket_that_is_half_closed_is_told_from_one_that_is_gone() {
    let dir = TempDir::new().unwrap();
    let gate = Gate::closed();
    let upstream = FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]);
    let path = dir.path().join("tools.yaml");
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let url = upstream.listen();
    let text = format!("tools:\n  - name: t\n    url: http://{url}/\n    auth: {auth}\n");
    std::fs::write(&path, text).unwrap();
    let sidecar = Sidecar::start(BINARY, &path);
    let call = || {
        let mut agent = TcpStream::connect(sidecar.agents).unwrap();
        agent.write_all(CALL).unwrap();
        agent
    };
    let gone = call();
    let mut waiting = call();
    waiting.shutdown(Shutdown::Write).unwrap();
    eventually(|| (upstream.received().len() == 2).then_some(())).expect("two calls");
    drop(gone);
    let mut question = [0; CONTINUE.len()];
    waiting.read_exact(&mut question).unwrap();
    assert_eq!(question, CONTINUE.as_bytes());
    let cancelled = "countersign_calls_total{tool=\"t\",door=\"proxy\",outcome=\"cancelled\"}";
    let count = || metric(get(sidecar.admin, "/metrics").text(), cancelled);
    eventually(|| (count() == 1.0).then_some(())).expect("a cancelled call");
    gate.open();
    let mut rest = String::new();
    waiting.read_to_string(&mut rest).unwrap();
    let answer = rest.replace(CONTINUE, "");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(count(), 1.0);
}

// spec: BODY-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let world = Harness::with_tool("t", FakeTool::ok()).start();
    let mut agent = Reader::new(world.connect());
    let request = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf";
    agent.io().write_all(request.as_bytes()).await.unwrap();
    let head = agent.head().await.expect("an answer");
    assert_eq!(head.one("x-countersign-error"), "request_timeout");
    assert_eq!(
        (world.elapsed(), world.buffered()),
        (Duration::from_secs(30), 0)
    );
    assert_eq!(world.backend.received().len(), 0);
}
