//! Load from outside, for benchmarks: clients, a tool that answers at once, and programs whose cost
//! the kernel accounts.
//!
//! Real sockets and real processes only. All of it is cheap enough not to be what is measured.

mod clients;
mod program;
mod tool;
mod wire;

pub use clients::{Answer, Calls, Client, Request, pace, reconnect, saturate};
pub use program::{Program, build_shipped, cores, find, free_address, on_core, run_local};
pub use tool::{CHECK, RUN, SECRET, UNSIGNED, serve, signature};
pub use wire::{Message, Messages, field};
