//! What a dialler needs of the world: the addresses of a name, and a stream to an address.
//!
//! The seam lies beneath the check of addresses, so that a test with a resolver of its own sees the
//! whole of it: which names were looked up, and which addresses were dialled. Nothing is decided
//! here; a network connects to any address that it is given.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::upstream::connect::Io;

/// When the kernel begins to ask a silent peer, and how often; it notices a vanished one while an
/// answer streams or a slow tool thinks.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);

/// Looks names up and connects to addresses.
pub trait Network {
    /// A connected byte stream.
    type Stream: Io + 'static;

    /// The addresses of a name, each with `port`, in the order of the resolver's preference.
    ///
    /// Dropping the future stops waiting; a look-up that blocks a thread goes on without it.
    ///
    /// # Errors
    /// When the name cannot be looked up.
    fn look_up(&self, name: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>>;

    /// Connects to exactly this address. Dropping the future abandons the connection.
    ///
    /// # Errors
    /// What the operating system says.
    fn dial(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// The operating system's resolver and sockets.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Network for System {
    type Stream = TcpStream;

    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        // A request that takes several writes must not wait for the peer between them.
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_EVERY);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(stream)
    }
}
