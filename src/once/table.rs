//! What is known of every claim, in memory: who runs it, how it rests, and when it is forgotten.
//!
//! The rules of claiming are here and nothing else is: no store, no clock, no waiting. Answers are
//! not kept, only that there is one. A claim that runs does not expire.

mod claim;

use std::collections::{BTreeSet, HashMap};

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::ids::LeaseId;
use crate::once::key::ClaimKey;
use crate::once::record::{Progress, Record};
use crate::once::{InDoubt, Stored, Terms};

pub(super) use claim::{Claim, Rest};

use claim::State;

/// All claims by their keys.
#[derive(Debug)]
pub(super) struct Table {
    claims: HashMap<ClaimKey, Claim>,
    /// When each claim that rests is forgotten, in milliseconds of Unix time, soonest first.
    expiry: BTreeSet<(u64, ClaimKey)>,
    max: usize,
}

/// What became of a claim of an earlier process.
#[derive(Debug)]
pub(super) enum Recovered {
    /// It rests as it did.
    AsItWas,
    /// It ran, and is in doubt now, of which the store does not know.
    CutOff(Record),
    /// It is forgotten, of which the store does not know.
    Expired,
}

/// What claiming a key leads to.
#[derive(Debug)]
pub(super) enum Step {
    /// It runs, as soon as this is durable.
    Run(Started),
    /// Another one runs it.
    Join(watch::Receiver<Option<Stored>>),
    /// Its answer can be read.
    Read { lease: LeaseId, durable: bool },
    /// It may have been carried out.
    InDoubt(LeaseId),
    /// It is a different call.
    Mismatch,
    /// There is no room for it.
    Crowded { max: usize },
}

