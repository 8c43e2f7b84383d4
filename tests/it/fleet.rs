//! Two sidecars as two processes that share one real server, as in docs/governed-calls.md.

mod outages;
mod switches;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::redis_server::RedisServer;
use countersign::test_support::{FakeTool, Reply, Step, client};
use http::Request;
use http_body_util::Full;
use rcgen::CertifiedKey;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_local};

use crate::support::{BINARY, block_on};

const TOKEN: &str = "an-admin-token-of-this-test";

struct Fleet {
    redis: RedisServer,
    tool: FakeTool,
    sidecars: [Sidecar; 2],
    _folders: [TempDir; 3],
}

impl Fleet {
    /// Two sidecars whose one tool always answers the same.
    fn start(policies: &str) -> Self {
        Self::calling(FakeTool::ok(), policies)
    }

    fn calling(tool: FakeTool, policies: &str) -> Self {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let redis = RedisServer::start(folders[2].path());
        let registry = format!("{}{policies}", tools(tool.listen()));
        let sidecar = |folder: &TempDir| {
            let path = folder.path().join("tools.yaml");
            std::fs::write(&path, &registry).unwrap();
            let environment = [
                ("COUNTERSIGN_STORE", &*redis.url()),
                ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
            ];
            Sidecar::start_with(BINARY, &path, &[], &environment)
        };
        let sidecars = [sidecar(&folders[0]), sidecar(&folders[1])];
        Self {
            redis,
            tool,
            sidecars,
            _folders: folders,
        }
    }

    fn agents(&self, number: usize) -> SocketAddr {
        self.sidecars[number % 2].agents
    }

    /// Which leases the tool has seen, by the key of the call, and how often it was called with each.
    fn runs(&self) -> BTreeMap<String, Vec<String>> {
        let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for received in self.tool.received() {
            let envelope: Value = serde_json::from_slice(&received.body).unwrap();
            let Some(lease) = envelope["lease_id"].as_str() else {
                // A transparent call, which has none.
                continue;
            };
            let key = envelope["args"]["idempotency_key"].as_str().unwrap();
            runs.entry(key.to_owned())
                .or_default()
                .push(lease.to_owned());
        }
        runs
    }
}

/// A registry with one tool, which is here.
fn tools(url: SocketAddr) -> String {
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    format!("tools:\n  - name: t\n    url: http://{url}/\n    auth: {auth}\n")
}

async fn run(agents: SocketAddr, key: &str) -> Reply {
    let call = json!({ "agent_id": "bot", "tool": "t", "args": { "idempotency_key": key } });
    client::post(agents, "/v1/ai/run", call.to_string()).await
}

/// The same at the other door.
async fn call(agents: SocketAddr, key: Option<&str>) -> Reply {
    let mut request = Request::post("/tools/t").header("x-onceonly-agent-id", "bot");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(Full::from("{}")).unwrap();
    client::send(agents, request).await
}

async fn decision(agents: SocketAddr, key: &str) -> String {
    let reply = run(agents, key).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["decision"].as_str().unwrap().to_owned()
}

async fn joined<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut all = Vec::with_capacity(tasks.len());
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

// spec: FLEET-1
#[test]
#[ignore = "needs redis-server"]
fn a_key_runs_once_over_both() {
    let fleet = Fleet::start("");
    block_on(async {
        let calls = (0..400).map(|number| {
            let agents = fleet.agents(number);
            spawn_local(async move { decision(agents, &format!("k{}", number % 20 / 2)).await })
        });
        let decisions = joined(calls.collect()).await;
        let executed = decisions.iter().filter(|decision| *decision == "executed");
        assert_eq!(executed.count(), 10);
        let repeated = decisions.iter().filter(|decision| *decision == "dedup");
        assert_eq!(repeated.count(), 390);
    });
    let runs = fleet.runs();
    assert_eq!(runs.len(), 10);
    assert!(runs.values().all(|leases| leases.len() == 1), "{runs:?}");
}

