//! One consistent registry, and the one place where it is swapped for the next.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use crate::clock::Timestamp;
use crate::ids::{AgentId, ScopeId, ToolName};
use crate::registry::circuit::CircuitState;
use crate::registry::origin::OriginMap;
use crate::registry::tool::Tool;

type Scope = HashMap<ToolName, Arc<Tool>>;

/// All tools as they were when a file was read. Never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    global: Scope,
    agents: HashMap<AgentId, Scope>,
    generation: u64,
}

impl Snapshot {
    /// The tool that `agent` means by `name`: its own before everyone's.
    // spec: CALL-3
    pub fn resolve(&self, agent: &AgentId, name: &str) -> Option<&Arc<Tool>> {
        let own = || self.agents.get(agent).and_then(|scope| scope.get(name));
        // Most registries have no agent scopes; that look-up is then not worth a hash.
        if self.agents.is_empty() { None } else { own() }.or_else(|| self.global.get(name))
    }

    /// The tool of exactly this scope.
    pub fn get(&self, scope: &ScopeId, name: &str) -> Option<&Arc<Tool>> {
        match scope {
            ScopeId::Global => self.global.get(name),
            ScopeId::Agent(agent) => self.agents.get(agent)?.get(name),
        }
    }

    /// Every tool, in no particular order.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.global
            .values()
            .chain(self.agents.values().flat_map(HashMap::values))
    }

    /// How the circuits stand, for the metrics: a tool's name, and 0 for closed, 1 for half-open or
    /// 2 for open.
    pub fn circuit_states(&self) -> impl Iterator<Item = (&str, u8)> {
        self.tools().filter_map(|tool| {
            let circuit = tool.protection.circuit.as_ref()?;
            let number = match circuit.status().state {
                CircuitState::Closed => 0,
                CircuitState::HalfOpen => 1,
                CircuitState::Open => 2,
            };
            Some((tool.name.as_str(), number))
        })
    }

    /// How many tools there are over all scopes.
    pub fn tool_count(&self) -> usize {
        self.global.len() + self.agents.values().map(HashMap::len).sum::<usize>()
    }

    /// Counts the snapshots that were put into service; the first is 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// Collects compiled tools into a snapshot.
#[derive(Debug)]
pub struct SnapshotBuilder<'p> {
    previous: Option<&'p Snapshot>,
    next: Snapshot,
    /// Tools of one host share one origin, which keeps large registries small.
    origins: OriginMap<()>,
}

impl<'p> SnapshotBuilder<'p> {
    /// Starts empty. Tools that `previous` has too keep their budgets, metric handles
    /// and what their limits have counted.
    pub fn new(previous: Option<&'p Snapshot>) -> Self {
        Self {
            previous,
            next: Snapshot::default(),
            origins: OriginMap::default(),
        }
    }

    /// Adds a tool.
    ///
    /// # Errors
    /// Gives it back when its name is taken in its scope.
    pub fn add(&mut self, mut tool: Tool) -> Result<(), Box<Tool>> {
        if let Some(before) = self
            .previous
            .and_then(|p| p.get(&tool.scope, tool.name.as_str()))
        {
            tool.inherit(before);
        }
        tool.origin = match self.origins.entry(Arc::clone(&tool.origin)) {
            Entry::Occupied(known) => Arc::clone(known.key()),
            Entry::Vacant(new) => Arc::clone(new.insert_entry(()).key()),
        };
        let scope = match &tool.scope {
            ScopeId::Global => &mut self.next.global,
            ScopeId::Agent(agent) => self.next.agents.entry(agent.clone()).or_default(),
        };
        match scope.entry(tool.name.clone()) {
            Entry::Occupied(_) => Err(Box::new(tool)),
            Entry::Vacant(free) => {
                free.insert(Arc::new(tool));
                Ok(())
            }
        }
    }

    /// The snapshot, ready for [`Registry::replace`].
    pub fn finish(self) -> Snapshot {
        self.next
    }
}

/// Where the registry in service came from and how its last reload went.
// spec: RELOAD-2
#[derive(Clone, Debug)]
pub struct LoadedFrom {
    /// The registry file; `None` for one that was built in memory.
    pub source: Option<PathBuf>,
    /// When the snapshot in service was put there.
    pub loaded_at: Timestamp,
    /// What the last reload refused; empty when it succeeded.
    pub last_errors: Vec<String>,
}

/// The registry in service.
#[derive(Debug)]
pub struct Registry {
    current: ArcSwap<Snapshot>,
    /// Guards the account of the last reload; taken by reloads and by status requests only.
    loaded_from: Mutex<LoadedFrom>,
}

impl Registry {
    /// Puts a first snapshot into service.
    pub fn new(mut first: Snapshot, loaded_from: LoadedFrom) -> Self {
        first.generation = 1;
        Self {
            current: ArcSwap::from_pointee(first),
            loaded_from: Mutex::new(loaded_from),
        }
    }

    /// The snapshot in service. A call takes one and keeps it.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Looks one tool up in the snapshot in service.
    pub fn resolve(&self, agent: &AgentId, name: &str) -> Option<Arc<Tool>> {
        self.current.load().resolve(agent, name).cloned()
    }

    /// Puts the next snapshot into service, for every call that starts from now on.
    ///
    /// Reloads are made one after the other by their one owner, so there is no lost update.
    // spec: RELOAD-1
    pub fn replace(&self, mut next: Snapshot, loaded_at: Timestamp) {
        next.generation = self.current.load().generation + 1;
        let next = Arc::new(next);
        self.current.store(Arc::clone(&next));
        // Only now: a reload that is refused after all must not change what serves.
        for tool in next.tools() {
            tool.protection.enter_service();
        }
        self.with_account(|account| {
            account.loaded_at = loaded_at;
            account.last_errors.clear();
        });
    }

    /// Notes that a reload was refused. What serves is untouched.
    // spec: RELOAD-2
    pub fn refuse(&self, errors: Vec<String>) {
        self.with_account(|account| account.last_errors = errors);
    }

    /// Notes that what was read equals what serves.
    pub fn unchanged(&self) {
        self.with_account(|account| account.last_errors.clear());
    }

    /// The account of the last reload.
    pub fn loaded_from(&self) -> LoadedFrom {
        self.with_account(|account| account.clone())
    }

    fn with_account<T>(&self, act: impl FnOnce(&mut LoadedFrom) -> T) -> T {
        // Every change is one assignment, so a poisoned lock still holds a whole account.
        act(&mut self
            .loaded_from
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
