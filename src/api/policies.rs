//! Policies over HTTP: list, show, put, and put from a template.
//!
//! Answers are made from the policies in service, never from what was asked for. The registry's file
//! is where they are kept, so a change goes the way that a tool's does.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::body::Incoming;
use crate::api::failure::{Failure, read};
use crate::api::fault::Fault;
use crate::api::fields::governed::read_agent;
use crate::api::fields::policies::{read_from_template, read_policy};
use crate::api::routes::Policing;
use crate::api::tools::Tools;
use crate::api::{body, reply};
use crate::config::Change;
use crate::ids::AgentId;
use crate::policy::{Desk, Policy, PolicySpec, PriceSpec};

type Reply = Response<Full<Bytes>>;

/// The policies, and how they are changed.
pub struct Rulebook<'a> {
    /// What is in service.
    pub desk: &'a Desk,
    /// Changes the file that tools and policies share.
    pub tools: &'a Tools,
}

// spec: POLICY-8
#[derive(Serialize)]
struct Shown {
    agent_id: String,
    policy: ShownPolicy,
}

#[derive(Serialize)]
struct ShownPolicy {
    allowed_tools: Vec<String>,
    blocked_tools: Vec<String>,
    max_actions_per_hour: Option<i64>,
    max_spend_usd_per_day: Option<f64>,
    max_calls_per_tool: Map<String, Value>,
    pricing_rules: Vec<ShownPrice>,
}

#[derive(Serialize)]
struct ShownPrice {
    tool: String,
    price_usd: f64,
}

impl From<&Policy> for Shown {
    fn from(policy: &Policy) -> Self {
        let spec = policy.spec();
        let calls = spec.max_calls_per_tool.into_iter();
        let price = |PriceSpec { tool, price_usd }| ShownPrice { tool, price_usd };
        Self {
            agent_id: spec.agent_id,
            policy: ShownPolicy {
                allowed_tools: spec.allowed_tools,
                blocked_tools: spec.blocked_tools,
                max_actions_per_hour: spec.max_actions_per_hour,
                max_spend_usd_per_day: spec.max_spend_usd_per_day,
                max_calls_per_tool: calls.map(|(tool, cap)| (tool, cap.into())).collect(),
                pricing_rules: spec.pricing_rules.into_iter().map(price).collect(),
            },
        }
    }
}

impl Rulebook<'_> {
    /// Answers one request.
    ///
    /// Dropping the future stops waiting for a change that has begun, not the change.
    pub async fn answer(
        &self,
        what: Policing,
        head: &Parts,
        agent: &str,
        body: impl Incoming,
    ) -> Result<Reply, Failure> {
        match what {
            Policing::List => Ok(self.list()),
            Policing::Show => self.shown(&read(|faults| read_agent(agent, faults))?),
            Policing::Put => self.put(head, agent, body, read_policy).await,
            Policing::FromTemplate => self.put(head, agent, body, read_from_template).await,
        }
    }

    fn list(&self) -> Reply {
        let policies = self.desk.policies();
        let mut shown: Vec<_> = policies
            .iter()
            .map(|policy| Shown::from(&**policy))
            .collect();
        shown.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
        reply::json(StatusCode::OK, &shown)
    }

    fn shown(&self, agent: &AgentId) -> Result<Reply, Failure> {
        let policy = self
            .desk
            .policy(agent)
            .ok_or_else(|| Failure::UnknownPolicy {
                agent: agent.clone(),
            })?;
        Ok(reply::json(StatusCode::OK, &Shown::from(&*policy)))
    }

    /// Puts what `reading` makes of the body into the file.
    async fn put(
        &self,
        head: &Parts,
        agent: &str,
        body: impl Incoming,
        reading: fn(&Value, &AgentId, &mut Vec<Fault>) -> Option<PolicySpec>,
    ) -> Result<Reply, Failure> {
        let json = body::read(&head.headers, body).await?;
        let (agent, spec) = read(|faults| {
            let agent = read_agent(agent, faults)?;
            let spec = reading(&json, &agent, faults)?;
            Some((agent, spec))
        })?;
        self.tools.change(Change::Govern(spec)).await?;
        self.shown(&agent)
    }
}
