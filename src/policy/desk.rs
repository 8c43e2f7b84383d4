//! What calls ask before they are made.
//!
//! One desk serves all threads. A call of an agent of whom nothing is known costs one atomic load;
//! changes of policies and switches are in force for every call that asks after them.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::ids::{AgentId, ToolName};
use crate::policy::compile::Policy;
use crate::policy::counters::Counters;
use crate::policy::set::Policies;
use crate::policy::shared::{Counted, Shared, Silence};
use crate::policy::standing::{AgentState, Standings, Switch, Switches};
use crate::policy::usd::Usd;
use crate::policy::verdict::{Blocked, Permit, Spent};
use crate::store::fleet::Fleet;
use crate::store::{Change, Entry, Space, Store, StoreError, Written};

/// Agents whose calls are to be cut off and that a listener has not asked for yet. Operators switch
/// agents off by hand, so this is many.
const WAITING_CUTS: usize = 1_024;

/// Policies, kill switches and counters in service.
pub struct Desk {
    board: Arc<Board>,
    /// Of this process.
    counters: Counters,
    keeper: Keeper,
}

/// Who keeps kill switches and counters.
enum Keeper {
    /// This process, in its store.
    Store(Store),
    /// A fleet of sidecars.
    Fleet(Shared),
}

/// What calls are told. A fleet changes it from a thread of its own.
pub(super) struct Board {
    standings: ArcSwap<Standings>,
    /// Taken by those who change `standings`, so that none of two changes is lost and the store has
    /// them in the same order.
    changing: Mutex<()>,
    cuts: broadcast::Sender<AgentId>,
}

impl Desk {
    /// Without policies, with the switches and the counters of an earlier process.
    ///
    /// A switch that cannot be read counts: an agent that somebody has switched off stays off.
    pub fn new(store: Store, recovered: &[Entry]) -> Self {
        Self {
            board: Arc::new(Board::new(switches(recovered))),
            counters: Counters::new(store.clone(), recovered),
            keeper: Keeper::Store(store),
        }
    }

    /// Without policies, with the switches and the counters of a fleet of sidecars. `store` and
    /// `recovered` are what this process counts on its own where it may, while the fleet is silent.
    // spec: FLEET-4 FLEET-5
    pub fn shared(store: Store, recovered: &[Entry], fleet: Fleet, silence: Silence) -> Self {
        let board = Arc::new(Board::new(Switches::new()));
        // Before the fleet has answered nobody knows which agents it has switched off.
        board.change(|before| {
            let policies = before.policies().clone();
            let blind = Standings::new(policies, Switches::new());
            (blind.blinded(silence == Silence::Refuses), ())
        });
        let shared = Shared::new(fleet, silence, &board);
        Self {
            board,
            counters: Counters::new(store, recovered),
            keeper: Keeper::Fleet(shared),
        }
    }

    /// Ready when it is known which agents are switched off: at once, but with a fleet when that has
    /// answered.
    // spec: FLEET-4
    pub async fn known(&self) {
        match &self.keeper {
            Keeper::Store(_) => {}
            Keeper::Fleet(shared) => shared.known().await,
        }
    }

    /// Puts a whole set of policies into service. What agents have used so far counts on.
    // spec: POLICY-7
    pub fn replace(&self, policies: Policies) {
        self.board.change(|before| {
            let after = Standings::new(policies, before.switches().clone());
            (after.blinded(before.is_blind()), ())
        });
    }

    /// The policies in service.
    pub fn policies(&self) -> Policies {
        self.board.standings.load().policies().clone()
    }

    /// The agent's policy in service.
    pub fn policy(&self, agent: &AgentId) -> Option<Arc<Policy>> {
        self.board.standings.load().policies().get(agent).cloned()
    }

    /// Whether kill switch and lists let a call through. Nothing is counted.
    ///
    /// # Errors
    /// What stands in the way.
    // spec: POLICY-1 POLICY-6
    pub fn permits(&self, agent: &AgentId, tool: &ToolName) -> Result<Permit, Blocked> {
        self.board
            .standings
            .load()
            .decide(agent, tool)
            .map(Permit::from)
    }

