//! The accepting side: listeners, connection limits, and HTTP/1.1 from agents and operators.
//!
//! It turns connections into requests and hands each to a [`Service`]; what a request means is
//! the service's business. Agents speak HTTP/1.1 to us: HTTP/2 would buy nothing on a loopback hop
//! and would double the framing to defend.

mod address;
mod bind;
mod connection;
pub mod guard;
mod linger;
mod listen;
mod path;
mod stream;

use std::future::Future;

use http::{Request, Response};
use hyper::body::{Body, Incoming};

pub use address::{ListenAddress, SocketMode};
pub use bind::{Listeners, bind};
pub use connection::{HttpLimits, serve_connection};
pub use listen::{ConnectionSlots, accept_loop};
pub use path::percent_decode;
pub use stream::{Acceptor, Listener, Stream};

/// Answers requests. One value serves all connections of one worker.
pub trait Service: 'static {
    /// What answers carry.
    type Body: Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync + 'static> + 'static;

    /// Answers one request. The future is dropped when the client goes away.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>>;
}
