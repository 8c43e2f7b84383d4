//! The way out: connections to the tools, and the one function that sends a signed attempt on one.
//!
//! Each worker has a [`Pool`] of its own. What it promises about a failed attempt is whether the
//! upstream can have seen it ([`Seen`]); whether that is worth another attempt is decided above.
//! [`Connect`](connect::Connect) is the seam: the [`Dialler`] behind it is the only code that dials,
//! and tests put pipes in its place, or in place of the [`Network`](network::Network) beneath its
//! check of addresses.

mod body;
mod connect;
mod dial;
mod error;
mod flight;
mod framing;
mod h1;
mod h2;
mod network;
mod open;
mod pool;
mod race;
mod shelf;
mod stock;
mod tls;

#[cfg(test)]
mod tests;

pub use body::{BodyError, UpstreamBody};
#[cfg(feature = "test-support")]
pub use connect::{Connect, ConnectError, Connected, Protocol};
pub use dial::Dialler;
pub use error::{FailureKind, Seen, SendError};
#[cfg(feature = "test-support")]
pub use network::Network;
pub use pool::{Pool, PoolSettings};
pub use shelf::PoolGauges;
pub use tls::TlsClients;
