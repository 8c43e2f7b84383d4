//! What the process does, decided once at start.
//!
//! A [`Settings`] that exists is whole and consistent: every field has a value of its own type, and
//! settings that only make sense together were judged together. What each option may be is the
//! option table's to say; where values come from is in `sources`.

mod sources;

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tracing::Level;

use crate::call::OnStoreError;
use crate::config::problem::Problem;
use crate::ids::AgentId;
use crate::secret::Secret;
use crate::server::{ListenAddress, SocketMode};
use crate::store::fleet::FleetAddress;
use crate::telemetry::LogFormat;

use sources::Resolution;
pub use sources::Sources;

/// All settings of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The door for agents.
    pub agents: AgentSettings,
    /// The door for operators.
    pub admin: AdminSettings,
    /// Where the tools are declared.
    pub registry: RegistrySettings,
    /// How much an agent may send, and how slowly.
    pub limits: LimitSettings,
    /// Connections to tools.
    pub upstream: UpstreamSettings,
    /// Calls that the sidecar makes on an agent's behalf.
    pub governed: GovernedSettings,
    /// Where claims, counters and the audit log are kept.
    pub store: StorePlace,
    /// What becomes of a call while the store cannot be used.
    pub on_store_error: OnStoreError,
    /// Bytes of everything that the store holds.
    pub store_max_bytes: u64,
    /// What sidecars share, if they do.
    pub fleet: FleetSettings,
    /// What is written down.
    pub log: LogSettings,
    /// Threads that serve agents.
    pub workers: NonZeroUsize,
    /// How long calls in flight may take to finish after a signal to stop.
    pub drain_timeout: Duration,
    /// How long new calls are still accepted after that signal.
    pub drain_delay: Duration,
}

/// `agents:`
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// The address to listen on.
    pub listen: ListenAddress,
    /// Who may connect where that is a socket file.
    pub socket_mode: SocketMode,
    /// Who calls when a call does not say.
    pub default_id: AgentId,
    /// Empty when no token is needed.
    pub tokens: Vec<AgentToken>,
    /// Origins as browsers send them.
    pub allowed_origins: Vec<Box<str>>,
    /// Host names in lower case.
    pub allowed_hosts: Vec<Box<str>>,
    /// Whether an address that more can reach than this user may go without tokens.
    pub allow_unauthenticated: bool,
    /// Connections at a time, over all workers; at least one.
    pub max_connections: usize,
}

/// A token and whom it identifies.
#[derive(Clone, Debug)]
pub struct AgentToken {
    /// Who calls.
    pub agent: AgentId,
    /// What proves it: visible ASCII, unique among the tokens.
    pub token: Secret,
}

/// `admin:`
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// The address to listen on.
    pub listen: ListenAddress,
    /// Who may connect where that is a socket file.
    pub socket_mode: SocketMode,
    /// The API's bearer token; the API is disabled without one.
    pub token: Option<Secret>,
    /// The file that `token` was read from, if it was.
    pub token_file: Option<PathBuf>,
}

/// `registry:`
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The registry file.
    pub path: PathBuf,
    /// Where secrets of the Tools API are kept; starts at the registry's folder.
    pub secrets_dir: PathBuf,
    /// How often its files are looked at when no event announced a change.
    pub poll_interval: Duration,
}

/// `limits:`
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Bytes of one request body.
    pub max_body_bytes: usize,
    /// Bytes of all request bodies in memory; at least `max_body_bytes`.
    pub max_buffered_bytes: usize,
    /// From the start of a request to the end of its head.
    pub head_timeout: Duration,
    /// From the end of the head to the end of the body.
    pub body_timeout: Duration,
    /// Bytes of a request's head.
    pub max_head_bytes: usize,
    /// Bytes of an answer that is remembered, and of one that a governed call gives.
    pub max_result_bytes: usize,
}

/// `governed:`
#[derive(Clone, Debug)]
pub struct GovernedSettings {
    /// The `ns` of every envelope: 1 to 128 visible ASCII characters.
    pub namespace: Box<str>,
}

/// The settings of a store that sidecars share.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// Where it is; without it `store` is this sidecar's own.
    pub address: Option<FleetAddress>,
    /// What takes the place of `store` for all that is not shared.
    pub own: StorePlace,
    /// How the names of its keys begin.
    pub prefix: Box<str>,
    /// How long a call waits for it.
    pub timeout: Duration,
}

/// Where claims, counters and the audit log are kept.
#[derive(Clone, Debug)]
pub enum StorePlace {
    /// Nowhere: a restart forgets them.
    Memory,
    /// In a file, whose path starts at the registry's folder.
    File(PathBuf),
}

/// `upstream:`
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Dialling and the TLS handshake together.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept.
    pub pool_idle_timeout: Duration,
    /// Whether tools of the Tools API may have loopback and private addresses.
    pub allow_private: bool,
    /// Certificates to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
}

/// `log:`
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The least severe diagnostics that are written.
    pub level: Level,
    /// How lines look.
    pub format: LogFormat,
}

/// Everything that is wrong with the settings, whichever source it came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadSettings {
    /// At least one. The `file` of a problem is the environment variable or the flag where it is
    /// about one of those.
    pub problems: Vec<Problem>,
}

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadSettings {}

impl Settings {
    /// Reads all sources. A flag wins over an environment variable, that over the file, and that
    /// over the default; what is overruled is checked all the same. Blocks on the file system.
    ///
    /// # Errors
    /// Every problem of every source, each with its place.
    // spec: CONF-1
    pub fn resolve(sources: &Sources) -> Result<Self, BadSettings> {
        let mut resolution = Resolution::of(sources);
        resolution.judge_together();
        resolution.finish()
    }

    /// What the defaults are written over.
    fn unset() -> Self {
        let nowhere = ListenAddress::Tcp((Ipv4Addr::UNSPECIFIED, 0).into());
        Self {
            agents: AgentSettings {
                listen: nowhere.clone(),
                socket_mode: SocketMode::OWNER,
                default_id: "-".parse().expect("a hyphen is visible ASCII"),
                tokens: Vec::new(),
                allowed_origins: Vec::new(),
                allowed_hosts: Vec::new(),
                allow_unauthenticated: false,
                max_connections: 0,
            },
            admin: AdminSettings {
                listen: nowhere,
                socket_mode: SocketMode::OWNER,
                token: None,
                token_file: None,
            },
            registry: RegistrySettings {
                path: PathBuf::new(),
                secrets_dir: PathBuf::new(),
                poll_interval: Duration::ZERO,
            },
            limits: LimitSettings {
                max_body_bytes: 0,
                max_buffered_bytes: 0,
                head_timeout: Duration::ZERO,
                body_timeout: Duration::ZERO,
                max_head_bytes: 0,
                max_result_bytes: 0,
            },
            upstream: UpstreamSettings {
                connect_timeout: Duration::ZERO,
                pool_idle_timeout: Duration::ZERO,
                allow_private: false,
                ca_file: None,
            },
            governed: GovernedSettings {
                namespace: Box::default(),
            },
            store: StorePlace::Memory,
            on_store_error: OnStoreError::Proceed,
            store_max_bytes: 0,
            fleet: FleetSettings {
                address: None,
                own: StorePlace::Memory,
                prefix: Box::default(),
                timeout: Duration::ZERO,
            },
            log: LogSettings {
                level: Level::TRACE,
                format: LogFormat::Text,
            },
            workers: NonZeroUsize::MIN,
            drain_timeout: Duration::ZERO,
            drain_delay: Duration::MAX,
        }
    }
}

#[cfg(test)]
mod tests;
