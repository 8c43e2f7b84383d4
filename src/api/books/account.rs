//! The operator's account: counts of each day, and what the operator wants to be told.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::books::{Checked, DayNumber, End, Taken, json};
use crate::clock::Timestamp;
use crate::store::{Change, Space};

/// More than a year, so that a month can be compared with the same one of the year before.
const DAYS_KEPT: u64 = 400;

const DAY: u8 = b'd';
const PREFERENCES: &[u8] = b"preferences";

/// What happened to locks and leases on one day, in UTC.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Counts {
    /// Locks that were asked for.
    pub checks_total: u64,
    /// Locks that were taken.
    pub locks_created: u64,
    /// Locks that somebody had.
    pub duplicates_blocked: u64,
    /// Leases that were taken.
    pub ai_acquired: u64,
    /// Leases that somebody had or had ended.
    pub ai_in_progress: u64,
    /// Leases that ended well.
    pub ai_completed: u64,
    /// Leases that ended in vain.
    pub ai_failed: u64,
    /// Leases that were prolonged.
    pub ai_extended: u64,
    /// Leases that were given back.
    pub ai_canceled: u64,
    /// Questions after a lease.
    pub polls: u64,
}

impl Counts {
    /// Adds those of another day.
    pub fn add(&mut self, other: &Self) {
        self.checks_total += other.checks_total;
        self.locks_created += other.locks_created;
        self.duplicates_blocked += other.duplicates_blocked;
        self.ai_acquired += other.ai_acquired;
        self.ai_in_progress += other.ai_in_progress;
        self.ai_completed += other.ai_completed;
        self.ai_failed += other.ai_failed;
        self.ai_extended += other.ai_extended;
        self.ai_canceled += other.ai_canceled;
        self.polls += other.polls;
    }

    /// Counts a question after a lock.
    pub fn checked(&mut self, checked: Checked) {
        self.checks_total += 1;
        match checked {
            Checked::Locked => self.locks_created += 1,
            Checked::Duplicate { .. } => self.duplicates_blocked += 1,
        }
    }

    /// Counts a question after a lease.
    pub fn leased(&mut self, taken: &Taken) {
        match taken {
            Taken::Acquired(_) => self.ai_acquired += 1,
            Taken::Found(_) => self.ai_in_progress += 1,
        }
    }

    /// Counts what a holder did.
    pub fn ended(&mut self, end: &End) {
        match end {
            End::Extend { .. } => self.ai_extended += 1,
            End::Complete { .. } => self.ai_completed += 1,
            End::Fail { .. } => self.ai_failed += 1,
            End::Cancel { .. } => self.ai_canceled += 1,
        }
    }
}

/// What the operator wants to be told by mail. The sidecar sends none; it keeps the answers for
/// clients that show them.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Preferences {
    /// Anything at all.
    pub email_notifications_enabled: bool,
    /// That a tool failed.
    pub tool_error_notifications_enabled: bool,
    /// That a run failed.
    pub run_failure_notifications_enabled: bool,
}

/// The account.
#[derive(Debug, Default)]
pub struct Account {
    days: BTreeMap<DayNumber, Counts>,
    /// What the operator wants to be told.
    pub preferences: Preferences,
}

impl Account {
    pub fn recover(&mut self, key: &[u8], value: &[u8]) {
        if key == PREFERENCES {
            self.preferences = serde_json::from_slice(value).unwrap_or_default();
            return;
        }
        let day = key.strip_prefix(&[DAY]).and_then(|day| day.try_into().ok());
        let counts = serde_json::from_slice(value).ok();
        if let Some((day, counts)) = day.zip(counts) {
            self.days.insert(DayNumber(u64::from_be_bytes(day)), counts);
        }
    }

    /// The counts of the present day.
    pub fn today(&mut self, now: Timestamp) -> &mut Counts {
        self.days.entry(DayNumber::of(now)).or_default()
    }

    /// Writes the present day down and lets go of those that are too old.
    pub fn write_today(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        let today = DayNumber::of(now);
        let counts = self.today(now);
        changes.push(change(today, Some(json(counts))));
        let first = DayNumber(today.0.saturating_sub(DAYS_KEPT));
        while let Some((day, _)) = self.days.first_key_value()
            && *day < first
        {
            changes.push(change(*day, None));
            self.days.pop_first();
        }
    }

    pub fn between(&self, first: DayNumber, last: DayNumber) -> Vec<(DayNumber, Counts)> {
        let range = (first <= last).then(|| self.days.range(first..=last));
        let days = range.into_iter().flatten();
        days.map(|(day, counts)| (*day, *counts)).collect()
    }
}

/// The change that keeps these preferences.
pub fn preferences_change(preferences: Preferences) -> Change {
    Change {
        space: Space::Account,
        key: Bytes::from_static(PREFERENCES),
        value: Some(json(&preferences)),
    }
}

fn change(day: DayNumber, value: Option<Bytes>) -> Change {
    let mut key = vec![DAY];
    key.extend_from_slice(&day.0.to_be_bytes());
    Change {
        space: Space::Account,
        key: key.into(),
        value,
    }
}
