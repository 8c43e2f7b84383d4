//! One lease, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::books::shelf::Lapsing;
use crate::clock::Timestamp;
use crate::ids::LeaseId;

/// How long an end is remembered, in days.
const RESULTS_KEPT_DAYS: u64 = 7;

/// How long a holder that is late finds its lease where it was, in milliseconds: a day.
const LATE_END_MS: u64 = 86_400_000;

/// One lease.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Lease {
    /// Its name.
    #[serde(with = "lease_id")]
    pub id: LeaseId,
    /// How often the key was taken so far.
    pub version: u64,
    /// For how long it was taken or prolonged last, in seconds.
    pub ttl_s: u64,
    /// When that was.
    pub(super) held_ms: u64,
    /// When it was first taken.
    pub first_seen_ms: u64,
    /// The run that it is a part of.
    pub run_id: Option<String>,
    /// What became of it.
    pub state: LeaseState,
}

/// What became of a lease.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum LeaseState {
    /// Somebody works.
    Held,
    /// The work is done.
    Completed {
        /// When.
        done_ms: u64,
        /// With this result.
        result: Option<Map<String, Value>>,
        /// What the result takes as JSON, which is not found out again and again.
        result_bytes: usize,
        /// Its hash, as the holder made it.
        result_hash: Option<String>,
    },
    /// The work was in vain.
    Failed {
        /// When.
        done_ms: u64,
        /// Why.
        error_code: String,
    },
}

impl Lease {
    /// How much of its time is left, in whole seconds that have begun.
    pub fn left_s(&self, now: Timestamp) -> u64 {
        self.until_ms()
            .saturating_sub(now.unix_millis())
            .div_ceil(1000)
    }
}

impl LeaseState {
    /// The event of somebody finding it so.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Held => "ai_in_progress",
            Self::Completed { .. } => "ai_completed",
            Self::Failed { .. } => "ai_failed",
        }
    }
}

impl Lapsing for Lease {
    fn until_ms(&self) -> u64 {
        match &self.state {
            LeaseState::Held => self.held_ms + self.ttl_s * 1000,
            LeaseState::Completed { done_ms, .. } | LeaseState::Failed { done_ms, .. } => {
                done_ms + RESULTS_KEPT_DAYS * 86_400_000
            }
        }
    }

    fn kept_ms(&self) -> u64 {
        match &self.state {
            LeaseState::Held => self.until_ms() + LATE_END_MS,
            LeaseState::Completed { .. } | LeaseState::Failed { .. } => self.until_ms(),
        }
    }

    fn bytes(&self) -> usize {
        let inside = match &self.state {
            LeaseState::Held => 0,
            LeaseState::Completed {
                result_bytes,
                result_hash,
                ..
            } => result_bytes + result_hash.as_ref().map_or(0, String::len),
            LeaseState::Failed { error_code, .. } => error_code.len(),
        };
        let run_id = self.run_id.as_ref().map_or(0, String::len);
        size_of::<Self>() + run_id + inside
    }
}

/// A lease id as its text.
mod lease_id {
    use std::borrow::Cow;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::ids::LeaseId;

    pub fn serialize<S: Serializer>(id: &LeaseId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LeaseId, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
