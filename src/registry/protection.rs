//! What protects a tool from its callers and its callers from a broken tool: `max_concurrency`,
//! `rate_limit` and `circuit_breaker`.
//!
//! Each is off unless it is asked for. What they count is shared by all workers and outlives
//! reloads, as far as the numbers that it was counted by stay the same.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use crate::registry::circuit::{Breaker, Circuit};
use crate::registry::places::Places;
use crate::registry::rate::{Rate, RateLimiter};
use crate::registry::spec::{CircuitBreakerSpec, RateLimitSpec, ToolSpec, limits};
use crate::rule::{Rule, Violation};

/// A tool's protection, compiled.
#[derive(Debug, Default)]
pub struct Protection {
    /// Bounds the calls that are at the upstream.
    pub concurrency: Option<Concurrency>,
    /// Bounds the calls per time.
    pub rate: Option<Arc<RateLimiter>>,
    /// Stops attempts at an upstream that fails.
    pub circuit: Option<Arc<Circuit>>,
}

/// `max_concurrency` and what belongs to it.
#[derive(Debug)]
pub struct Concurrency {
    /// The places; possibly an older version's with another number, until this one serves.
    pub places: Arc<Places>,
    max: NonZeroU16,
    /// The longest wait for a place.
    pub patience: Duration,
}

impl Protection {
    /// Checks what a specification asks for.
    // spec: REG-2
    pub(super) fn compile(spec: &ToolSpec, faults: &mut Vec<Violation>) -> Self {
        Self {
            concurrency: concurrency(spec, faults),
            rate: spec
                .rate_limit
                .as_ref()
                .and_then(|spec| rate(spec, faults))
                .map(|rate| Arc::new(RateLimiter::new(rate))),
            circuit: spec
                .circuit_breaker
                .as_ref()
                .and_then(|spec| breaker(spec, faults))
                .map(|breaker| Arc::new(Circuit::new(breaker))),
        }
    }

    /// Whether there is any.
    pub fn is_some(&self) -> bool {
        self.concurrency.is_some() || self.rate.is_some() || self.circuit.is_some()
    }

    /// Goes on with what `previous`, the same tool's before a reload, has counted.
    // spec: LIMIT-1 LIMIT-2 LIMIT-3
    pub(super) fn inherit(&mut self, previous: &Self) {
        if let (Some(own), Some(before)) = (&mut self.concurrency, &previous.concurrency) {
            own.places = Arc::clone(&before.places);
        }
        if let (Some(own), Some(before)) = (&mut self.rate, &previous.rate)
            && own.rate() == before.rate()
        {
            *own = Arc::clone(before);
        }
        if let (Some(own), Some(before)) = (&mut self.circuit, &previous.circuit)
            && own.breaker() == before.breaker()
        {
            *own = Arc::clone(before);
        }
    }

    /// The tool goes into service: what it shares with its older version follows its numbers now.
    pub(super) fn enter_service(&self) {
        if let Some(Concurrency { places, max, .. }) = &self.concurrency {
            places.resize(*max);
        }
    }
}

fn concurrency(spec: &ToolSpec, faults: &mut Vec<Violation>) -> Option<Concurrency> {
    let max = in_range(
        faults,
        "max_concurrency",
        spec.max_concurrency,
        limits::MAX_CONCURRENCY,
    );
    let patience = in_range(
        faults,
        "queue_timeout_ms",
        spec.queue_timeout_ms,
        limits::QUEUE_TIMEOUT_MS,
    );
    if spec.max_concurrency.is_none() && spec.queue_timeout_ms.is_some() {
        let reason = "this field is required where queue_timeout_ms is there";
        faults.push(Violation::new(
            "max_concurrency",
            Rule::Invalid(reason.into()),
        ));
    }
    let max = u16::try_from(max?).ok().and_then(NonZeroU16::new);
    let max = max.expect("limits::MAX_CONCURRENCY is the range of the type");
    let patience = patience.unwrap_or(limits::DEFAULT_QUEUE_TIMEOUT_MS);
    Some(Concurrency {
        places: Arc::new(Places::new(max)),
        max,
        patience: Duration::from_millis(patience.unsigned_abs()),
    })
}

fn rate(spec: &RateLimitSpec, faults: &mut Vec<Violation>) -> Option<Rate> {
    const FIELD: &str = "rate_limit.per_second";
    let burst = in_range(faults, "rate_limit.burst", spec.burst, limits::BURST);
    let Some(per_second) = spec.per_second else {
        faults.push(Violation::new(FIELD, Rule::Required));
        return None;
    };
    if !limits::PER_SECOND.contains(&per_second) {
        let rule = Rule::Invalid("must be between 0.001 and 1000000".into());
        faults.push(Violation::new(FIELD, rule));
        return None;
    }
    // A bucket that holds less than a second's worth would be a lower rate in disguise.
    let burst = burst.unwrap_or(per_second.ceil() as i64);
    Some(Rate {
        per_second,
        burst: u32::try_from(burst).expect("limits::BURST lies within u32"),
    })
}

fn breaker(spec: &CircuitBreakerSpec, faults: &mut Vec<Violation>) -> Option<Breaker> {
    let ratio = spec.failure_ratio.unwrap_or(limits::DEFAULT_FAILURE_RATIO);
    let is_ratio = ratio > 0.0 && ratio <= 1.0;
    if !is_ratio {
        let rule = Rule::Invalid("must be greater than 0 and at most 1".into());
        faults.push(Violation::new("circuit_breaker.failure_ratio", rule));
    }
    let min_calls = in_range(
        faults,
        "circuit_breaker.min_calls",
        Some(spec.min_calls.unwrap_or(limits::DEFAULT_MIN_CALLS)),
        limits::MIN_CALLS,
    );
    let open = in_range(
        faults,
        "circuit_breaker.open_ms",
        Some(spec.open_ms.unwrap_or(limits::DEFAULT_OPEN_MS)),
        limits::OPEN_MS,
    );
    let (min_calls, open) = (min_calls?, open?);
    is_ratio.then(|| Breaker {
        failure_ratio: ratio,
        min_calls: u32::try_from(min_calls).expect("limits::MIN_CALLS lies within u32"),
        open: Duration::from_millis(open.unsigned_abs()),
    })
}

/// The value, if it is given and within its range.
pub(super) fn in_range(
    faults: &mut Vec<Violation>,
    field: &'static str,
    value: Option<i64>,
    range: std::ops::RangeInclusive<i64>,
) -> Option<i64> {
    if value.is_some_and(|value| !range.contains(&value)) {
        let (min, max) = range.into_inner();
        faults.push(Violation::new(field, Rule::Range { min, max }));
        return None;
    }
    value
}
