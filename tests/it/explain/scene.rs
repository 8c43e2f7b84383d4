//! A sidecar with a tool for each way in which a call can end, and what was answered of each.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::{FakeTool, Reply, Step, client};
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, ask, block_on, post};

pub const TOKEN: &str = "the-token-of-the-operator";
pub const SECRET: &str = "the-secret-of-every-tool";

/// A tool for each way in which a call can end.
fn registry(folder: &Path) -> PathBuf {
    let dead = "http://127.0.0.1:1/".to_owned();
    let at = |script: &[Step]| format!("http://{}/", FakeTool::script(script.to_vec()).listen());
    let busy = |wait: &str| Step::status(503, &[("Retry-After", wait)]);
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    let tool = |name: &str, url: String, more: Value| {
        let mut tool = json!({
            "name": name, "url": url, "max_retries": 0,
            "auth": { "type": "hmac_sha256", "secret": SECRET },
        });
        for (field, value) in more.as_object().unwrap() {
            tool[field] = value.clone();
        }
        tool
    };
    let none = || json!({});
    let breaker = json!({ "circuit_breaker": { "min_calls": 1, "open_ms": 600_000 } });
    let registry = json!({
        "tools": [
            tool("good", at(&[Step::ok()]), none()),
            tool("bad", at(&[Step::status(404, &[])]), none()),
            tool("broken", at(&[Step::status(500, &[])]), json!({ "idempotent": false })),
            tool("narrow", at(&[Step::status(502, &[])]), json!({ "retry_on": ["429"] })),
            tool("flaky", at(&[busy("0"), Step::ok()]), json!({ "max_retries": 2 })),
            tool("patient", at(&[busy("31")]), json!({ "max_retries": 2 })),
            tool("hurried", at(&[busy("2")]), json!({ "max_retries": 2, "deadline_ms": 1000 })),
            tool("dead", dead.clone(), none()),
            tool("plain", at(&[Step::Silence]).replace("http:", "https:"), json!({ "timeout_ms": 250 })),
            tool("silent", at(&[Step::Silence]), json!({ "timeout_ms": 250 })),
            tool("late", at(&[Step::Silence]), json!({ "timeout_ms": 5000, "deadline_ms": 250 })),
            tool("closing", at(&[Step::CloseAfterRequest]), json!({ "idempotent": false })),
            tool("garbage", at(&[Step::Answer(b"not http\r\n\r\n".to_vec())]), none()),
            tool("cut", at(&[Step::AnswerAndClose(cut)]), none()),
            tool("stopped", dead.clone(), json!({ "enabled": false })),
            tool("rated", at(&[Step::ok()]), json!({ "rate_limit": { "per_second": 0.001, "burst": 1 } })),
            tool("tripped", dead, breaker),
            tool("large", at(&[Step::Answer(large())]), none()),
            tool("forever", at(&[Step::Silence]), none()),
        ],
        "policies": [
            { "agent_id": "narrow", "allowed_tools": ["good"], "blocked_tools": ["bad"] },
            { "agent_id": "once", "max_actions_per_hour": 1 },
        ],
    });
    let path = folder.join("tools.yaml");
    std::fs::write(&path, registry.to_string()).unwrap();
    path
}

/// An answer that is larger than `limits.max_result_bytes` of these tests.
fn large() -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n".to_vec();
    bytes.resize(bytes.len() + 2000, b'x');
    bytes
}

pub struct Scene {
    pub sidecar: Sidecar,
    pub folder: TempDir,
    /// What was answered: the id, and what its story must say.
    pub told: Vec<(String, Vec<&'static str>)>,
}

impl Scene {
    pub fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = [
            ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
            ("COUNTERSIGN_LIMITS_MAX_BODY_BYTES", "1000"),
            ("COUNTERSIGN_LIMITS_MAX_RESULT_BYTES", "1024"),
            ("COUNTERSIGN_STORE", "memory"),
        ];
        let registry = registry(folder.path());
        Self {
            sidecar: Sidecar::start_with(BINARY, &registry, &[], &environment),
            folder,
            told: Vec::new(),
        }
    }

    /// Remembers that the story of this answer must say these things.
    pub fn expect(&mut self, reply: &Reply, parts: &[&'static str]) {
        let id = reply.header("x-request-id").to_owned();
        self.told.push((id, parts.to_vec()));
    }

    /// An agent's own request.
    pub fn call(&mut self, tool: &str, parts: &[&'static str]) -> Reply {
        let reply = post(self.sidecar.agents, &format!("/tools/{tool}"), "{}");
        self.expect(&reply, parts);
        reply
    }

    /// The same with other fields, to any path.
    pub fn send(
        &mut self,
        request: http::request::Builder,
        body: &'static str,
        parts: &[&'static str],
    ) {
        let request = request.body(Full::from(body)).unwrap();
        let reply = block_on(client::send(self.sidecar.agents, request));
        self.expect(&reply, parts);
    }

    /// What an agent wants done.
    pub fn govern(&mut self, agent: &str, tool: &str, parts: &[&'static str]) {
        let body = json!({ "agent_id": agent, "tool": tool, "args": {} });
        let reply = ask(self.sidecar.admin, TOKEN, "POST", "/v1/ai/run", &body);
        self.expect(&reply, parts);
    }

    /// The log with a line for every id.
    pub fn log(&self) -> PathBuf {
        let whole = || {
            let lines = self.sidecar.stdout.all();
            let has = |id: &String| lines.iter().any(|line| line.contains(id));
            self.told.iter().all(|(id, _)| has(id)).then_some(lines)
        };
        let lines = eventually(whole).expect("a line for each answer");
        let path = self.folder.path().join("access.log");
        // As `kubectl logs` gives it: with the diagnostics between.
        let mixed = [lines, self.sidecar.stderr.all()].concat();
        std::fs::write(&path, mixed.join("\n") + "\n").unwrap();
        path
    }
}

/// Bytes that no client library sends.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Reply {
    let answer = block_on(async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let field = |(name, value): (&str, &str)| {
        let name: http::HeaderName = name.parse().unwrap();
        (name, value.parse::<http::HeaderValue>().unwrap())
    };
    Reply {
        status: status.parse().unwrap(),
        headers: fields.map(field).collect(),
        body: Some(body.as_bytes().to_vec()),
    }
}
