//! The real binary under abuse: what it holds meanwhile, whom it still serves, and what is left when
//! the abusers have gone. Here is what these tests share.

mod abandoned;
mod flapping;
mod idle;
mod slow_heads;
mod storm;
mod uploads;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use countersign::test_support::client;
use countersign::test_support::process::{PATIENCE, Sidecar, run};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A registry whose tools are the paths of one upstream. `fields` are lines of every tool.
fn registry(dir: &TempDir, upstream: SocketAddr, tools: &[&str], fields: &[&str]) -> PathBuf {
    let mut text = "tools:\n".to_owned();
    for tool in tools {
        text.push_str(&format!(
            "  - name: {tool}\n    url: http://{upstream}/{tool}\n    \
             auth: {{ type: hmac_sha256, secret: supersecret }}\n"
        ));
        for field in fields {
            text.push_str(&format!("    {field}\n"));
        }
    }
    let path = dir.path().join("tools.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Lets this process, and what it starts from now on, have thousands of files open. One number for
/// all tests, since they share the process.
pub fn allow_many_open_files() {
    let pid = std::process::id().to_string();
    let (code, _, said) = run(Command::new("prlimit").args(["--pid", &pid, "--nofile=8192:"]));
    assert_eq!(code, 0, "this test needs thousands of open files: {said}");
}

/// What a process has to give back when its connections have ended.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    open_files: usize,
    tasks: f64,
    calls: f64,
    body_bytes: f64,
    agent_connections: f64,
    upstream_connections: f64,
}

impl Held {
    async fn by(sidecar: &Sidecar) -> Self {
        let text = metrics(sidecar).await;
        let sum = |name: &str| gauge(&text, name);
        Self {
            tasks: sum("tasks"),
            calls: sum("inflight_calls"),
            body_bytes: sum("buffered_body_bytes"),
            agent_connections: sum("agent_connections"),
            upstream_connections: sum("upstream_connections"),
            open_files: sidecar.open_files(),
        }
    }

    /// What it holds when nothing changes any more.
    async fn at_rest(sidecar: &Sidecar) -> Self {
        const READINGS: usize = 20;
        let (mut last, mut equal) = (Self::by(sidecar).await, 1);
        until("a process at rest", async || {
            // Further apart than the idle timeout of the pool needs to show itself.
            tokio::time::sleep(Duration::from_millis(25)).await;
            let now = Self::by(sidecar).await;
            equal = if now == last { equal + 1 } else { 1 };
            last = now;
            (equal == READINGS).then_some(())
        })
        .await;
        last
    }

    /// Waits until the process holds what it held before.
    async fn returns_to(before: &Self, sidecar: &Sidecar) {
        let mut now = Self::by(sidecar).await;
        for _ in 0..PATIENCE.as_millis() / 25 {
            if now == *before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            now = Self::by(sidecar).await;
        }
        panic!("not everything was given back: {now:?} instead of {before:?}");
    }
}

async fn metrics(sidecar: &Sidecar) -> String {
    let reply = client::get(sidecar.admin, "/metrics").await;
    reply.text().to_owned()
}

/// The sum of all series of one metric.
fn gauge(text: &str, name: &str) -> f64 {
    let series = |line: &str| {
        let rest = line.strip_prefix("countersign_")?.strip_prefix(name)?;
        let value = rest.rsplit_once(' ')?.1.parse::<f64>();
        rest.starts_with([' ', '{'])
            .then(|| value.expect("a number"))
    };
    text.lines().filter_map(series).sum()
}

/// Asks again and again, without holding up the other tasks of the thread.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("waited in vain for {what}");
}

/// A call of nothing, which has to be served whatever else goes on.
async fn served(agents: SocketAddr) {
    client::post(agents, "/tools/ok", "")
        .await
        .expect_answer(200);
}

/// A connection that has sent these bytes.
async fn sent(agents: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(agents).await.expect("the backlog");
    // It may have been turned away already.
    let _ = stream.write_all(bytes).await;
    stream
}

/// The answers' bytes up to the end of the connection, however it ends.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).expect("text")
}
