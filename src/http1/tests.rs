//! The grammar as tables: every rule has a message that keeps it and one that breaks it.

mod bodies;
mod requests;
mod responses;
mod splits;

use bytes::Bytes;

use crate::http1::{Fault, HeadLimits, HeadScan};

const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 1024,
    max_fields: 4,
};

/// The head that `bytes` begin with.
fn scan(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Bytes>, Fault> {
    let length = HeadScan::default().find(bytes, limits)?;
    Ok(length.map(|length| Bytes::copy_from_slice(&bytes[..length])))
}
