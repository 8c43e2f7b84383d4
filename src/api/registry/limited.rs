//! How the limits of tools stand: places, rates and circuits.

use std::sync::Arc;

use serde::Serialize;

use crate::api::tools::order;
use crate::registry::{Circuit, CircuitState, Concurrency, RateLimiter, Snapshot, Tool};

/// A tool that has one of the three; what it does not have is null.
#[derive(Serialize)]
pub(super) struct LimitedTool<'a> {
    name: &'a str,
    scope_id: String,
    in_flight: Option<usize>,
    queued: Option<usize>,
    max_concurrency: Option<usize>,
    rate_limit: Option<Rate>,
    circuit: Option<Breaker>,
}

#[derive(Serialize)]
struct Rate {
    per_second: f64,
    burst: u32,
    available: u64,
}

#[derive(Serialize)]
struct Breaker {
    state: &'static str,
    calls: u32,
    failures: u32,
    failure_ratio: f64,
    min_calls: u32,
    open_ms: u128,
    retry_after_ms: u128,
}

/// Every tool with a limit: global ones first, then by agent, each by name.
// spec: API-4
pub(super) fn tools(snapshot: &Snapshot) -> Vec<LimitedTool<'_>> {
    let limited = |tool: &&Arc<Tool>| tool.protection.is_some();
    let mut tools: Vec<_> = snapshot.tools().filter(limited).collect();
    tools.sort_by_key(|tool| order(tool));
    tools.into_iter().map(|tool| one(tool)).collect()
}

fn one(tool: &Tool) -> LimitedTool<'_> {
    let protection = &tool.protection;
    let places = protection.concurrency.as_ref();
    let places = places.map(|Concurrency { places, .. }| places);
    LimitedTool {
        name: tool.name.as_str(),
        scope_id: tool.scope.to_string(),
        in_flight: places.map(|places| places.taken()),
        queued: places.map(|places| places.queued()),
        max_concurrency: places.map(|places| places.max()),
        rate_limit: protection.rate.as_deref().map(rate),
        circuit: protection.circuit.as_deref().map(breaker),
    }
}

fn rate(limiter: &RateLimiter) -> Rate {
    let rate = limiter.rate();
    Rate {
        per_second: rate.per_second,
        burst: rate.burst,
        available: limiter.available(),
    }
}

fn breaker(circuit: &Circuit) -> Breaker {
    let (breaker, status) = (circuit.breaker(), circuit.status());
    Breaker {
        state: match status.state {
            CircuitState::Closed => "closed",
            CircuitState::HalfOpen => "half_open",
            CircuitState::Open => "open",
        },
        calls: status.calls,
        failures: status.failures,
        failure_ratio: breaker.failure_ratio,
        min_calls: breaker.min_calls,
        open_ms: breaker.open.as_millis(),
        retry_after_ms: status.retry_after.as_millis(),
    }
}
