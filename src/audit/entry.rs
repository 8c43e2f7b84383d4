//! What is told of a call, and the one line that it becomes.
//!
//! The line is compact JSON with its members in a fixed order, because its bytes are what the chain
//! hashes. It never holds arguments, only their hash, which the engine makes.

use serde::{Deserialize, Serialize};

use crate::audit::chain::Hash;
use crate::clock::Timestamp;
use crate::ids::{AgentId, RequestId, ScopeId, ToolName};
use crate::telemetry::Door;

/// What a call of an agent came to, for the log.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// When the call was decided.
    pub ts: Timestamp,
    /// Who called.
    pub agent: &'a AgentId,
    /// What was called.
    pub tool: &'a ToolName,
    /// Whose tool of this name it was.
    pub scope: &'a ScopeId,
    /// Where the call came in.
    pub door: Door,
    /// Whether the agent's policy let it pass.
    pub allowed: bool,
    /// What was done.
    pub decision: Decision,
    /// Why, in the documented words; `None` for a call that simply ran.
    pub reason: Option<&'static str>,
    /// How much was at stake, in the documented words.
    pub risk: Option<&'static str>,
    /// The first eight hex digits of the SHA-256 of the arguments.
    pub args_hash: Option<&'a str>,
    /// What the call cost; `None` for one that was not run.
    pub spend_usd: Option<f64>,
    /// The claim that it ran under.
    pub lease_id: Option<&'a str>,
    /// Where to look for it in other logs.
    pub request_id: &'a RequestId,
}

/// More than most lines take, their hashes included.
const USUAL_BYTES: usize = 640;

/// What was done with a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The tool was called and answered.
    Executed,
    /// The answer of an earlier call was given.
    Dedup,
    /// The tool was not called.
    Blocked,
    /// The tool was called in vain.
    Failed,
}

impl Decision {
    /// The documented word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Dedup => "dedup",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// A record as it is written: the members of a line but for the hash at its end.
#[derive(Serialize)]
struct Written<'a> {
    seq: u64,
    ts_ms: u64,
    agent_id: &'a str,
    tool: &'a str,
    scope_id: &'a str,
    door: &'static str,
    allowed: bool,
    decision: Decision,
    policy_reason: Option<&'static str>,
    risk_level: Option<&'static str>,
    args_hash: Option<&'a str>,
    spend_usd: Option<f64>,
    lease_id: Option<&'a str>,
    request_id: &'a str,
    prev: &'a str,
}

/// A record as it is read back.
#[derive(Debug, Deserialize)]
pub struct Record {
    /// Its number, counted from 1.
    pub seq: u64,
    /// Unix milliseconds.
    pub ts_ms: u64,
    /// See [`Entry`], as for everything below.
    pub agent_id: String,
    /// The tool's name.
    pub tool: String,
    /// Whether the policy let it pass.
    pub allowed: bool,
    /// What was done.
    pub decision: Decision,
    /// Why.
    pub policy_reason: Option<String>,
    /// What was at stake.
    pub risk_level: Option<String>,
    /// Of the arguments.
    pub args_hash: Option<String>,
    /// What it cost.
    pub spend_usd: Option<f64>,
    /// Its own hash.
    pub hash: Hash,
}

impl Entry<'_> {
    /// The text that is hashed: everything but the hash itself.
    pub(super) fn canonical(&self, seq: u64, prev: Hash) -> Vec<u8> {
        let (scope, prev) = (self.scope.to_string(), prev.hex());
        let written = Written {
            seq,
            ts_ms: self.ts.unix_millis(),
            agent_id: self.agent.as_str(),
            tool: self.tool.as_str(),
            scope_id: &scope,
            door: self.door.word(),
            allowed: self.allowed,
            decision: self.decision,
            policy_reason: self.reason,
            risk_level: self.risk,
            args_hash: self.args_hash,
            spend_usd: self.spend_usd,
            lease_id: self.lease_id,
            request_id: self.request_id.as_str(),
            prev: prev.as_str(),
        };
        // With room for the hash.
        let mut line = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut line, &written).expect("a struct of texts and numbers is JSON");
        line
    }
}
