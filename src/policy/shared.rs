//! Kill switches and counters of a fleet of sidecars: the words of this module for what the shared
//! store says.
//!
//! Switches are mirrored on the board, so that a call asks nobody; counting asks the server. What an
//! agent may do while the server is silent is the operator's choice, and never more than its switch
//! allows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};

use crate::clock::Timestamp;
use crate::ids::{AgentId, ToolName};
use crate::policy::compile::Caps;
use crate::policy::desk::Board;
use crate::policy::standing::{Standings, Switch, Switches};
use crate::policy::usd::Usd;
use crate::policy::verdict::{Blocked, Reason};
use crate::store::StoreError;
use crate::store::fleet::{Charge, Charged, Fleet, Off};

/// What becomes of a call that the fleet cannot count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Silence {
    /// It is blocked.
    Refuses,
    /// It is counted in this process alone, so the caps hold for each sidecar by itself.
    Proceeds,
}

/// Where a call is to be counted.
pub(super) enum Counted {
    /// It is, for all sidecars.
    Everywhere,
    /// It is not yet, and this process has to.
    Here,
}

/// Whether a switch cuts off calls in flight; stands before the switch itself.
const CUT: u8 = b'!';
const KEEP: u8 = b'.';

/// What a fleet keeps of its agents.
#[derive(Debug)]
pub(super) struct Shared {
    fleet: Fleet,
    silence: Silence,
}

impl Shared {
    /// Shows the fleet's switches on `board` from now on.
    pub(super) fn new(fleet: Fleet, silence: Silence, board: &Arc<Board>) -> Self {
        let board = Arc::downgrade(board);
        fleet.follow(move |off, is_known| {
            if let Some(board) = board.upgrade() {
                show(&board, off, !is_known && silence == Silence::Refuses);
            }
        });
        Self { fleet, silence }
    }

    /// Ready when the fleet has said which agents are switched off.
    pub(super) async fn known(&self) {
        self.fleet.known().await;
    }

    /// Counts a call for all sidecars, or says which cap stands in the way.
    pub(super) async fn spend(
        &self,
        agent: &AgentId,
        caps: &Caps,
        tool: &ToolName,
        price: Usd,
    ) -> Result<Counted, Blocked> {
        let charge = Charge {
            agent: agent.as_str().to_owned(),
            tool: tool.as_str().to_owned(),
            price: price.micros(),
            per_hour: caps.actions_per_hour.map(|cap| cap.get().into()),
            per_tool: caps.calls_per_tool.get(tool).map(|cap| cap.get().into()),
            per_day: caps.spend_per_day.map(Usd::micros),
        };
        let charged = match (self.fleet.spend(charge).await, self.silence) {
            (Ok(charged), _) => charged,
            (Err(_), Silence::Proceeds) => return Ok(Counted::Here),
            (Err(error), Silence::Refuses) => {
                tracing::warn!(%error, "a call could not be counted");
                return Err(Blocked::by(Reason::StoreUnavailable));
            }
        };
        match charged {
            Charged::Counted => Ok(Counted::Everywhere),
            Charged::PerHour(wait) => Err(blocked(Reason::ActionsPerHour, Some(wait))),
            Charged::PerTool(wait) => Err(blocked(Reason::CallsPerTool, Some(wait))),
            Charged::PerDay(wait) => {
                // What costs more than a whole day's money will not be cheaper tomorrow.
                let wait = caps.spend_per_day.filter(|cap| price <= *cap).map(|_| wait);
                Err(blocked(Reason::SpendPerDay, wait))
            }
        }
    }

    /// Switches an agent off everywhere.
    pub(super) async fn switch_off(
        &self,
        agent: &AgentId,
        switch: &Switch,
        cancel_in_flight: bool,
    ) -> Result<(), StoreError> {
        let mut value = BytesMut::new();
        value.put_u8(if cancel_in_flight { CUT } else { KEEP });
        value.put(switch.to_bytes());
        self.fleet
            .switch(agent.as_str(), Some(value.freeze()))
            .await
    }

    /// Switches an agent on everywhere.
    pub(super) async fn switch_on(&self, agent: &AgentId) -> Result<(), StoreError> {
        self.fleet.switch(agent.as_str(), None).await
    }
}

/// What is added before a wait is cut to whole seconds, so that it is never too short.
const ALMOST: Duration = Duration::from_millis(999);

fn blocked(reason: Reason, wait: Option<Duration>) -> Blocked {
    Blocked {
        // Whole seconds, and none too few.
        retry_after: wait.map(|wait| Duration::from_secs((wait + ALMOST).as_secs())),
        ..Blocked::by(reason)
    }
}

/// Shows the fleet's switches, and cuts off the calls of those that are new and say so.
fn show(board: &Board, off: &Off, is_blind: bool) {
    let mut cuts = HashMap::new();
    let switches: Switches = off
        .iter()
        .filter_map(|(agent, value)| {
            let agent: AgentId = agent.parse().ok()?;
            let (cut, switch) = read(&agent, value);
            cuts.insert(agent.clone(), cut);
            Some((agent, switch))
        })
        .collect();
    let new = board.change(|before| {
        let known = before.switches();
        let is_new = |(agent, switch): &(&AgentId, &Switch)| known.get(*agent) != Some(*switch);
        let new: Vec<_> = switches
            .iter()
            .filter(is_new)
            .map(|(agent, _)| agent.clone())
            .collect();
        (
            Standings::new(before.policies().clone(), switches).blinded(is_blind),
            new,
        )
    });
    for agent in new {
        if cuts.get(&agent) == Some(&true) {
            board.cut(&agent);
        }
    }
}

/// A switch that cannot be read counts: an agent that somebody has switched off stays off.
fn read(agent: &AgentId, value: &[u8]) -> (bool, Switch) {
    let read = value.split_first();
    let read = read.and_then(|(cut, switch)| Some((*cut == CUT, Switch::from_bytes(switch)?)));
    read.unwrap_or_else(|| {
        tracing::warn!(%agent, "a switch cannot be read, and the agent stays off");
        let switch = Switch {
            reason: None,
            at: Timestamp::from_unix_millis(0),
        };
        (false, switch)
    })
}

#[cfg(test)]
mod tests;
