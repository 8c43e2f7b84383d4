//! The tools: what may be called, where it is, and how a call to it is signed.
//!
//! A [`ToolSpec`] is a tool as somebody wrote it; [`Tool::compile`] is the one validator that turns
//! it into a [`Tool`], whoever wrote it (file, API or command line). Compiled tools live in an
//! immutable [`Snapshot`] that is replaced as a whole, so a call that holds one sees one consistent
//! registry from beginning to end. Reading files is left to `config`.

mod budget;
mod circuit;
mod guard;
mod once;
mod origin;
mod places;
mod protection;
mod rate;
mod retry_on;
mod snapshot;
mod spec;
mod tool;
mod trust;

pub use circuit::{Circuit, CircuitState, IsOpen, Trial, Turn};
pub use guard::{ForbiddenAddress, check_address, forbidden};
pub use once::{OnceTerms, WhenInDoubt};
pub use origin::{Host, Origin, OriginMap, Reach, TransportScheme};
pub use places::Place;
pub use protection::Concurrency;
pub use rate::RateLimiter;
pub use retry_on::RetryOn;
pub use snapshot::{LoadedFrom, Registry, Snapshot, SnapshotBuilder};
pub use spec::{AuthSpec, CircuitBreakerSpec, OnceSpec, RateLimitSpec, TlsSpec, ToolSpec, limits};
pub use tool::Tool;
pub use trust::Trust;
