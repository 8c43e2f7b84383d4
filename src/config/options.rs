//! Every setting of the process, declared once.
//!
//! A row of [`TABLE`] is all there is to an option: its place in the file, default, bounds, reason
//! and flag, and where its value goes. Messages, names of environment variables, flags, the example
//! file and the reference are derived from it. Reading values and judging several of them together
//! is left to `settings`.

mod document;
mod kind;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use crate::call::OnStoreError;
use crate::config::settings::Settings;
use crate::telemetry::LogFormat;

pub use document::example;
pub use kind::{Fault, Item, Kind, Unit, Value, admin_token};

/// The beginning of every environment variable that is a setting.
pub const VARIABLE_PREFIX: &str = "COUNTERSIGN_";

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its place in the file: `section.name`, or `name` alone.
    pub path: &'static str,
    /// What holds when nobody says anything, as YAML.
    pub default: &'static str,
    /// What it is for, as one sentence.
    pub why: &'static str,
    /// What it may be, and where it goes.
    pub kind: Kind,
    /// The flag of `serve` that sets it.
    pub flag: Option<Flag>,
}

/// A command-line flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Without the dashes.
    pub name: &'static str,
    /// What stands for its value in a usage text.
    pub value: &'static str,
}

impl Setting {
    const fn new(path: &'static str, default: &'static str, why: &'static str, kind: Kind) -> Self {
        Self {
            path,
            default,
            why,
            kind,
            flag: None,
        }
    }

    const fn flag(self, name: &'static str, value: &'static str) -> Self {
        Self {
            flag: Some(Flag { name, value }),
            ..self
        }
    }

    /// Its section, if it is in one, and its name there.
    pub fn section_and_name(&self) -> (Option<&'static str>, &'static str) {
        match self.path.split_once('.') {
            Some((section, name)) => (Some(section), name),
            None => (None, self.path),
        }
    }

    /// The environment variable that sets it, unless one could not hold it.
    pub fn variable(&self) -> Option<String> {
        let name = || self.path.to_ascii_uppercase().replace('.', "_");
        (!self.kind.is_file_only()).then(|| format!("{VARIABLE_PREFIX}{}", name()))
    }
}

const fn count(range: RangeInclusive<i64>, unit: Unit, set: fn(&mut Settings, u64)) -> Kind {
    Kind::Integer { range, unit, set }
}

