//! Claims: who may run a call, who waits for it, and who gets the answer that is there already.
//!
//! A call has a [`ClaimKey`]. Whoever claims a key that nobody has gets a [`Lease`], and the claim
//! is durable by then; everybody else is told what became of it. So at most one run of a key is
//! under way, and every run of one claim goes by the same [`LeaseId`], also behind a crash: what a
//! run that was cut off has done is not known here, and the tool tells a repetition by the lease.
//! A claim is kept for a time from its end on, and then forgotten. What a call is, when it has
//! failed, and what an answer looks like is left to the caller.

mod canonical;
mod embedded;
mod key;
mod record;
mod shared;
mod table;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

#[cfg(feature = "test-support")]
pub use canonical::ArgsError;
pub use canonical::{CanonicalArgs, canonical_args};
pub use key::ClaimKey;

use crate::clock::Clock;
use crate::ids::LeaseId;
use crate::store::fleet::{self, End, Fleet};
use crate::store::{Entry, Store, StoreError};

use embedded::{Embedded, Held};
use shared::Shared;

/// How long a claim is kept that an agent has named itself.
// spec: ONCE-2
pub const EXPLICIT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What a claim is made on.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How long the claim is kept once its run has ended, or was cut off.
    pub ttl: Duration,
    /// What follows from a run of this key that was cut off.
    pub in_doubt: InDoubt,
    /// What must be the same in every call of this key; not compared where one of two calls has
    /// none.
    pub fingerprint: Option<[u8; 32]>,
}

/// What follows from a claim of which nobody knows whether it was carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InDoubt {
    /// It runs again, with the lease that it had.
    Retry,
    /// It does not run until it has expired.
    Refuse,
}

/// How many claims there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Claims that are kept, whatever became of them.
    pub max_claims: usize,
}

impl Default for Bounds {
    /// A million: more than two hours of a hundred calls a second that agents have named themselves,
    /// or a minute of ten thousand that are told by their arguments, in about 300 MB of memory.
    fn default() -> Self {
        Self {
            max_claims: 1_000_000,
        }
    }
}

/// What came of claiming a key.
#[derive(Debug)]
pub enum Claimed {
    /// Nobody runs it. It is the caller's, durably, to run and to end.
    Ours(Lease),
    /// It was carried out before.
    Finished(Stored),
    /// Somebody runs it now.
    Running(Joining),
    /// It was cut off, and the terms say not to run it again. The lease it had.
    InDoubt(LeaseId),
    /// The key belongs to a call with another fingerprint.
    Mismatch,
}

/// What a run came to.
#[derive(Clone, Eq, PartialEq)]
pub struct Stored {
    /// The lease that it ran with.
    pub lease_id: LeaseId,
    /// Whether it was completed; it failed otherwise, which is only told to those who waited.
    pub ok: bool,
    /// What the one who ran it left for the others.
    pub answer: Bytes,
}

impl fmt::Debug for Stored {
    /// An answer is nobody's business but the agent's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("lease_id", &self.lease_id)
            .field("ok", &self.ok)
            .field("bytes", &self.answer.len())
            .finish()
    }
}

/// All claims. Shared by all threads; its locks are short and none is held across an await.
#[derive(Debug)]
pub struct Once {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    /// Claims of this process.
    Embedded(Embedded),
    /// Claims of a fleet of sidecars.
    Shared(Shared),
}

impl Once {
    /// Claims of this process, kept in `store`, from which `recovered` came.
    ///
    /// What was running when the process ended is in doubt now.
    // spec: ONCE-4
    pub fn new(store: Store, recovered: &[Entry], clock: Clock, bounds: Bounds) -> Self {
        let embedded = Embedded::new(store, recovered, clock, bounds);
        Self {
            backend: Backend::Embedded(embedded),
        }
    }

    /// Claims of all sidecars of a fleet.
    ///
    /// What a sidecar was running when it fell silent is in doubt some seconds later.
    // spec: FLEET-1 FLEET-2
    pub fn shared(fleet: Fleet, clock: Clock) -> Self {
        Self {
            backend: Backend::Shared(Shared::new(fleet, clock)),
        }
    }

