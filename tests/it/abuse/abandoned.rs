//! Connections that are left in the middle of whatever they were doing.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::test_support::process::Sidecar;
use socket2::SockRef;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::abuse::upstream::Upstream;
use crate::abuse::{Held, allow_many_open_files, gauge, metrics, registry, sent, served, until};
use crate::support::{BINARY, block_on};

const CONNECTIONS: usize = 10_000;
/// Opened together, a multiple of the phases.
const WAVE: usize = 400;
/// As many as it takes until the allocator has what it keeps.
const WARM_UP: usize = 2_000;
/// A byte lost per connection is not seen; a kilobyte is.
const TOLERANCE_KIB: u64 = 8 * 1024;

/// What a connection was doing when it was abandoned.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Connected,
    HalfRequestLine,
    HalfHead,
    HeadWithoutBody,
    HalfBody,
    AwaitingAnswer,
    WithinAnswer,
    SecondOfPipeline,
}

impl Phase {
    const ALL: [Self; 8] = [
        Self::Connected,
        Self::HalfRequestLine,
        Self::HalfHead,
        Self::HeadWithoutBody,
        Self::HalfBody,
        Self::AwaitingAnswer,
        Self::WithinAnswer,
        Self::SecondOfPipeline,
    ];
    /// How many of them are calls that have begun.
    const CALLS: usize = 5;

    fn bytes(self) -> &'static str {
        match self {
            Self::Connected => "",
            Self::HalfRequestLine => "POST /tools/o",
            Self::HalfHead => "POST /tools/ok HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le",
            Self::HeadWithoutBody => {
                "POST /tools/ok HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n"
            }
            Self::HalfBody => {
                "POST /tools/ok HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                 a\r\nhalf"
            }
            Self::AwaitingAnswer => {
                "POST /tools/stall HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
            }
            Self::WithinAnswer => {
                "POST /tools/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
            }
            Self::SecondOfPipeline => {
                "POST /tools/ok HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}\
                 POST /tools/stall HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
            }
        }
    }

    async fn reach(self, agents: SocketAddr) -> TcpStream {
        let mut stream = sent(agents, self.bytes().as_bytes()).await;
        if let Self::WithinAnswer = self {
            let mut seen = Vec::new();
            while !seen.windows(5).any(|bytes| bytes == b"event") {
                let read = stream.read_buf(&mut seen).await.unwrap();
                assert_ne!(read, 0, "the answer ended");
            }
        }
        stream
    }
}

/// Opens a wave, waits until the sidecar has got as far as each connection's phase, serves somebody
/// else, and leaves: every second one with a reset.
async fn open_and_abandon(sidecar: &Sidecar, wave: usize) {
    let opening: Vec<_> = (0..wave)
        .map(|number| {
            let phase = Phase::ALL[number % Phase::ALL.len()];
            tokio::task::spawn_local(phase.reach(sidecar.agents))
        })
        .collect();
    let mut streams = Vec::with_capacity(wave);
    for stream in opening {
        streams.push(stream.await.unwrap());
    }
    let calls = (wave / Phase::ALL.len() * Phase::CALLS) as f64;
    until("all of a wave", async || {
        let text = metrics(sidecar).await;
        let all = gauge(&text, "agent_connections") >= wave as f64
            && gauge(&text, "inflight_calls") >= calls;
        all.then_some(())
    })
    .await;
    served(sidecar.agents).await;
    for (number, stream) in streams.into_iter().enumerate() {
        // Not in step with the phases, so that each is left in both ways.
        if (number / Phase::ALL.len()).is_multiple_of(2) {
            SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
    }
}

// spec: CANCEL-1 BODY-1
#[test]
#[ignore = "opens 12,000 connections"]
fn ten_thousand_abandoned_connections_leave_nothing_behind() {
    allow_many_open_files();
    let dir = TempDir::new().unwrap();
    let upstream = Upstream::start();
    let tools = ["ok", "stall", "stream"];
    let path = registry(&dir, upstream.address, &tools, &["timeout_ms: 120000"]);
    let environment = [
        ("COUNTERSIGN_UPSTREAM_POOL_IDLE_TIMEOUT_MS", "100"),
        // Nothing here may end by a time-out that would hide a leak.
        ("COUNTERSIGN_LIMITS_HEAD_TIMEOUT_MS", "600000"),
        ("COUNTERSIGN_LIMITS_BODY_TIMEOUT_MS", "3600000"),
    ];
    let sidecar = Sidecar::start_with(BINARY, &path, &[], &environment);
    block_on(async {
        for _ in 0..WARM_UP / WAVE {
            open_and_abandon(&sidecar, WAVE).await;
        }
        let before = Held::at_rest(&sidecar).await;
        let memory_before = sidecar.memory_kib("VmRSS");
        for _ in 0..CONNECTIONS / WAVE {
            open_and_abandon(&sidecar, WAVE).await;
        }
        served(sidecar.agents).await;
        Held::returns_to(&before, &sidecar).await;
        until("the upstream to be left alone", async || {
            (upstream.open() == 0).then_some(())
        })
        .await;
        assert_eq!((before.calls, before.body_bytes), (0.0, 0.0));
        let memory = sidecar.memory_kib("VmRSS");
        println!("{before:?}; memory {memory_before} KiB before, {memory} KiB after");
        assert!(
            memory <= memory_before + TOLERANCE_KIB,
            "memory grew from {memory_before} to {memory} KiB"
        );
    });
}
