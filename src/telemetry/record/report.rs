//! What a call's account comes to at its end: its metrics and its line in the access log.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::CallRecord;
use crate::ids::AgentId;
use crate::telemetry::access_log::{Attempts, Line};
use crate::telemetry::outcome::{AttemptOutcome, CANCELLED, CallOutcome, Millis};
use crate::telemetry::rfc3339::Rfc3339;

/// What a client that went away is logged with: nginx's word for it, known to every dashboard.
const CLIENT_CLOSED_REQUEST: u16 = 499;

// spec: CANCEL-1
impl Drop for CallRecord {
    fn drop(&mut self) {
        self.report();
    }
}

impl CallRecord {
    /// What the agent saw, or would have.
    fn status(&self) -> u16 {
        match self.outcome {
            Some(CallOutcome::Answered(status) | CallOutcome::Refused(status, _)) => {
                status.as_u16()
            }
            Some(CallOutcome::Decided(decided)) => decided.status.as_u16(),
            Some(CallOutcome::Aborted) => {
                self.passed_on().unwrap_or(StatusCode::BAD_GATEWAY.as_u16())
            }
            None if self.stopwatch.is_head_sent() => {
                self.passed_on().unwrap_or(CLIENT_CLOSED_REQUEST)
            }
            None => CLIENT_CLOSED_REQUEST,
        }
    }

    /// The status of the answer that the last attempt brought.
    fn passed_on(&self) -> Option<u16> {
        let last = self.more_attempts.last().or(self.first_attempt.as_ref());
        last.and_then(|attempt| attempt.status)
    }

    fn report(&mut self) {
        // A call that is dropped in the queue leaves it here.
        self.queue_left();
        let now = Instant::now();
        if let Some(took) = self.stopwatch.attempt_under_way(now) {
            self.note_attempt(AttemptOutcome::CANCELLED, took);
        }
        let outcome = self.outcome.map_or(CANCELLED, CallOutcome::word);
        let (total, overhead) = self.stopwatch.stop(now);
        self.metrics().call(self.door, outcome, total);
        self.telemetry.metrics.overhead(overhead);
        if let Some(tool) = &self.tool {
            tool.metrics.call_left();
        }
        self.telemetry
            .access_log
            .write(|| self.line(outcome, total, overhead));
    }

    fn line(&self, outcome: &'static str, total: Duration, overhead: Duration) -> Line<'_> {
        let tool = self.tool.as_ref();
        Line {
            ts: Rfc3339(self.at),
            request_id: self.id.as_str(),
            trace_id: self.trace.trace_id(),
            door: self.door.word(),
            tool: tool.map(|tool| tool.name.as_deref().unwrap_or(tool.metrics.name())),
            scope: tool.and_then(|tool| tool.scope.as_ref()),
            agent: self.agent.as_ref().map(AgentId::as_str),
            method: self.method.as_ref().map(Method::as_str),
            status: self.status(),
            outcome,
            code: match self.outcome {
                Some(CallOutcome::Refused(_, code)) => Some(code),
                Some(CallOutcome::Decided(decided)) => decided.code,
                Some(CallOutcome::Answered(_) | CallOutcome::Aborted) | None => None,
            },
            attempts: Attempts {
                first: self.first_attempt.as_ref(),
                more: &self.more_attempts,
            },
            retries: &self.retries,
            no_retry: self.no_retry,
            budget_exhausted: self.budget_exhausted,
            limit: self.limit,
            queued: self.queued.map(Millis),
            circuit: self.circuit,
            lease: self.lease.as_ref(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            duration: Millis(total),
            overhead: Millis(overhead),
        }
    }
}
