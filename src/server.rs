//! The accepting side: listeners, connection limits, and HTTP/1.1 from agents and operators.
//!
//! It turns connections into requests and hands each to a [`Service`]; what a request means is
//! the service's business. Agents speak HTTP/1.1 to us: HTTP/2 would buy nothing on a loopback hop
//! and would double the framing to defend. What is a message is decided by `http1`; here are the
//! sockets, the waits and their limits.

mod acceptor;
mod address;
mod bind;
mod client_io;
mod connection;
mod date;
mod departure;
mod exchange;
pub mod guard;
mod intake;
mod linger;
mod listen;
mod outbox;
mod path;
mod reply;
mod request;
mod wire;

use std::future::Future;
use std::time::Duration;

use http::Response;
use hyper::body::Body;

pub use acceptor::{Acceptor, Listener};
pub use address::{ListenAddress, SocketMode};
pub use bind::{Listeners, bind};
pub use client_io::ClientIo;
pub use connection::{HttpLimits, serve_connection};
pub use intake::RequestBody;
pub use listen::{ConnectionSlots, accept_loop};
pub use path::percent_decode;
pub use request::Request;

use crate::http1::Fault;

/// Answers requests. One value serves all connections of one worker.
pub trait Service: 'static {
    /// What answers carry.
    type Body: Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync + 'static>
        + Unpin
        + 'static;

    /// Answers one request. The future is dropped when the client goes away.
    fn answer(&self, request: Request) -> impl Future<Output = Response<Self::Body>>;

    /// Answers what is no request. The connection is closed behind the answer.
    fn refuse(&self, why: Unreadable) -> Response<Self::Body>;
}

/// Why what a client has sent is no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// It has no meaning, or more than one; the sentence is for the client.
    Malformed(&'static str),
    /// The head has more bytes or more fields than it may.
    HeadTooLarge,
    /// The head was begun and not ended in time.
    HeadTooSlow {
        /// The limit that was passed.
        timeout: Duration,
    },
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(sentence) => Self::Malformed(sentence),
            Fault::HeadTooLarge | Fault::TooManyFields => Self::HeadTooLarge,
        }
    }
}

#[cfg(test)]
mod tests;
