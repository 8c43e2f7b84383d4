//! Policies to begin with.
//!
//! The names and the caps are those of the hosted API. Its lists of tools are not public, so the
//! templates have none: which tools an agent may use is said in the overrides.

use crate::policy::spec::PolicySpec;

/// A named set of caps.
// spec: POLICY-5
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Template {
    /// For an agent that is watched closely.
    Strict,
    /// For most agents.
    Moderate,
    /// For an agent that has proven itself.
    Permissive,
    /// For an agent that spends nothing: only calls without a price.
    ReadOnly,
    /// For an agent that answers customers.
    SupportBot,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Strict,
        Self::Moderate,
        Self::Permissive,
        Self::ReadOnly,
        Self::SupportBot,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Moderate => "moderate",
            Self::Permissive => "permissive",
            Self::ReadOnly => "read_only",
            Self::SupportBot => "support_bot",
        }
    }

    /// The policy that it is for `agent_id`.
    pub fn policy(self, agent_id: &str) -> PolicySpec {
        let (actions, dollars) = match self {
            Self::Strict => (50, 2.0),
            Self::Moderate => (200, 10.0),
            Self::Permissive => (1_000, 50.0),
            Self::ReadOnly => (200, 0.0),
            Self::SupportBot => (500, 10.0),
        };
        PolicySpec {
            agent_id: agent_id.to_owned(),
            max_actions_per_hour: Some(actions),
            max_spend_usd_per_day: Some(dollars),
            ..PolicySpec::default()
        }
    }
}
