//! The composition root: makes every part from the settings, starts them, and ends them in order.
//!
//! Nothing is decided here. A part that is missing from a test or the demo (a file to watch, a log
//! to write) is left out by what [`build`] is given, not by a flag within the part.

mod admin;
mod parts;
mod worker;

use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::body::BufferedBytes;
use crate::clock::Clock;
use crate::config::{Settings, read_whole};
use crate::lifecycle::{DrainWatch, Drainer, Readiness, drain};
use crate::registry::{LoadedFrom, Registry, Snapshot};
use crate::server::{
    ConnectionSlots, ListenAddress, Listener, Listeners, SocketMode, accept_loop, bind,
};
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::TlsClients;

use admin::{Watched, admin_door, load, start_reloads};
use parts::Parts;
use worker::Worker;

/// How often queued histogram samples are sorted when nobody scrapes; see [`Metrics::upkeep`].
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Admin connections at once: a scrape, probes and a few people, each of which may be many.
const MAX_ADMIN_CONNECTIONS: usize = 256;

/// How long the admin listener may take to end after the agents' has: its answers are short.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// Largest `upstream.ca_file`: the whole of a platform's roots is a quarter of it.
const MAX_CA_BYTES: u64 = 1024 * 1024;

/// How long a stuck standard output may hold up the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What an admin connection gets when there are too many.
const ADMIN_FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where the tools come from.
#[derive(Debug)]
pub enum RegistrySource {
    /// From the file that the settings name; changes of it are put into service.
    File,
    /// From memory; they stay as they are.
    Fixed(Snapshot),
}

/// Where access lines go.
#[derive(Clone, Copy, Debug)]
pub enum AccessLogTo {
    /// To standard output.
    Stdout,
    /// Nowhere: standard output is used for something else.
    Nowhere,
}

/// Why there is no sidecar.
#[derive(Debug)]
pub enum StartError {
    /// The configuration has these problems, one line each.
    Config(Vec<String>),
    /// Something that the configuration is not to blame for.
    Internal(anyhow::Error),
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

/// A sidecar whose listeners are bound and whose registry is loaded. It does not accept yet.
pub struct Bound {
    parts: Arc<Parts>,
    agents: Listeners,
    admin: Listeners,
    watched: Option<Watched>,
}

/// Binds the listeners and loads the registry.
///
/// # Errors
/// When the registry is not valid, a listener cannot be bound, or a CA file cannot be used.
// spec: RELOAD-2 LIFE-3
pub fn build(
    settings: Settings,
    source: RegistrySource,
    log: AccessLogTo,
) -> Result<Bound, StartError> {
    let clock = Clock::System;
    let (snapshot, watched, loaded_from) = match source {
        RegistrySource::File => first_load(&settings.registry.path, clock)?,
        RegistrySource::Fixed(snapshot) => {
            let memory = LoadedFrom {
                source: None,
                loaded_at: clock.now(),
                last_errors: Vec::new(),
            };
            (snapshot, None, memory)
        }
    };
    let buffered = BufferedBytes::new(settings.limits.max_buffered_bytes);
    let metrics = Arc::new(Metrics::new(buffered.clone()));
    let tls = tls_clients(settings.upstream.ca_file.as_deref())?;
    let agents = &settings.agents;
    let agents = listen(
        "agents.listen",
        &agents.listen,
        agents.socket_mode,
        settings.workers.get(),
    )?;
    let admin = &settings.admin;
    let admin = listen("admin.listen", &admin.listen, admin.socket_mode, 1)?;
    let access_log = match log {
        AccessLogTo::Stdout => {
            AccessLog::to_stdout(settings.log.format, metrics.access_log_dropped())
                .context("starting the access log")?
        }
        AccessLogTo::Nowhere => AccessLog::off(),
    };
    Ok(Bound {
        agents,
        admin,
        watched,
        parts: Arc::new(Parts {
            registry: Arc::new(Registry::new(snapshot, loaded_from)),
            access_log,
            slots: ConnectionSlots::new(
                settings.agents.max_connections,
                metrics.agent_connections(),
            ),
            metrics,
            buffered,
            tls,
            clock,
            files: Mutex::new(()),
            settings,
        }),
    })
}

fn first_load(
    path: &Path,
    clock: Clock,
) -> Result<(Snapshot, Option<Watched>, LoadedFrom), StartError> {
    let loaded = load(path, None)
        .map_err(|refused| StartError::Config(refused.problems.lines().collect()))?;
    for warning in loaded.warnings.lines() {
        warn!(warning, "registry has a warning");
    }
    let account = LoadedFrom {
        source: Some(path.to_owned()),
        loaded_at: clock.now(),
        last_errors: Vec::new(),
    };
    let watched = Watched {
        files: loaded.files,
        digest: loaded.digest,
    };
    Ok((loaded.snapshot, Some(watched), account))
}

fn tls_clients(ca_file: Option<&Path>) -> Result<Arc<TlsClients>, StartError> {
    let problem = |path: &Path, error: &dyn std::fmt::Display| {
        StartError::Config(vec![format!(
            "upstream.ca_file: {}: {error}",
            path.display()
        )])
    };
    let clients = match ca_file {
        None => TlsClients::new(None).context("loading the platform's certificate roots")?,
        Some(path) => {
            let pem = read_whole(path, MAX_CA_BYTES).map_err(|error| problem(path, &error))?;
            TlsClients::new(Some(&pem)).map_err(|error| problem(path, &error))?
        }
    };
    Ok(Arc::new(clients))
}

/// Binds one of the two addresses; `option` is the one that names it.
fn listen(
    option: &str,
    address: &ListenAddress,
    mode: SocketMode,
    count: usize,
) -> Result<Listeners, StartError> {
    bind(address, mode, count).map_err(|error| {
        let error = anyhow::Error::new(error);
        StartError::Config(vec![format!(
            "{option}: {address} cannot be bound: {error:#}"
        )])
    })
}

impl Bound {
    /// Where agents call.
    pub fn agents(&self) -> &ListenAddress {
        &self.agents.address
    }

