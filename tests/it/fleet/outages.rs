//! A server that ends in the middle of a stream of calls and comes back, and what is seen of that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use countersign::test_support::process::eventually;
use countersign::test_support::redis_server::RedisServer;
use countersign::test_support::{FakeTool, Step};
use serde_json::Value;

use super::{Fleet, call, run};
use crate::support::{block_on, get, metric};

/// How many agents there are, and how many calls each of them makes.
const AGENTS: usize = 8;
const CALLS: usize = 60;

/// A tool whose answers are all different, so that one in the place of another is noticed.
fn numbering() -> FakeTool {
    FakeTool::script((0..4 * AGENTS * CALLS).map(|number| {
        let body = format!("{{\"number\":{number}}}");
        let fields = format!("content-length: {}\r\n", body.len());
        Step::Answer(format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}").into_bytes())
    }))
}

/// Makes calls without a pause and repeats each until it has an answer, at whichever sidecar comes
/// next. Returns the answers by key.
fn stream(agent: usize, sidecars: [SocketAddr; 2]) -> BTreeMap<String, Value> {
    let made = (0..CALLS).map(|number| {
        let key = format!("{agent}-{number}");
        for turn in agent.. {
            let reply = block_on(run(sidecars[turn % 2], &key));
            if reply.status == 200 {
                return (key, reply.json()["result"].take());
            }
            reply.expect_refusal(503, "store_unavailable");
            thread::sleep(Duration::from_millis(20));
        }
        unreachable!("there is always another turn")
    });
    made.collect()
}

fn nothing_is_lost_and_nothing_runs_twice(stop: fn(&mut RedisServer)) {
    let mut fleet = Fleet::calling(numbering(), "");
    let sidecars = [fleet.agents(0), fleet.agents(1)];
    let streams = (0..AGENTS).map(|agent| thread::spawn(move || stream(agent, sidecars)));
    let streams: Vec<_> = streams.collect();
    for outage in 1..=3 {
        let calls = outage * AGENTS * CALLS / 4;
        eventually(|| (fleet.tool.received().len() > calls).then_some(())).expect("calls are made");
        stop(&mut fleet.redis);
        if outage == 2 {
            // Until calls are refused, so that a claim in vain is among what follows.
            let refused = || block_on(run(sidecars[0], "in vain")).status == 503;
            eventually(|| refused().then_some(())).expect("an outage is noticed");
        }
        fleet.redis.come_back();
    }
    let mut answers = BTreeMap::new();
    for stream in streams {
        answers.extend(stream.join().unwrap());
    }
    let runs = fleet.runs();
    assert_eq!(answers.len(), AGENTS * CALLS);
    for (key, answer) in &answers {
        assert_eq!(runs[key].len(), 1, "{key} ran twice: {:?}", runs[key]);
        // Every answer that was given is still the answer, at either sidecar.
        for sidecar in sidecars {
            let again = block_on(run(sidecar, key)).json();
            assert_eq!(again["decision"], "dedup", "{key}: {again}");
            assert_eq!(again["result"], *answer, "{key}");
        }
    }
    let leases: BTreeSet<_> = runs.values().flatten().collect();
    assert_eq!(leases.len(), runs.len(), "two keys with one lease");
}

// spec: FLEET-1 FLEET-3
#[test]
#[ignore = "needs redis-server"]
fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    nothing_is_lost_and_nothing_runs_twice(RedisServer::kill);
}

// spec: FLEET-1 FLEET-3
#[test]
#[ignore = "needs redis-server"]
fn a_server_that_is_stopped_and_started_loses_nothing() {
    nothing_is_lost_and_nothing_runs_twice(RedisServer::terminate);
}

// spec: FLEET-3 GOV-5 OBS-1 LIFE-1
#[test]
#[ignore = "needs redis-server"]
fn an_operator_sees_that_the_server_is_lost() {
    let mut fleet = Fleet::start("");
    let admin = fleet.sidecars[0].admin;
    let shown = |name: &str| {
        let text = get(admin, "/metrics").text().to_owned();
        metric(&text, &format!("countersign_shared_store_{name}"))
    };
    assert_eq!((shown("up"), shown("failures_total")), (1.0, 0.0));
    fleet.redis.kill();
    eventually(|| (shown("up") == 0.0).then_some(())).expect("it is noticed");
    let refused = block_on(run(fleet.agents(0), "k"));
    refused.expect_refusal(503, "store_unavailable");
    assert!(shown("failures_total") > 0.0);
    // A sidecar that is not ready would get no calls at all, also none that can do without.
    assert_eq!(get(admin, "/readyz").status, 200);
    block_on(call(fleet.agents(0), None)).expect_answer(200);
    fleet.redis.come_back();
    eventually(|| (shown("up") == 1.0).then_some(())).expect("it is found again");
}

// spec: OBS-1
#[test]
fn a_sidecar_of_its_own_shows_no_shared_store() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("tools.yaml");
    std::fs::write(&registry, "tools: []\n").unwrap();
    let sidecar = super::Sidecar::start(super::BINARY, &registry);
    let text = get(sidecar.admin, "/metrics").text().to_owned();
    let shared = text.lines().filter(|line| line.contains("shared_store"));
    let shown: Vec<_> = shared.filter(|line| !line.starts_with('#')).collect();
    assert_eq!(shown, [""; 0]);
}
