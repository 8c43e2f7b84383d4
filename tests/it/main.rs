//! Behaviour through the real doors. One binary, because each would link the whole stack again.

#![expect(clippy::unwrap_used, reason = "a test states its expectations")]

mod abuse;
mod alerts;
mod audit;
mod browser;
mod cancel;
mod citations;
mod cli;
mod cli_tools;
mod clients;
mod compose;
mod container;
mod dashboard;
mod examples;
mod explain;
mod fleet;
mod fuzz;
mod governed;
mod headers;
mod kubernetes;
mod layers;
mod lifecycle;
mod memory;
mod observability;
mod operations;
mod overload;
mod raw;
mod readme;
mod reload;
mod retries;
mod sdk_tour;
mod signatures;
mod soak;
mod ssrf;
mod support;
mod systemd;
mod tls;
mod tool_urls;
mod tools_api;
mod unix_sockets;
mod unreadable;
mod verifying;
