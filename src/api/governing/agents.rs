//! Agents: the kill switch, and what became of their calls.

use http::StatusCode;
use serde::Serialize;
use tracing::info;

use crate::api::failure::{Failure, read};
use crate::api::fields::governed as fields;
use crate::api::governing::{Asking, Governing, Reply, with_header};
use crate::api::reply;
use crate::audit::{Decision, Record};
use crate::ids::AgentId;
use crate::policy::AgentState;
use crate::telemetry::Rfc3339;

/// The most tools that a sum names.
const TOP_TOOLS: usize = 10;

#[derive(Serialize)]
struct Shown<'a> {
    agent_id: &'a str,
    is_enabled: bool,
    disabled_reason: Option<String>,
    disabled_at: Option<Rfc3339>,
}

/// A record as the hosted API shows it: a call that was not run has neither price nor hash.
#[derive(Serialize)]
struct ShownRecord {
    ts: u64,
    agent_id: String,
    tool: String,
    allowed: bool,
    decision: Decision,
    policy_reason: Option<String>,
    risk_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spend_usd: Option<f64>,
}

impl From<Record> for ShownRecord {
    fn from(record: Record) -> Self {
        let ran = record.decision != Decision::Blocked;
        Self {
            ts: record.ts_ms / 1000,
            agent_id: record.agent_id,
            tool: record.tool,
            allowed: record.allowed,
            decision: record.decision,
            policy_reason: record.policy_reason,
            risk_level: record.risk_level,
            args_hash: record.args_hash.filter(|_| ran),
            spend_usd: record.spend_usd.filter(|_| ran),
        }
    }
}

#[derive(Serialize)]
struct Sums<'a> {
    agent_id: &'a str,
    period: &'static str,
    total_actions: u64,
    blocked_actions: u64,
    total_spend_usd: f64,
    top_tools: Vec<ToolCount>,
}

#[derive(Serialize)]
struct ToolCount {
    tool: Box<str>,
    count: u64,
}

impl Governing {
    /// `POST /v1/agents/{agent_id}/disable`
    // spec: POLICY-6
    pub(super) async fn disable(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (agent, (reason, cancel_in_flight)) = read(|faults| {
            let agent = fields::read_agent(asking.name, faults);
            agent.zip(fields::read_disable(&asking.body, faults))
        })?;
        let desk = &self.governance.desk;
        let now = self.books.now();
        let switched = desk.switch_off(&agent, reason, cancel_in_flight, now).await;
        // It is off in any case; what failed is that it stays off.
        switched.map_err(Failure::Store)?;
        info!(
            agent = agent.as_str(),
            cancel_in_flight, "agent was switched off"
        );
        Ok(self.state(&agent))
    }

    /// `POST /v1/agents/{agent_id}/enable`
    // spec: POLICY-6
    pub(super) async fn enable(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let agent = read(|faults| fields::read_agent(asking.name, faults))?;
        let switched = self.governance.desk.switch_on(&agent).await;
        switched.map_err(Failure::Store)?;
        info!(agent = agent.as_str(), "agent was switched on");
        Ok(self.state(&agent))
    }

    fn state(&self, agent: &AgentId) -> Reply {
        let off = match self.governance.desk.state(agent) {
            AgentState::On => None,
            AgentState::Off(switch) => Some(switch),
        };
        let shown = Shown {
            agent_id: agent.as_str(),
            is_enabled: off.is_none(),
            disabled_at: off.as_ref().map(|switch| Rfc3339(switch.at)),
            disabled_reason: off.and_then(|switch| switch.reason),
        };
        reply::json(StatusCode::OK, &shown)
    }

    /// `GET /v1/agents/{agent_id}/logs`
    // spec: AUDIT-5
    pub(super) fn logs(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (agent, limit) = read(|faults| {
            let agent = fields::read_agent(asking.name, faults);
            agent.zip(fields::read_logs(asking.query(), faults))
        })?;
        let records = self.governance.audit.logs(agent.as_str(), limit);
        let records = records.map_err(Failure::Store)?;
        let shown: Vec<_> = records.into_iter().map(ShownRecord::from).collect();
        Ok(reply::json(StatusCode::OK, &shown))
    }

    /// `GET /v1/agents/{agent_id}/metrics`
    // spec: AUDIT-5
    pub(super) fn sums(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (agent, period) = read(|faults| {
            let agent = fields::read_agent(asking.name, faults);
            agent.zip(fields::read_period(asking.query(), faults))
        })?;
        let hours = match period {
            "hour" => 1,
            "day" => 24,
            _ => 7 * 24,
        };
        let now = self.books.now();
        let sum = self.governance.audit.sum(agent.as_str(), hours, now);
        let tools = sum.tools.into_iter().take(TOP_TOOLS);
        let sums = Sums {
            agent_id: agent.as_str(),
            period,
            total_actions: sum.actions,
            blocked_actions: sum.blocked,
            total_spend_usd: sum.spend_usd,
            top_tools: tools
                .map(|(tool, count)| ToolCount { tool, count })
                .collect(),
        };
        Ok(reply::json(StatusCode::OK, &sums))
    }

    /// `GET /v1/audit`
    // spec: AUDIT-4
    pub(super) fn audit(&self, asking: &Asking<'_>) -> Result<Reply, Failure> {
        let (after, limit) = read(|faults| fields::read_audit(asking.query(), faults))?;
        let audit = &self.governance.audit;
        let lines = audit.lines(after, limit).map_err(Failure::Store)?;
        let mut text = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        let answer = reply::json_lines(text);
        Ok(match audit.head() {
            Some(head) => with_header(answer, "x-countersign-audit-head", &head.to_string()),
            None => answer,
        })
    }
}
