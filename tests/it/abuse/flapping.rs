//! An upstream that comes and goes.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::test_support::client;
use countersign::test_support::process::Sidecar;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::abuse::{gauge, metrics, registry};
use crate::support::{BINARY, block_on};

const CYCLES: u32 = 4;
const HALF_CYCLE: Duration = Duration::from_secs(1);
const CALLS_PER_SECOND: u32 = 100;
const DEADLINE: Duration = Duration::from_millis(1500);
/// What a busy machine may add to a call that the sidecar has given up in time.
const MARGIN: Duration = Duration::from_secs(3);

/// Serves for half a cycle, then closes the listener and every connection for the other half.
async fn flap(address: SocketAddr) {
    for _ in 0..CYCLES {
        let listener = TcpListener::bind(address).await.unwrap();
        let mut connections = JoinSet::new();
        let up = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn_local(answer_all(stream));
            }
        };
        let _ = tokio::time::timeout(HALF_CYCLE, up).await;
        connections.shutdown().await;
        drop(listener);
        tokio::time::sleep(HALF_CYCLE).await;
    }
}

async fn answer_all(mut stream: TcpStream) {
    let mut seen = Vec::new();
    while matches!(stream.read_buf(&mut seen).await, Ok(read) if read > 0) {
        if seen.ends_with(b"\r\n\r\n{}") {
            seen.clear();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
        }
    }
}

/// One call's status, after having checked that it is one of those that flapping explains.
async fn call(agents: SocketAddr) -> u16 {
    let asked = Instant::now();
    let reply = client::post(agents, "/tools/ok", "{}").await;
    let took = asked.elapsed();
    assert!(took < DEADLINE + MARGIN, "a call took {took:?}: {reply:?}");
    let status = reply.status.as_u16();
    match status {
        200 => reply.expect_answer(200),
        502 => assert!(
            ["upstream_connect", "upstream_closed"].contains(&reply.header("x-countersign-error")),
            "{reply:?}"
        ),
        _ => panic!("{reply:?}"),
    }
    status
}

// spec: RETRY-3
#[test]
#[ignore = "flaps in real time for eight seconds"]
fn a_flapping_upstream_holds_up_no_call_and_is_not_stormed() {
    let dir = TempDir::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let fields = ["max_retries: 3", "timeout_ms: 500", "deadline_ms: 1500"];
    let path = registry(&dir, address, &["ok"], &fields);
    let started = Instant::now();
    let sidecar = Sidecar::start(BINARY, &path);
    block_on(async {
        let flapping = tokio::task::spawn_local(flap(address));
        let mut calls = JoinSet::new();
        let mut pace = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
        while !flapping.is_finished() {
            pace.tick().await;
            calls.spawn_local(call(sidecar.agents));
        }
        let statuses = calls.join_all().await;
        let text = metrics(&sidecar).await;
        let seconds = started.elapsed().as_secs() as f64 + 1.0;
        let (made, retries) = (statuses.len() as f64, gauge(&text, "retries_total"));
        // A second's worth to begin with.
        let budget = 0.2 * made + 10.0 * (seconds + 1.0);
        let failed = statuses.iter().filter(|status| **status == 502).count();
        let held_back = gauge(&text, "retry_budget_exhausted_total");
        println!(
            "{made} calls, {failed} failed, {retries} retries of {budget}, {held_back} held back"
        );
        assert!(retries > 0.0 && retries <= budget, "{retries} of {budget}");
        assert!(held_back > 0.0, "the budget was never needed");
        assert!(failed > 0, "the upstream was never down");
        assert!(failed < statuses.len(), "the upstream was never up");
        assert_eq!(gauge(&text, "inflight_calls"), 0.0);
    });
}
