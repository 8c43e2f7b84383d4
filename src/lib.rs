//! Countersign: a reverse-proxy sidecar that signs an AI agent's outbound tool calls.
//!
//! The binary is the product; this library exists so that `main`, the tests and the benches share
//! one build of it. `docs/architecture.md` is the map of the modules below.

mod alarm;
mod api;
mod app;
mod audit;
mod body;
mod call;
pub mod cli;
mod clock;
mod config;
mod governed;
mod headers;
mod http1;
mod ids;
mod lifecycle;
mod once;
mod policy;
mod proxy;
mod registry;
mod rule;
mod scratch;
mod secret;
mod server;
mod sign;
mod store;
mod telemetry;
mod turn;
mod upstream;

#[cfg(feature = "test-support")]
pub mod test_support;
