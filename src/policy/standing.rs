//! How agents stand: their policies and kill switches together, so that a call looks once.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{AgentId, ToolName};
use crate::policy::compile::Policy;
use crate::policy::set::Policies;
use crate::policy::verdict::{Blocked, Permit, Reason};

/// An agent that is switched off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Switch {
    /// What the operator says about it.
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// Whether an agent may act at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AgentState {
    /// It may.
    On,
    /// It may not.
    Off(Switch),
}

/// A switch as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    at_ms: i64,
}

impl Switch {
    /// The switch as bytes.
    pub(super) fn to_bytes(&self) -> Bytes {
        let kept = Kept {
            reason: self.reason.clone(),
            at_ms: i64::try_from(self.at.unix_millis()).unwrap_or(i64::MAX),
        };
        let bytes = serde_json::to_vec(&kept);
        bytes.expect("text and numbers can be said in JSON").into()
    }

    /// The switch that bytes say; `None` where they say none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            reason: kept.reason,
            at: Timestamp::from_unix_millis(kept.at_ms),
        })
    }
}

/// What is known of one agent.
#[derive(Clone, Debug, Default)]
struct Standing {
    policy: Option<Arc<Policy>>,
    off: Option<Switch>,
}

/// Everything that is known of all agents. Replaced as a whole.
#[derive(Debug, Default)]
pub struct Standings {
    /// Whether nobody knows yet who is switched off. Then everybody is.
    is_blind: bool,
    policies: Policies,
    switches: Switches,
    agents: HashMap<AgentId, Standing>,
}

/// The agents that are off.
pub type Switches = HashMap<AgentId, Switch>;

impl Standings {
    /// Brings both together.
    pub fn new(policies: Policies, switches: Switches) -> Self {
        let mut agents: HashMap<AgentId, Standing> = HashMap::new();
        for policy in policies.iter() {
            let standing = agents.entry(policy.agent().clone()).or_default();
            standing.policy = Some(Arc::clone(policy));
        }
        for (agent, switch) in &switches {
            let standing = agents.entry(agent.clone()).or_default();
            standing.off = Some(switch.clone());
        }
        Self {
            is_blind: false,
            policies,
            switches,
            agents,
        }
    }

    /// Whether nobody knows yet who is switched off.
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// The same, but nobody knows who is switched off, or does again.
    pub fn blinded(mut self, is_blind: bool) -> Self {
        self.is_blind = is_blind;
        self
    }

    /// The policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The agents that are off.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Whether the agent may act.
    pub fn state(&self, agent: &AgentId) -> AgentState {
        let switch = self.switches.get(agent).cloned();
        switch.map_or(AgentState::On, AgentState::Off)
    }

    /// Whether kill switch and lists let a call through, and by which policy.
    // spec: POLICY-1 POLICY-6
    pub fn decide(
        &self,
        agent: &AgentId,
        tool: &ToolName,
    ) -> Result<Option<&Arc<Policy>>, Blocked> {
        if self.is_blind {
            return Err(Blocked::by(Reason::StoreUnavailable));
        }
        // Most processes govern nobody; that look-up is then not worth a hash.
        if self.agents.is_empty() {
            return Ok(None);
        }
        let Some(Standing { policy, off }) = self.agents.get(agent) else {
            return Ok(None);
        };
        if off.is_some() {
            return Err(Blocked::by(Reason::AgentDisabled));
        }
        let Some(policy) = policy else {
            return Ok(None);
        };
        policy.permits(tool).map_err(Blocked::by)?;
        Ok(Some(policy))
    }
}

impl From<Option<&Arc<Policy>>> for Permit {
    fn from(policy: Option<&Arc<Policy>>) -> Self {
        match policy {
            None => Self::Ungoverned,
            Some(_) => Self::Governed,
        }
    }
}