// spec: FLEET-1 IDEM-1
#[test]
#[ignore = "needs redis-server"]
fn a_key_of_the_transparent_door_runs_once_over_both() {
    let fleet = Fleet::start("");
    let [first, again] = [0, 1].map(|number| block_on(call(fleet.agents(number), Some("k"))));
    first.expect_answer(200);
    assert!(!first.headers.contains_key("x-countersign-replayed"));
    assert_eq!(again.header("x-countersign-replayed"), "true");
    assert_eq!(again.body, first.body);
    assert_eq!(fleet.tool.received().len(), 1);
}

// spec: FLEET-5
#[test]
#[ignore = "needs redis-server"]
fn an_hourly_cap_holds_over_both() {
    let policies = "policies:\n  - agent_id: bot\n    max_actions_per_hour: 10\n";
    let mut fleet = Fleet::start(policies);
    block_on(async {
        let calls = (0..60).map(|number| {
            let agents = fleet.agents(number);
            spawn_local(async move { decision(agents, &format!("k{number}")).await })
        });
        let decisions = joined(calls.collect()).await;
        let executed = decisions.iter().filter(|decision| *decision == "executed");
        assert_eq!(executed.count(), 10);
        let blocked = decisions.iter().filter(|decision| *decision == "blocked");
        assert_eq!(blocked.count(), 50);
    });
    assert_eq!(fleet.tool.received().len(), 10);
    // The server has it in writing.
    fleet.redis.kill();
    fleet.redis.come_back();
    for number in 0..2 {
        let told = || {
            let reason =
                block_on(run(fleet.agents(number), "after")).json()["policy_reason"].take();
            // What cannot be counted is blocked for that reason.
            (reason != "store_unavailable").then_some(reason)
        };
        let reason = eventually(told).expect("the server is found again");
        assert_eq!(reason, "max_actions_per_hour_exceeded");
    }
}

// spec: FLEET-6
#[test]
#[ignore = "needs redis-server"]
fn a_shared_store_by_tls_is_one_whose_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (_redis, port) =
        RedisServer::start_tls(folder.path(), &cert.pem(), &signing_key.serialize_pem());
    let registry = folder.path().join("tools.yaml");
    std::fs::write(&registry, tools(FakeTool::ok().listen())).unwrap();
    let store = format!("rediss://localhost:{port}");
    let trusted = folder.path().join("cert.pem");
    let environment = [
        ("COUNTERSIGN_STORE", &*store),
        ("COUNTERSIGN_STORE_LOCAL", "memory"),
        ("SSL_CERT_FILE", trusted.to_str().unwrap()),
    ];
    let sidecar = Sidecar::start_with(BINARY, &registry, &[], &environment);
    assert_eq!(block_on(decision(sidecar.agents, "k")), "executed");
    let sidecar = Sidecar::start_with(BINARY, &registry, &[], &environment[..2]);
    let answer = block_on(run(sidecar.agents, "k")).json();
    assert_eq!(answer["policy_reason"], "store_unavailable");
}

// spec: FLEET-2
#[test]
#[ignore = "needs redis-server, and as long as a dead sidecar counts as alive"]
fn a_sidecar_that_is_killed_leaves_its_calls_to_the_other() {
    let tool = FakeTool::script([Step::Silence, Step::ok()]);
    let fleet = Fleet::calling(tool, "");
    let first = fleet.agents(0);
    let lost = std::thread::spawn(move || {
        let call = json!({ "agent_id": "bot", "tool": "t", "args": { "idempotency_key": "k" } });
        let request = Request::post("/v1/ai/run").header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(call.to_string())));
        block_on(async {
            let stream = tokio::net::TcpStream::connect(first).await.unwrap();
            client::send_over(stream, request.unwrap()).await.is_err()
        })
    });
    eventually(|| (fleet.tool.received().len() == 1).then_some(())).expect("the call is made");
    fleet.sidecars[0].signal("KILL");
    assert!(lost.join().unwrap());
    assert_eq!(block_on(decision(fleet.agents(1), "k")), "executed");
    let runs = fleet.runs();
    let [one, other] = &runs["k"][..] else {
        panic!("{runs:?}");
    };
    assert_eq!(one, other, "the tool can tell that it is the same call");
}
