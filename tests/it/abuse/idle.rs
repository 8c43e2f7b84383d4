//! Connections that are kept alive and do nothing.

use countersign::test_support::http1::Reader;
use countersign::test_support::process::Sidecar;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::abuse::upstream::Upstream;
use crate::abuse::{Held, allow_many_open_files, gauge, metrics, registry, sent, served};
use crate::support::{BINARY, block_on};

const CONNECTIONS: usize = 2_000;
/// Loose: what one costs is printed.
const MOST_KIB_EACH: u64 = 32;

/// A connection that has had an answer to a call.
async fn used(agents: std::net::SocketAddr) -> Reader<TcpStream> {
    let request = b"POST /tools/ok HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}";
    let mut reader = Reader::new(sent(agents, request).await);
    let head = reader.head().await.expect("an answer");
    assert_eq!(head.start_line, "HTTP/1.1 200 OK");
    assert_eq!(reader.exactly(2).await.as_deref(), Some(&b"ok"[..]));
    reader
}

// spec: BODY-1
#[test]
#[ignore = "holds 2,000 connections"]
fn idle_connections_hold_little_memory() {
    allow_many_open_files();
    let dir = TempDir::new().unwrap();
    let upstream = Upstream::start();
    let path = registry(&dir, upstream.address, &["ok"], &[]);
    let environment = [
        ("COUNTERSIGN_LIMITS_HEAD_TIMEOUT_MS", "600000"),
        ("COUNTERSIGN_UPSTREAM_POOL_IDLE_TIMEOUT_MS", "100"),
    ];
    let sidecar = Sidecar::start_with(BINARY, &path, &[], &environment);
    block_on(async {
        for _ in 0..100 {
            served(sidecar.agents).await;
        }
        let before = Held::at_rest(&sidecar).await;
        let memory_before = sidecar.memory_kib("VmRSS");
        let mut idle = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            idle.push(used(sidecar.agents).await);
        }
        let text = metrics(&sidecar).await;
        assert_eq!(gauge(&text, "agent_connections"), CONNECTIONS as f64);
        let grown = sidecar.memory_kib("VmRSS").saturating_sub(memory_before);
        println!("{CONNECTIONS} idle connections hold {grown} KiB");
        assert!(grown < MOST_KIB_EACH * CONNECTIONS as u64, "{grown} KiB");
        served(sidecar.agents).await;
        drop(idle);
        Held::returns_to(&before, &sidecar).await;
    });
}