/// A claim that begins to run.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) record: Record,
    pub(super) outcome: watch::Sender<Option<Stored>>,
    /// What the key had before.
    pub(super) before: Option<Claim>,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Self {
            claims: HashMap::new(),
            expiry: BTreeSet::new(),
            max,
        }
    }

    /// Takes over a claim of an earlier process.
    // spec: ONCE-4
    pub(super) fn recover(&mut self, key: ClaimKey, record: &Record, now: Timestamp) -> Recovered {
        let now = now.unix_millis();
        let rest = match record.progress {
            Progress::Running | Progress::InDoubt => Rest::InDoubt,
            Progress::Failed => Rest::Failed,
            Progress::Finished => Rest::Finished { durable: true },
        };
        let was_running = matches!(record.progress, Progress::Running);
        // A run that was cut off may have lasted for long, so its time begins now. No clock that
        // was set back makes a claim stay for longer than it would from now on.
        let since = if was_running {
            now
        } else {
            record.since_ms.min(now)
        };
        let expires = since.saturating_add(record.ttl_ms);
        if expires <= now {
            return Recovered::Expired;
        }
        let claim = Claim {
            lease: record.lease,
            ttl_ms: record.ttl_ms,
            fingerprint: record.fingerprint.map(Box::new),
            state: State::Resting(rest, expires),
        };
        let recovered = if was_running {
            Recovered::CutOff(claim.at_rest())
        } else {
            Recovered::AsItWas
        };
        self.put(key, claim);
        recovered
    }

    /// Claims a key.
    // spec: ONCE-1 ONCE-3 ONCE-4
    pub(super) fn claim(&mut self, key: ClaimKey, terms: &Terms, now: Timestamp) -> Step {
        if self.is_due(&key, now.unix_millis()) {
            self.remove(&key);
        }
        let Some(claim) = self.claims.get(&key) else {
            if self.claims.len() >= self.max {
                return Step::Crowded { max: self.max };
            }
            return Step::Run(self.start(key, LeaseId::new(now), terms, now));
        };
        let lease = claim.lease;
        if let (Some(one), Some(other)) = (&claim.fingerprint, &terms.fingerprint)
            && **one != *other
        {
            return Step::Mismatch;
        }
        match (&claim.state, terms.in_doubt) {
            (State::Running(outcome), _) => Step::Join(outcome.clone()),
            (State::Resting(Rest::Finished { durable }, _), _) => {
                let durable = *durable;
                Step::Read { lease, durable }
            }
            (State::Resting(Rest::InDoubt, _), InDoubt::Refuse) => Step::InDoubt(lease),
            (State::Resting(Rest::InDoubt, _), InDoubt::Retry)
            | (State::Resting(Rest::Failed, _), InDoubt::Retry | InDoubt::Refuse) => {
                Step::Run(self.start(key, lease, terms, now))
            }
        }
    }

    fn start(&mut self, key: ClaimKey, lease: LeaseId, terms: &Terms, now: Timestamp) -> Started {
        let before = self.remove(&key);
        let known = before
            .as_ref()
            .and_then(|claim| claim.fingerprint.as_deref());
        let fingerprint = terms.fingerprint.or(known.copied());
        let ttl_ms = u64::try_from(terms.ttl.as_millis()).unwrap_or(u64::MAX);
        let (outcome, waiting) = watch::channel(None);
        let claim = Claim {
            lease,
            ttl_ms,
            fingerprint: fingerprint.map(Box::new),
            state: State::Running(waiting),
        };
        let record = claim.record(Progress::Running, now.unix_millis());
        self.put(key, claim);
        Started {
            record,
            outcome,
            before,
        }
    }

    /// The run of a key has ended.
    pub(super) fn rest(&mut self, key: ClaimKey, rest: Rest, now: Timestamp) {
        let claim = self.remove(&key);
        let mut claim = claim.expect("what runs is kept until its lease has ended");
        let expires = now.unix_millis().saturating_add(claim.ttl_ms);
        claim.state = State::Resting(rest, expires);
        self.put(key, claim);
    }

    /// The run of a key has not begun.
    pub(super) fn restore(&mut self, key: ClaimKey, before: Option<Claim>) {
        self.remove(&key);
        if let Some(claim) = before {
            self.put(key, claim);
        }
    }

    /// What the store has of a claim that was finished with `lease` is known now: its answer, or
    /// not.
    pub(super) fn settle(&mut self, key: &ClaimKey, lease: LeaseId, answer_is_there: bool) {
        if let Some(claim) = self.claims.get_mut(key)
            && claim.lease == lease
            && let State::Resting(rest @ Rest::Finished { .. }, _) = &mut claim.state
        {
            *rest = if answer_is_there {
                Rest::Finished { durable: true }
            } else {
                Rest::InDoubt
            };
        }
    }

    /// Forgets claims whose time has come, the oldest first and at most `most`, and tells which.
    // spec: ONCE-3
    pub(super) fn take_due(&mut self, now: Timestamp, most: usize) -> Vec<ClaimKey> {
        let now = now.unix_millis();
        let mut keys = Vec::new();
        while keys.len() < most
            && let Some(&(at, key)) = self.expiry.first()
            && at <= now
        {
            self.expiry.pop_first();
            if self.is_due(&key, now) {
                self.claims.remove(&key);
            }
            if !self.claims.contains_key(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// The store has not forgotten this key, so [`Self::take_due`] tells it once more, unless it has
    /// been claimed since.
    pub(super) fn forget_again(&mut self, key: ClaimKey) {
        self.expiry.insert((0, key));
    }

    fn is_due(&self, key: &ClaimKey, now: u64) -> bool {
        let claim = self.claims.get(key);
        claim.is_some_and(|claim| claim.expires().is_some_and(|at| at <= now))
    }

    fn put(&mut self, key: ClaimKey, claim: Claim) {
        self.expiry.extend(claim.expires().map(|at| (at, key)));
        self.claims.insert(key, claim);
    }

    fn remove(&mut self, key: &ClaimKey) -> Option<Claim> {
        let claim = self.claims.remove(key)?;
        if let Some(at) = claim.expires() {
            self.expiry.remove(&(at, *key));
        }
        Some(claim)
    }

    /// Claims, and times at which one of them is forgotten.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.claims.len(), self.expiry.len())
    }
}
