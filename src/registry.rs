//! The tools: what may be called, where it is, and how a call to it is signed.
//!
//! A [`ToolSpec`] is a tool as somebody wrote it; [`Tool::compile`] is the one validator that turns
//! it into a [`Tool`], whoever wrote it (file, API or command line). Compiled tools live in an
//! immutable [`Snapshot`] that is replaced as a whole, so a call that holds one sees one consistent
//! registry from beginning to end. Reading files is left to `config`.

mod budget;
mod guard;
mod origin;
mod retry_on;
mod snapshot;
mod spec;
mod tool;
mod trust;

pub use guard::{ForbiddenAddress, check_address, forbidden};
pub use origin::{Host, Origin, Reach, TransportScheme};
pub use retry_on::RetryOn;
pub use snapshot::{LoadedFrom, Registry, Snapshot, SnapshotBuilder};
pub use spec::{AuthSpec, Rule, TlsSpec, ToolSpec, Violation, limits};
pub use tool::Tool;
pub use trust::Trust;
