//! More connections than there is room for.

use std::process::Command;

use countersign::test_support::client;
use countersign::test_support::process::{Sidecar, eventually};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::abuse::upstream::Upstream;
use crate::abuse::{Held, gauge, metrics, registry, rest, sent, served, until};
use crate::support::{BINARY, block_on, get};

// spec: BIND-1
#[test]
fn the_surplus_is_told_so_and_the_rest_is_served() {
    const ROOM: usize = 50;
    const SURPLUS: usize = 200;
    let dir = TempDir::new().unwrap();
    let upstream = Upstream::start();
    let path = registry(&dir, upstream.address, &["ok"], &[]);
    let environment = [
        ("COUNTERSIGN_AGENTS_MAX_CONNECTIONS", "50"),
        ("COUNTERSIGN_UPSTREAM_POOL_IDLE_TIMEOUT_MS", "100"),
    ];
    let sidecar = Sidecar::start_with(BINARY, &path, &[], &environment);
    block_on(async {
        served(sidecar.agents).await;
        let before = Held::at_rest(&sidecar).await;
        let mut inside = Vec::new();
        for _ in 0..ROOM {
            inside.push(sent(sidecar.agents, b"POST /tools/ok HTTP/1.1\r\n").await);
        }
        until("a full house", async || {
            let text = metrics(&sidecar).await;
            (gauge(&text, "agent_connections") == ROOM as f64).then_some(())
        })
        .await;
        let outside: Vec<_> = (0..SURPLUS)
            .map(|_| {
                let request = b"POST /tools/ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
                let agents = sidecar.agents;
                tokio::task::spawn_local(async move { rest(sent(agents, request).await).await })
            })
            .collect();
        for surplus in outside {
            let answer = surplus.await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
            assert!(answer.contains("\r\nX-Countersign-Error: overloaded\r\n"));
            assert!(answer.contains("\r\nRetry-After: 1\r\n"));
        }
        for mut stream in inside {
            let more = b"Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(more).await.unwrap();
            let answer = rest(stream).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        }
        Held::returns_to(&before, &sidecar).await;
        served(sidecar.agents).await;
    });
}

/// An accept that fails stays due, so a loop that tries again at once takes all of a core.
// spec: BIND-1
#[test]
fn a_process_without_file_descriptors_waits_for_them() {
    const CLIENTS: usize = 150;
    const FAILURES: usize = 20;
    let dir = TempDir::new().unwrap();
    let upstream = Upstream::start();
    let path = registry(&dir, upstream.address, &["ok"], &[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", BINARY]);
    let sidecar = Sidecar::start_as(shell, &path, &[], &[]);
    let failures = || {
        let lines = sidecar.stderr.all();
        lines
            .iter()
            .filter(|line| line.contains("accept failed"))
            .count()
    };
    block_on(async {
        served(sidecar.agents).await;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(sent(sidecar.agents, b"POST").await);
        }
        until("no descriptor left", async || {
            (failures() > 0).then_some(())
        })
        .await;
        let (from, used) = (Instant::now(), sidecar.processor_time());
        let enough = failures() + FAILURES;
        until("more failures", async || {
            (failures() >= enough).then_some(())
        })
        .await;
        let used = sidecar.processor_time() - used;
        let waited = from.elapsed();
        println!("{used:?} of {waited:?}");
        assert!(used < waited / 4, "{used:?} of {waited:?}");
        drop(clients);
        until("descriptors to come back", async || {
            (sidecar.open_files() < 32).then_some(())
        })
        .await;
        client::post(sidecar.agents, "/tools/ok", "{}")
            .await
            .expect_answer(200);
    });
    eventually(|| (get(sidecar.admin, "/healthz").status == 200).then_some(())).unwrap();
}
