//! The real connector: resolve, check every address, dial a checked one, then TLS.
//!
//! The address that was checked is the address that is dialled; nothing is resolved twice, so a
//! name that changes its answer in between gains nothing.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::registry::{Host, Origin, Reach, TransportScheme};
use crate::upstream::connect::{Connect, ConnectError, Connected, Protocol};
use crate::upstream::guard;
use crate::upstream::race::{interleave, race};
use crate::upstream::tls::TlsClients;

/// Addresses of one name that are tried at most. At one every 250 ms the rest would not get its
/// turn within any sensible connect timeout.
const MAX_ADDRESSES: usize = 16;

/// When the kernel begins to ask a silent peer, and how often; it notices a vanished one while an
/// answer streams or a slow tool thinks.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);

/// Dials upstreams over TCP.
pub struct Dialler {
    tls: Arc<TlsClients>,
    /// Counts addresses that were refused.
    refused: Counter,
    /// Whether tools of the API may be anywhere, like those of the file.
    allow_private: bool,
}

impl Dialler {
    /// A dialler that verifies upstreams with `tls` and counts refused addresses.
    pub fn new(tls: Arc<TlsClients>, refused: Counter) -> Self {
        Self {
            tls,
            refused,
            allow_private: false,
        }
    }

    /// Lets tools that came through the API reach loopback and private addresses too.
    // spec: SSRF-1
    pub fn allow_private(self, allow_private: bool) -> Self {
        Self {
            allow_private,
            ..self
        }
    }

    async fn open(&self, origin: &Origin) -> Result<Connected, ConnectError> {
        let addresses = self.addresses(origin).await?;
        let stream = race(addresses, dial)
            .await
            .unwrap_or(Err(ConnectError::NoAddress))?;
        match origin.scheme() {
            TransportScheme::Http => Ok(Connected {
                io: Box::new(stream),
                protocol: Protocol::Http1,
            }),
            TransportScheme::Https => self.tls.connect(origin, stream).await,
        }
    }

    /// The addresses that may be dialled, in the order to try them.
    // spec: SSRF-1
    async fn addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, ConnectError> {
        let port = origin.port();
        let reach = if self.allow_private {
            Reach::Lenient
        } else {
            origin.reach()
        };
        match origin.host() {
            Host::Address(address) => self.checked([SocketAddr::new(*address, port)], reach),
            Host::Name(name) => {
                let found = tokio::net::lookup_host((&**name, port)).await;
                self.checked(found.map_err(ConnectError::Resolve)?, reach)
            }
        }
    }

    fn checked(
        &self,
        found: impl IntoIterator<Item = SocketAddr>,
        reach: Reach,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let mut refusal = ConnectError::NoAddress;
        let mut allowed = Vec::new();
        for address in found {
            match guard::check(address.ip(), reach) {
                Ok(()) => allowed.push(address),
                Err(forbidden) => {
                    self.refused.increment(1);
                    refusal = ConnectError::Forbidden(forbidden);
                }
            }
        }
        if allowed.is_empty() {
            return Err(refusal);
        }
        let mut ordered = interleave(allowed);
        ordered.truncate(MAX_ADDRESSES);
        Ok(ordered)
    }
}

impl Connect for Dialler {
    fn connect<'a>(
        &'a self,
        origin: &'a Origin,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + 'a>> {
        Box::pin(self.open(origin))
    }
}

async fn dial(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let failed = |source| ConnectError::Dial { address, source };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    // A request that takes several writes must not wait for the peer between them.
    stream.set_nodelay(true).map_err(failed)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY);
    SockRef::from(&stream)
        .set_tcp_keepalive(&keepalive)
        .map_err(failed)?;
    Ok(stream)
}
