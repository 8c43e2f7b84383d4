//! What reporting a call costs: its metrics, and its line in the access log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::body::BufferedBytes;
use crate::clock::Clock;
use crate::ids::{AgentId, RequestId, ScopeId};
use crate::telemetry::{
    AccessLog, AttemptOutcome, CallOutcome, CallRecord, Door, LogFormat, Metrics, Telemetry,
    ToolMetrics, TraceContext,
};
use crate::test_support::world::START;

/// One worker's telemetry and a call to report to it again and again.
pub struct Account {
    #[expect(
        dead_code,
        reason = "dropping it would end the thread that takes the lines"
    )]
    log: AccessLog,
    telemetry: Arc<Telemetry>,
    tool: ToolMetrics,
    agent: AgentId,
    id: RequestId,
    trace: TraceContext,
}

impl Account {
    /// Metrics alone.
    pub fn of_metrics() -> Self {
        Self::new(|_| AccessLog::off())
    }

    /// Metrics and a line of JSON. The lines are written to nowhere by the log's own thread.
    pub fn of_metrics_and_log() -> Self {
        Self::new(|metrics| {
            let dropped = metrics.access_log_dropped();
            let log = AccessLog::to(Box::new(io::sink()), LogFormat::Json, dropped);
            log.expect("a thread for the log")
        })
    }

    fn new(log: impl FnOnce(&Metrics) -> AccessLog) -> Self {
        let metrics = Arc::new(Metrics::new(BufferedBytes::new(0)));
        let log = log(&metrics);
        Self {
            tool: metrics.tool("send_email"),
            telemetry: Arc::new(Telemetry::for_worker(metrics, &log, Clock::System)),
            log,
            agent: "support_bot".parse().expect("a valid agent"),
            id: RequestId::new(START),
            trace: TraceContext::child_of([]),
        }
    }

    /// The account of one good call, from its start to its report.
    pub fn report(&self) {
        let (now, took) = (Instant::now(), Duration::from_micros(850));
        let mut record = CallRecord::start(
            Arc::clone(&self.telemetry),
            START,
            Door::Proxy,
            self.id.clone(),
            self.trace.clone(),
            Method::POST,
        );
        record.agent(self.agent.clone());
        record.tool("send_email", &ScopeId::Global, &self.tool);
        record.capture_started(now);
        record.captured(256, Duration::ZERO);
        record.attempt_started(now);
        record.attempt(AttemptOutcome::Answered(StatusCode::OK), took);
        record.head_sent();
        record.sent(11);
        record.finish(CallOutcome::Answered(StatusCode::OK));
    }

    /// Sorts what histograms have queued, as a sidecar does every few seconds.
    pub fn upkeep(&self) {
        self.telemetry.metrics.upkeep();
    }
}
