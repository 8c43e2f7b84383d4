//! The account of one call.
//!
//! Whoever starts a call makes a [`CallRecord`] and tells it what happens. It reports itself (`report`)
//! when it is dropped, so a call that ends early, for whatever reason, is counted and logged like any other,
//! and none is counted twice.

mod report;
mod stopwatch;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};
use crate::ids::{AgentId, LeaseId, MAX_ID_LEN, RequestId, ScopeId};
use crate::telemetry::access_log::{AccessLog, LogHandle};
use crate::telemetry::metrics::{Metrics, ToolMetrics};
use crate::telemetry::outcome::{Attempt, AttemptOutcome, CallOutcome, Door, Millis, Retry};
use crate::telemetry::trace::TraceContext;
use crate::telemetry::words::{CircuitVerdict, Limit, NoRetry};
use stopwatch::Stopwatch;

/// What the calls of one worker report to.
#[derive(Debug)]
pub struct Telemetry {
    /// Counters, gauges and histograms of all workers.
    pub metrics: Arc<Metrics>,
    /// One line a call, through this worker's own buffer.
    pub access_log: LogHandle,
    /// Wall time.
    pub clock: Clock,
}

impl Telemetry {
    /// One worker's share of the telemetry of a process.
    pub fn for_worker(metrics: Arc<Metrics>, access_log: &AccessLog, clock: Clock) -> Self {
        Self {
            metrics,
            access_log: access_log.handle(),
            clock,
        }
    }
}

/// The account of one call. Dropped unfinished, it reports a cancelled call.
#[derive(Debug)]
pub struct CallRecord {
    telemetry: Arc<Telemetry>,
    at: Timestamp,
    door: Door,
    id: RequestId,
    trace: TraceContext,
    /// `None` where the head could not be read.
    method: Option<Method>,
    agent: Option<AgentId>,
    tool: Option<Called>,
    stopwatch: Stopwatch,
    first_attempt: Option<Attempt>,
    /// The second and later ones; most calls have none, and this then costs nothing.
    more_attempts: Vec<Attempt>,
    retries: Vec<Retry>,
    no_retry: Option<NoRetry>,
    budget_exhausted: bool,
    /// What ended the call, or its last attempt.
    limit: Option<Limit>,
    /// The wait for a place, where there was one.
    queued: Option<Duration>,
    circuit: Option<CircuitVerdict>,
    lease: Option<LeaseId>,
    request_bytes: u64,
    response_bytes: u64,
    /// `None` until the call is finished; a record that is dropped like that was cancelled.
    outcome: Option<CallOutcome>,
}

/// The tool that a call is for.
#[derive(Debug)]
struct Called {
    metrics: ToolMetrics,
    /// Where it was found; `None` for a tool that is not registered.
    scope: Option<ScopeId>,
    /// The name that was called, where it is not the one in the metrics.
    name: Option<Box<str>>,
}

impl CallRecord {
    /// Starts the account of a call whose head arrived `at` this time.
    ///
    /// It is on the heap, because it is handed on from future to future up to the answer's end.
    pub fn start(
        telemetry: Arc<Telemetry>,
        at: Timestamp,
        door: Door,
        id: RequestId,
        trace: TraceContext,
        method: Method,
    ) -> Box<Self> {
        let mut record = Self::start_unread(telemetry, at, door, id, trace);
        record.method = Some(method);
        record
    }

    /// Starts the account of what cannot even be read as a request.
    pub fn start_unread(
        telemetry: Arc<Telemetry>,
        at: Timestamp,
        door: Door,
        id: RequestId,
        trace: TraceContext,
    ) -> Box<Self> {
        Box::new(Self {
            telemetry,
            at,
            door,
            id,
            trace,
            method: None,
            agent: None,
            tool: None,
            stopwatch: Stopwatch::start(),
            first_attempt: None,
            more_attempts: Vec::new(),
            retries: Vec::new(),
            no_retry: None,
            budget_exhausted: false,
            limit: None,
            queued: None,
            circuit: None,
            lease: None,
            request_bytes: 0,
            response_bytes: 0,
            outcome: None,
        })
    }

    /// What follows the call everywhere.
    pub fn request_id(&self) -> &RequestId {
        &self.id
    }

    /// The trace that the call is part of.
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// Who calls.
    pub fn agent(&mut self, agent: AgentId) {
        self.agent = Some(agent);
    }

    /// Which tool it is. The call is in flight from now on.
    pub fn tool(&mut self, name: &str, scope: &ScopeId, metrics: &ToolMetrics) {
        self.called(Called {
            name: (name != metrics.name()).then(|| name.into()),
            scope: Some(scope.clone()),
            metrics: metrics.clone(),
        });
    }

