//! All policies of one load.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::ids::AgentId;
use crate::policy::compile::Policy;

/// At most one policy for each agent. Never changes once it is in service.
#[derive(Clone, Debug, Default)]
pub struct Policies(HashMap<AgentId, Arc<Policy>>);

impl Policies {
    /// Adds a policy.
    ///
    /// # Errors
    /// Gives it back when its agent has one.
    pub fn add(&mut self, policy: Policy) -> Result<(), Box<Policy>> {
        match self.0.entry(policy.agent().clone()) {
            Entry::Occupied(_) => Err(Box::new(policy)),
            Entry::Vacant(free) => {
                free.insert(Arc::new(policy));
                Ok(())
            }
        }
    }

    /// The agent's policy.
    pub fn get(&self, agent: &AgentId) -> Option<&Arc<Policy>> {
        self.0.get(agent)
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
