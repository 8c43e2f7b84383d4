//! Governance in memory, with nothing known of anybody.

use std::sync::Arc;

use crate::api::Books;
use crate::audit::{Audit, DEFAULT_MAX_RECORDS};
use crate::call::{Governance, OnStoreError};
use crate::clock::Clock;
use crate::once::{Bounds, Once};
use crate::policy::Desk;
use crate::store::{Entry, Place, Store};

/// The most that a store in memory holds here, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The largest result, in bytes, where a test does not say.
pub(crate) const MAX_RESULT_BYTES: usize = 4 * 1024 * 1024;

/// A store that ends with its last handle.
pub(crate) fn memory() -> Store {
    let opened = Store::open(Place::Memory, MAX_BYTES);
    opened.expect("memory can always be had").0
}

/// What calls are governed by, in this store.
pub(crate) fn governance_of(
    store: &Store,
    recovered: &[Entry],
    clock: Clock,
    max_result_bytes: usize,
) -> Arc<Governance> {
    Arc::new(Governance {
        once: Once::new(store.clone(), recovered, clock, Bounds::default()),
        desk: Desk::new(store.clone(), recovered),
        audit: Audit::new(store.clone(), recovered, DEFAULT_MAX_RECORDS),
        on_store_error: OnStoreError::Refuse,
        max_result_bytes,
        namespace: "local".into(),
    })
}

/// What an admin door is given.
pub(crate) fn governed(clock: Clock) -> (Arc<Governance>, Books) {
    let store = memory();
    let books = Books::new(store.clone(), &[], clock);
    (governance_of(&store, &[], clock, MAX_RESULT_BYTES), books)
}
