//! Hundreds of clients that upload much, and slowly.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::client;
use countersign::test_support::http1::{Head, Reader};
use countersign::test_support::process::{PATIENCE, Sidecar};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::abuse::upstream::Upstream;
use crate::abuse::{Held, allow_many_open_files, registry, served};
use crate::support::{BINARY, block_on};

const CLIENTS: usize = 500;
const UPLOAD_BYTES: usize = 10 * 1024 * 1024;
/// What each client sends in a second.
const PIECE: &[u8] = &[b'x'; 10 * 1024];
/// So little that the clients reach it in a few seconds.
const BUFFERED_BYTES: u64 = 16 * 1024 * 1024;
/// What the process may have besides bodies.
const OVERHEAD_KIB: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
}

/// How many uploads ended in which way.
#[derive(Debug, Default)]
struct Ends {
    overloaded: Cell<usize>,
    timed_out: Cell<usize>,
}

impl Ends {
    fn note(&self, head: &Head) {
        let count = match (
            head.start_line.split(' ').nth(1),
            head.one("x-countersign-error"),
        ) {
            (Some("503"), "overloaded") => {
                assert_eq!(head.one("retry-after"), "1");
                &self.overloaded
            }
            (Some("408"), "request_timeout") => &self.timed_out,
            _ => panic!("no upload may end like this: {head:?}"),
        };
        count.set(count.get() + 1);
    }
}

/// Uploads until there is an answer.
async fn upload(agents: SocketAddr, number: usize, framing: Framing) -> Head {
    let (receiving, mut sending) = TcpStream::connect(agents).await.unwrap().into_split();
    let mut answers = Reader::new(receiving);
    let trickle = async {
        let framing_field = match framing {
            Framing::Length => format!("Content-Length: {UPLOAD_BYTES}"),
            Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
        };
        let head =
            format!("POST /tools/stall HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing_field}\r\n\r\n");
        let mut piece = Vec::new();
        match framing {
            Framing::Length => piece.extend_from_slice(PIECE),
            Framing::Chunked => {
                piece.extend_from_slice(format!("{:x}\r\n", PIECE.len()).as_bytes());
                piece.extend_from_slice(PIECE);
                piece.extend_from_slice(b"\r\n");
            }
        }
        if sending.write_all(head.as_bytes()).await.is_ok() {
            // Spread over the second.
            tokio::time::sleep(Duration::from_millis(2 * number as u64)).await;
            for _ in 0..UPLOAD_BYTES / PIECE.len() {
                if sending.write_all(&piece).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        // The answer says why nobody reads on.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        head = answers.head() => head.expect("an upload is answered before it is cut"),
        () = trickle => unreachable!("it never ends by itself"),
    }
}

/// Lets all clients upload while others call, and returns how often the others were served.
async fn round(agents: SocketAddr, framing: Framing, ends: &Rc<Ends>) -> usize {
    let uploads: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let ends = Rc::clone(ends);
            tokio::task::spawn_local(async move {
                let ended = tokio::time::timeout(PATIENCE, upload(agents, number, framing));
                ends.note(&ended.await.expect("an upload is ended"));
            })
        })
        .collect();
    let mut calls = 0;
    while uploads.iter().any(|upload| !upload.is_finished()) {
        served(agents).await;
        let small = client::post(agents, "/tools/ok", "a small body").await;
        if small.status != 200 {
            // There may be no room left at all; then it says so.
            small.expect_refusal(503, "overloaded");
            assert_eq!(small.header("retry-after"), "1");
        }
        calls += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for upload in uploads {
        upload.await.unwrap();
    }
    calls
}

// spec: BODY-1
#[test]
#[ignore = "500 clients, and as long as their bodies' time-out"]
fn five_hundred_slow_uploads_keep_within_memory_and_nobody_else_waits() {
    allow_many_open_files();
    let dir = TempDir::new().unwrap();
    let upstream = Upstream::start();
    let path = registry(&dir, upstream.address, &["ok", "stall"], &[]);
    let buffered = BUFFERED_BYTES.to_string();
    let environment = [
        ("COUNTERSIGN_LIMITS_MAX_BUFFERED_BYTES", buffered.as_str()),
        ("COUNTERSIGN_LIMITS_BODY_TIMEOUT_MS", "8000"),
        ("COUNTERSIGN_UPSTREAM_POOL_IDLE_TIMEOUT_MS", "100"),
    ];
    let sidecar = Sidecar::start_with(BINARY, &path, &[], &environment);
    block_on(async {
        served(sidecar.agents).await;
        let before = Held::at_rest(&sidecar).await;
        for framing in [Framing::Length, Framing::Chunked] {
            let ends = Rc::default();
            let calls = round(sidecar.agents, framing, &ends).await;
            let peak = sidecar.memory_kib("VmHWM");
            println!("{framing:?}: {ends:?}, peak {peak} KiB, {calls} other calls served");
            assert_eq!(ends.overloaded.get() + ends.timed_out.get(), CLIENTS);
            assert!(ends.overloaded.get() > 0, "the limit was never reached");
            assert!(ends.timed_out.get() > 0, "nobody was let in");
            assert!(calls > 0);
            assert!(
                peak < BUFFERED_BYTES / 1024 + OVERHEAD_KIB,
                "peak: {peak} KiB"
            );
            Held::returns_to(&before, &sidecar).await;
        }
    });
}
