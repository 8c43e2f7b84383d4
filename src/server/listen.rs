//! The loop that accepts connections, and how many there may be.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge};
use tokio::io::AsyncWriteExt as _;
use tracing::warn;

use crate::lifecycle::DrainWatch;
use crate::server::{Acceptor, ClientIo, HttpLimits, Service, linger, serve_connection};

/// How long to wait after an accept that failed because the process or host is out of something.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Counts the connections of one listener address over all workers, against one limit.
#[derive(Clone, Debug)]
pub struct ConnectionSlots {
    used: Arc<AtomicUsize>,
    max: usize,
    gauge: Gauge,
    refused: Counter,
}

impl ConnectionSlots {
    /// Room for `max` connections, shown in `gauge`; one too many counts in `refused`.
    pub fn new(max: usize, gauge: Gauge, refused: Counter) -> Self {
        Self {
            used: Arc::new(AtomicUsize::new(0)),
            max,
            gauge,
            refused,
        }
    }

    fn take(&self) -> Option<Slot> {
        let free = |used| (used < self.max).then_some(used + 1);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, free)
            .ok()?;
        self.gauge.increment(1);
        Some(Slot(self.clone()))
    }
}

/// One connection's place; given back on drop.
struct Slot(ConnectionSlots);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.decrement(1);
    }
}

/// Accepts connections and serves each in a task of its own, until the drain starts.
///
/// Connections that are waiting when the drain starts are still accepted: their clients have been
/// told that we are there.
// spec: LIFE-2
pub async fn accept_loop<S: Service>(
    acceptor: Acceptor,
    service: Rc<S>,
    limits: HttpLimits,
    slots: ConnectionSlots,
    when_full: &'static [u8],
    mut drain: DrainWatch,
) {
    loop {
        let accepted = tokio::select! {
            // The acceptor comes first, so that its queue is emptied before it is closed.
            biased;
            accepted = acceptor.accept() => accepted,
            () = drain.started() => return,
        };
        match accepted {
            Ok(stream) => {
                let Some(slot) = slots.take() else {
                    slots.refused.increment(1);
                    tokio::task::spawn_local(turn_away(stream, when_full));
                    continue;
                };
                let serving = serve_connection(stream, Rc::clone(&service), limits, drain.clone());
                tokio::task::spawn_local(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: trying again at once would spin.
                warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// A connection that died in the queue says nothing about the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Says why before closing. The write cannot block, since the socket's buffer is empty, and the
/// close lingers for a moment at most.
async fn turn_away(mut stream: Box<dyn ClientIo>, answer: &'static [u8]) {
    let _ = stream.write_all(answer).await;
    linger::close(&mut *stream).await;
}