fn size(value: u64) -> usize {
    // Only a 32-bit host can have less memory than this asks for.
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn millis(value: u64) -> std::time::Duration {
    std::time::Duration::from_millis(value)
}

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// All settings, in the order of the example file.
pub static TABLE: &[Setting] = &[
    Setting::new(
        "agents.listen",
        "127.0.0.1:8787",
        "Where agents connect: IP:PORT or unix:/PATH. What other hosts can reach needs tokens.",
        Kind::Address(|s, v| s.agents.listen = v),
    )
    .flag("listen", "ADDR"),
    Setting::new(
        "agents.socket_mode",
        "\"0600\"",
        "Who may connect where agents.listen is a socket file; more than owner and group needs tokens.",
        Kind::SocketMode(|s, v| s.agents.socket_mode = v),
    ),
    Setting::new(
        "agents.default_id",
        "agent",
        "The agent id of a call that names none.",
        Kind::AgentId(|s, v| s.agents.default_id = v),
    ),
    Setting::new(
        "agents.tokens",
        "{}",
        "Agent ids with the bearer token of each; once there is one, every call needs one.",
        Kind::Tokens(|s, v| s.agents.tokens = v),
    ),
    Setting::new(
        "agents.allowed_origins",
        "[]",
        "Web pages that may call, such as https://app.example.com; no other page may.",
        Kind::Origins(|s, v| s.agents.allowed_origins = v),
    ),
    Setting::new(
        "agents.allowed_hosts",
        "[]",
        "Names besides localhost by which this host may be addressed, against DNS rebinding.",
        Kind::Hosts(|s, v| s.agents.allowed_hosts = v),
    ),
    Setting::new(
        "agents.allow_unauthenticated",
        "false",
        "Lets everyone who can reach agents.listen have calls signed without a token.",
        Kind::Boolean(|s, v| s.agents.allow_unauthenticated = v),
    ),
    Setting::new(
        "agents.max_connections",
        "4096",
        "Connections from agents at a time; one too many is answered 503.",
        count(1..=1_000_000, Unit::Count, |s, v| {
            s.agents.max_connections = size(v);
        }),
    ),
    Setting::new(
        "admin.listen",
        "127.0.0.1:8788",
        "Where the Tools API, metrics and health checks are served: IP:PORT or unix:/PATH.",
        Kind::Address(|s, v| s.admin.listen = v),
    )
    .flag("admin-listen", "ADDR"),
    Setting::new(
        "admin.socket_mode",
        "\"0600\"",
        "Who may connect where admin.listen is a socket file.",
        Kind::SocketMode(|s, v| s.admin.socket_mode = v),
    ),
    Setting::new(
        "admin.token",
        "\"\"",
        "The Tools API's bearer token; without one the API is disabled.",
        Kind::Token(|s, v| s.admin.token = v),
    ),
    Setting::new(
        "admin.token_file",
        "null",
        "The file that holds this token, in place of admin.token; read once, at start.",
        Kind::OptionalPath(|s, v| s.admin.token_file = v),
    ),
    Setting::new(
        "registry.path",
        "tools.yaml",
        "The file that declares the tools. It is followed while serving.",
        Kind::Path(|s, v| s.registry.path = v),
    )
    .flag("registry", "FILE"),
    Setting::new(
        "registry.secrets_dir",
        "secrets",
        "Where secrets that arrive through the Tools API are kept; starts at the registry's folder.",
        Kind::Folder(|s, v| s.registry.secrets_dir = v),
    ),
    Setting::new(
        "registry.poll_interval_ms",
        "5000",
        "How often the registry's files are looked at, for changes that the system did not announce.",
        count(100..=3_600_000, Unit::Milliseconds, |s, v| {
            s.registry.poll_interval = millis(v);
        }),
    ),
    Setting::new(
        "limits.max_body_bytes",
        "10485760",
        "The largest request body.",
        count(0..=1_073_741_824, Unit::Bytes, |s, v| {
            s.limits.max_body_bytes = size(v);
        }),
    ),
    Setting::new(
        "limits.max_buffered_bytes",
        "268435456",
        "All request bodies in memory together.",
        count(0..=68_719_476_736, Unit::Bytes, |s, v| {
            s.limits.max_buffered_bytes = size(v);
        }),
    ),
    Setting::new(
        "limits.head_timeout_ms",
        "10000",
        "How long a request's head may take to arrive; an idle connection is kept for 75 s.",
        count(100..=600_000, Unit::Milliseconds, |s, v| {
            s.limits.head_timeout = millis(v);
        }),
    ),
    Setting::new(
        "limits.body_timeout_ms",
        "30000",
        "How long a request's body may take to arrive, and how long an agent may read nothing of its answer.",
        count(100..=3_600_000, Unit::Milliseconds, |s, v| {
            s.limits.body_timeout = millis(v);
        }),
    ),
    Setting::new(
        "limits.max_head_bytes",
        "65536",
        "The largest request head.",
        count(8_192..=1_048_576, Unit::Bytes, |s, v| {
            s.limits.max_head_bytes = size(v);
        }),
    ),
    Setting::new(
        "limits.max_result_bytes",
        "4194304",
        "The largest result of a governed call, and the largest answer that an Idempotency-Key keeps.",
        count(1_024..=67_108_864, Unit::Bytes, |s, v| {
            s.limits.max_result_bytes = size(v);
        }),
    ),
    Setting::new(
        "upstream.connect_timeout_ms",
        "5000",
        "How long connecting to a tool may take, TLS included.",
        count(10..=120_000, Unit::Milliseconds, |s, v| {
            s.upstream.connect_timeout = millis(v);
        }),
    ),
    Setting::new(
        "upstream.pool_idle_timeout_ms",
        "4000",
        "How long an idle connection is kept; common servers close theirs after five seconds.",
        count(100..=600_000, Unit::Milliseconds, |s, v| {
            s.upstream.pool_idle_timeout = millis(v);
        }),
    ),
    Setting::new(
        "upstream.allow_private",
        "false",
        "Lets tools that came through the Tools API have loopback and private addresses.",
        Kind::Boolean(|s, v| s.upstream.allow_private = v),
    ),
    Setting::new(
        "upstream.ca_file",
        "null",
        "PEM certificates to trust instead of the platform's.",
        Kind::OptionalPath(|s, v| s.upstream.ca_file = v),
    ),
    Setting::new(
        "governed.namespace",
        "local",
        "What the envelope of a governed call says as ns.",
        Kind::Label(|s, v| s.governed.namespace = v),
    ),
    Setting::new(
        "store",
        "file:countersign.store",
        "Where claims, counters and the audit log are kept: memory, or file: and a path that starts at the registry's folder, which is made when it is first needed. A URL of Redis or Valkey is for claims, counters and kill switches that several sidecars share.",
        Kind::AnyStore {
            own: |s, v| s.store = v,
            shared: |s, v| s.fleet.address = Some(v),
        },
    ),
    Setting::new(
        "store_local",
        "file:countersign.store",
        "Where a sidecar with a shared store keeps what is its own, such as the audit log: memory, or file: and a path.",
        Kind::Store(|s, v| s.fleet.own = v),
    ),
    Setting::new(
        "store_prefix",
        "countersign",
        "How the names of all keys in a shared store begin. Sidecars with the same prefix share.",
        Kind::Label(|s, v| s.fleet.prefix = v),
    ),
    Setting::new(
        "store_timeout_ms",
        "2000",
        "How long a call waits for a shared store that does not answer.",
        count(100..=30_000, Unit::Milliseconds, |s, v| {
            s.fleet.timeout = millis(v);
        }),
    ),
    Setting::new(
        "on_store_error",
        "refuse",
        "What becomes of a call that needs the store while it cannot be used: refuse, or proceed as if nothing were remembered.",
        Kind::Word {
            words: &["refuse", "proceed"],
            set: |s, v| {
                s.on_store_error = if v == "refuse" {
                    OnStoreError::Refuse
                } else {
                    OnStoreError::Proceed
                }
            },
        },
    ),
    Setting::new(
        "store_max_bytes",
        "268435456",
        "Everything in the store together.",
        count(1_048_576..=68_719_476_736, Unit::Bytes, |s, v| {
            s.store_max_bytes = v;
        }),
    ),
    Setting::new(
        "log.level",
        "info",
        "The least severe diagnostics that are written to stderr.",
        Kind::Word {
            words: LEVELS,
            set: |s, v| s.log.level = v.parse().expect("`LEVELS` are tracing's own words"),
        },
    )
    .flag("log-level", "LEVEL"),
    Setting::new(
        "log.format",
        "json",
        "How log lines look: json for machines, text for people.",
        Kind::Word {
            words: &["json", "text"],
            set: |s, v| {
                s.log.format = if v == "json" {
                    LogFormat::Json
                } else {
                    LogFormat::Text
                }
            },
        },
    ),
    Setting::new(
        "workers",
        "0",
        "Threads that serve agents; 0 is one for each core.",
        count(0..=256, Unit::Count, |s, v| {
            let per_core = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            s.workers = NonZeroUsize::new(size(v)).unwrap_or_else(per_core);
        }),
    )
    .flag("workers", "N"),
    Setting::new(
        "drain_timeout_ms",
        "30000",
        "How long calls in flight may take to finish after a signal to stop.",
        count(0..=3_600_000, Unit::Milliseconds, |s, v| {
            s.drain_timeout = millis(v);
        }),
    ),
    Setting::new(
        "drain_delay_ms",
        "0",
        "How long new calls are still accepted after that signal; an agent that stops later than its sidecar needs it.",
        count(0..=600_000, Unit::Milliseconds, |s, v| {
            s.drain_delay = millis(v);
        }),
    ),
];

#[cfg(test)]
mod tests;
