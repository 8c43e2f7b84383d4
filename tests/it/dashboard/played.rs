//! A sidecar through which calls of every kind are made, again and again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::redis_server::RedisServer;
use countersign::test_support::{FakeTool, Step};
use tempfile::TempDir;

use crate::support::{BINARY, get, metric, post};

/// Calls at once of the tool that always fails: more than its budget holds retries for.
const FAILING_AT_ONCE: usize = 40;

/// A sidecar with a shared store and with tools that are well, unwell, limited and forbidden.
pub struct Played {
    pub sidecar: Sidecar,
    redis: RedisServer,
    folder: TempDir,
    registry: PathBuf,
    text: String,
}

impl Played {
    /// Starts it, and calls nothing yet.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let registry = folder.path().join("tools.yaml");
        let text = registry_text();
        std::fs::write(&registry, &text).unwrap();
        std::fs::write(folder.path().join("key"), "supersecret").unwrap();
        let redis = RedisServer::start(folder.path());
        let store = redis.url();
        let environment = [("COUNTERSIGN_STORE", store.as_str())];
        let sidecar = Sidecar::start_with(BINARY, &registry, &[], &environment);
        Self {
            sidecar,
            redis,
            folder,
            registry,
            text,
        }
    }

    /// Makes calls of every kind, and a reload.
    pub fn play(&self) {
        let agents = self.sidecar.agents;
        post(agents, "/tools/good", "{}").expect_answer(200);
        post(agents, "/tools/flaky", "{}").expect_answer(200);
        post(agents, "/tools/nobody", "{}").expect_refusal(404, "tool_not_found");
        for _ in 0..2 {
            // The second one, and with it the circuit's or the rate's own answer.
            for tool in ["fragile", "limited"] {
                post(agents, &format!("/tools/{tool}"), "{}");
            }
        }
        at_once(agents, "/tools/failing", FAILING_AT_ONCE);
        at_once(agents, "/tools/narrow", 3);
        for call in [
            r#"{"agent_id":"bot","tool":"good","args":{"n":1}}"#,
            r#"{"agent_id":"bot","tool":"good","args":{"n":1}}"#,
            r#"{"agent_id":"bot","tool":"flaky","args":{"n":1}}"#,
        ] {
            assert_eq!(post(agents, "/v1/ai/run", call).status, 200);
        }
        self.reload();
    }

    /// Takes the file with the secret of a tool away, and has the sidecar notice.
    pub fn break_the_registry(&self) {
        std::fs::remove_file(self.folder.path().join("key")).unwrap();
        let refused = "countersign_registry_reloads_total{result=\"refused\"}";
        self.wait_for(refused, self.count(refused));
    }

    /// Takes the server away that keeps what sidecars share.
    pub fn lose_the_shared_store(&mut self) {
        self.redis.kill();
    }

    fn reload(&self) {
        let replaced = "countersign_registry_reloads_total{result=\"replaced\"}";
        let before = self.count(replaced);
        let text = format!("{}# the change number {before}\n", self.text);
        std::fs::write(&self.registry, text).unwrap();
        self.wait_for(replaced, before);
    }

    fn wait_for(&self, series: &str, before: f64) {
        eventually(|| (self.count(series) > before).then_some(())).expect("the registry is read");
    }

    fn count(&self, series: &str) -> f64 {
        metric(get(self.sidecar.admin, "/metrics").text(), series)
    }
}

fn at_once(agents: SocketAddr, path: &'static str, number: usize) {
    let call = |_| thread::spawn(move || post(agents, path, "{}"));
    let calls: Vec<_> = (0..number).map(call).collect();
    for call in calls {
        call.join().unwrap();
    }
}

fn registry_text() -> String {
    let good = FakeTool::ok().listen();
    let unwell = || Step::status(503, &[("Retry-After", "0")]);
    // Every second request is answered well, for as long as anybody plays.
    let flaky = FakeTool::script((0..2_000).flat_map(|_| [unwell(), Step::ok()])).listen();
    let failing = FakeTool::script([unwell()]).listen();
    let broken = FakeTool::script([Step::CloseAfterRequest]).listen();
    let auth = "auth: { type: hmac_sha256, secret_file: key }";
    format!(
        "tools:
  - {{ name: good, url: 'http://{good}/', {auth} }}
  - {{ name: flaky, url: 'http://{flaky}/', {auth} }}
  - {{ name: failing, url: 'http://{failing}/', {auth}, max_retries: 10 }}
  - {{ name: fragile, url: 'http://{broken}/', {auth}, max_retries: 0, circuit_breaker: {{ min_calls: 1 }} }}
  - {{ name: limited, url: 'http://{good}/', {auth}, rate_limit: {{ per_second: 0.001, burst: 1 }} }}
  - {{ name: narrow, url: 'http://{good}/', {auth}, max_concurrency: 1, queue_timeout_ms: 5000 }}
policies:
  - {{ agent_id: bot, blocked_tools: [flaky] }}
"
    )
}
