//! Behaviour through the real doors. One binary, because each would link the whole stack again.

#![expect(clippy::unwrap_used, reason = "a test states its expectations")]

mod cancel;
mod citations;
mod cli;
mod cli_tools;
mod clients;
mod headers;
mod layers;
mod lifecycle;
mod memory;
mod observability;
mod raw;
mod readme;
mod reload;
mod retries;
mod signatures;
mod support;
mod tls;
mod tools_api;
mod unreadable;
mod verifying;
