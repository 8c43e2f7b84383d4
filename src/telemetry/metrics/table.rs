//! The table of all metrics: what each is called, what it counts, and in which unit.
//!
//! A name is written here and nowhere else; a metric that is not listed cannot be registered.

use metrics::Unit;

/// What an operator may ask Prometheus for.
#[derive(Debug)]
pub struct Metric {
    /// With prefix, unit and, for a counter, `_total`.
    pub name: &'static str,
    /// What its values do over time.
    pub kind: Kind,
    /// What one of it is.
    pub unit: Unit,
    /// One sentence for people.
    pub help: &'static str,
}

/// What the values of a metric do over time.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The kind as the exposition format spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// The customary bounds, and above them the range of `timeout_ms`, in seconds.
const CALL_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0,
];
/// What the sidecar itself takes is microseconds; a second means that something is wrong.
const OVERHEAD_SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 1.0,
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    let (kind, unit) = (Kind::Counter, Unit::Count);
    Metric {
        name,
        kind,
        unit,
        help,
    }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    let kind = Kind::Gauge;
    Metric {
        name,
        kind,
        unit,
        help,
    }
}

const fn seconds(name: &'static str, bounds: &'static [f64], help: &'static str) -> Metric {
    let (kind, unit) = (Kind::Histogram(bounds), Unit::Seconds);
    Metric {
        name,
        kind,
        unit,
        help,
    }
}

