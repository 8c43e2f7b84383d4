//! The pieces of the hot path one by one, each ready to run: what `benches/pieces.rs` times.
//!
//! What a call finds prepared (compiled tools, metric handles, a connection) is prepared by the
//! constructors, so that what is left to time is what a call, a reload or an edit pays for. Nothing
//! here is a second way to do anything: every piece runs the code of the product. How often, and with
//! which sizes, is left to the bench.

mod account;
mod exchange;
mod heads;
mod outbound;
mod registry;
mod store;

pub use account::Account;
pub use exchange::Exchange;
pub use heads::{AnswerHead, ChunkedBody, RequestHead};
pub use outbound::{Outbound, Signing};
pub use registry::{InService, OnDisk, RegistryText};
pub use store::DurableWrites;
