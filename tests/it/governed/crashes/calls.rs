//! Calls on both doors, and what is known of them: what was told once is told for good.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;
use countersign::test_support::{Reply, client};
use fastrand::Rng;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::TOKEN;
use super::backend::Run;

/// How a call says which one it is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A governed call with an `idempotency_key`.
    Named,
    /// A governed call that is told by its arguments.
    Told,
    /// A transparent call with an `Idempotency-Key`.
    Header,
}

/// A call, however often it is made.
#[derive(Debug)]
pub(super) struct Call {
    key: String,
    kind: Kind,
    /// The run whose answer was given, since when no other may be.
    told: Option<usize>,
    /// Somebody was told that it was this call of his that was carried out.
    executed: bool,
}

/// What came of making a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Heard {
    /// It was carried out by this run.
    Executed(usize),
    /// It had been carried out by this run.
    Repeated(usize),
    /// The tool did not do it.
    Failed,
    /// It is being made by somebody else.
    Busy,
}

/// Where a sidecar listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doors {
    pub(super) agents: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Call {
    /// The next one of these.
    pub(super) fn new(number: usize) -> Self {
        let kinds = [Kind::Named, Kind::Told, Kind::Header];
        Self {
            key: format!("key-{number}"),
            kind: kinds[number % kinds.len()],
            told: None,
            executed: false,
        }
    }

    /// The run whose answer was given.
    pub(super) fn told(&self) -> Option<usize> {
        self.told
    }

    /// A request for it, at one of the doors that it may come to.
    pub(super) fn ask(&self, random: &mut Rng) -> Asked {
        Asked {
            key: self.key.clone(),
            kind: self.kind,
            by_operator: random.u8(..4) == 0,
            run_id: random.u64(..),
            told: self.told,
        }
    }

    /// Takes note of an answer to `asked`.
    pub(super) fn hear(&mut self, asked: &Asked, heard: Heard) {
        match heard {
            Heard::Executed(run) => {
                assert!(!self.executed, "carried out twice: {self:?} {heard:?}");
                self.executed = true;
                self.expect_told(run);
            }
            Heard::Repeated(run) => self.expect_told(run),
            Heard::Failed | Heard::Busy => {}
        }
        // Those who asked when it was known already must hear the same.
        let known = asked.told.map(Heard::Repeated);
        assert!(
            known.is_none_or(|known| known == heard),
            "forgotten: {self:?} {asked:?} {heard:?}"
        );
    }

    fn expect_told(&mut self, run: usize) {
        let told = *self.told.get_or_insert(run);
        assert_eq!(told, run, "two answers: {self:?}");
    }

    /// Compares what was told with all that the tool saw of this call: one lease, and no run behind
    /// the one whose answer counts.
    fn expect_once(&self, runs: &[(usize, &Run)]) {
        let leases: BTreeSet<_> = runs.iter().map(|(_, run)| &run.lease).collect();
        assert_eq!(leases.len(), 1, "{self:?} {runs:?}");
        let is_governed = matches!(self.kind, Kind::Named | Kind::Told);
        assert_eq!(runs[0].1.lease.is_some(), is_governed, "{self:?}");
        let (last, run) = runs[runs.len() - 1];
        assert_eq!((self.told, run.ok), (Some(last), true), "{self:?} {runs:?}");
    }
}

/// Compares all calls with all runs, and returns how many runs were not the first of their call.
pub(super) fn expect_each_once(calls: &[Call], runs: &[Run]) -> usize {
    let mut by_key: BTreeMap<&str, Vec<(usize, &Run)>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        by_key.entry(&run.key).or_default().push((index + 1, run));
    }
    for call in calls {
        call.expect_once(&by_key[call.key.as_str()]);
    }
    assert_eq!(by_key.len(), calls.len(), "calls that nobody made");
    runs.len() - calls.len()
}

/// One request of a call.
#[derive(Debug)]
pub(super) struct Asked {
    key: String,
    kind: Kind,
    /// Whether it goes to the operator's listener, if both have its door.
    by_operator: bool,
    /// What two requests of one call do not share.
    run_id: u64,
    /// What was known of the call when it was made.
    told: Option<usize>,
}

impl Asked {
    /// Sends it on a connection of its own. `None` when there is no whole answer, because the sidecar
    /// is gone.
    pub(super) async fn send(&self, doors: Doors) -> Option<Heard> {
        self.reply(doors).await.map(|reply| self.read(&reply))
    }

    async fn reply(&self, doors: Doors) -> Option<Reply> {
        let (address, request) = match self.kind {
            Kind::Header => (doors.agents, self.transparent()),
            Kind::Named | Kind::Told if self.by_operator => (doors.admin, self.governed()),
            Kind::Named | Kind::Told => (doors.agents, self.governed()),
        };
        let stream = TcpStream::connect(address).await.ok()?;
        let reply = client::send_over(stream, request).await.ok()?;
        reply.body.is_some().then_some(reply)
    }

    fn governed(&self) -> Request<Full<Bytes>> {
        let mut args = json!({ "key": self.key, "run_id": self.run_id.to_string() });
        if let Kind::Named = self.kind {
            args["idempotency_key"] = self.key.as_str().into();
        }
        let body = json!({ "agent_id": "bot", "tool": "t", "args": args });
        Request::post("/v1/ai/run")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Full::from(body.to_string()))
            .unwrap()
    }

    fn transparent(&self) -> Request<Full<Bytes>> {
        Request::post("/tools/t")
            .header("idempotency-key", &self.key)
            .body(Full::from("{}"))
            .unwrap()
    }

    fn read(&self, reply: &Reply) -> Heard {
        let number = |value: &Value| usize::try_from(value["run"].as_u64().unwrap()).unwrap();
        let json = reply.json();
        let decision = json["decision"].as_str().unwrap_or_default();
        let is_replayed = reply.headers.contains_key("x-countersign-replayed");
        match (self.kind, reply.status.as_u16(), decision) {
            (Kind::Header, 200, _) if is_replayed => Heard::Repeated(number(&json)),
            (Kind::Header, 200, _) => Heard::Executed(number(&json)),
            (Kind::Header, 500, _) => Heard::Failed,
            (Kind::Header, 409, _) => {
                reply.expect_refusal(409, "idempotency_in_flight");
                Heard::Busy
            }
            (Kind::Named | Kind::Told, 200, "executed") => Heard::Executed(number(&json["result"])),
            (Kind::Named | Kind::Told, 200, "dedup") => Heard::Repeated(number(&json["result"])),
            (Kind::Named | Kind::Told, 200, "failed") => {
                assert_eq!(json["result"]["status"], 500, "{json}");
                Heard::Failed
            }
            _ => panic!("{self:?} was answered {reply:?}"),
        }
    }
}
