//! What one agent has used of its caps.
//!
//! All caps of a call are checked before any of them is counted. Time only moves forward here, as
//! far as the clock allows: two threads may read it in one order and get here in the other.

use std::collections::HashMap;
use std::time::Duration;

use crate::ids::ToolName;
use crate::policy::compile::Caps;
use crate::policy::usd::Usd;
use crate::policy::verdict::{Blocked, Reason};
use crate::policy::window::{HOUR, Window};

/// Seconds in a UTC day; Unix time knows no leap seconds.
const DAY: i64 = 24 * HOUR;

/// Counts of the last hour, and of one UTC day.
#[derive(Debug, Default)]
pub struct Account {
    window: Window,
    /// The last second that something was counted or looked at in.
    now: i64,
    spent: Usd,
    calls: HashMap<ToolName, u32>,
    /// What was kept of earlier days and is not to be kept any longer.
    stale: Vec<Fact>,
}

/// A fact that outlives the process, without the agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    /// What happened in this minute since the epoch; nothing is left where there are no bytes.
    Minute(i64, Vec<u8>),
    /// What was spent on the day of this second; `None` when the day is over.
    Spent(Option<(i64, Usd)>),
    /// How often a tool was called on the day of this second; `None` when the day is over.
    Calls(ToolName, Option<(i64, u32)>),
}

impl Account {
    /// Moves on to `now`, in seconds since the epoch, and notes what is over.
    ///
    /// A clock that is an hour or less behind what was seen before is taken for a thread that came
    /// late, and one that is further behind for one that was set back.
    // spec: POLICY-2 POLICY-3
    pub fn turn(&mut self, now: i64, facts: &mut Vec<Fact>) {
        let now = if now < self.now - HOUR {
            now
        } else {
            now.max(self.now)
        };
        let over = day(now) != day(self.now);
        self.now = now;
        let gone = self.window.turn(now).into_iter();
        facts.extend(gone.map(|minute| Fact::Minute(minute, Vec::new())));
        if over {
            self.end_day();
        }
        facts.append(&mut self.stale);
    }

    fn end_day(&mut self) {
        if self.spent > Usd::ZERO {
            self.spent = Usd::ZERO;
            self.stale.push(Fact::Spent(None));
        }
        let calls = self.calls.drain();
        self.stale
            .extend(calls.map(|(tool, _)| Fact::Calls(tool, None)));
    }

    /// Counts a call if every cap lets it through, or nothing. The account has been turned before.
    // spec: POLICY-2 POLICY-3 POLICY-4
    pub fn spend(
        &mut self,
        caps: &Caps,
        tool: &ToolName,
        price: Usd,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Blocked> {
        self.check(caps, tool, price)?;
        let now = self.now;
        if caps.actions_per_hour.is_some() {
            self.window.add(now);
            let (minute, bytes) = self.window.minute_of(now);
            facts.push(Fact::Minute(minute, bytes));
        }
        if caps.calls_per_tool.contains_key(tool) {
            let calls = self.calls.entry(tool.clone()).or_default();
            *calls = calls.saturating_add(1);
            facts.push(Fact::Calls(tool.clone(), Some((now, *calls))));
        }
        if caps.spend_per_day.is_some() && price > Usd::ZERO {
            self.spent = self.spent.plus(price);
            facts.push(Fact::Spent(Some((now, self.spent))));
        }
        Ok(())
    }

    fn check(&self, caps: &Caps, tool: &ToolName, price: Usd) -> Result<(), Blocked> {
        if let Some(cap) = caps.actions_per_hour
            && self.window.total() >= u64::from(cap.get())
        {
            let wait = self.window.below(cap.get()).map(|then| then - self.now);
            return Err(blocked(Reason::ActionsPerHour, wait));
        }
        let tomorrow = Some(DAY - self.now.rem_euclid(DAY));
        if let Some(cap) = caps.calls_per_tool.get(tool)
            && self
                .calls
                .get(tool)
                .is_some_and(|calls| *calls >= cap.get())
        {
            return Err(blocked(Reason::CallsPerTool, tomorrow));
        }
        // What costs nothing is let through even where more is spent than a new cap allows.
        if let Some(cap) = caps.spend_per_day
            && price > Usd::ZERO
            && price > cap.minus(self.spent)
        {
            // What costs more than a whole day's money will not be cheaper tomorrow.
            return Err(blocked(
                Reason::SpendPerDay,
                tomorrow.filter(|_| price <= cap),
            ));
        }
        Ok(())
    }

    /// Whether it says nothing that a new account would not say.
    pub fn is_blank(&self) -> bool {
        let is_zero = self.window.total() == 0 && self.spent == Usd::ZERO;
        is_zero && self.calls.is_empty() && self.stale.is_empty()
    }

    /// Takes up a fact that was kept, each of them once and in any order. Of two days the later one
    /// counts.
    pub fn restore(&mut self, fact: Fact) -> Option<()> {
        match fact {
            Fact::Minute(minute, bytes) => {
                self.window.restore(minute, &bytes)?;
                let latest = self.window.latest()?;
                self.enter(latest.max(self.now));
            }
            Fact::Spent(spent) => {
                let (at, spent) = spent?;
                if self.enter(at) {
                    self.spent = spent;
                } else {
                    self.stale.push(Fact::Spent(None));
                }
            }
            Fact::Calls(tool, calls) => {
                let (at, calls) = calls?;
                if self.enter(at) {
                    self.calls.insert(tool, calls);
                } else {
                    self.stale.push(Fact::Calls(tool, None));
                }
            }
        }
        Some(())
    }

    /// Makes `at` the present if it is later, and says whether it is of the present's day.
    fn enter(&mut self, at: i64) -> bool {
        if day(at) > day(self.now) {
            self.end_day();
        }
        self.now = self.now.max(at);
        day(at) == day(self.now)
    }
}

fn day(second: i64) -> i64 {
    second.div_euclid(DAY)
}

fn blocked(reason: Reason, wait: Option<i64>) -> Blocked {
    Blocked {
        retry_after: wait.map(|seconds| Duration::from_secs(seconds.max(1).unsigned_abs())),
        ..Blocked::by(reason)
    }
}
