//! One tool's series.
//!
//! The series that every good call touches are looked up once, when the tool is first called; the
//! rest are looked up when they are needed, so that a tool costs what it uses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, SharedString};

use crate::telemetry::metrics::series::Series;
use crate::telemetry::metrics::table::{self, Metric};
use crate::telemetry::outcome::{Door, SUCCESS};

/// Handles of one tool's series; cheap to clone.
#[derive(Clone)]
pub struct ToolMetrics(Arc<Handles>);

struct Handles {
    name: Arc<str>,
    series: Series,
    succeeded: [Counter; Door::ALL.len()],
    call_duration: Histogram,
    attempt_succeeded: Counter,
    attempt_duration: Histogram,
    inflight: Gauge,
}

impl ToolMetrics {
    pub(super) fn new(series: Series, name: &str) -> Self {
        let name: Arc<str> = name.into();
        let tool = || label(&name);
        Self(Arc::new(Handles {
            succeeded: Door::ALL.map(|door| calls(&series, tool(), door, SUCCESS)),
            call_duration: series.histogram(&table::CALL_DURATION, vec![tool()]),
            attempt_succeeded: attempts(&series, tool(), SUCCESS),
            attempt_duration: series.histogram(&table::ATTEMPT_DURATION, vec![tool()]),
            inflight: series.gauge(&table::INFLIGHT_CALLS, vec![tool()]),
            name,
            series,
        }))
    }

    /// The value of the `tool` label.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A call is under way.
    pub(in crate::telemetry) fn call_started(&self) {
        self.0.inflight.increment(1.0);
    }

    /// A call that was under way no longer is.
    pub(in crate::telemetry) fn call_left(&self) {
        self.0.inflight.decrement(1.0);
    }

    /// A call ended.
    pub(in crate::telemetry) fn call(&self, door: Door, outcome: &'static str, took: Duration) {
        if outcome == SUCCESS {
            self.0.succeeded[door as usize].increment(1);
        } else {
            calls(&self.0.series, self.label(), door, outcome).increment(1);
        }
        self.0.call_duration.record(took);
    }

    /// An attempt ended.
    pub(in crate::telemetry) fn attempt(&self, outcome: &'static str, took: Duration) {
        if outcome == SUCCESS {
            self.0.attempt_succeeded.increment(1);
        } else {
            attempts(&self.0.series, self.label(), outcome).increment(1);
        }
        self.0.attempt_duration.record(took);
    }

    /// A retry was decided on.
    pub(in crate::telemetry) fn retry(&self, reason: &'static str) {
        let labels = vec![self.label(), Label::from_static_parts("reason", reason)];
        self.0.series.counter(&table::RETRIES, labels).increment(1);
    }

    /// A retry could not be afforded.
    pub(in crate::telemetry) fn retry_budget_exhausted(&self) {
        self.counter(&table::RETRY_BUDGET_EXHAUSTED);
    }

    /// A call waits for a place.
    pub(in crate::telemetry) fn queue_joined(&self) {
        self.queued().increment(1.0);
    }

    /// A call that waited no longer does.
    pub(in crate::telemetry) fn queue_left(&self) {
        self.queued().decrement(1.0);
    }

    /// A call got a place, or will not, after this time.
    pub(in crate::telemetry) fn queue_wait(&self, took: Duration) {
        let series = &self.0.series;
        let wait = series.histogram(&table::QUEUE_WAIT, vec![self.label()]);
        wait.record(took);
    }

    /// A call was refused because of its tool's rate.
    pub(in crate::telemetry) fn rate_limited(&self) {
        self.counter(&table::RATE_LIMITED);
    }

    /// An attempt opened its tool's circuit.
    pub(in crate::telemetry) fn circuit_opened(&self) {
        self.counter(&table::CIRCUIT_OPENED);
    }

    fn queued(&self) -> Gauge {
        let series = &self.0.series;
        series.gauge(&table::QUEUED_CALLS, vec![self.label()])
    }

    fn counter(&self, metric: &'static Metric) {
        let counter = self.0.series.counter(metric, vec![self.label()]);
        counter.increment(1);
    }

    fn label(&self) -> Label {
        label(&self.0.name)
    }
}

fn label(tool: &Arc<str>) -> Label {
    Label::new("tool", SharedString::from_shared(Arc::clone(tool)))
}

fn calls(series: &Series, tool: Label, door: Door, outcome: &'static str) -> Counter {
    let labels = vec![
        tool,
        Label::from_static_parts("door", door.word()),
        Label::from_static_parts("outcome", outcome),
    ];
    series.counter(&table::CALLS, labels)
}

fn attempts(series: &Series, tool: Label, outcome: &'static str) -> Counter {
    let labels = vec![tool, Label::from_static_parts("outcome", outcome)];
    series.counter(&table::ATTEMPTS, labels)
}

impl fmt::Debug for ToolMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolMetrics({})", self.name())
    }
}
