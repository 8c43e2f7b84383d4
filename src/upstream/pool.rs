//! One worker's pool: the function that sends an attempt on one of its connections.
//!
//! The invariant: an error says `NotSent` only where no upstream can have acted on the request. A
//! pooled connection that turns out dead before it took the request is replaced without a word;
//! every other repetition is decided above. Which connections there are is the stock's business.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Instant, timeout_at};

use crate::body::ReplayBody;
use crate::registry::Origin;
use crate::sign::Signed;
use crate::upstream::body::UpstreamBody;
use crate::upstream::connect::Connect;
use crate::upstream::error::{Seen, SendError};
use crate::upstream::framing::{self, Reuse};
use crate::upstream::h1::{H1, Unanswered};
use crate::upstream::h2::Stream;
use crate::upstream::open::Opener;
use crate::upstream::shelf::{Keeping, PoolGauges};
use crate::upstream::stock::{Stock, Wire};

/// How many pooled connections may hand a request back before a new one is opened for it: after a
/// restart of the upstream all of them are dead, and trying each would only take time.
const MAX_DEAD: usize = 2;

/// How connections are opened and kept.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Longest time for name lookup, dialling and TLS together.
    pub connect_timeout: Duration,
    /// How long a connection may be idle.
    pub idle_timeout: Duration,
    /// How old a connection may be when it takes a request.
    pub max_age: Duration,
    /// Most idle connections to one origin.
    pub max_idle_per_origin: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            // Common servers close after 5 s of silence; leaving first avoids the race with them.
            idle_timeout: Duration::from_secs(4),
            // A name may have moved to another address.
            max_age: Duration::from_secs(300),
            // A burst's surplus is closed rather than held against the upstream's own limits.
            max_idle_per_origin: 256,
        }
    }
}

/// One worker's connections. Clones share them; dropping the last clone closes the idle ones.
#[derive(Clone)]
pub struct Pool {
    stock: Rc<Stock>,
}

/// What an answer's body holds on to until its end.
pub(super) enum Lease {
    Http1 {
        connection: H1,
        reuse: Reuse,
        origin: Arc<Origin>,
        home: Weak<Stock>,
    },
    /// Held until the end, so that the stream counts as active.
    Http2(#[expect(dead_code, reason = "dropping it is its use")] Stream),
}

impl Pool {
    /// A pool without connections.
    pub fn new(connector: Rc<dyn Connect>, settings: PoolSettings, gauges: PoolGauges) -> Self {
        let opener = Opener {
            connector,
            timeout: settings.connect_timeout,
            gauges,
        };
        let keeping = Keeping {
            idle_timeout: settings.idle_timeout,
            max_age: settings.max_age,
            max_idle_per_origin: settings.max_idle_per_origin,
        };
        Self {
            stock: Rc::new(Stock::new(opener, keeping)),
        }
    }

    /// Sends one signed attempt and waits for the answer's head, at most until `deadline`.
    ///
    /// Dropping the future cancels the attempt: its HTTP/1.1 connection is closed, its HTTP/2
    /// stream is reset.
    ///
    /// # Errors
    /// When there is no answer that can be passed on; the error says whether the upstream can have
    /// seen the request.
    // spec: RETRY-1 SIG-4
    pub async fn send(
        &self,
        origin: &Arc<Origin>,
        signed: Signed,
        deadline: Instant,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let mut request = signed.into_request();
        framing::state_length(&mut request);
        for _ in 0..MAX_DEAD {
            let Some(wire) = self.stock.pooled(origin) else {
                break;
            };
            match self.exchange(origin, wire, request, deadline).await? {
                Exchange::Answered(answer) => return Ok(answer),
                // spec: RETRY-2
                Exchange::HandedBack(unsent, _) => request = *unsent,
            }
        }
        let wire = timeout_at(deadline, self.stock.fresh(origin))
            .await
            .map_err(|_| SendError::deadline(Seen::NotSent))?
            .map_err(SendError::connect)?;
        match self.exchange(origin, wire, request, deadline).await? {
            Exchange::Answered(answer) => Ok(answer),
            Exchange::HandedBack(_, error) => Err(SendError::handed_back(error)),
        }
    }

    async fn exchange(
        &self,
        origin: &Arc<Origin>,
        wire: Wire,
        mut request: Request<ReplayBody>,
        deadline: Instant,
    ) -> Result<Exchange, SendError> {
        let late = |_| SendError::deadline(Seen::MaybeSeen);
        let (sent, mut lease) = match wire {
            Wire::Http1(mut connection) => {
                framing::address_http1(&mut request, origin);
                let sent = timeout_at(deadline, connection.send(request));
                let sent = sent.await.map_err(late)?;
                let lease = Lease::Http1 {
                    connection,
                    reuse: Reuse::No,
                    origin: Arc::clone(origin),
                    home: Rc::downgrade(&self.stock),
                };
                (sent, lease)
            }
            Wire::Http2(stream) => {
                let connection = stream.connection();
                framing::address_http2(&mut request, connection.authority());
                let sent = timeout_at(deadline, connection.send(request)).await;
                // Whether the tool is slow or the connection dead cannot be told apart here, and
                // a dead one would fail every call that shares it.
                let sent = sent.inspect_err(|_| connection.retire()).map_err(late)?;
                (sent, Lease::Http2(stream))
            }
        };
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(Unanswered::HandedBack(request, error)) => {
                return Ok(Exchange::HandedBack(request, error));
            }
            Err(Unanswered::Broken(error)) => return Err(SendError::broken(error)),
        };
        let verdict = framing::check_answer(&mut answer).map_err(SendError::head)?;
        if let Lease::Http1 { reuse, .. } = &mut lease {
            *reuse = verdict;
        }
        let answer = answer.map(|incoming| UpstreamBody::new(incoming, lease));
        Ok(Exchange::Answered(answer))
    }
}

/// How the use of one connection ended, where that is not the attempt's end.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would cost every call an allocation"
)]
enum Exchange {
    Answered(Response<UpstreamBody>),
    /// The connection was dead before it took the request.
    HandedBack(Box<Request<ReplayBody>>, hyper::Error),
}

impl Lease {
    /// The body was read to its end.
    pub(super) fn finish(self) {
        match self {
            Self::Http1 {
                connection,
                reuse: Reuse::Yes,
                origin,
                home,
            } => {
                // Not ready means that the peer is done and we are not: it answered before it had
                // the whole request, or it has closed.
                if let Some(stock) = home.upgrade()
                    && connection.is_ready()
                {
                    stock.keep(&origin, connection);
                }
            }
            Self::Http1 {
                reuse: Reuse::No, ..
            }
            | Self::Http2(_) => {}
        }
    }
}