    /// Claims a key.
    ///
    /// Dropping the future claims nothing: what it had begun is taken back.
    ///
    /// # Errors
    /// When the claim cannot be made durable, or there are as many as there may be. Nothing is
    /// claimed then.
    // spec: ONCE-1
    pub async fn claim(&self, key: ClaimKey, terms: Terms) -> Result<Claimed, StoreError> {
        match &self.backend {
            Backend::Embedded(embedded) => embedded.claim(key, &terms).await,
            Backend::Shared(shared) => shared.claim(key, &terms).await,
        }
    }
}

/// The right to run what was claimed.
///
/// Dropped before [`Lease::begin`], it is released. Dropped afterwards without an end, it leaves the
/// claim in doubt, because what was sent may have been carried out. Those who wait are told that there
/// is no answer.
#[derive(Debug)]
#[must_use = "a lease that is dropped gives its claim up, or leaves it in doubt"]
pub struct Lease {
    held: HeldBy,
}

#[derive(Debug)]
enum HeldBy {
    Embedded(Held),
    Shared(fleet::Held),
}

impl Lease {
    /// What the tool is told.
    pub fn id(&self) -> &LeaseId {
        match &self.held {
            HeldBy::Embedded(held) => held.id(),
            HeldBy::Shared(held) => held.lease(),
        }
    }

    /// From here on the tool may see something of the run.
    // spec: ONCE-1 ONCE-4
    pub fn begin(&mut self) {
        match &mut self.held {
            HeldBy::Embedded(held) => held.begin(),
            HeldBy::Shared(held) => held.begin(),
        }
    }

    /// It was carried out: from now on the key is answered with `answer`, until it expires.
    ///
    /// Dropping the future leaves the claim completed, unless the process ends before that is
    /// durable.
    ///
    /// # Errors
    /// When the answer cannot be stored. Those who wait get it all the same; later claims find the
    /// claim in doubt. The claims of a fleet are told as soon as the shared store is back.
    // spec: ONCE-1
    pub async fn complete(self, answer: Bytes) -> Result<(), StoreError> {
        match self.held {
            HeldBy::Embedded(held) => held.complete(answer).await,
            HeldBy::Shared(held) => held.end(End::Done(answer)).await,
        }
    }

    /// It was not carried out, as far as the tool says: those who wait get `answer`, and the next
    /// claim may run it again, with the same lease.
    ///
    /// Dropping the future leaves the claim failed.
    ///
    /// # Errors
    /// When this cannot be stored; the claim has failed all the same, until the process ends.
    // spec: ONCE-1
    pub async fn fail(self, answer: Bytes) -> Result<(), StoreError> {
        match self.held {
            HeldBy::Embedded(held) => held.fail(answer).await,
            HeldBy::Shared(held) => held.end(End::Failed(answer)).await,
        }
    }

    /// Nothing was sent: the key is as it was before it was claimed, and those who wait are told
    /// that there is no answer.
    ///
    /// Dropping the future leaves the claim released.
    ///
    /// # Errors
    /// When this cannot be stored; it is released all the same, until the process ends.
    // spec: ONCE-1
    pub async fn release(self) -> Result<(), StoreError> {
        match self.held {
            HeldBy::Embedded(held) => held.release().await,
            HeldBy::Shared(held) => held.end(End::Released).await,
        }
    }
}

/// Waits for a run of somebody else, on whatever thread it is.
#[derive(Debug)]
pub struct Joining {
    run: RunOf,
}

#[derive(Debug)]
enum RunOf {
    Embedded(watch::Receiver<Option<Stored>>),
    Shared(fleet::Run),
}

impl Joining {
    /// What it came to, or `None` when it has no end: it was released or cut off, and the key can
    /// be claimed again. Can be dropped and leaves nothing behind.
    // spec: ONCE-1
    pub async fn wait(self) -> Option<Stored> {
        match self.run {
            RunOf::Embedded(mut outcome) => {
                let outcome = outcome.wait_for(Option::is_some).await.ok()?;
                outcome.clone()
            }
            RunOf::Shared(run) => run.wait().await.map(Stored::from),
        }
    }
}

#[cfg(test)]
mod tests;
