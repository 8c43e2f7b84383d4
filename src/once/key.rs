//! What two calls have in common when they are the same call.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::ids::{AgentId, ToolName};

/// SHA-256 over what makes a call the same call: its agent, its tool and either a name that the
/// agent gave it or its arguments. Kept in stores, so what goes into it never changes.
// spec: ONCE-2
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClaimKey([u8; 32]);

impl ClaimKey {
    /// Of a governed call that the agent has named in its arguments.
    pub fn explicit(agent: &AgentId, tool: &ToolName, key: &str) -> Self {
        Self::over("idempotency_key", agent, tool, key.as_bytes())
    }

    /// Of a transparent call that the agent has named in a header. It is never that of a governed
    /// call, whose answers have another form.
    pub fn of_header(agent: &AgentId, tool: &ToolName, key: &[u8]) -> Self {
        Self::over("Idempotency-Key", agent, tool, key)
    }

    /// Of a governed call that is told by its arguments, in their canonical form.
    pub fn of_args(agent: &AgentId, tool: &ToolName, canonical: &[u8]) -> Self {
        Self::over("args", agent, tool, canonical)
    }

    /// The key that was stored as these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes that it is stored as.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Lengths keep the parts apart.
    fn over(kind: &str, agent: &AgentId, tool: &ToolName, what: &[u8]) -> Self {
        let mut digest = Sha256::new();
        let (agent, tool) = (agent.as_str().as_bytes(), tool.as_str().as_bytes());
        for part in [kind.as_bytes(), agent, tool, what] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

impl fmt::Debug for ClaimKey {
    /// The first bytes are enough to tell two apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "ClaimKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}
