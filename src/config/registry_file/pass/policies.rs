//! `policies:`, entry by entry, and whether the tools that they name are there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Pass;
use crate::config::fields::{Field, FieldPath};
use crate::config::problem::Position;
use crate::config::registry_file::{Seen, policy};
use crate::config::yaml::{Entered, Events, Fault, Key, Kind, Node};
use crate::policy::{Policies, Policy, PolicySpec};

/// What was read of `policies:`.
#[derive(Default)]
pub(super) struct Read {
    pub(super) policies: Policies,
    /// Where each agent was first.
    lines: HashMap<Box<str>, u32>,
    /// Tools that policies name. The tools themselves may follow further down.
    mentions: Vec<Mention>,
}

/// The name of a tool in a policy.
struct Mention {
    agent: Box<str>,
    tool: Box<str>,
    at: Position,
    field: String,
}

impl Pass<'_> {
    // spec: POLICY-7
    pub(super) fn policies(
        &mut self,
        key: &Key,
        events: &mut Events<'_>,
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Result<(), Fault> {
        let path = FieldPath::Name(&FieldPath::Root, "policies");
        match events.enter()? {
            Entered::Sequence(_) => {
                let mut index = 0;
                while let Some(node) = events.item()? {
                    let path = FieldPath::Index(&path, index);
                    self.policy(Field { node: &node, path }, seen);
                    index += 1;
                }
            }
            Entered::Mapping(at) => {
                let message = "expected a list, found a mapping; begin every policy with `- `";
                self.reading.report.error(at, path, message);
                while events.key()?.is_some() {
                    events.skip()?;
                }
            }
            Entered::Whole(node) if matches!(node.kind, Kind::Null) => {
                let message = "expected a list, found nothing; write `policies: []` where there \
                               are none, or leave the field out";
                self.reading.report.error(key.at, path, message);
            }
            Entered::Whole(node) => {
                let found = node.noun();
                let message = format!("expected a list written here, found {found}");
                self.reading.report.error(node.at, path, message);
            }
        }
        Ok(())
    }

    fn policy(&mut self, field: Field<'_>, seen: &mut dyn FnMut(Seen<'_>)) {
        self.reading.forget();
        let Some(entry) = policy::read(&mut self.reading, field) else {
            return;
        };
        seen(Seen::Policy(field.node, &entry.spec));
        let unique = self.is_only_policy(&entry.spec, field);
        match Policy::compile(entry.spec.clone()) {
            Ok(policy) => {
                self.mention(&entry, field);
                if unique {
                    let added = self.read.policies.add(policy);
                    added.expect("agents that have one were refused by `is_only_policy`");
                }
            }
            Err(violations) => {
                for violation in &violations {
                    entry.report(&mut self.reading, field, violation);
                }
            }
        }
    }

    /// Notes an agent that has a policy already.
    fn is_only_policy(&mut self, spec: &PolicySpec, field: Field<'_>) -> bool {
        if spec.agent_id.is_empty() {
            return true;
        }
        let at = agent_at(field.node);
        match self.read.lines.entry(spec.agent_id.as_str().into()) {
            Entry::Vacant(free) => {
                free.insert(at.line);
                true
            }
            Entry::Occupied(first) => {
                let first = first.get();
                let message = format!("a policy of this agent is there already, in line {first}");
                let path = FieldPath::Name(&field.path, "agent_id");
                self.reading.report.error(at, path, message);
                false
            }
        }
    }

    fn mention(&mut self, entry: &policy::Entry, field: Field<'_>) {
        let agent: Box<str> = entry.spec.agent_id.as_str().into();
        let mentions = entry.mentions(field.node).map(|(tool, name, at)| Mention {
            agent: agent.clone(),
            tool: tool.into(),
            at,
            field: format!("{}.{name}", field.path),
        });
        self.read.mentions.extend(mentions);
    }

    /// Notes the tools that a policy names and its agent cannot call. They may come later, so that
    /// is no error; a typing error in `blocked_tools` looks just like it.
    // spec: POLICY-5
    pub(super) fn warn_of_unknown_tools(&mut self) {
        for mention in std::mem::take(&mut self.read.mentions) {
            let has = |scope: String| {
                let id = (mention.tool.clone(), scope.into_boxed_str());
                self.lines.contains_key(&id)
            };
            if !has("global".to_owned()) && !has(format!("agent:{}", mention.agent)) {
                let message = "this agent has no tool of this name";
                let report = &mut self.reading.report;
                report.warning(mention.at, mention.field, message);
            }
        }
    }
}

fn agent_at(entry: &Node) -> Position {
    entry.get("agent_id").unwrap_or(entry).at
}