    /// Counts a call against all caps at once, or against none, and asks kill switch and lists again,
    /// since the call may have waited. `claimed` is what the agent says that the call costs, in
    /// dollars; what is no amount counts as nothing, and what is too much as the most there is.
    ///
    /// A call that is counted is counted durably, unless the store fails: then in this process
    /// alone. Dropping the future does not take the count back.
    ///
    /// # Errors
    /// What stands in the way; nothing has been counted then.
    // spec: POLICY-2 POLICY-3 POLICY-4
    pub async fn spend(
        &self,
        agent: &AgentId,
        tool: &ToolName,
        claimed: Option<f64>,
        now: Timestamp,
    ) -> Result<Spent, Blocked> {
        let claimed = claimed.map_or(Usd::ZERO, Usd::nearest);
        let policy = self.board.standings.load().decide(agent, tool)?.cloned();
        let Some(policy) = policy else {
            return Ok(Spent { price: claimed });
        };
        let price = policy.price(tool, claimed);
        let caps = policy.caps();
        if !caps.concern(tool, price) {
            return Ok(Spent { price });
        }
        let counted = match &self.keeper {
            Keeper::Store(_) => Counted::Here,
            Keeper::Fleet(shared) => shared.spend(agent, caps, tool, price).await?,
        };
        match counted {
            Counted::Everywhere => {}
            Counted::Here => self.counters.spend(agent, caps, tool, price, now).await?,
        }
        Ok(Spent { price })
    }

    /// Whether an agent may act at all.
    pub fn state(&self, agent: &AgentId) -> AgentState {
        self.board.standings.load().state(agent)
    }

    /// Switches an agent off, whether anything was known of it or not. Every call that asks from now
    /// on is blocked; with `cancel_in_flight` those who listen to [`Desk::cuts`] are told, too.
    ///
    /// Dropping the future does not switch it on again.
    ///
    /// # Errors
    /// When the switch could not be made durable: the agent is off until the process ends.
    // spec: POLICY-6
    pub async fn switch_off(
        &self,
        agent: &AgentId,
        reason: Option<String>,
        cancel_in_flight: bool,
        now: Timestamp,
    ) -> Result<Switch, StoreError> {
        let switch = Switch { reason, at: now };
        match &self.keeper {
            Keeper::Store(store) => {
                let written = self.set(store, agent, Some(switch.clone()));
                if cancel_in_flight {
                    self.board.cut(agent);
                }
                written.await?;
            }
            Keeper::Fleet(shared) => shared.switch_off(agent, &switch, cancel_in_flight).await?,
        }
        Ok(switch)
    }

    /// Lets an agent act again, as far as its policy does.
    ///
    /// Dropping the future does not switch it off again.
    ///
    /// # Errors
    /// When the switch could not be made durable: the agent may act until the process ends.
    // spec: POLICY-6
    pub async fn switch_on(&self, agent: &AgentId) -> Result<(), StoreError> {
        match &self.keeper {
            Keeper::Store(store) => self.set(store, agent, None).await,
            Keeper::Fleet(shared) => shared.switch_on(agent).await,
        }
    }

    /// Tells of the agents whose calls in flight are to be cut off. Whoever lags behind so far that
    /// some are left out finds them by [`Desk::state`].
    pub fn cuts(&self) -> broadcast::Receiver<AgentId> {
        self.board.cuts.subscribe()
    }

    fn set(&self, store: &Store, agent: &AgentId, switch: Option<Switch>) -> Written {
        self.board.change(|before| {
            let value = switch.as_ref().map(Switch::to_bytes);
            let mut switches = before.switches().clone();
            match switch {
                Some(switch) => switches.insert(agent.clone(), switch),
                None => switches.remove(agent),
            };
            let written = store.write(vec![Change {
                space: Space::Agents,
                key: Bytes::copy_from_slice(agent.as_str().as_bytes()),
                value,
            }]);
            (Standings::new(before.policies().clone(), switches), written)
        })
    }
}

impl Board {
    fn new(switches: Switches) -> Self {
        Self {
            standings: ArcSwap::from_pointee(Standings::new(Policies::default(), switches)),
            changing: Mutex::new(()),
            cuts: broadcast::Sender::new(WAITING_CUTS),
        }
    }

    /// Tells whoever has calls of this agent in flight to cut them off.
    pub(super) fn cut(&self, agent: &AgentId) {
        // Without listeners there is nothing in flight.
        let _ = self.cuts.send(agent.clone());
    }

    /// Replaces what is known by what comes of it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&Standings) -> (Standings, T)) -> T {
        // It guards the order of changes only, and every change is one swap.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (after, result) = change(&self.standings.load());
        self.standings.store(Arc::new(after));
        result
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let policies = self.board.standings.load().policies().len();
        let mut shown = f.debug_struct("Desk");
        shown.field("policies", &policies).finish_non_exhaustive()
    }
}

fn switches(recovered: &[Entry]) -> Switches {
    let of_agents = recovered.iter().filter(|e| e.space == Space::Agents);
    let read = of_agents.filter_map(|entry| {
        let agent = std::str::from_utf8(&entry.key).ok()?.parse().ok()?;
        let switch = Switch::from_bytes(&entry.value).unwrap_or_else(|| {
            tracing::warn!(%agent, "a switch cannot be read, and the agent stays off");
            Switch {
                reason: None,
                at: Timestamp::from_unix_millis(0),
            }
        });
        Some((agent, switch))
    });
    read.collect()
}

#[cfg(test)]
mod tests;
