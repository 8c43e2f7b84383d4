//! The audit log: what was decided about the calls of agents, in an order that cannot be changed
//! without a trace.
//!
//! A record is queued to the store while the chain is held, so the order of the log is the order of
//! the chain. The log is bounded: the oldest records leave it, and what remains still verifies, from
//! the first record that is left. It never holds arguments. Deciding about calls, and who may read
//! the log, is left to others.

mod chain;
mod entry;
mod tally;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::store::{self, Change, Space, Store, StoreError};

pub use chain::{Anchor, Verdict, verify};
pub use entry::{Decision, Entry, Record};
pub use tally::{Day, MAX_RECENT};

use chain::Hash;
use tally::{Counted, Tallies};

/// The most records that the log keeps, if the operator does not say otherwise. At about 500 bytes
/// each they are 50 MB of the store.
pub const DEFAULT_MAX_RECORDS: u64 = 100_000;

/// After how many records the oldest leave and the tallies are written: often enough that a start
/// has little to count again, and seldom enough that a record costs one row and not three.
const SETTLE_EVERY: u64 = 64;

/// The audit log. All threads share one.
pub struct Audit {
    store: Store,
    max_records: u64,
    /// Guards the end of the chain and the tallies.
    state: Mutex<State>,
}

struct State {
    /// The oldest record that is still there.
    first: u64,
    /// The newest one.
    head: Anchor,
    tallies: Tallies,
}

/// An agent's calls within some time.
#[derive(Debug, PartialEq)]
pub struct Sum {
    /// All calls.
    pub actions: u64,
    /// Those that were not run because they may not.
    pub blocked: u64,
    /// What the others cost.
    pub spend_usd: f64,
    /// Calls by tool, the most frequent first.
    pub tools: Vec<(Box<str>, u64)>,
}

impl Audit {
    /// A log that goes on where `recovered`, the entries that a store was opened with, ends. It
    /// keeps about `max_records`, at least 64.
    pub fn new(store: Store, recovered: &[store::Entry], max_records: u64) -> Self {
        let mut state = State {
            first: 1,
            head: Anchor {
                seq: 0,
                hash: Hash::NONE,
            },
            tallies: Tallies::default(),
        };
        let mine = || recovered.iter().filter(|entry| entry.space == Space::Audit);
        // Tallies first: they know which records they have counted.
        for entry in mine() {
            state.tallies.recover(&entry.key, &entry.value);
        }
        let mut records: Vec<_> = mine()
            .filter_map(|e| Some((seq_of(&e.key)?, &e.value)))
            .collect();
        records.sort_unstable_by_key(|(seq, _)| *seq);
        if let Some((first, _)) = records.first() {
            state.first = *first;
        }
        for (seq, line) in records {
            state.recover(seq, line);
        }
        Self {
            store,
            max_records: max_records.max(SETTLE_EVERY),
            state: Mutex::new(state),
        }
    }

    /// Adds a record. It is queued, with everything that was queued before it, and nobody waits for
    /// it: a record that the store cannot take is missing from the log, and `verify` says so.
    // spec: AUDIT-1 AUDIT-2
    pub fn record(&self, entry: &Entry<'_>) {
        let mut state = self.state();
        let seq = state.head.seq + 1;
        let (line, hash) = chain::seal(entry.canonical(seq, state.head.hash));
        state.head = Anchor { seq, hash };
        state.tallies.add(&Counted {
            seq,
            ts_ms: entry.ts.unix_millis(),
            agent: entry.agent.as_str(),
            tool: entry.tool.as_str(),
            decision: entry.decision,
            spend_usd: entry.spend_usd.unwrap_or_default(),
        });
        let mut changes = vec![change(record_key(seq), Some(line.into()))];
        if seq.is_multiple_of(SETTLE_EVERY) {
            state.settle(entry.ts, self.max_records, &mut changes);
        }
        // Within the lock, so that no later record is queued before this one.
        self.store.note(changes);
    }

    /// The newest record, to be noted; `None` before the first.
    pub fn head(&self) -> Option<Anchor> {
        Some(self.state().head).filter(|head| head.seq > 0)
    }

