//! Opening one connection: dial within the time limit, then start HTTP on what came.

use std::rc::Rc;
use std::time::Duration;

use http::uri::Authority;
use tokio::time::timeout;

use crate::registry::{Origin, TransportScheme};
use crate::upstream::connect::{Connect, ConnectError, Connected, Protocol};
use crate::upstream::h1::H1;
use crate::upstream::h2::H2;
use crate::upstream::shelf::{Held, PoolGauges};
use crate::upstream::stock::Home;

/// Opens connections and counts them.
pub(super) struct Opener {
    pub(super) connector: Rc<dyn Connect>,
    /// Over everything that [`Opener::open`] does.
    pub(super) timeout: Duration,
    pub(super) gauges: Rc<PoolGauges>,
}

/// A connection that has carried nothing yet.
pub(super) enum Opened {
    Http1(Box<H1>),
    Http2(Rc<H2>),
}

impl Opener {
    /// Opens a connection to the origin of `home`. Dropping the future abandons it.
    pub(super) async fn open(&self, home: Home) -> Result<Opened, ConnectError> {
        let limit = self.timeout;
        timeout(limit, self.open_untimed(home))
            .await
            .unwrap_or(Err(ConnectError::TimedOut { limit }))
    }

    async fn open_untimed(&self, home: Home) -> Result<Opened, ConnectError> {
        let origin = &*home.origin;
        let Connected { io, protocol } = self.connector.connect(origin).await?;
        match protocol {
            Protocol::Http1 => {
                let is_encrypted = origin.scheme() == TransportScheme::Https;
                let held = Held::new(&self.gauges, true);
                let connection = H1::new(io, is_encrypted, home, held);
                Ok(Opened::Http1(Box::new(connection)))
            }
            Protocol::Http2 => {
                let opened = H2::open(io, authority(origin), &self.gauges).await;
                opened.map(Opened::Http2).map_err(ConnectError::Handshake)
            }
        }
    }
}

/// `:authority`, parsed once per connection instead of once per call.
fn authority(origin: &Origin) -> Authority {
    Authority::try_from(origin.authority().as_bytes())
        .expect("an origin's authority was cut from a valid URL")
}
