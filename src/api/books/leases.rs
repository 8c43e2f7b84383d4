//! Leases: one holder at a time does the work of a key and leaves its result for the others.
//!
//! A holder that does not end its lease in time loses it when somebody else takes it: work that was
//! late still ends well if nobody began it again. What has lapsed waits for that for a day, unless
//! its place is needed.

mod lease;

use serde_json::{Map, Value};

use crate::api::books::shelf::{Lapsing as _, Shelf};
use crate::api::books::{Asked, Unwritten, json, named};
use crate::clock::Timestamp;
use crate::ids::LeaseId;
use crate::store::{Change, Space};

pub use lease::{Lease, LeaseState};

/// Leases and results at once.
const MAX_LEASES: usize = 10_000;

/// What they take together, in bytes. Results are most of it.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// What stands before the key in the store.
pub const KIND: u8 = b'l';

/// What a request for a lease came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It is the asker's.
    Acquired(Lease),
    /// Somebody has it, or has ended it.
    Found(Lease),
}

/// What a holder does with its lease.
#[derive(Clone, Debug)]
pub enum End {
    /// Goes on for some more seconds.
    Extend {
        /// From now; as long as before if it is not said.
        ttl_s: Option<u64>,
    },
    /// Has done the work.
    Complete {
        /// For the others.
        result: Option<Map<String, Value>>,
        /// As the holder made it.
        result_hash: Option<String>,
    },
    /// Has failed.
    Fail {
        /// Why.
        error_code: String,
    },
    /// Has done nothing; the key is free again.
    Cancel {
        /// Why.
        reason: Option<String>,
    },
}

impl End {
    /// Its event.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Extend { .. } => "ai_extended",
            Self::Complete { .. } => "ai_completed",
            Self::Fail { .. } => "ai_failed",
            Self::Cancel { .. } => "ai_canceled",
        }
    }

    /// What the holder says about it, in its own words.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Extend { .. } | Self::Complete { .. } => None,
            Self::Fail { error_code } => Some(error_code),
            Self::Cancel { reason } => reason.as_deref(),
        }
    }
}

/// The lease is not the one that the key has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lost;

/// All leases.
#[derive(Debug)]
pub struct Leases(Shelf<Lease>);

impl Default for Leases {
    fn default() -> Self {
        Self(Shelf::new(MAX_LEASES, MAX_BYTES))
    }
}

impl Leases {
    pub fn recover(&mut self, key: &[u8], value: &[u8]) {
        let lease = serde_json::from_slice(value).ok();
        if let Some((key, lease)) = std::str::from_utf8(key).ok().zip(lease) {
            self.0.put(key, lease);
        }
    }

    /// The lease of a key, unless it has lapsed.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<&Lease> {
        let counts = |lease: &&Lease| lease.until_ms() > now.unix_millis();
        self.0.get(key).filter(counts)
    }

    pub fn take(
        &mut self,
        asked: Asked<'_>,
        ttl_s: u64,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<Taken, Unwritten> {
        let key = asked.key;
        if let Some(lease) = self.get(key, now) {
            return Ok(Taken::Found(lease.clone()));
        }
        let now_ms = now.unix_millis();
        let before = self.0.get(key);
        let lease = Lease {
            id: LeaseId::new(now),
            version: before.map_or(0, |before| before.version) + 1,
            ttl_s,
            held_ms: now_ms,
            first_seen_ms: before.map_or(now_ms, |before| before.first_seen_ms),
            run_id: asked.run_id.map(str::to_owned),
            state: LeaseState::Held,
        };
        self.make_room(key, &lease, now, changes)?;
        changes.push(change(key, Some(&lease)));
        self.0.put(key, lease.clone());
        Ok(Taken::Acquired(lease))
    }

    /// The lease before and after.
    pub fn end(
        &mut self,
        key: &str,
        lease_id: &str,
        end: &End,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<Result<(Lease, Lease), Lost>, Unwritten> {
        let held = self.0.get(key);
        let Some(before) = held
            .filter(|lease| lease.id.to_string() == lease_id)
            .cloned()
        else {
            return Ok(Err(Lost));
        };
        let done_ms = now.unix_millis();
        let mut after = before.clone();
        match (&before.state, end) {
            (LeaseState::Held, End::Extend { ttl_s }) => {
                after.ttl_s = (*ttl_s).unwrap_or(before.ttl_s);
                after.held_ms = done_ms;
            }
            (LeaseState::Held, End::Cancel { .. }) => {
                changes.push(change(key, None));
                self.0.remove(key);
                return Ok(Ok((before, after)));
            }
            (
                LeaseState::Held,
                End::Complete {
                    result,
                    result_hash,
                },
            ) => {
                after.state = LeaseState::Completed {
                    done_ms,
                    result: result.clone(),
                    result_bytes: result.as_ref().map_or(0, |result| json(result).len()),
                    result_hash: result_hash.clone(),
                };
            }
            (LeaseState::Held, End::Fail { error_code }) => {
                after.state = LeaseState::Failed {
                    done_ms,
                    error_code: error_code.clone(),
                };
            }
            // The first end counts. A holder that does not know whether it arrived may repeat it.
            (LeaseState::Completed { .. }, End::Complete { .. })
            | (LeaseState::Failed { .. }, End::Fail { .. }) => {}
            (
                LeaseState::Completed { .. } | LeaseState::Failed { .. },
                End::Extend { .. } | End::Complete { .. } | End::Fail { .. } | End::Cancel { .. },
            ) => return Ok(Err(Lost)),
        }
        self.make_room(key, &after, now, changes)?;
        changes.push(change(key, Some(&after)));
        self.0.put(key, after.clone());
        Ok(Ok((before, after)))
    }

    /// Takes back a lease that was taken.
    pub fn forget(&mut self, key: &str, id: LeaseId) {
        if self.0.get(key).is_some_and(|lease| lease.id == id) {
            self.0.remove(key);
        }
    }

    /// Takes back what was done with a lease, unless somebody else has the key by now.
    pub fn restore(&mut self, key: &str, before: Lease) {
        if self.0.get(key).is_none_or(|lease| lease.id == before.id) {
            self.0.put(key, before);
        }
    }

    fn make_room(
        &mut self,
        key: &str,
        lease: &Lease,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<(), Unwritten> {
        let gone = self.0.make_room(key, lease.bytes(), now)?;
        changes.extend(gone.iter().map(|key| change(key, None)));
        Ok(())
    }
}

fn change(key: &str, lease: Option<&Lease>) -> Change {
    Change {
        space: Space::Leases,
        key: named(KIND, key),
        value: lease.map(json),
    }
}
