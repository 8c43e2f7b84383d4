//! Locks: whoever asks first for a key has it until its time is over.

use serde::{Deserialize, Serialize};

use crate::api::books::shelf::{Lapsing, Shelf};
use crate::api::books::{Unwritten, json, named};
use crate::clock::Timestamp;
use crate::store::{Change, Space};

/// Locks at once: at some 400 bytes each, 20 MB; with the longest of keys three times that.
const MAX_LOCKS: usize = 50_000;

/// What stands before the key in the store.
pub const KIND: u8 = b'c';

/// What became of a request for a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checked {
    /// It is the asker's.
    Locked,
    /// Somebody has it.
    Duplicate {
        /// Since when.
        first_seen: Timestamp,
        /// For how long altogether, in seconds.
        ttl_s: u64,
    },
}

#[derive(Debug, Deserialize, Serialize)]
struct Lock {
    first_seen_ms: i64,
    ttl_s: u64,
}

impl Lapsing for Lock {
    fn until_ms(&self) -> u64 {
        Timestamp::from_unix_millis(self.first_seen_ms).unix_millis() + self.ttl_s * 1000
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// All locks.
#[derive(Debug)]
pub struct Locks(Shelf<Lock>);

impl Default for Locks {
    fn default() -> Self {
        Self(Shelf::new(MAX_LOCKS, usize::MAX))
    }
}

impl Locks {
    pub fn recover(&mut self, key: &[u8], value: &[u8]) {
        let lock = serde_json::from_slice(value).ok();
        if let Some((key, lock)) = std::str::from_utf8(key).ok().zip(lock) {
            self.0.put(key, lock);
        }
    }

    pub fn check(
        &mut self,
        key: &str,
        ttl_s: u64,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<Checked, Unwritten> {
        if let Some(lock) = self.0.get(key)
            && lock.until_ms() > now.unix_millis()
        {
            return Ok(Checked::Duplicate {
                first_seen: Timestamp::from_unix_millis(lock.first_seen_ms),
                ttl_s: lock.ttl_s,
            });
        }
        let lock = Lock {
            first_seen_ms: now.unix_millis().cast_signed(),
            ttl_s,
        };
        let gone = self.0.make_room(key, lock.bytes(), now)?;
        changes.extend(gone.iter().map(|key| change(key, None)));
        changes.push(change(key, Some(&lock)));
        self.0.put(key, lock);
        Ok(Checked::Locked)
    }

    /// Takes back a lock that was taken at `taken`.
    pub fn forget(&mut self, key: &str, taken: Timestamp) {
        let is_it = |lock: &Lock| lock.first_seen_ms == taken.unix_millis().cast_signed();
        if self.0.get(key).is_some_and(is_it) {
            self.0.remove(key);
        }
    }
}

fn change(key: &str, lock: Option<&Lock>) -> Change {
    Change {
        space: Space::Leases,
        key: named(KIND, key),
        value: lock.map(json),
    }
}
