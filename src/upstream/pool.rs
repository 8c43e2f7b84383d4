//! One worker's pool: the function that sends an attempt on one of its connections.
//!
//! The invariant: an error says `NotSent` only where no upstream can have acted on the request. A
//! pooled connection that turns out dead before it took the request is replaced without a word;
//! every other repetition is decided above. Which connections there are is the stock's business.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::time::{Instant, timeout_at};

use crate::registry::Origin;
use crate::sign::Signed;
use crate::upstream::body::UpstreamBody;
use crate::upstream::connect::Connect;
use crate::upstream::error::{Seen, SendError, Unanswered};
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

impl Pool {
    /// A pool without connections.
    pub fn new(connector: Rc<dyn Connect>, settings: PoolSettings, gauges: PoolGauges) -> Self {
        let opener = Opener {
            connector,
            timeout: settings.connect_timeout,
            gauges: Rc::new(gauges),
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
        request: &Signed<'_>,
        deadline: Instant,
    ) -> Result<Response<UpstreamBody>, SendError> {
        for _ in 0..MAX_DEAD {
            let Some(wire) = self.stock.pooled(origin) else {
                break;
            };
            match exchange(wire, request, deadline).await {
                Ok(answer) => return Ok(answer),
                // spec: RETRY-2
                Err(Unanswered::HandedBack(_)) => {}
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        }
        // On the heap: it is rare, and every call would have room for it otherwise.
        let fresh = Box::pin(self.stock.fresh(origin));
        let wire = timeout_at(deadline, fresh)
            .await
            .map_err(|_| SendError::deadline(Seen::NotSent))?
            .map_err(SendError::connect)?;
        let answered = exchange(wire, request, deadline).await;
        answered.map_err(|unanswered| match unanswered {
            Unanswered::HandedBack(error) | Unanswered::Failed(error) => error,
        })
    }
}

/// One request and the head of its answer.
async fn exchange(
    wire: Wire,
    request: &Signed<'_>,
    deadline: Instant,
) -> Result<Response<UpstreamBody>, Unanswered> {
    match wire {
        Wire::Http1(connection) => {
            let answer = connection.send(request, deadline).await?;
            Ok(answer.map(UpstreamBody::http1))
        }
        Wire::Http2(stream) => {
            let answer = stream.send(request, deadline).await?;
            Ok(answer.map(UpstreamBody::http2))
        }
    }
}
