//! Facts on their way to the disk, alone and in company.

use std::cell::Cell;
use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::store::{Change, Place, Space, Store};

/// How many claims are there at a time; older ones are deleted, so that the file stays as large as it is.
const KEPT: u64 = 1_000;

/// What a claim is found by, in bytes: a SHA-256.
const KEY_BYTES: usize = 32;

/// What is known of a running claim, in bytes: state, lease, times and a fingerprint.
const CLAIM_BYTES: usize = 96;

/// Far more than is written.
const MAX_BYTES: u64 = 1 << 30;

/// A store with a file, and those who write claims to it.
pub struct DurableWrites {
    store: Store,
    runtime: Runtime,
    next: Cell<u64>,
}

impl DurableWrites {
    /// A store in `folder`, with as many claims as it will have from now on.
    ///
    /// # Errors
    /// When there can be no runtime.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn to(folder: &Path) -> io::Result<Self> {
        let place = Place::File(folder.join("countersign.store"));
        let (store, _) = Store::open(place, MAX_BYTES).expect("the file is new");
        let writes = Self {
            store,
            runtime: Builder::new_current_thread().build()?,
            next: Cell::new(0),
        };
        writes.write(usize::try_from(KEPT).unwrap_or(usize::MAX));
        Ok(writes)
    }

    /// This many agents claim a call each, at once, and wait until all of that is durable.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self, agents: usize) {
        let claims: Vec<_> = (0..agents)
            .map(|_| self.store.write(self.claim()))
            .collect();
        self.runtime.block_on(async {
            for claim in claims {
                claim.await.expect("the folder can be written");
            }
        });
    }

    /// The next claim, and the end of the oldest one.
    fn claim(&self) -> Vec<Change> {
        let number = self.next.get();
        self.next.set(number + 1);
        let change = |number, value| Change {
            space: Space::Claims,
            key: key(number),
            value,
        };
        let claim = change(number, Some(Bytes::from(vec![b'c'; CLAIM_BYTES])));
        match number.checked_sub(KEPT) {
            Some(oldest) => vec![claim, change(oldest, None)],
            None => vec![claim],
        }
    }
}

fn key(number: u64) -> Bytes {
    let mut key = vec![0; KEY_BYTES];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key.into()
}
