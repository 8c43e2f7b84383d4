//! One claim: what it is known by, how it stands, and what the store has to say of it.

use bytes::Bytes;
use tokio::sync::watch;

use crate::ids::LeaseId;
use crate::once::Stored;
use crate::once::record::{Progress, Record};

/// One claim.
#[derive(Debug)]
pub(in crate::once) struct Claim {
    pub(super) lease: LeaseId,
    pub(super) ttl_ms: u64,
    /// In a box, because most claims have none.
    pub(super) fingerprint: Option<Box<[u8; 32]>>,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Somebody holds the lease.
    Running(watch::Receiver<Option<Stored>>),
    /// Nobody does, and at this time of the clock it is forgotten.
    Resting(Rest, u64),
}

/// How a claim rests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::once) enum Rest {
    /// It was cut off.
    InDoubt,
    /// It may run again.
    Failed,
    /// Its answer is in the store; `durable` says whether that is certain.
    Finished { durable: bool },
}

impl Claim {
    /// When it is forgotten, in milliseconds of Unix time; never while it runs.
    pub(super) fn expires(&self) -> Option<u64> {
        match self.state {
            State::Running(_) => None,
            State::Resting(_, at) => Some(at),
        }
    }

    /// What the store has to say of a claim that rests without an answer.
    pub(in crate::once) fn at_rest(&self) -> Record {
        let progress = match self.state {
            State::Resting(Rest::Failed, _) => Progress::Failed,
            State::Running(_) | State::Resting(Rest::InDoubt | Rest::Finished { .. }, _) => {
                Progress::InDoubt
            }
        };
        let since = self.expires().unwrap_or_default();
        self.record(progress, since.saturating_sub(self.ttl_ms))
    }

    pub(super) fn record(&self, progress: Progress, since_ms: u64) -> Record {
        Record {
            progress,
            lease: self.lease,
            ttl_ms: self.ttl_ms,
            since_ms,
            fingerprint: self.fingerprint.as_deref().copied(),
            answer: Bytes::new(),
        }
    }
}
