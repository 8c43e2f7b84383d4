//! Claims of one process, kept in its store.
//!
//! What is claimed and what is queued for the store change in one short section, so the store sees
//! claims in the order in which they were made. A lease is given away when its claim is durable, and
//! an answer to others when that is.

mod held;
mod sweep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::ids::LeaseId;
use crate::once::key::ClaimKey;
use crate::once::record::{Progress, Record};
use crate::once::table::{Recovered, Step, Table};
use crate::once::{Bounds, Claimed, HeldBy, Joining, Lease, RunOf, Stored, Terms};
use crate::store::{Change, Entry, Space, Store, StoreError, Written};

pub(super) use held::Held;

use sweep::Sweep;

/// All claims of this process.
#[derive(Debug)]
pub(super) struct Embedded(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: Clock,
    /// Guards what is known of claims, and that the store is told in the same order.
    claims: Mutex<Claims>,
}

#[derive(Debug)]
struct Claims {
    table: Table,
    sweep: Sweep,
}

/// What a claim comes to, as far as one look at the table says.
enum Next {
    /// This.
    Told(Claimed),
    /// A run, once it is durable.
    Run(Held, Written),
    /// An answer that is to be read.
    Read { lease: LeaseId, durable: bool },
}

impl Embedded {
    pub(super) fn new(store: Store, recovered: &[Entry], clock: Clock, bounds: Bounds) -> Self {
        let mut table = Table::new(bounds.max_claims);
        let cut_off = recover(&mut table, recovered, clock);
        if !cut_off.is_empty() {
            // Nobody waits for it: until it is written, a restart comes to the same.
            drop(store.write(cut_off));
        }
        Self(Arc::new(Shared {
            store,
            clock,
            claims: Mutex::new(Claims {
                table,
                sweep: Sweep::default(),
            }),
        }))
    }

    pub(super) async fn claim(&self, key: ClaimKey, terms: &Terms) -> Result<Claimed, StoreError> {
        loop {
            match self.step(key, terms)? {
                Next::Told(claimed) => return Ok(claimed),
                Next::Run(held, written) => {
                    written.await?;
                    let held = HeldBy::Embedded(held);
                    return Ok(Claimed::Ours(Lease { held }));
                }
                Next::Read { lease, durable } => {
                    if let Some(stored) = self.read(&key, lease, durable).await? {
                        return Ok(Claimed::Finished(stored));
                    }
                }
            }
        }
    }

    /// Claims, and times at which one of them is forgotten.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        self.0.lock().table.sizes()
    }

    fn step(&self, key: ClaimKey, terms: &Terms) -> Result<Next, StoreError> {
        let now = self.0.clock.now();
        let mut claims = self.0.lock();
        let claims = &mut *claims;
        let forget = |keys: &[ClaimKey]| {
            let nothing = keys.iter().map(|key| change(*key, None));
            self.0.store.write(nothing.collect())
        };
        claims.sweep.go_on(&mut claims.table, now, forget);
        Ok(match claims.table.claim(key, terms, now) {
            Step::Run(started) => {
                let written = self.0.write(key, Some(started.record.encode()));
                Next::Run(Held::new(Arc::clone(&self.0), key, started), written)
            }
            Step::Join(outcome) => {
                let run = RunOf::Embedded(outcome);
                Next::Told(Claimed::Running(Joining { run }))
            }
            Step::Read { lease, durable } => Next::Read { lease, durable },
            Step::InDoubt(lease) => Next::Told(Claimed::InDoubt(lease)),
            Step::Mismatch => Next::Told(Claimed::Mismatch),
            Step::Crowded { max } => return Err(StoreError::TooManyClaims { max }),
        })
    }

    /// The answer of a claim that was finished with `lease`; `None` when the store has none, and
    /// the table knows that now.
    async fn read(
        &self,
        key: &ClaimKey,
        lease: LeaseId,
        durable: bool,
    ) -> Result<Option<Stored>, StoreError> {
        if !durable {
            // An answer that is gone after a crash would be followed by another one.
            self.0.store.write(Vec::new()).await?;
        }
        let bytes = self.0.store.get(Space::Claims, key.as_bytes())?;
        let record = bytes.as_ref().and_then(Record::decode);
        let finished = record.filter(|record| {
            record.lease == lease && matches!(record.progress, Progress::Finished)
        });
        if !durable || finished.is_none() {
            self.0.lock().table.settle(key, lease, finished.is_some());
        }
        Ok(finished.map(|record| Stored {
            lease_id: lease,
            ok: true,
            answer: record.answer,
        }))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues what the store has to say of a key; `None` is nothing.
    fn write(&self, key: ClaimKey, record: Option<Bytes>) -> Written {
        self.store.write(vec![change(key, record)])
    }
}

fn change(key: ClaimKey, value: Option<Bytes>) -> Change {
    Change {
        space: Space::Claims,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value,
    }
}

/// Puts what an earlier process left into the table and returns what the store has to be told of
/// runs that were cut off.
// spec: ONCE-4
fn recover(table: &mut Table, recovered: &[Entry], clock: Clock) -> Vec<Change> {
    let now = clock.now();
    let mut cut_off = Vec::new();
    let mut unreadable = 0_usize;
    for entry in recovered {
        if entry.space != Space::Claims {
            continue;
        }
        let key = <[u8; 32]>::try_from(&entry.key[..]).map(ClaimKey::from_bytes);
        let (Ok(key), Some(record)) = (key, Record::decode(&entry.value)) else {
            unreadable += 1;
            continue;
        };
        match table.recover(key, &record, now) {
            Recovered::AsItWas => {}
            Recovered::CutOff(record) => cut_off.push(change(key, Some(record.encode()))),
            // The next claims sweep it out of the store.
            Recovered::Expired => table.forget_again(key),
        }
    }
    if unreadable > 0 {
        warn!(count = unreadable, "stored claims could not be read");
    }
    if !cut_off.is_empty() {
        info!(
            count = cut_off.len(),
            "claims were cut off when the process ended"
        );
    }
    cut_off
}
