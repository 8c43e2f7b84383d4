//! The grammar as tables: every rule has a message that keeps it and one that breaks it.

mod bodies;
mod requests;
mod responses;
mod splits;

use bytes::BytesMut;

use crate::http1::{Fault, HeadLimits, HeadScan, ScannedHead};

const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 1024,
    max_fields: 4,
};

/// The head that `bytes` begin with.
fn scan(bytes: &[u8], limits: &HeadLimits) -> Result<Option<ScannedHead>, Fault> {
    HeadScan::default().take(&mut BytesMut::from(bytes), limits)
}

/// The head that `bytes` have to be.
fn whole(bytes: &[u8]) -> Result<ScannedHead, Fault> {
    let head = scan(bytes, &LIMITS)?;
    Ok(head.unwrap_or_else(|| panic!("{bytes:?} is no whole head")))
}
