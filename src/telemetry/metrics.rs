//! Counters, gauges and histograms for Prometheus.
//!
//! Only the table names a metric. Label values come from closed sets: a tool's name from the
//! registry, words from the code; never an agent, a URL or anything else that a caller can invent.
//! Serving the text is the admin door's business.

mod series;
mod table;
mod tool;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::RuntimeMetrics;

use crate::body::BufferedBytes;
use crate::clock::Timestamp;
use series::Series;
use table::TABLE;

pub use tool::ToolMetrics;

/// The `tool` label of a call whose tool is not in the registry.
const UNKNOWN_TOOL: &str = "_unknown";

/// All metrics of one sidecar. Several can live in one process.
#[derive(Debug)]
pub struct Metrics {
    series: Series,
    exposition: PrometheusHandle,
    process: metrics_process::Collector,
    buffered: BufferedBytes,
    /// Guards the list of runtimes, which grows at the start and is read by scrapes.
    runtimes: Mutex<Vec<RuntimeMetrics>>,
    overhead: Histogram,
    unknown: OnceLock<ToolMetrics>,
    /// Guards the gauges of circuits that were ever told of, by tool; taken by scrapes only.
    circuits: Mutex<HashMap<Box<str>, Gauge>>,
}

/// What reading the registry led to.
// spec: RELOAD-1 RELOAD-2
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegistryReload {
    /// A new registry is in service, with this many tools. The first one counts too.
    Replaced {
        /// Over all scopes.
        tools: usize,
    },
    /// What was read equals what serves.
    Unchanged,
    /// What was read cannot be used.
    Refused {
        /// How many files of secrets and certificates the registry names that cannot be read.
        unreadable_files: usize,
    },
}

/// How the store stands.
#[derive(Clone, Copy, Debug)]
pub struct StoreState {
    /// Keys that have a value.
    pub entries: u64,
    /// What these count for against the store's limit, in bytes.
    pub bytes: u64,
    /// Whether the last write went well.
    pub working: bool,
    /// How often something has become durable since the start.
    pub batches: u64,
    /// How often it has not.
    pub failures: u64,
}

impl RegistryReload {
    const WORDS: [&str; 3] = ["replaced", "unchanged", "refused"];

    fn word(self) -> &'static str {
        match self {
            Self::Replaced { .. } => Self::WORDS[0],
            Self::Unchanged => Self::WORDS[1],
            Self::Refused { .. } => Self::WORDS[2],
        }
    }
}

impl Metrics {
    /// Metrics that read the size of all captured bodies from `buffered`.
    pub fn new(buffered: BufferedBytes) -> Self {
        let series = Series::new();
        let process = metrics_process::Collector::default();
        metrics::with_local_recorder(series.recorder(), || process.describe());
        let version = Label::from_static_parts("version", env!("CARGO_PKG_VERSION"));
        series.gauge(&table::BUILD_INFO, vec![version]).set(1.0);
        let metrics = Self {
            exposition: series.exposition(),
            overhead: series.histogram(&table::OVERHEAD, Vec::new()),
            unknown: OnceLock::new(),
            circuits: Mutex::default(),
            series,
            process,
            buffered,
            runtimes: Mutex::new(Vec::new()),
        };
        metrics.start_at_zero();
        metrics
    }

    /// An alert on the growth of a counter needs to see it before it grows.
    fn start_at_zero(&self) {
        self.ssrf_refused().increment(0);
        self.access_log_dropped().increment(0);
        self.agent_connections_refused().increment(0);
        for word in RegistryReload::WORDS {
            self.reloads(word).increment(0);
        }
    }

    /// Handles of one tool's series, to be kept by the tool. `name` is from the registry.
    pub fn tool(&self, name: &str) -> ToolMetrics {
        ToolMetrics::new(self.series.clone(), name)
    }

    /// Handles of the series that calls to unregistered tools share.
    pub fn unknown_tool(&self) -> &ToolMetrics {
        self.unknown.get_or_init(|| self.tool(UNKNOWN_TOOL))
    }

    /// Connections to upstreams in `state`, a word of the pool's.
    pub fn upstream_connections(&self, state: &'static str) -> Gauge {
        let state = Label::from_static_parts("state", state);
        self.series.gauge(&table::UPSTREAM_CONNECTIONS, vec![state])
    }

    /// Counts upstream addresses that were refused.
    pub fn ssrf_refused(&self) -> Counter {
        self.series.counter(&table::SSRF_REFUSED, Vec::new())
    }

    /// Connections from agents.
    pub fn agent_connections(&self) -> Gauge {
        self.series.gauge(&table::AGENT_CONNECTIONS, Vec::new())
    }

    /// Counts connections from agents for which there was no room.
    // spec: BIND-1
    pub fn agent_connections_refused(&self) -> Counter {
        self.series
            .counter(&table::AGENT_CONNECTIONS_REFUSED, Vec::new())
    }

    /// Counts the tasks of this runtime from now on, besides those of the runtimes before it.
    pub fn count_tasks(&self, runtime: RuntimeMetrics) {
        self.with_runtimes(|runtimes| runtimes.push(runtime));
    }