    /// The lines of at most `limit` records behind the record `after`, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    // spec: AUDIT-4
    pub fn lines(&self, after: u64, limit: usize) -> Result<Vec<Bytes>, StoreError> {
        let (first, last) = {
            let state = self.state();
            (state.first, state.head.seq)
        };
        let from = first.max(after.saturating_add(1));
        // A record that the store could not take leaves a hole, which is not the end.
        let lines = (from..=last).filter_map(|seq| self.line(seq).transpose());
        lines.take(limit).collect()
    }

    /// An agent's last records, at most `limit` and at most [`MAX_RECENT`], the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    // spec: AUDIT-5
    pub fn logs(&self, agent: &str, limit: usize) -> Result<Vec<Record>, StoreError> {
        let recent = self.state().tallies.recent(agent, limit);
        let mut records = Vec::with_capacity(recent.len());
        for seq in recent {
            // One that has left the log since, or that the store could not take, is not there.
            let line = self.line(seq)?;
            records.extend(line.and_then(|line| serde_json::from_slice(&line).ok()));
        }
        Ok(records)
    }

    /// An agent's calls of the last hour, or of the last so many hours, of which the present one
    /// counts as whole. At most a week is known.
    // spec: AUDIT-5
    pub fn sum(&self, agent: &str, hours: u64, now: Timestamp) -> Sum {
        let bucket = self
            .state()
            .tallies
            .sum(agent, now.unix_millis(), hours * 60);
        let mut tools: Vec<_> = bucket.tools.into_iter().collect();
        // Ties stay in the order of their names.
        tools.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        Sum {
            actions: bucket.actions,
            blocked: bucket.blocked,
            spend_usd: bucket.spend_usd,
            tools,
        }
    }

    /// What came of the calls of all agents on each day from `first` to `last`, days counted from
    /// the epoch. Days without calls are left out.
    pub fn days(&self, first: u64, last: u64) -> Vec<(u64, Day)> {
        self.state().tallies.days(first, last)
    }

    fn line(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.store.get(Space::Audit, &record_key(seq))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in here leaves at worst a record uncounted.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a record that was written before, and continues the chain from it.
    fn recover(&mut self, seq: u64, line: &[u8]) {
        // What is no record stays where it is, for `verify` to find it.
        let record = serde_json::from_slice::<Record>(line).ok();
        let record = record.filter(|record| record.seq == seq);
        self.head = Anchor {
            seq,
            hash: record.as_ref().map_or(Hash::NONE, |record| record.hash),
        };
        let Some(record) = record else { return };
        self.tallies.add(&Counted {
            seq,
            ts_ms: record.ts_ms,
            agent: &record.agent_id,
            tool: &record.tool,
            decision: record.decision,
            spend_usd: record.spend_usd.unwrap_or_default(),
        });
    }

    fn settle(&mut self, now: Timestamp, max_records: u64, changes: &mut Vec<Change>) {
        let keep_from = (self.head.seq + 1).saturating_sub(max_records);
        while self.first < keep_from {
            changes.push(change(record_key(self.first), None));
            self.first += 1;
        }
        let tallies = self.tallies.settle(now.unix_millis(), self.first);
        changes.extend(
            tallies
                .into_iter()
                .map(|(key, value)| change(key.to_bytes(), value)),
        );
    }
}

/// The lines of the records among a store's entries, in the order of their numbers.
pub fn lines_of(entries: &[store::Entry]) -> Vec<&[u8]> {
    let mine = entries.iter().filter(|entry| entry.space == Space::Audit);
    let mut records: Vec<_> = mine
        .filter_map(|e| Some((seq_of(&e.key)?, &e.value[..])))
        .collect();
    records.sort_unstable_by_key(|(seq, _)| *seq);
    records.into_iter().map(|(_, line)| line).collect()
}

/// The key of a record; see [`tally::Key`] for the others.
fn record_key(seq: u64) -> Bytes {
    let mut key = [b'r'; 9];
    key[1..].copy_from_slice(&seq.to_be_bytes());
    Bytes::copy_from_slice(&key)
}

fn seq_of(key: &[u8]) -> Option<u64> {
    let number = key.strip_prefix(b"r")?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

fn change(key: Bytes, value: Option<Bytes>) -> Change {
    Change {
        space: Space::Audit,
        key,
        value,
    }
}

#[cfg(test)]
mod tests;
