//! Listeners and the loop that accepts from them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::Gauge;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::lifecycle::DrainWatch;
use crate::server::{HttpLimits, Service, linger, serve_connection};

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// How long to wait after an accept that failed because the process or host is out of something.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Binds `count` listeners of one address, at least one; port 0 becomes the first one's port.
///
/// `SO_REUSEPORT` lets every worker have its own, so that no connection crosses threads. It would
/// also let another process of the same user join in unnoticed and take a share of the calls, so
/// the address has to be free without it first.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    drop(std::net::TcpListener::bind(address)?);
    let first = bind_shared(address)?;
    let address = first.local_addr()?;
    let more = (1..count).map(|_| bind_shared(address));
    std::iter::once(Ok(first)).chain(more).collect()
}

fn bind_shared(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Counts the connections of one listener address over all workers, against one limit.
#[derive(Clone, Debug)]
pub struct ConnectionSlots {
    used: Arc<AtomicUsize>,
    max: usize,
    gauge: Gauge,
}

impl ConnectionSlots {
    /// Room for `max` connections, shown in `gauge`.
    pub fn new(max: usize, gauge: Gauge) -> Self {
        Self {
            used: Arc::new(AtomicUsize::new(0)),
            max,
            gauge,
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
    listener: TcpListener,
    service: Rc<S>,
    limits: HttpLimits,
    slots: ConnectionSlots,
    when_full: &'static [u8],
    mut drain: DrainWatch,
) {
    loop {
        let accepted = tokio::select! {
            // The listener comes first, so that its queue is emptied before it is closed.
            biased;
            accepted = listener.accept() => accepted,
            () = drain.started() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let Some(slot) = slots.take() else {
                    tokio::task::spawn_local(turn_away(stream, when_full));
                    continue;
                };
                // A small answer must not wait for the agent's delayed acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "nodelay not set");
                }
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
async fn turn_away(mut stream: TcpStream, answer: &'static [u8]) {
    let _ = stream.write_all(answer).await;
    linger::close(&mut stream).await;
}
