//! A tool as somebody wrote it.
//!
//! The types mirror the registry's YAML and the Tools API's JSON and have no behaviour. Values that
//! may be secret are [`Secret`]s from the moment they are read.

use crate::secret::Secret;

/// The allowed ranges, each with its reason where the number is ours.
pub mod limits {
    use std::ops::RangeInclusive;

    /// One attempt, from dialling to the response head, in milliseconds.
    pub const TIMEOUT_MS: RangeInclusive<i64> = 250..=120_000;
    /// When `timeout_ms` is absent.
    pub const DEFAULT_TIMEOUT_MS: i64 = 15_000;
    /// Attempts after the first.
    pub const MAX_RETRIES: RangeInclusive<i64> = 0..=10;
    /// When `max_retries` is absent.
    pub const DEFAULT_MAX_RETRIES: i64 = 2;
    /// All attempts and the waits between them, in milliseconds. The upper bound is eleven attempts
    /// of the longest timeout with ten of the longest waits.
    pub const DEADLINE_MS: RangeInclusive<i64> = 250..=1_620_000;
    /// Calls of one tool at its upstream at once: a 16-bit number, more than any worker has
    /// connections for.
    pub const MAX_CONCURRENCY: RangeInclusive<i64> = 1..=65_535;
    /// The wait for one of these places, in milliseconds. An agent that would wait for longer than
    /// a minute is better told to come back.
    pub const QUEUE_TIMEOUT_MS: RangeInclusive<i64> = 0..=60_000;
    /// When `queue_timeout_ms` is absent.
    pub const DEFAULT_QUEUE_TIMEOUT_MS: i64 = 1_000;
    /// Calls a second. One in a quarter of an hour is the least that a `Retry-After` makes sense
    /// for; the most is far above what a process serves.
    pub const PER_SECOND: RangeInclusive<f64> = 0.001..=1_000_000.0;
    /// Calls that a full bucket holds.
    pub const BURST: RangeInclusive<i64> = 1..=1_000_000;
    /// The share of failed attempts that opens a circuit, where it is not given.
    pub const DEFAULT_FAILURE_RATIO: f64 = 0.5;
    /// Attempts that a circuit has to see before it opens.
    pub const MIN_CALLS: RangeInclusive<i64> = 1..=10_000;
    /// When `min_calls` is absent: enough that a few unlucky attempts open nothing.
    pub const DEFAULT_MIN_CALLS: i64 = 20;
    /// How long a circuit stays open, in milliseconds.
    pub const OPEN_MS: RangeInclusive<i64> = 100..=600_000;
    /// When `open_ms` is absent: about what a restart takes.
    pub const DEFAULT_OPEN_MS: i64 = 10_000;
    /// How long a call that is told by its arguments is remembered, in milliseconds. Under a second
    /// no client has come back; a month is as long as anybody looks for a mistake.
    pub const ONCE_TTL_MS: RangeInclusive<i64> = 1_000..=2_592_000_000;
    /// When `once.ttl_ms` is absent: longer than clients go on trying, and short enough that the
    /// same thing can be wanted again.
    pub const DEFAULT_ONCE_TTL_MS: i64 = 60_000;
    /// Characters of a description.
    pub const DESCRIPTION_CHARS: usize = 512;
    /// Static headers of one tool: enough for keys and versions, far from a head's limit.
    pub const HEADERS: usize = 32;
    /// Bytes of one static header's value.
    pub const HEADER_VALUE_BYTES: usize = 8 * 1024;
    /// Bytes of a URL: what common servers accept in a request line.
    pub const URL_BYTES: usize = 8 * 1024;
}

/// One entry of `tools:`.
#[derive(Clone, Debug, Default)]
pub struct ToolSpec {
    /// `name`.
    pub name: String,
    /// `scope_id`; `global` when absent.
    pub scope_id: Option<String>,
    /// `url`.
    pub url: String,
    /// `auth`.
    pub auth: AuthSpec,
    /// `timeout_ms`.
    pub timeout_ms: Option<i64>,
    /// `max_retries`.
    pub max_retries: Option<i64>,
    /// `deadline_ms`.
    pub deadline_ms: Option<i64>,
    /// `enabled`; true when absent.
    pub enabled: Option<bool>,
    /// `description`.
    pub description: Option<String>,
    /// `idempotent`; true when absent.
    pub idempotent: Option<bool>,
    /// `forward_path`; false when absent.
    pub forward_path: Option<bool>,
    /// `retry_on`; everything that may be retried when absent.
    pub retry_on: Option<Vec<String>>,
    /// `max_concurrency`; unlimited when absent.
    pub max_concurrency: Option<i64>,
    /// `queue_timeout_ms`.
    pub queue_timeout_ms: Option<i64>,
    /// `rate_limit`; unlimited when absent.
    pub rate_limit: Option<RateLimitSpec>,
    /// `circuit_breaker`; none when absent.
    pub circuit_breaker: Option<CircuitBreakerSpec>,
    /// `once`; its defaults when absent.
    pub once: Option<OnceSpec>,
    /// `headers`, in the order written.
    pub headers: Vec<(String, Secret)>,
    /// `tls`.
    pub tls: Option<TlsSpec>,
    /// `source`: who wrote the tool; `file` when absent.
    pub source: Option<String>,
}

impl ToolSpec {
    /// `source` of a tool that came through the Tools API.
    pub const SOURCE_API: &str = "api";
}

/// `auth:` of a tool. `secret_file` has been read by the time this exists.
#[derive(Clone, Debug, Default)]
pub struct AuthSpec {
    /// `type`.
    pub scheme: String,
    /// `secret`, or the content of `secret_file`.
    pub secret: Option<Secret>,
    /// `secret_id`; derived from the secret when absent.
    pub secret_id: Option<String>,
}

/// `rate_limit:` of a tool.
#[derive(Clone, Debug, Default)]
pub struct RateLimitSpec {
    /// `per_second`.
    pub per_second: Option<f64>,
    /// `burst`; a second's worth when absent.
    pub burst: Option<i64>,
}

/// `circuit_breaker:` of a tool.
#[derive(Clone, Debug, Default)]
pub struct CircuitBreakerSpec {
    /// `failure_ratio`.
    pub failure_ratio: Option<f64>,
    /// `min_calls`.
    pub min_calls: Option<i64>,
    /// `open_ms`.
    pub open_ms: Option<i64>,
}

/// `once:` of a tool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OnceSpec {
    /// `off`.
    Off,
    /// How calls are remembered.
    Kept {
        /// `ttl_ms`.
        ttl_ms: Option<i64>,
        /// `in_doubt`.
        in_doubt: Option<String>,
    },
}

/// `tls:` of a tool, its files already read.
#[derive(Clone, Debug, Default)]
pub struct TlsSpec {
    /// Content of `ca_file`: PEM certificates that replace the platform's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// Content of `client_cert_file`: PEM certificate chain.
    pub client_cert_pem: Option<Vec<u8>>,
    /// Content of `client_key_file`: PEM private key.
    pub client_key_pem: Option<Secret>,
    /// `server_name`: the name to ask for and to verify, instead of the URL's host.
    pub server_name: Option<String>,
}
