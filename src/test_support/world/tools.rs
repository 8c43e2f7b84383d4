//! The tools of a world: what they are at first, and what a test may change about them.

use std::time::Duration;

use crate::registry::{
    AuthSpec, CircuitBreakerSpec, OnceSpec, RateLimitSpec, Snapshot, SnapshotBuilder, Tool,
    ToolSpec,
};
use crate::secret::Secret;
use crate::test_support::world::SECRET;

/// What a test may change about a tool.
#[derive(Debug)]
pub struct SpecFields<'s>(pub(super) &'s mut ToolSpec);

impl SpecFields<'_> {
    /// `url`.
    pub fn url(&mut self, url: &str) -> &mut Self {
        self.0.url = url.to_owned();
        self
    }

    /// `enabled`.
    pub fn enabled(&mut self, enabled: bool) -> &mut Self {
        self.0.enabled = Some(enabled);
        self
    }

    /// `idempotent`.
    pub fn idempotent(&mut self, idempotent: bool) -> &mut Self {
        self.0.idempotent = Some(idempotent);
        self
    }

    /// `forward_path`.
    pub fn forward_path(&mut self, forward: bool) -> &mut Self {
        self.0.forward_path = Some(forward);
        self
    }

    /// `deadline_ms`.
    pub fn deadline(&mut self, deadline: Duration) -> &mut Self {
        self.0.deadline_ms = i64::try_from(deadline.as_millis()).ok();
        self
    }

    /// `retry_on`.
    pub fn retry_on(&mut self, words: &[&str]) -> &mut Self {
        self.0.retry_on = Some(words.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// `max_concurrency`; `None` takes it and its queue away.
    pub fn max_concurrency(&mut self, max: Option<i64>) -> &mut Self {
        self.0.max_concurrency = max;
        if max.is_none() {
            self.0.queue_timeout_ms = None;
        }
        self
    }

    /// `queue_timeout_ms`.
    pub fn queue_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.0.queue_timeout_ms = i64::try_from(timeout.as_millis()).ok();
        self
    }

    /// `rate_limit`.
    pub fn rate_limit(&mut self, per_second: f64, burst: i64) -> &mut Self {
        self.0.rate_limit = Some(RateLimitSpec {
            per_second: Some(per_second),
            burst: Some(burst),
        });
        self
    }

    /// `circuit_breaker`.
    pub fn circuit_breaker(&mut self, ratio: f64, min_calls: i64, open: Duration) -> &mut Self {
        self.0.circuit_breaker = Some(CircuitBreakerSpec {
            failure_ratio: Some(ratio),
            min_calls: Some(min_calls),
            open_ms: i64::try_from(open.as_millis()).ok(),
        });
        self
    }

    /// `once: off`.
    pub fn once_off(&mut self) -> &mut Self {
        self.0.once = Some(OnceSpec::Off);
        self
    }

    /// `once`; `in_doubt` is one of its words.
    pub fn once(&mut self, ttl: Duration, in_doubt: &str) -> &mut Self {
        self.0.once = Some(OnceSpec::Kept {
            ttl_ms: i64::try_from(ttl.as_millis()).ok(),
            in_doubt: Some(in_doubt.to_owned()),
        });
        self
    }

    /// One entry of `headers`.
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.headers.push((name.to_owned(), Secret::new(value)));
        self
    }
}

/// The tools of a world as a snapshot.
pub(super) fn compile(tools: &[ToolSpec], previous: Option<&Snapshot>) -> Snapshot {
    let mut builder = SnapshotBuilder::new(previous);
    for tool in tools {
        let tool = Tool::compile(tool.clone()).expect("a test's tool is valid");
        builder
            .add(tool)
            .expect("a test's tools have different names");
    }
    builder.finish()
}

/// A tool with nothing but what it must have.
pub(super) fn spec(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        url: format!("http://tool.test/v1/{name}"),
        auth: AuthSpec {
            scheme: "hmac_sha256".to_owned(),
            secret: Some(Secret::new(SECRET)),
            secret_id: None,
        },
        ..ToolSpec::default()
    }
}
