//! Events: what happened to locks and leases, and what agents report of their runs.
//!
//! The oldest leave when there are too many, by number or by size; each has its number for ever.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::books::json;
use crate::clock::Timestamp;
use crate::store::{Change, Space};

/// The sizes of an event's parts.
pub mod limits {
    /// Characters of a run's name.
    pub const RUN_ID_CHARS: usize = 256;
    /// Characters of a short field.
    pub const WORD_CHARS: usize = 256;
    /// Characters of the message.
    pub const MESSAGE_CHARS: usize = 4096;
    /// Bytes of the data as JSON.
    pub const DATA_BYTES: usize = 16 * 1024;
}

/// Events at once.
const MAX_EVENTS: usize = 20_000;

/// What they take together as JSON, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Event {
    /// Its number, counted from 1.
    pub id: u64,
    /// The run that it belongs to.
    pub run_id: Option<String>,
    /// When, in whatever unit the agent counts; Unix seconds for our own.
    pub ts: i64,
    /// What happened.
    pub r#type: String,
    /// How it went.
    pub status: Option<String>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// At which step.
    pub step: Option<String>,
    /// With which tool.
    pub tool: Option<String>,
    /// In which request.
    pub req_id: Option<String>,
    /// Under which lease.
    pub lease_id: Option<String>,
    /// By whom.
    pub agent_id: Option<String>,
    /// In words.
    pub message: Option<String>,
    /// Anything else.
    pub data: Option<Map<String, Value>>,
    /// The key of the lock or lease.
    pub key: Option<String>,
}

/// A run as a list shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Its name.
    pub run_id: String,
    /// When it was heard of last.
    pub last_ts: i64,
    /// What happened then.
    pub last_type: String,
    /// How it went.
    pub last_status: Option<String>,
    /// How many events it has.
    pub events_count: usize,
}

impl Event {
    /// An event of our own, now.
    pub fn new(kind: &'static str, now: Timestamp) -> Self {
        Self {
            r#type: kind.to_owned(),
            ts: now.unix_seconds(),
            ..Self::default()
        }
    }
}

/// All events, by their numbers.
#[derive(Debug, Default)]
pub struct Events {
    /// Each with its size.
    events: VecDeque<(Event, usize)>,
    bytes: usize,
    last_id: u64,
}

impl Events {
    pub fn recover(&mut self, key: &[u8], value: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event>(value) else {
            return;
        };
        if key == key_of(event.id) && event.id > self.last_id {
            self.last_id = event.id;
            self.bytes += value.len();
            self.events.push_back((event, value.len()));
        }
    }

    /// Gives the event its number and returns it.
    pub fn add(&mut self, mut event: Event, changes: &mut Vec<Change>) -> u64 {
        self.last_id += 1;
        event.id = self.last_id;
        let value = json(&event);
        self.bytes += value.len();
        self.events.push_back((event, value.len()));
        changes.push(change(self.last_id, Some(value)));
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some((oldest, bytes)) = self.events.pop_front() else {
                break;
            };
            self.bytes -= bytes;
            changes.push(change(oldest.id, None));
        }
        self.last_id
    }

    pub fn page(&self, limit: usize, offset: usize) -> Vec<Event> {
        let newest_first = self.events.iter().rev().skip(offset).take(limit);
        newest_first.map(|(event, _)| event.clone()).collect()
    }

    pub fn run(&self, run_id: &str, limit: usize, offset: usize) -> (usize, Vec<Event>) {
        let its_own = |event: &&Event| event.run_id.as_deref() == Some(run_id);
        let events = || self.events.iter().map(|(event, _)| event).filter(its_own);
        let page = events().skip(offset).take(limit).cloned();
        (events().count(), page.collect())
    }

    pub fn runs(&self, part: &str, limit: usize, offset: usize) -> (usize, Vec<Run>) {
        // In the order in which they were heard of last, so the first event of a run is its last.
        let mut order = Vec::new();
        let mut runs: HashMap<&str, (&Event, usize)> = HashMap::new();
        for (event, _) in self.events.iter().rev() {
            let Some(run_id) = event.run_id.as_deref().filter(|id| id.contains(part)) else {
                continue;
            };
            let (_, count) = runs.entry(run_id).or_insert_with(|| {
                order.push(run_id);
                (event, 0)
            });
            *count += 1;
        }
        let shown = order.iter().skip(offset).take(limit).map(|run_id| {
            let (last, events_count) = runs[run_id];
            Run {
                run_id: (*run_id).to_owned(),
                last_ts: last.ts,
                last_type: last.r#type.clone(),
                last_status: last.status.clone(),
                events_count,
            }
        });
        (order.len(), shown.collect())
    }
}

fn key_of(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

fn change(id: u64, value: Option<Bytes>) -> Change {
    Change {
        space: Space::Events,
        key: Bytes::copy_from_slice(&key_of(id)),
        value,
    }
}
