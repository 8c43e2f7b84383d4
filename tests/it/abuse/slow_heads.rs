//! Heads that arrive a byte at a time.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::test_support::process::{PATIENCE, Sidecar};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::abuse::upstream::Upstream;
use crate::abuse::{Held, registry, rest, served};
use crate::support::{BINARY, block_on};

const CLIENTS: usize = 200;

/// Sends a byte now and then until there is an answer, which it returns.
async fn trickle(agents: SocketAddr) -> String {
    let stream = TcpStream::connect(agents).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (receiving, mut sending) = stream.into_split();
    let bytes = b"POST /tools/ok HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";
    {
        let write = async {
            for byte in bytes.iter().chain(std::iter::repeat(&b'x')) {
                if sending.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ready = receiving.readable() => ready.unwrap(),
            () = write => unreachable!("it never ends by itself"),
        }
    }
    rest(receiving.reunite(sending).unwrap()).await
}

// spec: BODY-1
#[test]
fn slow_heads_are_cut_off_while_others_are_served() {
    let dir = TempDir::new().unwrap();
    let upstream = Upstream::start();
    let path = registry(&dir, upstream.address, &["ok"], &[]);
    let environment = [
        ("COUNTERSIGN_LIMITS_HEAD_TIMEOUT_MS", "1000"),
        ("COUNTERSIGN_UPSTREAM_POOL_IDLE_TIMEOUT_MS", "100"),
    ];
    let sidecar = Sidecar::start_with(BINARY, &path, &[], &environment);
    block_on(async {
        served(sidecar.agents).await;
        let before = Held::at_rest(&sidecar).await;
        let slow: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let ended = tokio::time::timeout(PATIENCE, trickle(sidecar.agents));
                tokio::task::spawn_local(async { ended.await.expect("a slow head is ended") })
            })
            .collect();
        while slow.iter().any(|client| !client.is_finished()) {
            served(sidecar.agents).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for client in slow {
            let answer = client.await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        }
        Held::returns_to(&before, &sidecar).await;
    });
}
