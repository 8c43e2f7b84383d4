//! Workers: threads that accept, call and answer, and share nothing but what is read or counted.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::app::parts::Parts;
use crate::call::{Engine, Refusal};
use crate::lifecycle::DrainWatch;
use crate::proxy::{Identity, Proxy};
use crate::server::guard::Guard;
use crate::server::{Listener, accept_loop};
use crate::telemetry::Telemetry;
use crate::upstream::{Dialler, Pool, PoolGauges, PoolSettings};

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
    /// `lost` is told when the thread ends without having been asked to.
    pub(super) fn start(
        number: usize,
        listener: Listener,
        parts: Arc<Parts>,
        drain: DrainWatch,
        lost: mpsc::Sender<()>,
    ) -> io::Result<Self> {
        let (release, released) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                if let Err(error) = serve(listener, &parts, drain, released) {
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
    released: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_LOOKUPS)
        .build_local(LocalOptions::default())?;
    parts.metrics.count_tasks(runtime.metrics());
    let ended = runtime.block_on(async move {
        let acceptor = listener.acceptor()?;
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
    let settings = &parts.settings;
    let dialler = Dialler::new(Arc::clone(&parts.tls), parts.metrics.ssrf_refused())
        .allow_private(settings.upstream.allow_private);
    let pool_settings = PoolSettings {
        connect_timeout: settings.upstream.connect_timeout,
        idle_timeout: settings.upstream.pool_idle_timeout,
        ..PoolSettings::default()
    };
    let gauges = PoolGauges {
        idle: parts.metrics.upstream_connections("idle"),
        active: parts.metrics.upstream_connections("active"),
    };
    Proxy {
        engine: Engine {
            registry: Arc::clone(&parts.registry),
            pool: Pool::new(Rc::new(dialler), pool_settings, gauges),
            telemetry: Arc::new(Telemetry::for_worker(
                Arc::clone(&parts.metrics),
                &parts.access_log,
                parts.clock,
            )),
            body_limits: parts.body_limits(),
        },
        identity: Identity::new(settings.agents.default_id.clone(), &settings.agents.tokens),
        guard: Guard::of_agents(
            settings.agents.allowed_origins.clone(),
            settings.agents.allowed_hosts.clone(),
        ),
    }
}
