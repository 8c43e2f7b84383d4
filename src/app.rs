//! The composition root: makes every part from the settings, starts them, and ends them in order.
//!
//! Nothing is decided here. A part that is missing from a test or the demo (a file to watch, a log
//! to write) is left out by what [`build`] is given, not by a flag within the part.

mod admin;
mod governance;
mod parts;
mod run;
mod worker;

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use tracing::warn;

use crate::api::Books;
use crate::body::BufferedBytes;
use crate::clock::Clock;
use crate::config::{Settings, StorePlace, read_whole};
use crate::lifecycle::{Supervisor, Work};
use crate::policy::Policies;
use crate::registry::{LoadedFrom, Registry, Snapshot};
use crate::server::{ConnectionSlots, ListenAddress, Listeners, SocketMode, bind};
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::TlsClients;

use admin::{Watched, load};
use governance::governance;
use parts::Parts;

/// Largest `upstream.ca_file`: the whole of a platform's roots is a quarter of it.
const MAX_CA_BYTES: u64 = 1024 * 1024;

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
    books: Books,
    supervisor: Supervisor,
}

/// Binds the listeners and loads the registry.
///
/// # Errors
/// When the registry is not valid, a listener cannot be bound, or a CA file cannot be used.
// spec: RELOAD-2 LIFE-3
pub fn build(
    mut settings: Settings,
    source: RegistrySource,
    log: AccessLogTo,
) -> Result<Bound, StartError> {
    let clock = Clock::System;
    let (snapshot, policies, watched, loaded_from) = match source {
        RegistrySource::File => first_load(&settings.registry.path, clock)?,
        RegistrySource::Fixed(snapshot) => {
            // What has no file of its own leaves none behind.
            settings.store = StorePlace::Memory;
            settings.fleet.address = None;
            let memory = LoadedFrom {
                source: None,
                loaded_at: clock.now(),
                last_errors: Vec::new(),
            };
            (snapshot, Policies::default(), None, memory)
        }
    };
    let buffered = BufferedBytes::new(settings.limits.max_buffered_bytes);
    let metrics = Arc::new(Metrics::new(buffered.clone()));
    let tls = tls_clients(settings.upstream.ca_file.as_deref())?;
    let (governance, books, store) = governance(&settings, clock, &metrics)?;
    governance.desk.replace(policies);
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
        books,
        supervisor: Supervisor::none(),
        parts: Arc::new(Parts {
            registry: Arc::new(Registry::new(snapshot, loaded_from)),
            access_log,
            slots: ConnectionSlots::new(
                settings.agents.max_connections,
                metrics.agent_connections(),
                metrics.agent_connections_refused(),
            ),
            metrics,
            buffered,
            tls,
            clock,
            governance: Arc::new(governance),
            store,
            work: Work::new(),
            files: Mutex::new(()),
            settings,
        }),
    })
}

fn first_load(
    path: &Path,
    clock: Clock,
) -> Result<(Snapshot, Policies, Option<Watched>, LoadedFrom), StartError> {
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
    Ok((loaded.snapshot, loaded.policies, Some(watched), account))
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

    /// Has `supervisor` told how the sidecar stands. It is told nothing otherwise.
    pub fn supervised_by(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }
}