    /// Where operators look.
    pub fn admin(&self) -> &ListenAddress {
        &self.admin.address
    }

    /// Serves until `stop` completes, then drains and returns.
    ///
    /// Must be awaited inside a tokio `LocalRuntime`. Dropping the future leaves the workers
    /// without an end; only a process that exits does that.
    ///
    /// # Errors
    /// When a worker or the admin side cannot be started, or a worker ends by itself.
    // spec: LIFE-1 LIFE-2
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            parts,
            agents,
            admin,
            watched,
        } = self;
        parts.metrics.count_tasks(Handle::current().metrics());
        let readiness = Readiness::starting();
        let (agents_drain, agents_watch) = drain();
        let (admin_drain, admin_watch) = drain();
        let (lost, mut lost_worker) = mpsc::channel(1);
        let mut workers = Vec::with_capacity(agents.listeners.len());
        for (number, listener) in agents.listeners.into_iter().enumerate() {
            let worker = Worker::start(
                number,
                listener,
                Arc::clone(&parts),
                agents_watch.clone(),
                lost.clone(),
            );
            workers.push(worker.context("starting a worker")?);
        }
        drop((agents_watch, lost));

        serve_admin(&parts, admin.listeners, &readiness, watched, admin_watch)?;
        tokio::task::spawn_local(keep_metrics(Arc::clone(&parts.metrics)));

        readiness.set_ready();
        info!(
            agents = %agents.address,
            admin = %admin.address,
            workers = workers.len(),
            tools = parts.registry.current().tool_count(),
            "listening"
        );
        tokio::select! {
            () = stop => {}
            _ = lost_worker.recv() => anyhow::bail!("a worker ended by itself"),
        }
        readiness.set_draining();
        end(&parts, agents_drain, admin_drain).await;
        workers.into_iter().for_each(Worker::join);
        // Socket files go when nobody is behind them any more.
        drop((agents.file, admin.file));
        if !parts.access_log.flush(LAST_LINES) {
            warn!("standard output does not take the last lines of the access log");
        }
        info!("ended");
        Ok(())
    }
}

/// Starts to answer operators, on this thread.
fn serve_admin(
    parts: &Arc<Parts>,
    listeners: Vec<Listener>,
    readiness: &Readiness,
    watched: Option<Watched>,
    drain: DrainWatch,
) -> anyhow::Result<()> {
    let reloads = watched.map(|watched| start_reloads(parts, watched));
    let service = Rc::new(admin_door(parts, readiness.clone(), reloads));
    let slots = ConnectionSlots::new(MAX_ADMIN_CONNECTIONS, metrics::Gauge::noop());
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
    if !agents.drain(settings.drain_timeout).await {
        warn!("some calls did not finish in time and are cut off");
    }
    // Whoever is still connected here keeps an idle connection.
    admin.drain(ADMIN_DRAIN).await;
}

async fn keep_metrics(metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        metrics.upkeep();
    }
}
