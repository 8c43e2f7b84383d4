//! What governs the calls of a world: policies, switches and the audit log, and the governed door.

use std::cell::RefCell;

use http::Request;
use http_body_util::Full;
use serde_json::Value;

use crate::call::Governance;
use crate::policy::{Policies, Policy, PolicySpec, PriceSpec};
use crate::test_support::client::Reply;
use crate::test_support::world::{START, World};

/// What a test may say about an agent's policy.
#[derive(Debug, Default)]
pub struct PolicyFields(PolicySpec);

impl PolicyFields {
    /// One more of `allowed_tools`.
    pub fn allow(&mut self, tool: &str) -> &mut Self {
        self.0.allowed_tools.push(tool.to_owned());
        self
    }

    /// One more of `blocked_tools`.
    pub fn block(&mut self, tool: &str) -> &mut Self {
        self.0.blocked_tools.push(tool.to_owned());
        self
    }

    /// `max_actions_per_hour`.
    pub fn per_hour(&mut self, most: i64) -> &mut Self {
        self.0.max_actions_per_hour = Some(most);
        self
    }

    /// One more of `max_calls_per_tool`.
    pub fn per_tool(&mut self, tool: &str, most: i64) -> &mut Self {
        self.0.max_calls_per_tool.push((tool.to_owned(), most));
        self
    }

    /// `max_spend_usd_per_day`.
    pub fn spend(&mut self, most: f64) -> &mut Self {
        self.0.max_spend_usd_per_day = Some(most);
        self
    }

    /// One more of `pricing_rules`.
    pub fn price(&mut self, tool: &str, price_usd: f64) -> &mut Self {
        let tool = tool.to_owned();
        self.0.pricing_rules.push(PriceSpec { tool, price_usd });
        self
    }
}

/// Which agent a policy or a switch is about, in a world's memory of policies.
pub(super) type Written = RefCell<Vec<PolicySpec>>;

impl World {
    fn governance(&self) -> &Governance {
        &self.proxy.engine.governance
    }

    /// Puts a policy into service, beside those of other agents.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn policy(&self, agent: &str, say: impl FnOnce(&mut PolicyFields)) {
        let mut fields = PolicyFields::default();
        say(&mut fields);
        fields.0.agent_id = agent.to_owned();
        let mut written = self.policies.borrow_mut();
        written.retain(|other| other.agent_id != agent);
        written.push(fields.0);
        let mut policies = Policies::default();
        for spec in written.iter() {
            let policy = Policy::compile(spec.clone()).expect("a test's policy is valid");
            policies.add(policy).expect("one policy for each agent");
        }
        self.governance().desk.replace(policies);
    }

    /// Switches an agent off.
    ///
    /// # Panics
    /// When the store fails, which memory does not.
    pub async fn switch_off(&self, agent: &str, cancel_in_flight: bool) {
        let agent = agent.parse().expect("a valid agent");
        let off = self
            .governance()
            .desk
            .switch_off(&agent, None, cancel_in_flight, START);
        off.await.expect("memory does not fail");
    }

    /// Switches an agent on again.
    ///
    /// # Panics
    /// When the store fails, which memory does not.
    pub async fn switch_on(&self, agent: &str) {
        let agent = agent.parse().expect("a valid agent");
        let on = self.governance().desk.switch_on(&agent);
        on.await.expect("memory does not fail");
    }

    /// The audit log, record by record.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn audit(&self) -> Vec<Value> {
        let lines = self.governance().audit.lines(0, 1_000);
        let lines = lines.expect("memory does not fail");
        let record = |line: &bytes::Bytes| serde_json::from_slice(line).expect("a record");
        lines.iter().map(record).collect()
    }

    /// A governed call of `agent`.
    pub async fn run(&self, agent: &str, tool: &str, args: &str) -> Reply {
        let agent = Value::from(agent);
        let body = format!("{{\"agent_id\":{agent},\"tool\":\"{tool}\",\"args\":{args}}}");
        self.run_body(body).await
    }

    /// `POST /v1/ai/run` with any JSON body.
    pub async fn run_body(&self, body: String) -> Reply {
        let request = Request::post("/v1/ai/run")
            .header("content-type", "application/json")
            .body(Full::from(body))
            .expect("a valid request");
        self.send(request).await
    }
}
