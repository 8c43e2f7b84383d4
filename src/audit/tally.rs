//! How often and for how much, by agent and time, so that a question about a week does not read a
//! week of records, most of which a busy log no longer holds.
//!
//! A tally of an hour or a day outlives the records that it counts. It is written with the number of
//! the last record in it, so that after a start each record is counted exactly once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::audit::entry::Decision;

/// The most agents that are counted. An agent's name is the caller's to choose, so there may be
/// any number of them; beyond this the one that was silent for longest is forgotten.
const MAX_AGENTS: usize = 1000;

/// The most tools that a bucket names: a registry of that size is rare, and beyond it calls still
/// count in the sums.
const MAX_TOOLS: usize = 200;

/// The most records that `logs` shows, and so the most that are known by agent.
pub const MAX_RECENT: usize = 500;

const HOURS_KEPT: u64 = 7 * 24;
const MINUTES_KEPT: u64 = 60;
/// More than a year, so that a month can be compared with the same one of the year before.
const DAYS_KEPT: u64 = 400;

/// What the tallies need of a record.
pub struct Counted<'a> {
    /// Its number.
    pub seq: u64,
    /// When.
    pub ts_ms: u64,
    /// Whose.
    pub agent: &'a str,
    /// Of what.
    pub tool: &'a str,
    /// What was done.
    pub decision: Decision,
    /// What it cost.
    pub spend_usd: f64,
}

/// The calls of one agent within some time.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Bucket {
    /// The last record that is counted here.
    through: u64,
    /// All calls.
    pub actions: u64,
    /// Those that were not run because they may not.
    pub blocked: u64,
    /// What the others cost.
    pub spend_usd: f64,
    /// How many for each tool.
    pub tools: BTreeMap<Box<str>, u64>,
    /// It is among what has to be written.
    #[serde(skip)]
    is_dirty: bool,
}

/// The calls of all agents on one day, in UTC.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Day {
    through: u64,
    /// Calls that a tool answered.
    pub executed: u64,
    /// Calls that got an earlier answer.
    pub dedup: u64,
    /// Calls that were not run.
    pub blocked: u64,
    /// Calls that were run in vain.
    pub failed: u64,
}

#[derive(Default)]
struct Agent {
    /// Numbers of its last records, the newest last.
    recent: VecDeque<u64>,
    minutes: BTreeMap<u64, Bucket>,
    hours: BTreeMap<u64, Bucket>,
}

/// All of them.
#[derive(Default)]
pub struct Tallies {
    agents: HashMap<Box<str>, Agent>,
    days: BTreeMap<u64, Day>,
    /// What changed since it was last written.
    dirty: BTreeSet<Key>,
}

/// A tally that is written.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// An agent's hour, counted from the epoch.
    Hour(u64, Box<str>),
    /// A day, counted from the epoch.
    Day(u64),
}

impl Key {
    /// The key in the store.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(9);
        match self {
            Self::Hour(hour, agent) => {
                bytes.push(b'h');
                bytes.extend_from_slice(&hour.to_be_bytes());
                bytes.extend_from_slice(agent.as_bytes());
            }
            Self::Day(day) => {
                bytes.push(b'd');
                bytes.extend_from_slice(&day.to_be_bytes());
            }
        }
        bytes.into()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (number, rest) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        match kind {
            b'h' => Some(Self::Hour(number, std::str::from_utf8(rest).ok()?.into())),
            b'd' if rest.is_empty() => Some(Self::Day(number)),
            _ => None,
        }
    }
}

impl Bucket {
    fn add(&mut self, record: &Counted<'_>) {
        if record.seq <= self.through {
            return;
        }
        self.through = record.seq;
        self.actions += 1;
        self.blocked += u64::from(record.decision == Decision::Blocked);
        self.spend_usd += record.spend_usd;
        self.count_tool(record.tool, 1);
    }

    fn merge(&mut self, other: &Self) {
        self.actions += other.actions;
        self.blocked += other.blocked;
        self.spend_usd += other.spend_usd;
        for (tool, calls) in &other.tools {
            self.count_tool(tool, *calls);
        }
    }

    fn count_tool(&mut self, tool: &str, calls: u64) {
        if let Some(count) = self.tools.get_mut(tool) {
            *count += calls;
        } else if self.tools.len() < MAX_TOOLS {
            self.tools.insert(tool.into(), calls);
        }
    }
}

impl Day {
    /// Adds the calls of another day.
    pub fn add_all(&mut self, other: &Self) {
        self.executed += other.executed;
        self.dedup += other.dedup;
        self.blocked += other.blocked;
        self.failed += other.failed;
    }

    fn add(&mut self, record: &Counted<'_>) {
        if record.seq <= self.through {
            return;
        }
        self.through = record.seq;
        let count = match record.decision {
            Decision::Executed => &mut self.executed,
            Decision::Dedup => &mut self.dedup,
            Decision::Blocked => &mut self.blocked,
            Decision::Failed => &mut self.failed,
        };
        *count += 1;
    }
}

impl Tallies {
    /// Takes a tally that was written before. What is not one is left alone.
    pub fn recover(&mut self, key: &[u8], value: &[u8]) {
        match Key::of_bytes(key) {
            Some(Key::Hour(hour, agent)) => {
                if let Ok(bucket) = serde_json::from_slice(value) {
                    let agent = self.agents.entry(agent).or_default();
                    agent.hours.insert(hour, bucket);
                }
            }
            Some(Key::Day(day)) => {
                if let Ok(counts) = serde_json::from_slice(value) {
                    self.days.insert(day, counts);
                }
            }
            None => {}
        }
    }

