//! What comes of asking whether a call may be made.

use std::time::Duration;

use crate::policy::usd::Usd;

/// A call may be made, as far as kill switch and lists go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permit {
    /// Nothing is known of the agent: no policy, no switch.
    Ungoverned,
    /// The agent has a policy, which does not forbid the tool.
    Governed,
}

/// A call is counted and may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spent {
    /// What it costs: the policy's price, or what the agent says where that is more.
    pub price: Usd,
}

/// A call may not be made. It has not been counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Blocked {
    /// Why.
    pub reason: Reason,
    /// How far it is from what was agreed.
    pub risk: Risk,
    /// When asking again may help; `None` where it does not before somebody changes something.
    pub retry_after: Option<Duration>,
}

impl Blocked {
    /// Without a time to come back.
    pub(super) fn by(reason: Reason) -> Self {
        Self {
            reason,
            risk: reason.risk(),
            retry_after: None,
        }
    }
}

/// Which part of a policy stands in the way.
// spec: POLICY-1
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The agent is switched off.
    AgentDisabled,
    /// There is a list of allowed tools, and this one is not on it.
    ToolNotAllowed,
    /// The tool is on the list of blocked ones.
    ToolBlocked,
    /// `max_actions_per_hour` is used up.
    ActionsPerHour,
    /// `max_calls_per_tool` is used up for this tool.
    CallsPerTool,
    /// The call costs more than is left of `max_spend_usd_per_day`.
    SpendPerDay,
    /// The sidecars of the fleet cannot count together now.
    StoreUnavailable,
}

impl Reason {
    /// The word that answers and records have for it, as the hosted API documents it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentDisabled => "agent_disabled",
            Self::ToolNotAllowed => "tool_not_in_allowed_list",
            Self::ToolBlocked => "tool_explicitly_blocked",
            Self::ActionsPerHour => "max_actions_per_hour_exceeded",
            Self::CallsPerTool => "max_calls_per_tool_exceeded",
            Self::SpendPerDay => "max_spend_usd_per_day_exceeded",
            Self::StoreUnavailable => "store_unavailable",
        }
    }

    /// An agent that goes on after somebody has said no is a greater risk than one that is busy.
    pub fn risk(self) -> Risk {
        match self {
            Self::AgentDisabled | Self::ToolBlocked => Risk::High,
            Self::ToolNotAllowed
            | Self::ActionsPerHour
            | Self::CallsPerTool
            | Self::SpendPerDay
            | Self::StoreUnavailable => Risk::Medium,
        }
    }
}

/// What `risk_level` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Risk {
    /// Whatever is allowed.
    Low,
    /// Not agreed.
    Medium,
    /// Expressly forbidden.
    High,
}

impl Risk {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}
