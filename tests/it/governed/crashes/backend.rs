//! A tool that counts: which run it was, of which key, with which lease, and what it said.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::test_support::http1::{Head, Reader};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// One request, as the tool saw it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// What its call is known by.
    pub(super) key: String,
    /// What it came with; none on the transparent door.
    pub(super) lease: Option<String>,
    /// Whether it was carried out.
    pub(super) ok: bool,
}

/// The tool. Run number `n` is the `n`th of all, counted from 1, and says so in its answer.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    runs: Vec<Run>,
    random: Rng,
}

impl Backend {
    /// A tool whose moods come from `random`, and its URL.
    pub(super) fn start(random: Rng) -> (Self, String) {
        let runs = Vec::new();
        let state = Arc::new(Mutex::new(State { runs, random }));
        let backend = Self { state };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = backend.clone();
        // It lives as long as the test process, on a thread of its own, because the test blocks while
        // it starts sidecars.
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(serving.accept(listener));
        });
        (backend, url)
    }

    /// All runs so far, in order.
    pub(super) fn runs(&self) -> Vec<Run> {
        self.state.lock().unwrap().runs.clone()
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.state.lock().unwrap().runs.len()
    }

    async fn accept(self, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().serve(stream));
        }
    }

    async fn serve(self, stream: TcpStream) {
        let mut reader = Reader::new(stream);
        while let Some(head) = reader.head().await {
            let length = head.one("content-length").parse().unwrap();
            // A sidecar may be killed between a head and its body.
            let Some(body) = reader.exactly(length).await else {
                return;
            };
            let (wait, answer) = self.run(&head, &body);
            tokio::time::sleep(wait).await;
            if reader.io().write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Notes a run, and decides what becomes of it and how long that takes.
    fn run(&self, head: &Head, body: &[u8]) -> (Duration, String) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let lease = text(&body["lease_id"]);
        let key = match head.all("idempotency-key")[..] {
            [key] => key.to_owned(),
            _ => text(&body["args"]["key"]).unwrap(),
        };
        let mut state = self.state.lock().unwrap();
        let ok = state.random.u8(..10) > 0;
        let wait = match state.random.u8(..10) {
            0..6 => 0,
            6..9 => state.random.u64(..5),
            _ => state.random.u64(20..40),
        };
        let number = state.runs.len() + 1;
        state.runs.push(Run { key, lease, ok });
        drop(state);
        (Duration::from_millis(wait), answer(ok, number))
    }
}

fn answer(ok: bool, number: usize) -> String {
    let status = if ok { "200 OK" } else { "500 Oops" };
    let body = json!({ "run": number }).to_string();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}")
}
