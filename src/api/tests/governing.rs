//! Agents, locks, leases, events and counts at the admin door.

mod account;
mod agents;
mod faults;
mod leases;
mod runs;

use std::collections::BTreeSet;

use super::*;
use crate::audit::{self, Decision};
use crate::ids::{RequestId, ScopeId};
use crate::telemetry::Door as CallDoor;
use crate::test_support::governing::{MAX_RESULT_BYTES, governance_of, memory};

const START: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);
const NOW: &str = "2024-01-15T12:40:00.000Z";

/// An admin door whose clock stands at [`START`], with its description at hand.
struct Office {
    door: Door,
    governance: Arc<Governance>,
    document: Value,
    /// The endpoints that have answered, by method and template.
    seen: std::cell::RefCell<BTreeSet<(String, String)>>,
}

impl Office {
    fn new() -> Self {
        let (store, clock) = (memory(), Clock::anchored_at(START));
        let governance = governance_of(&store, &[], clock, MAX_RESULT_BYTES);
        let books = Books::new(store, &[], clock);
        let mut door = Door::new(Some(TOKEN), Ok(()));
        door.api.governing.governance = Arc::clone(&governance);
        door.api.governing.books = books;
        Self {
            door,
            governance,
            document: openapi::document(),
            seen: std::cell::RefCell::default(),
        }
    }

    /// Asks, and holds the answer against the description.
    async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(CONTENT_TYPE, "application/json")
            .header("x-request-id", "req-7")
            .body(Full::from(body.to_owned()))
            .unwrap();
        let answer = self.door.send(request).await;
        let verb = method.as_str().to_lowercase();
        let template = self.template(path.split('?').next().unwrap());
        let described = &self.document["paths"][&template][&verb];
        let response = &described["responses"][answer.status.to_string()];
        let content = response["content"].as_object();
        let content = content.unwrap_or_else(|| panic!("{verb} {template} {}", answer.status));
        if let Some(json) = content.get("application/json") {
            tools::fits(&self.document, &json["schema"], &answer.json(), path);
        }
        if answer.status == 200 {
            self.seen.borrow_mut().insert((verb, template));
        }
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.ask(Method::POST, path, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// The path of the description that fits this one.
    fn template(&self, path: &str) -> String {
        let fits = |template: &&String| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template
                    .zip(path)
                    .all(|(wanted, given)| wanted == given || wanted.starts_with('{'))
        };
        let paths = self.document["paths"].as_object().unwrap();
        paths.keys().find(fits).unwrap().clone()
    }

    fn record(&self, agent: &str, decision: Decision, spend_usd: f64) {
        let blocked = decision == Decision::Blocked;
        self.governance.audit.record(&audit::Entry {
            ts: START,
            agent: &agent.parse().unwrap(),
            tool: &"send_email".parse().unwrap(),
            scope: &ScopeId::Global,
            door: CallDoor::Governed,
            allowed: !blocked,
            decision,
            reason: blocked.then_some("tool_explicitly_blocked"),
            risk: Some("low"),
            args_hash: Some("a1b2c3d4"),
            spend_usd: Some(spend_usd),
            lease_id: Some("lease_7"),
            request_id: &RequestId::new(START),
        });
    }
}

/// Nothing is described that was never seen to answer as described.
// spec: API-4
#[tokio::test(flavor = "local", start_paused = true)]
async fn every_endpoint_answers_as_it_is_described() {
    let office = Office::new();
    office.record("bot", Decision::Executed, 0.5);
    let taken = office.post("/v1/ai/lease", json!({ "key": "k" })).await;
    for (path, more) in [
        ("/v1/ai/extend", json!({})),
        ("/v1/ai/complete", json!({ "result": {} })),
    ] {
        let mut body = json!({ "key": "k", "lease_id": taken["lease_id"] });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        office.post(path, body).await;
    }
    for (path, more) in [
        ("/v1/ai/fail", json!({ "error_code": "x" })),
        ("/v1/ai/cancel", json!({})),
    ] {
        let taken = office.post("/v1/ai/lease", json!({ "key": path })).await;
        let mut body = json!({ "key": path, "lease_id": taken["lease_id"] });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        office.post(path, body).await;
    }
    office.post("/v1/check-lock", json!({ "key": "k" })).await;
    office
        .post("/v1/events", json!({ "run_id": "r", "type": "t" }))
        .await;
    office.post("/v1/me/notifications", json!({})).await;
    office.post("/v1/agents/bot/disable", json!({})).await;
    office.post("/v1/agents/bot/enable", json!({})).await;
    office.ask(Method::GET, "/v1/audit", "").await;
    for path in [
        "/v1/agents/bot/logs",
        "/v1/agents/bot/metrics",
        "/v1/me",
        "/v1/usage",
        "/v1/usage/all",
        "/v1/metrics?from_day=2024-01-01&to_day=2024-01-31",
        "/v1/ai/status?key=k",
        "/v1/ai/result?key=k",
        "/v1/events",
        "/v1/runs",
        "/v1/runs/r",
    ] {
        office.get(path).await;
    }
    let governed = routes::endpoints().filter(|e| matches!(e.action, Action::Governed(_)));
    let all: BTreeSet<_> = governed
        .map(|e| {
            (
                e.verb.methods()[0].as_str().to_lowercase(),
                e.path.to_owned(),
            )
        })
        .collect();
    assert_eq!(*office.seen.borrow(), all);
}
