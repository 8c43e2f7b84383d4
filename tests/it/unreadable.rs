//! What is no request is refused like a request that may not be made.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use countersign::test_support::http1::Reader;
use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::{FakeTool, Harness};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::support::{BINARY, metric};

// spec: ERR-1 FRAME-1 BODY-1 OBS-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_gets_a_code_and_is_counted() {
    const START: &str = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let long = format!("{START}X-Long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("{START}{many}\r\n");
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let bad_request = ("400 Bad Request", "bad_request");
    let too_large = ("431 Request Header Fields Too Large", "head_too_large");
    for (request, (status, code)) in [
        (format!("{START}{both}"), bad_request),
        (
            format!("{START}Content-Length: +5\r\n\r\nhello"),
            bad_request,
        ),
        (
            "GET /tools/t HTTP/1.1\nHost: 127.0.0.1\n\n".to_owned(),
            bad_request,
        ),
        ("\x16\x03\x01\x02\x00".to_owned(), bad_request),
        (long, too_large),
        (many, too_large),
        (START.to_owned(), ("408 Request Timeout", "request_timeout")),
    ] {
        let world = Harness::with_tool("t", FakeTool::ok()).start();
        let mut agent = Reader::new(world.connect());
        // The answer may come, and the connection close, before all of it is written.
        let _ = agent.io().write_all(request.as_bytes()).await;
        let head = agent.head().await.expect("an answer");
        assert_eq!(head.start_line, format!("HTTP/1.1 {status}"));
        assert_eq!(head.one("x-countersign-error"), code);
        assert_eq!(head.one("x-countersign-attempts"), "0");
        assert_eq!(head.one("connection"), "close");
        assert_eq!(head.one("x-request-id").len(), 36);
        let body: Value = serde_json::from_slice(&agent.rest().await).expect("JSON, once");
        assert_eq!(body["detail"]["error"], code);
        let series = format!(
            "countersign_calls_total{{tool=\"_unknown\",door=\"proxy\",outcome=\"{code}\"}}"
        );
        assert_eq!(
            metric(&world.metrics(), &series),
            1.0,
            "{}",
            world.metrics()
        );
        assert_eq!(world.backend.received().len(), 0);
    }
}

// spec: BIND-1 OBS-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_that_says_nothing_is_no_call() {
    let world = Harness::with_tool("t", FakeTool::ok()).start();
    let mut agent = Reader::new(world.connect());
    assert!(agent.head().await.is_none());
    assert_eq!(world.elapsed(), Duration::from_secs(10));
    assert!(!world.metrics().contains("request_timeout"));
}

// spec: API-2 ERR-1 OBS-2
#[test]
fn both_listeners_answer_and_an_agents_mistake_is_logged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tools.yaml");
    std::fs::write(&path, "tools: []\n").unwrap();
    let sidecar = Sidecar::start(BINARY, &path);
    for address in [sidecar.admin, sidecar.agents] {
        let mut client = TcpStream::connect(address).unwrap();
        let folded = b"GET /healthz HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n";
        client.write_all(folded).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("x-countersign-error: bad_request\r\n"),
            "{answer}"
        );
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let body: Value = serde_json::from_str(body).unwrap();
        let sentence = "a line of the head begins with white space";
        assert_eq!(body["detail"]["message"], sentence);
    }
    let line = eventually(|| sidecar.stdout.all().pop()).expect("a line in the access log");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["code"], "bad_request");
    assert_eq!(line["status"], 400);
    assert_eq!(line.get("method"), None, "nobody knows the method");
}
