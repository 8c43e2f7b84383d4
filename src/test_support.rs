//! What unit tests, `tests/it` and benches share: a world in memory whose time can be paused, tools
//! that misbehave on demand, and the real binary as a child process.

pub mod bench;
pub mod client;
mod fake_network;
pub mod fake_tool;
pub mod fuzz;
pub(crate) mod governing;
pub mod http1;
pub mod load;
mod pieces;
pub mod process;
pub mod python;
pub mod redis_server;
mod signing;
pub mod world;

pub use client::Reply;
pub use fake_network::FakeNetwork;
pub use fake_tool::{FakeTool, Gate, Received, Step};
pub use pieces::Pieces;
pub use signing::{sign_body, verifies};
pub use world::{Harness, World};
