//! A sidecar from its start to its end: workers and operators' listener, what the service manager
//! is told, the drain, and the last lines.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::api::Books;
use crate::app::Bound;
use crate::app::admin::{Watched, admin_door, start_reloads};
use crate::app::parts::Parts;
use crate::app::worker::Worker;
use crate::config::serving;
use crate::lifecycle::{DrainWatch, Drainer, Readiness, RollCall, Supervisor, drain};
use crate::server::{ConnectionSlots, Listener, accept_loop};
use crate::store::Store;
use crate::telemetry::Metrics;

/// How often queued histogram samples are sorted when nobody scrapes; see [`Metrics::upkeep`].
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Admin connections at once: a scrape, probes and a few people, each of which may be many.
const MAX_ADMIN_CONNECTIONS: usize = 256;

/// How long the admin listener may take to end after the agents' has: its answers are short.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// How long a stuck standard output may hold up the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How long a stuck disk may.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// What an admin connection gets when there are too many.
const ADMIN_FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl Bound {
    /// Serves until `stop` completes or an operator asks for the end, then drains and returns.
    ///
    /// Must be awaited inside a tokio `LocalRuntime`. Dropping the future leaves the workers
    /// without an end; only a process that exits does that.
    ///
    /// # Errors
    /// When a worker or the admin side cannot be started, or a worker ends by itself.
    // spec: LIFE-1 LIFE-2 LIFE-4 NOTIFY-1
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            parts,
            agents,
            admin,
            watched,
            books,
            supervisor,
        } = self;
        parts.metrics.count_tasks(Handle::current().metrics());
        // Whoever calls meanwhile waits to be accepted. Without an answer every call is told so.
        let known = parts.governance.desk.known();
        if timeout(parts.settings.fleet.timeout, known).await.is_err() {
            warn!("the shared store has not said which agents are switched off");
        }
        let readiness = Readiness::starting();
        let (agents_drain, agents_watch) = drain();
        let (admin_drain, admin_watch) = drain();
        let (lost, mut lost_worker) = mpsc::channel(1);
        let mut roll = RollCall::default();
        let mut workers = Vec::with_capacity(agents.listeners.len());
        for (number, listener) in agents.listeners.into_iter().enumerate() {
            let worker = Worker::start(
                number,
                listener,
                Arc::clone(&parts),
                agents_watch.clone(),
                lost.clone(),
                roll.join(),
            );
            workers.push(worker.context("starting a worker")?);
        }
        drop((agents_watch, lost));

        let quit = Arc::new(Notify::new());
        let operators = Operators {
            watched,
            books,
            quit: Arc::clone(&quit),
            supervisor: supervisor.clone(),
        };
        serve_admin(&parts, admin.listeners, &readiness, operators, admin_watch)?;
        tokio::task::spawn_local(keep_metrics(Arc::clone(&parts.metrics)));

        readiness.set_ready();
        let tools = parts.registry.current().tool_count();
        info!(
            agents = %agents.address,
            admin = %admin.address,
            workers = workers.len(),
            tools,
            "listening"
        );
        supervisor.ready(&serving(tools)).await;
        tokio::task::spawn_local(keep_alive(supervisor.clone(), roll));
        tokio::select! {
            () = stop => {}
            () = quit.notified() => info!("asked over the api to end"),
            _ = lost_worker.recv() => anyhow::bail!("a worker ended by itself"),
        }
        readiness.set_draining();
        supervisor.stopping().await;
        end(&parts, agents_drain, admin_drain).await;
        workers.into_iter().for_each(Worker::join);
        last_writes(&parts.store).await;
        // Socket files go when nobody is behind them any more.
        drop((agents.file, admin.file));
        if !parts.access_log.flush(LAST_LINES) {
            warn!("standard output does not take the last lines of the access log");
        }
        info!("ended");
        Ok(())
    }
}

/// What only the operators' thread has.
struct Operators {
    watched: Option<Watched>,
    books: Books,
    /// Told when they want the end.
    quit: Arc<Notify>,
    supervisor: Supervisor,
}

/// Starts to answer operators, on this thread.
fn serve_admin(
    parts: &Arc<Parts>,
    listeners: Vec<Listener>,
    readiness: &Readiness,
    operators: Operators,
    drain: DrainWatch,
) -> anyhow::Result<()> {
    let Operators {
        watched,
        books,
        quit,
        supervisor,
    } = operators;
    let reloads = watched.map(|watched| start_reloads(parts, watched, supervisor));
    // One permit is kept, so asking again while the end is on its way changes nothing.
    let quit = Box::new(move || quit.notify_one());
    let service = Rc::new(admin_door(parts, readiness.clone(), reloads, books, quit));
    let slots = ConnectionSlots::new(
        MAX_ADMIN_CONNECTIONS,
        metrics::Gauge::noop(),
        metrics::Counter::noop(),
    );
    for listener in listeners {
        let acceptor = listener.acceptor().context("admin listener")?;
        let accepting = accept_loop(
            acceptor,
            Rc::clone(&service),
            parts.http_limits(),
            slots.clone(),
            ADMIN_FULL,
            drain.clone(),
        );
        tokio::task::spawn_local(accepting);
    }
    Ok(())
}

/// Agents first: their operator can watch the drain on the admin listener to its end.
// spec: LIFE-2
async fn end(parts: &Parts, agents: Drainer, admin: Drainer) {
    let settings = &parts.settings;
    info!(
        delay_ms = settings.drain_delay.as_millis() as u64,
        timeout_ms = settings.drain_timeout.as_millis() as u64,
        "draining"
    );
    tokio::time::sleep(settings.drain_delay).await;
    let until = Instant::now() + settings.drain_timeout;
    let connections = agents.drain(settings.drain_timeout).await;
    // Only now: calls that go on without their agents come from connections.
    let work = timeout_at(until, parts.work.ended()).await.is_ok();
    if !(connections && work) {
        warn!("some calls did not finish in time and are cut off");
    }
    // Whoever is still connected here keeps an idle connection.
    admin.drain(ADMIN_DRAIN).await;
}

/// Has everything written that is on its way to the store, also what nobody waits for.
// spec: STORE-2
async fn last_writes(store: &Store) {
    match timeout(LAST_WRITES, store.write(Vec::new())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "the last writes to the store failed"),
        Err(_) => warn!("the disk does not take the last writes to the store"),
    }
}

/// Says that the process lives for as long as every worker does what it is asked to. This thread
/// answers for itself by running this.
// spec: NOTIFY-1
async fn keep_alive(supervisor: Supervisor, roll: RollCall) {
    if let Some(limit) = supervisor.watchdog() {
        // Often enough that one answer may be late.
        let period = limit / 3;
        let say = async || supervisor.alive().await;
        roll.while_all_answer(period, say).await;
    }
}

async fn keep_metrics(metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        metrics.upkeep();
    }
}
