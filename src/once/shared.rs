//! Claims of a fleet of sidecars: the words of this module for what the shared store says.
//!
//! The server decides, in one step for all sidecars; nothing is known here between two questions.

use crate::clock::Clock;
use crate::ids::LeaseId;
use crate::once::key::ClaimKey;
use crate::once::{Claimed, HeldBy, InDoubt, Joining, Lease, RunOf, Stored, Terms};
use crate::store::StoreError;
use crate::store::fleet::{Ask, Ended, Fleet, Found};

/// All claims of a fleet.
#[derive(Debug)]
pub(super) struct Shared {
    fleet: Fleet,
    clock: Clock,
}

impl Shared {
    pub(super) fn new(fleet: Fleet, clock: Clock) -> Self {
        Self { fleet, clock }
    }

    pub(super) async fn claim(&self, key: ClaimKey, terms: &Terms) -> Result<Claimed, StoreError> {
        let ask = Ask {
            key: *key.as_bytes(),
            lease: LeaseId::new(self.clock.now()),
            ttl: terms.ttl,
            retry_in_doubt: match terms.in_doubt {
                InDoubt::Retry => true,
                InDoubt::Refuse => false,
            },
            fingerprint: terms.fingerprint,
        };
        Ok(match self.fleet.claim(ask).await? {
            Found::Ours(held) => Claimed::Ours(Lease {
                held: HeldBy::Shared(held),
            }),
            Found::Finished(ended) => Claimed::Finished(ended.into()),
            Found::Running(run) => Claimed::Running(Joining {
                run: RunOf::Shared(run),
            }),
            Found::InDoubt(lease) => Claimed::InDoubt(lease),
            Found::Mismatch => Claimed::Mismatch,
        })
    }
}

impl From<Ended> for Stored {
    fn from(ended: Ended) -> Self {
        let Ended { lease, ok, answer } = ended;
        Self {
            lease_id: lease,
            ok,
            answer,
        }
    }
}

#[cfg(test)]
mod tests;