    fn with_runtimes<T>(&self, act: impl FnOnce(&mut Vec<RuntimeMetrics>) -> T) -> T {
        // A push or a sum cannot leave the list half changed, so a poisoned lock is still good.
        let runtimes = self.runtimes.lock();
        act(&mut runtimes.unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts access-log lines that were lost.
    pub fn access_log_dropped(&self) -> Counter {
        self.series.counter(&table::ACCESS_LOG_DROPPED, Vec::new())
    }

    /// Notes that the registry was read at `at`.
    // spec: RELOAD-2
    pub fn registry_read(&self, result: RegistryReload, at: Timestamp) {
        let gauge = |metric| self.series.gauge(metric, Vec::new());
        let (usable, unreadable_files) = match result {
            RegistryReload::Refused { unreadable_files } => (false, unreadable_files),
            RegistryReload::Replaced { .. } | RegistryReload::Unchanged => (true, 0),
        };
        self.reloads(result.word()).increment(1);
        gauge(&table::REGISTRY_LAST_RELOAD_SUCCESSFUL).set(f64::from(u8::from(usable)));
        gauge(&table::REGISTRY_UNREADABLE_FILES).set(unreadable_files as f64);
        if usable {
            let since_epoch = Duration::from_millis(at.unix_millis());
            gauge(&table::REGISTRY_LAST_RELOAD_TIMESTAMP).set(since_epoch.as_secs_f64());
        }
        if let RegistryReload::Replaced { tools } = result {
            gauge(&table::REGISTRY_TOOLS).set(tools as f64);
        }
    }

    fn reloads(&self, result: &'static str) -> Counter {
        let result = Label::from_static_parts("result", result);
        self.series.counter(&table::REGISTRY_RELOADS, vec![result])
    }

    pub(in crate::telemetry) fn overhead(&self, took: Duration) {
        self.overhead.record(took);
    }

    /// Sorts the samples that histograms took in since the last time.
    ///
    /// They are queued until then, 16 bytes each and without a bound, so this is due every few
    /// seconds when nobody scrapes. [`render`](Self::render) does it too.
    pub fn upkeep(&self) {
        self.exposition.run_upkeep();
    }

    /// Tells how the circuits of all tools stand now, as pairs of a tool's name and 0, 1 or 2. Of
    /// several tools of one name the highest counts; a tool that is left out is closed.
    pub fn circuit_states<'t>(&self, states: impl IntoIterator<Item = (&'t str, u8)>) {
        // Gauges that are half set are put right by the next scrape.
        let circuits = self.circuits.lock();
        let mut gauges = circuits.unwrap_or_else(PoisonError::into_inner);
        let mut highest: HashMap<&str, u8> = HashMap::new();
        for (tool, state) in states {
            let known = highest.entry(tool).or_default();
            *known = state.max(*known);
        }
        for (tool, gauge) in gauges.iter() {
            gauge.set(f64::from(highest.remove(&**tool).unwrap_or_default()));
        }
        for (tool, state) in highest {
            let gauge = self.circuit_state(tool);
            gauge.set(f64::from(state));
            gauges.insert(tool.into(), gauge);
        }
    }

    fn circuit_state(&self, tool: &str) -> Gauge {
        let tool = Label::new("tool", tool.to_owned());
        self.series.gauge(&table::CIRCUIT_STATE, vec![tool])
    }

    /// Tells how the store stands now.
    pub fn store_state(&self, state: StoreState) {
        let gauge = |metric, value| self.series.gauge(metric, Vec::new()).set(value);
        gauge(&table::STORE_ENTRIES, state.entries as f64);
        gauge(&table::STORE_BYTES, state.bytes as f64);
        gauge(&table::STORE_WORKING, f64::from(u8::from(state.working)));
        let counter = |metric, value| self.series.counter(metric, Vec::new()).absolute(value);
        counter(&table::STORE_BATCHES, state.batches);
        counter(&table::STORE_FAILURES, state.failures);
    }

    /// How the store that sidecars share stands: whether it is connected, and how many questions to it
    /// were in vain. Asked for only where there is one; elsewhere a 0 would look like an outage.
    pub fn shared_store(&self) -> (Gauge, Counter) {
        let failures = self
            .series
            .counter(&table::SHARED_STORE_FAILURES, Vec::new());
        // An alert on its growth needs to see it before it grows.
        failures.increment(0);
        (
            self.series.gauge(&table::SHARED_STORE_UP, Vec::new()),
            failures,
        )
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let alive = |runtime: &RuntimeMetrics| runtime.num_alive_tasks();
        let tasks: usize = self.with_runtimes(|runtimes| runtimes.iter().map(alive).sum());
        let gauge = |metric| self.series.gauge(metric, Vec::new());
        gauge(&table::TASKS).set(tasks as f64);
        gauge(&table::BUFFERED_BODY_BYTES).set(self.buffered.used() as f64);
        metrics::with_local_recorder(self.series.recorder(), || self.process.collect());
        let mut text = self.exposition.render();
        declare_missing(&mut text);
        text
    }
}

/// Adds the head of every metric that has no series yet, so that the first scrape tells what there
/// is to ask for.
fn declare_missing(text: &mut String) {
    let present = text.len();
    for metric in TABLE {
        let (name, kind) = (metric.name, metric.kind.word());
        let head = format!("# TYPE {name} {kind}\n");
        if !text[..present].contains(&head) {
            write!(text, "# HELP {name} {}\n{head}\n", metric.help)
                .expect("a String takes everything");
        }
    }
}

#[cfg(test)]
mod tests;