    /// Counts a record. One that is counted already is not counted again.
    pub fn add(&mut self, record: &Counted<'_>) {
        let minute = record.ts_ms / 60_000;
        let (hour, day) = (minute / 60, minute / 1440);
        if !self.agents.contains_key(record.agent) {
            self.make_room();
            self.agents.insert(record.agent.into(), Agent::default());
        }
        let agent = self
            .agents
            .get_mut(record.agent)
            .expect("it is there by now");
        if agent.recent.len() == MAX_RECENT {
            agent.recent.pop_front();
        }
        agent.recent.push_back(record.seq);
        agent.minutes.entry(minute).or_default().add(record);
        while agent.minutes.len() as u64 > MINUTES_KEPT {
            agent.minutes.pop_first();
        }
        let bucket = agent.hours.entry(hour).or_default();
        bucket.add(record);
        if !std::mem::replace(&mut bucket.is_dirty, true) {
            self.dirty.insert(Key::Hour(hour, record.agent.into()));
        }
        self.days.entry(day).or_default().add(record);
        self.dirty.insert(Key::Day(day));
    }

    /// Forgets the agent that was silent for longest if there are too many.
    fn make_room(&mut self) {
        if self.agents.len() < MAX_AGENTS {
            return;
        }
        let last = |agent: &Agent| agent.recent.back().copied();
        let silent = self.agents.iter().min_by_key(|(_, agent)| last(agent));
        let Some(name) = silent.map(|(name, _)| name.clone()) else {
            return;
        };
        let forgotten = self.agents.remove(&name).unwrap_or_default();
        let hours = forgotten.hours.into_keys();
        // What is written and is not here any more gets deleted.
        self.dirty
            .extend(hours.map(|hour| Key::Hour(hour, name.clone())));
    }

    /// What has to be written for a start to find everything again; `None` is to be deleted.
    /// `first` is the oldest record that is still in the log.
    pub fn settle(&mut self, now_ms: u64, first: u64) -> Vec<(Key, Option<Bytes>)> {
        self.expire(now_ms, first);
        let dirty = std::mem::take(&mut self.dirty);
        let json = |text: serde_json::Result<Vec<u8>>| {
            Bytes::from(text.expect("a struct of texts and numbers is JSON"))
        };
        let agents = &mut self.agents;
        let mut value = |key: &Key| match key {
            Key::Hour(hour, agent) => {
                let bucket = agents.get_mut(agent)?.hours.get_mut(hour)?;
                bucket.is_dirty = false;
                Some(json(serde_json::to_vec(bucket)))
            }
            Key::Day(day) => Some(json(serde_json::to_vec(self.days.get(day)?))),
        };
        let written = dirty.into_iter().map(|key| {
            let value = value(&key);
            (key, value)
        });
        written.collect()
    }

    fn expire(&mut self, now_ms: u64, first: u64) {
        let hour = now_ms / 3_600_000;
        let (first_hour, first_day) = (
            hour.saturating_sub(HOURS_KEPT),
            (hour / 24).saturating_sub(DAYS_KEPT),
        );
        let dirty = &mut self.dirty;
        self.agents.retain(|name, agent| {
            while let Some((hour, _)) = agent.hours.first_key_value()
                && *hour < first_hour
            {
                dirty.insert(Key::Hour(*hour, name.clone()));
                agent.hours.pop_first();
            }
            !agent.hours.is_empty() || agent.recent.back().is_some_and(|last| *last >= first)
        });
        while let Some((day, _)) = self.days.first_key_value()
            && *day < first_day
        {
            dirty.insert(Key::Day(*day));
            self.days.pop_first();
        }
    }

    /// The numbers of an agent's last records, the newest first.
    pub fn recent(&self, agent: &str, limit: usize) -> Vec<u64> {
        let recent = self.agents.get(agent).map(|agent| agent.recent.iter());
        recent
            .into_iter()
            .flatten()
            .rev()
            .take(limit)
            .copied()
            .collect()
    }

    /// An agent's calls of the last `minutes`, or of as many whole hours for more than an hour.
    pub fn sum(&self, agent: &str, now_ms: u64, minutes: u64) -> Bucket {
        let mut sum = Bucket::default();
        let Some(agent) = self.agents.get(agent) else {
            return sum;
        };
        let (buckets, now, span) = if minutes <= MINUTES_KEPT {
            (&agent.minutes, now_ms / 60_000, minutes)
        } else {
            (&agent.hours, now_ms / 3_600_000, minutes / 60)
        };
        // The bucket of this moment is one of them.
        let first = (now + 1).saturating_sub(span);
        buckets
            .range(first..)
            .for_each(|(_, bucket)| sum.merge(bucket));
        sum
    }

    /// The days from `first` to `last`, counted from the epoch, that have any calls.
    pub fn days(&self, first: u64, last: u64) -> Vec<(u64, Day)> {
        let range = (first <= last).then(|| self.days.range(first..=last));
        let days = range.into_iter().flatten();
        days.map(|(day, counts)| (*day, *counts)).collect()
    }
}
