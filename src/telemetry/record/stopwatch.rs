//! Splits a call's time into ours and others': what the sidecar takes itself is what remains when
//! the agent's, the upstreams', the queue's and the retries' shares are taken away.
//!
//! A moment that the caller knows already is handed in: reading the clock costs more than all else
//! here.

use std::time::Duration;

use tokio::time::Instant;

/// Runs from a call's head to its end.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    /// Time that was spent on others, in phases that are over.
    elsewhere: Duration,
    phase: Phase,
    /// What the sidecar took up to the answer's head.
    overhead: Option<Duration>,
}

/// What is under way.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Work of our own.
    Ours,
    /// The agent sends its body.
    Capture(Instant),
    /// The call waits for a place that others hold.
    Queue(Instant),
    /// An upstream has the request.
    Attempt(Instant),
    /// A retry waits for its time. A timer that fires late is our overhead.
    Wait { since: Instant, planned: Duration },
}

impl Stopwatch {
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            elsewhere: Duration::ZERO,
            phase: Phase::Ours,
            overhead: None,
        }
    }

    pub fn capture_started(&mut self, now: Instant) {
        self.enter(now, Phase::Capture);
    }

    pub fn captured(&mut self, waited: Duration) {
        self.phase = Phase::Ours;
        self.elsewhere += waited;
    }

    pub fn queue_joined(&mut self) {
        self.enter(Instant::now(), Phase::Queue);
    }

    /// How long the wait for a place took that ends now; `None` where there was none.
    pub fn queue_left(&mut self) -> Option<Duration> {
        let Phase::Queue(since) = self.phase else {
            return None;
        };
        let now = Instant::now();
        self.settle(now);
        Some(now - since)
    }

    pub fn attempt_started(&mut self, now: Instant) {
        self.enter(now, Phase::Attempt);
    }

    pub fn attempt_ended(&mut self, took: Duration) {
        if let Phase::Wait { .. } = self.phase {
            // Nobody told of the beginning; it was when the attempt had still to take its time.
            let began = Instant::now().checked_sub(took).unwrap_or(self.started);
            self.settle(began);
        }
        self.phase = Phase::Ours;
        self.elsewhere += took;
    }

    pub fn wait_started(&mut self, planned: Duration) {
        self.enter(Instant::now(), |since| Phase::Wait { since, planned });
    }

    pub fn head_sent(&mut self) {
        let now = Instant::now();
        self.overhead = Some(self.ours(now));
    }

    pub fn is_head_sent(&self) -> bool {
        self.overhead.is_some()
    }

    /// How long the attempt that has not ended has been under way, if there is one.
    pub fn attempt_under_way(&self, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Attempt(since) => Some(now - since),
            Phase::Ours | Phase::Capture(_) | Phase::Queue(_) | Phase::Wait { .. } => None,
        }
    }

    /// The whole time, and of that the overhead.
    pub fn stop(&mut self, now: Instant) -> (Duration, Duration) {
        let overhead = self.overhead.unwrap_or_else(|| self.ours(now));
        (now - self.started, overhead)
    }

    fn ours(&mut self, now: Instant) -> Duration {
        self.settle(now);
        (now - self.started).saturating_sub(self.elsewhere)
    }

    fn enter(&mut self, now: Instant, phase: impl FnOnce(Instant) -> Phase) {
        self.settle(now);
        self.phase = phase(now);
    }

    /// Closes the phase under way.
    fn settle(&mut self, now: Instant) {
        self.elsewhere += match self.phase {
            Phase::Ours => Duration::ZERO,
            Phase::Capture(since) | Phase::Queue(since) | Phase::Attempt(since) => now - since,
            Phase::Wait { since, planned } => planned.min(now - since),
        };
        self.phase = Phase::Ours;
    }
}
