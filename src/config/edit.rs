//! Changing one tool or one policy in the registry file, and nothing else in it.
//!
//! The file stays its author's: an edit replaces the bytes of the fields concerned, adds lines or
//! takes lines out, and everything else stays byte for byte. What comes out is read again and must
//! mean exactly what was meant before plus the change, or the file is left alone. Files change
//! durably and as a whole, secrets get files of their own, and concurrent writers, people
//! included, do not lose anything to each other. Why by splicing: `docs/decisions/0009-*`.
//!
//! Everything here blocks. Which changes are allowed to whom, and what is answered, is left to the
//! doors; putting the changed file into service is the reloader's.

mod attempt;
mod block;
mod disk;
mod draft;
mod flow;
mod model;
mod outline;
mod plan;
mod policy;
mod revision;
mod scalar;
mod secrets;
mod splice;
mod steps;
mod text;

use std::io;
use std::path::PathBuf;

use crate::config::expand::Environment;
use crate::config::problem::Problems;
use crate::ids::{ScopeId, ToolName};
use crate::policy::PolicySpec;
use crate::registry::ToolSpec;
use crate::rule::Violation;
use crate::secret::Secret;

use attempt::Edit;
use disk::Locked;
use plan::Refusal;
use steps::Steps;

/// How often an edit is made anew because the file changed meanwhile. People do not save that fast.
const MOST_ATTEMPTS: u32 = 16;

/// A tool as the Tools API writes it: it replaces every field that the API knows.
// spec: EDIT-1
#[derive(Clone)]
pub struct ToolWrite {
    /// Its name, which with the scope says which tool is meant.
    pub name: ToolName,
    /// Its scope.
    pub scope: ScopeId,
    /// `url`.
    pub url: String,
    /// The key; `None` keeps the one that is stored.
    pub secret: Option<Secret>,
    /// `timeout_ms`.
    pub timeout_ms: i64,
    /// `max_retries`.
    pub max_retries: i64,
    /// `enabled`.
    pub enabled: bool,
    /// `description`; `None` removes it.
    pub description: Option<String>,
}

/// What should change.
#[derive(Clone)]
pub enum Change {
    /// A tool should be there and be like this. Fields that the API does not know stay.
    Put(ToolWrite),
    /// A tool that is there should be enabled, or not.
    SetEnabled {
        /// Its name.
        name: ToolName,
        /// Its scope.
        scope: ScopeId,
        /// Whether it may be called.
        enabled: bool,
    },
    /// A tool should not be there any more.
    Delete {
        /// Its name.
        name: ToolName,
        /// Its scope.
        scope: ScopeId,
    },
    /// An agent should have this policy and no other.
    Govern(PolicySpec),
}

impl Change {
    /// What is to change.
    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Put(ToolWrite { name, scope, .. })
            | Self::SetEnabled { name, scope, .. }
            | Self::Delete { name, scope } => Target::Tool(name, scope),
            Self::Govern(PolicySpec { agent_id, .. }) => Target::Policy(agent_id),
        }
    }
}

/// One entry of a registry file.
#[derive(Clone, Copy, Debug)]
pub enum Target<'c> {
    /// The tool of this name and scope.
    Tool(&'c ToolName, &'c ScopeId),
    /// The policy of this agent.
    Policy(&'c str),
}

impl Target<'_> {
    fn is_tool(self, spec: &ToolSpec) -> bool {
        match self {
            Self::Tool(name, scope) => {
                let its_scope = spec.scope_id.as_deref().unwrap_or("global");
                spec.name == name.as_str() && scope.is_written(its_scope)
            }
            Self::Policy(_) => false,
        }
    }

    fn is_policy(self, spec: &PolicySpec) -> bool {
        match self {
            Self::Tool(..) => false,
            Self::Policy(agent_id) => spec.agent_id == agent_id,
        }
    }
}

/// A change that was made: the file says so, durably.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Applied {
    /// Whether the tool or policy was not there before.
    pub created: bool,
    /// Whether the file had to change; not when it said all of it already.
    pub changed: bool,
}

/// Why a change was not made. The file is as it was, except where [`EditError::Io`] says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such tool to change.
    #[error("there is no tool of this name and scope")]
    NotFound,
    /// The tool or policy would break rules: every one of them.
    #[error("the entry breaks {} of the registry's rules", .0.len())]
    Invalid(Vec<Violation>),
    /// The file is not ours to write.
    #[error("the registry is read-only: {reason}")]
    ReadOnly {
        /// In words.
        reason: String,
    },
    /// The tool or policy is written in a way that cannot be edited without touching others.
    #[error("the entry cannot be edited: {reason}")]
    NotEditable {
        /// Where it is, from 1.
        line: Option<u32>,
        /// In words.
        reason: String,
    },
    /// The file is invalid as it is.
    #[error("the registry is invalid as it is")]
    BrokenFile(#[source] Problems),
    /// Others wrote all the time. Trying again may help.
    #[error("others are writing the registry")]
    Busy,
    /// The system refused. If it did while the change was made durable, the change may be there.
    #[error("{what} cannot be written")]
    Io {
        /// What was being written.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl From<Refusal> for EditError {
    fn from(Refusal { line, reason }: Refusal) -> Self {
        let reason = reason.to_owned();
        Self::NotEditable { line, reason }
    }
}

/// The one way to change a registry file.
pub struct Editor {
    registry: PathBuf,
    secrets_dir: PathBuf,
    steps: Steps,
}

impl Editor {
    /// For the registry at this path, with this folder for secrets, which is relative to the
    /// registry's unless absolute. Nothing is looked at yet.
    pub fn new(registry: PathBuf, secrets_dir: PathBuf) -> Self {
        Self {
            registry,
            secrets_dir,
            steps: Steps::default(),
        }
    }

    /// Makes a change, durably, or changes nothing. Blocks on the file system, and on other writers
    /// for at most ten seconds.
    ///
    /// # Errors
    /// See [`EditError`].
    // spec: EDIT-1 EDIT-2
    pub fn apply(
        &self,
        change: &Change,
        environment: &Environment<'_>,
    ) -> Result<Applied, EditError> {
        let locked = Locked::new(&self.registry, &self.steps)?;
        let mut edit = Edit::new(self, &locked, change, environment)?;
        for _ in 0..MOST_ATTEMPTS {
            match edit.attempt() {
                Ok(Some(applied)) => return Ok(applied),
                Ok(None) => {}
                Err(error) => {
                    edit.discard();
                    return Err(error);
                }
            }
        }
        edit.discard();
        Err(EditError::Busy)
    }
}

#[cfg(test)]
mod tests;
