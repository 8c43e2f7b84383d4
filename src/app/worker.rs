//! Workers: threads that accept, call and answer, and share nothing but what is read or counted.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::app::parts::Parts;
use crate::call::Refusal;
use crate::lifecycle::{DrainWatch, Member};
use crate::proxy::Proxy;
use crate::server::{Listener, accept_loop};

/// Name look-ups of one worker at once. Each blocks a thread until the resolver gives up, so a dead
/// resolver must not be answered with hundreds of threads.
const MAX_LOOKUPS: usize = 16;

/// A running worker.
pub(super) struct Worker {
    thread: JoinHandle<()>,
    /// Dropped or used, it lets the thread end.
    release: oneshot::Sender<()>,
}

impl Worker {
    /// Starts a thread with a runtime, a listener and a pool of its own.
    ///
    /// `lost` is told when the thread ends without having been asked to; `member` answers for it until
    /// then.
    pub(super) fn start(
        number: usize,
        listener: Listener,
        parts: Arc<Parts>,
        drain: DrainWatch,
        lost: mpsc::Sender<()>,
        member: Member,
    ) -> io::Result<Self> {
        let (release, released) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                if let Err(error) = serve(listener, &parts, drain, member, released) {
                    error!(%error, "worker could not start");
                }
                // Nobody listens any more when the end was asked for.
                let _ = lost.try_send(());
            })?;
        Ok(Self { thread, release })
    }

    /// Ends the worker; connections that are still open are cut.
    pub(super) fn join(self) {
        drop(self.release);
        if self.thread.join().is_err() {
            error!("worker panicked");
        }
    }
}

fn serve(
    listener: Listener,
    parts: &Parts,
    drain: DrainWatch,
    member: Member,
    released: oneshot::Receiver<()>,
) -> io::Result<()> {
    let store = parts.store.clone();
    let runtime = Builder::new_current_thread()
        .enable_all()
        // What the calls of one turn have written becomes durable together.
        .on_thread_park(move || store.pause())
        .max_blocking_threads(MAX_LOOKUPS)
        .build_local(LocalOptions::default())?;
    parts.metrics.count_tasks(runtime.metrics());
    let ended = runtime.block_on(async move {
        let acceptor = listener.acceptor()?;
        tokio::task::spawn_local(member.answer());
        let limits = parts.http_limits();
        let service = Rc::new(proxy(parts));
        let slots = parts.slots.clone();
        accept_loop(
            acceptor,
            service,
            limits,
            slots,
            Refusal::TOO_MANY_CONNECTIONS,
            drain,
        )
        .await;
        // The connections that are left go on until the drain has ended.
        let _ = released.await;
        Ok(())
    });
    // A name look-up that hangs must not hold up the end.
    runtime.shutdown_background();
    ended
}

fn proxy(parts: &Parts) -> Proxy {
    let engine = parts.engine();
    let governed = parts.governed(&engine);
    Proxy {
        engine,
        identity: parts.identity(),
        guard: parts.agents_guard(),
        beside: Some(governed.side_door()),
    }
}