macro_rules! table {
    ($($(#[$doc:meta])* $ident:ident = $metric:expr;)*) => {
        $($(#[$doc])* pub static $ident: Metric = $metric;)*
        /// Every metric of ours.
        pub static TABLE: &[&Metric] = &[$(&$ident),*];
    };
}

table! {
    /// By `tool`, `door` and `outcome`.
    CALLS = counter("countersign_calls_total", "Calls that ended, by tool, door and outcome.");
    /// By `tool`.
    CALL_DURATION = seconds(
        "countersign_call_duration_seconds", CALL_SECONDS,
        "Time from a call's head to the end of its answer.",
    );
    /// Of all tools together.
    OVERHEAD = seconds(
        "countersign_overhead_seconds", OVERHEAD_SECONDS,
        "Time spent in the sidecar itself, from a call's head to its answer's head.",
    );
    /// By `tool` and `outcome`.
    ATTEMPTS = counter(
        "countersign_upstream_attempts_total",
        "Attempts at an upstream that ended, by tool and outcome.",
    );
    /// By `tool`.
    ATTEMPT_DURATION = seconds(
        "countersign_upstream_attempt_duration_seconds", CALL_SECONDS,
        "Time of one attempt, from dialling to the response head or the failure.",
    );
    /// By `tool` and `reason`.
    RETRIES = counter("countersign_retries_total", "Retries that were decided on, by tool and reason.");
    /// By `tool`.
    RETRY_BUDGET_EXHAUSTED = counter(
        "countersign_retry_budget_exhausted_total",
        "Retries that were not made because the tool's budget was spent.",
    );
    /// By `tool`.
    INFLIGHT_CALLS = gauge("countersign_inflight_calls", Unit::Count, "Calls under way, by tool.");
    /// By `tool`.
    QUEUED_CALLS = gauge(
        "countersign_queued_calls", Unit::Count,
        "Calls that wait for a place under the tool's max_concurrency.",
    );
    /// By `tool`.
    QUEUE_WAIT = seconds(
        "countersign_queue_wait_seconds", CALL_SECONDS,
        "Time that calls waited for a place under the tool's max_concurrency, got or not.",
    );
    /// By `tool`.
    RATE_LIMITED = counter(
        "countersign_rate_limited_total",
        "Calls that were refused because of the tool's rate_limit.",
    );
    /// By `tool`; read from the registry when it is asked for.
    CIRCUIT_STATE = gauge(
        "countersign_circuit_state", Unit::Count,
        "How the tool's circuit_breaker stands: 0 closed, 1 half-open, 2 open.",
    );
    /// By `tool`.
    CIRCUIT_OPENED = counter(
        "countersign_circuit_opened_total",
        "Times that the tool's circuit_breaker opened.",
    );
    /// Read from the body limits when it is asked for.
    BUFFERED_BODY_BYTES = gauge(
        "countersign_buffered_body_bytes", Unit::Bytes,
        "Room taken by request bodies: what they hold, and what was announced of them.",
    );
    /// Over all scopes.
    REGISTRY_TOOLS = gauge("countersign_registry_tools", Unit::Count, "Tools in the registry in service.");
    /// By `result`.
    REGISTRY_RELOADS = counter(
        "countersign_registry_reloads_total",
        "Times the registry was read: replaced, unchanged or refused.",
    );
    /// 0 or 1.
    REGISTRY_LAST_RELOAD_SUCCESSFUL = gauge(
        "countersign_registry_last_reload_successful", Unit::Count,
        "Whether the registry could be used when it was last read.",
    );
    /// Since the Unix epoch.
    REGISTRY_LAST_RELOAD_TIMESTAMP = gauge(
        "countersign_registry_last_reload_timestamp_seconds", Unit::Seconds,
        "When a registry that could be used was last read, in Unix time.",
    );
    /// Of the last reading.
    REGISTRY_UNREADABLE_FILES = gauge(
        "countersign_registry_unreadable_files", Unit::Count,
        "Files of secrets and certificates that the registry names and that could not be read.",
    );
    /// By `state`.
    UPSTREAM_CONNECTIONS = gauge(
        "countersign_upstream_connections", Unit::Count,
        "Connections to upstreams, by state.",
    );
    /// Of the agent listener.
    AGENT_CONNECTIONS = gauge("countersign_agent_connections", Unit::Count, "Connections from agents.");
    /// Over `agents.max_connections`.
    AGENT_CONNECTIONS_REFUSED = counter(
        "countersign_agent_connections_refused_total",
        "Connections from agents that were refused because there were too many.",
    );
    /// Read from the runtimes when it is asked for.
    TASKS = gauge(
        "countersign_tasks", Unit::Count,
        "Tasks that are alive, over all workers and the main thread.",
    );
    /// Read from the store when it is asked for; so are those that follow.
    STORE_ENTRIES = gauge(
        "countersign_store_entries", Unit::Count,
        "Claims, counters, records and others in the store.",
    );
    /// Against `store_max_bytes`.
    STORE_BYTES = gauge(
        "countersign_store_bytes", Unit::Bytes,
        "What the store holds, as store_max_bytes counts it.",
    );
    /// 0 or 1.
    STORE_WORKING = gauge(
        "countersign_store_working", Unit::Count,
        "Whether the store could be written when that was last tried.",
    );
    /// Each has one write or many.
    STORE_BATCHES = counter(
        "countersign_store_batches_total",
        "Times that what waited to be written became durable together.",
    );
    /// Of the disk.
    STORE_FAILURES = counter(
        "countersign_store_failures_total",
        "Times that what waited to be written could not be.",
    );
    /// 0 or 1, and only where sidecars share a store.
    SHARED_STORE_UP = gauge(
        "countersign_shared_store_up", Unit::Count,
        "Whether there is a connection to the store that sidecars share.",
    );
    /// Only where sidecars share a store.
    SHARED_STORE_FAILURES = counter(
        "countersign_shared_store_failures_total",
        "Questions to the store that sidecars share that had no answer or were refused.",
    );
    /// Of the address guard.
    SSRF_REFUSED = counter(
        "countersign_ssrf_refused_total",
        "Upstream addresses that were refused after resolving.",
    );
    /// Whose loss nobody would notice otherwise.
    ACCESS_LOG_DROPPED = counter(
        "countersign_access_log_dropped_total",
        "Access-log lines that could not be kept or written.",
    );
    /// Always 1.
    BUILD_INFO = gauge("countersign_build_info", Unit::Count, "The running version.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_kind_and_unit() {
        for metric in TABLE {
            let name = metric.name;
            assert!(name.starts_with("countersign_"), "{name}");
            assert!(metric.help.ends_with('.'), "{name}");
            let counts = matches!(metric.kind, Kind::Counter);
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            assert_eq!(name.ends_with("_seconds"), metric.unit == Unit::Seconds);
            assert_eq!(name.ends_with("_bytes"), metric.unit == Unit::Bytes);
        }
    }

    #[test]
    fn bounds_ascend() {
        for metric in TABLE {
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(
                    bounds.is_sorted_by(|low, high| low < high),
                    "{}",
                    metric.name
                );
            }
        }
    }
}