    /// Which name was called, if it is no tool's. It is logged, at most 128 characters of it, and
    /// counted as `_unknown`.
    pub fn unknown_tool(&mut self, name: &str) {
        self.called(Called {
            name: Some(name.chars().take(MAX_ID_LEN).collect()),
            scope: None,
            metrics: self.telemetry.metrics.unknown_tool().clone(),
        });
    }

    fn called(&mut self, called: Called) {
        called.metrics.call_started();
        if let Some(before) = self.tool.replace(called) {
            before.metrics.call_left();
        }
    }

    /// The body is awaited from `now` on: however that ends, it is not our overhead.
    pub fn capture_started(&mut self, now: Instant) {
        self.stopwatch.capture_started(now);
    }

    /// The body is there; waiting for the agent is not our overhead.
    pub fn captured(&mut self, bytes: usize, waited: Duration) {
        self.request_bytes = bytes as u64;
        self.stopwatch.captured(waited);
    }

    /// An attempt begins. If the record is dropped before it ends, it counts as cancelled.
    pub fn attempt_started(&mut self, now: Instant) {
        // What ended an attempt before did not end the call.
        self.limit = None;
        self.stopwatch.attempt_started(now);
    }

    /// An attempt ended.
    pub fn attempt(&mut self, outcome: AttemptOutcome, took: Duration) {
        self.stopwatch.attempt_ended(took);
        self.note_attempt(outcome, took);
    }

    fn note_attempt(&mut self, outcome: AttemptOutcome, took: Duration) {
        self.metrics().attempt(outcome.word(), took);
        let attempt = Attempt {
            outcome: outcome.word(),
            status: outcome.status().map(|status| status.as_u16()),
            unanswered: outcome.unanswered(),
            took: Millis(took),
        };
        if self.first_attempt.is_none() {
            self.first_attempt = Some(attempt);
        } else {
            self.more_attempts.push(attempt);
        }
    }

    /// A retry is going to be made, after `wait`.
    pub fn retry(&mut self, reason: &'static str, wait: Duration) {
        self.stopwatch.wait_started(wait);
        self.metrics().retry(reason);
        let wait = Millis(wait);
        self.retries.push(Retry { reason, wait });
    }

    /// There is no attempt after one that went wrong.
    pub fn no_retry(&mut self, why: NoRetry) {
        self.no_retry = Some(why);
        match why {
            NoRetry::Budget => {
                self.metrics().retry_budget_exhausted();
                self.budget_exhausted = true;
            }
            NoRetry::Circuit => self.circuit = Some(CircuitVerdict::NoRetry),
            NoRetry::NotRepeatable
            | NoRetry::RetryOn
            | NoRetry::MaxRetries
            | NoRetry::RetryAfter
            | NoRetry::Deadline => {}
        }
    }

    /// A limit ended the call, or its last attempt.
    pub fn limit(&mut self, limit: Limit) {
        self.limit = Some(limit);
    }

    /// Under which claim the call is made.
    pub fn lease(&mut self, lease: LeaseId) {
        self.lease = Some(lease);
    }

    /// The call was refused because of its tool's rate.
    pub fn rate_limited(&mut self) {
        self.metrics().rate_limited();
    }

    /// The call got a place without waiting.
    pub fn not_queued(&mut self) {
        self.metrics().queue_wait(Duration::ZERO);
    }

    /// The call waits for a place from now on.
    pub fn queue_joined(&mut self) {
        self.stopwatch.queue_joined();
        self.metrics().queue_joined();
    }

    /// The wait is over, with a place or without.
    pub fn queue_left(&mut self) {
        if let Some(took) = self.stopwatch.queue_left() {
            self.metrics().queue_left();
            self.metrics().queue_wait(took);
            self.queued = Some(took);
        }
    }

    /// The tool's circuit decided something about the call.
    pub fn circuit(&mut self, verdict: CircuitVerdict) {
        self.circuit = Some(verdict);
    }

    /// An attempt of the call opened its tool's circuit.
    pub fn circuit_opened(&mut self) {
        self.metrics().circuit_opened();
    }

    /// How many attempts have ended.
    pub fn attempts(&self) -> usize {
        usize::from(self.first_attempt.is_some()) + self.more_attempts.len()
    }

    /// The answer's head goes to the agent now: what comes after it is streaming, not overhead.
    pub fn head_sent(&mut self) {
        self.stopwatch.head_sent();
    }

    /// Bytes of the answer's body that were passed on.
    pub fn sent(&mut self, bytes: usize) {
        self.response_bytes += bytes as u64;
    }

    /// The call is over.
    pub fn finish(mut self: Box<Self>, outcome: CallOutcome) {
        self.outcome = Some(outcome);
    }

    fn metrics(&self) -> &ToolMetrics {
        match &self.tool {
            Some(tool) => &tool.metrics,
            None => self.telemetry.metrics.unknown_tool(),
        }
    }
}

#[cfg(test)]
mod tests;
