//! Attempts: sign, send, judge, wait, and again.

use std::time::Duration;

use http::{Response, header};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tracing::debug;

use crate::body::Captured;
use crate::call::Refusal;
use crate::call::breaker;
use crate::call::head::Template;
use crate::call::refusal::failure_word;
use crate::call::retry::{self, Next, Policy};
use crate::call::verdict::Verdict;
use crate::clock::{Clock, Timestamp};
use crate::registry::{Tool, Trial};
use crate::sign::{Signature, Stamp};
use crate::telemetry::{AttemptOutcome, CallRecord, Limit, NoRetry, Unanswered};
use crate::upstream::{FailureKind, Pool, Seen, UpstreamBody};

/// An answer that is going to the agent.
pub(super) struct Answer {
    pub(super) response: Response<UpstreamBody>,
    /// The longest silence within the body.
    pub(super) max_silence: Duration,
}

/// What all attempts of one call share.
pub(super) struct Attempts<'c> {
    pub(super) pool: &'c Pool,
    pub(super) clock: Clock,
    pub(super) tool: &'c Tool,
    pub(super) template: &'c Template,
    pub(super) body: &'c Captured<Signature>,
    /// The end of all attempts and waits together.
    pub(super) deadline: Option<Instant>,
    /// What the first attempt is stamped with, where its body states that time too.
    pub(super) first_stamp: Option<Timestamp>,
}

impl Attempts<'_> {
    /// Makes attempts, the first of them now, at `started`, until one is good, none is left, or none
    /// is allowed.
    ///
    /// Dropping the future cancels the attempt or the wait that is going on.
    // spec: RETRY-3 RETRY-4 LIMIT-3
    pub(super) async fn run(
        &self,
        policy: Policy,
        mut started: Instant,
        record: &mut CallRecord,
    ) -> Result<Answer, Refusal> {
        let mut retries = 0;
        let mut seen = Seen::NotSent;
        let mut trial = breaker::enter(self.tool, record)?;
        loop {
            let stamp = self.first_stamp.filter(|_| retries == 0);
            let verdict = self.once(started, stamp, record).await;
            breaker::ended(self.tool, trial, &verdict, record);
            // What one attempt may have done, a later one that was never sent cannot undo.
            if verdict.seen() == Seen::MaybeSeen {
                seen = Seen::MaybeSeen;
            }
            let (wait, reason) = match self.next(policy, &verdict, retries) {
                Next::Retry { wait, reason } => (wait, reason),
                Next::Stop(why) => {
                    why.into_iter().for_each(|why| record.no_retry(why));
                    return self.hand_over(verdict, seen);
                }
            };
            if !breaker::allows_retry(self.tool, wait, record) {
                return self.hand_over(verdict, seen);
            }
            if !self.tool.budget().withdraw() {
                record.no_retry(NoRetry::Budget);
                return self.hand_over(verdict, seen);
            }
            record.retry(reason, wait);
            // On the heap: it is rare, and every call would have room for it otherwise.
            trial = match Box::pin(self.pause(verdict, wait, record)).await {
                Ok(trial) => trial,
                Err(verdict) => return self.hand_over(verdict, seen),
            };
            retries += 1;
            started = Instant::now();
        }
    }

    /// Waits, and uses the time to read the refused answer to its end so that its connection can
    /// carry the next attempt. Where a circuit has to agree to that attempt, the answer is kept
    /// until it does.
    ///
    /// # Errors
    /// Gives the verdict back when there must be no other attempt.
    async fn pause(
        &self,
        verdict: Verdict,
        wait: Duration,
        record: &mut CallRecord,
    ) -> Result<Option<Trial<'_>>, Verdict> {
        let until = Instant::now() + wait;
        if self.tool.protection.circuit.is_none() {
            discard_until(until, verdict).await;
            tokio::time::sleep_until(until).await;
            return Ok(None);
        }
        tokio::time::sleep_until(until).await;
        let Some(trial) = breaker::enter_again(self.tool, record) else {
            return Err(verdict);
        };
        // Time for what has arrived, and no more.
        discard_until(Instant::now(), verdict).await;
        Ok(trial)
    }

    // spec: SIG-3
    async fn once(
        &self,
        started: Instant,
        at: Option<Timestamp>,
        record: &mut CallRecord,
    ) -> Verdict {
        let own_end = started + self.tool.timeout;
        let deadline = self
            .deadline
            .map_or(own_end, |deadline| deadline.min(own_end));
        let stamp = Stamp {
            tool: &self.tool.name_header,
            agent: self.template.agent().as_header(),
            at: at.unwrap_or_else(|| self.clock.now()),
        };
        record.attempt_started(started);
        let (head, span) = (self.template.head(), self.template.next_span());
        let signed = self.tool.signer.sign(head, span.as_ref(), self.body, stamp);
        let sent = self.pool.send(&self.tool.origin, &signed, deadline).await;
        let took = started.elapsed();
        match sent {
            Ok(response) => {
                record.attempt(AttemptOutcome::Answered(response.status()), took);
                Verdict::Answered(response)
            }
            Err(error) => {
                debug!(
                    tool = self.tool.name.as_str(),
                    error = &error as &dyn std::error::Error,
                    "attempt failed"
                );
                let unanswered = match error.seen() {
                    Seen::NotSent => Unanswered::NotSent,
                    Seen::MaybeSeen => Unanswered::MaybeSeen,
                };
                let word = failure_word(error.kind());
                record.attempt(AttemptOutcome::Failed(word, unanswered), took);
                if error.kind() == FailureKind::Timeout {
                    record.limit(match deadline < own_end {
                        true => Limit::DeadlineMs,
                        false => Limit::TimeoutMs,
                    });
                }
                Verdict::Failed(error)
            }
        }
    }

    fn next(&self, policy: Policy, verdict: &Verdict, retries: u8) -> Next {
        // Most answers are final, and nothing else of them matters then.
        let reason = match policy.reason(verdict.kind()) {
            Ok(reason) => reason,
            Err(why) => return Next::Stop(why),
        };
        let asked = match verdict {
            Verdict::Answered(response) => response
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| retry::retry_after(value, self.clock.now())),
            Verdict::Failed(_) => None,
        };
        let remaining = self
            .deadline
            .map(|d| d.saturating_duration_since(Instant::now()));
        policy.next(reason, retries, asked, remaining, fastrand::f64())
    }

    // spec: RETRY-4
    fn hand_over(&self, verdict: Verdict, seen: Seen) -> Result<Answer, Refusal> {
        match verdict {
            Verdict::Answered(response) => Ok(Answer {
                response,
                max_silence: self.tool.timeout,
            }),
            Verdict::Failed(error) => Err(Refusal::Upstream {
                kind: error.kind(),
                seen,
            }),
        }
    }
}

/// Reads a refused answer to its end, if that comes in time.
async fn discard_until(until: Instant, verdict: Verdict) {
    if let Verdict::Answered(response) = verdict {
        // An answer that does not end in time costs its connection, nothing else.
        let _ = tokio::time::timeout_at(until, discard(response.into_body())).await;
    }
}

/// An error page fits; a longer answer is cheaper to cut off with its connection.
const MAX_DISCARDED_BYTES: usize = 64 * 1024;

async fn discard(mut body: UpstreamBody) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
        if read > MAX_DISCARDED_BYTES {
            return;
        }
    }
}
