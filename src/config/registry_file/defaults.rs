//! `defaults:`, what tools mean where they say nothing themselves.
//!
//! The rules are the tools' own: a made-up tool is compiled with them. A default that breaks one is
//! reported once, here, and then left out, so that no tool repeats the report.

use crate::config::fields::{Field, FieldPath, Reading};
use crate::config::registry_file::entry;
use crate::config::yaml::{Kind, Node};
use crate::registry::{
    AuthSpec, CircuitBreakerSpec, OnceSpec, RateLimitSpec, Tool, ToolSpec, limits,
};
use crate::secret::Secret;
use crate::sign::Signer;

const FIELDS: &[&str] = &[
    "timeout_ms",
    "max_retries",
    "deadline_ms",
    "idempotent",
    "retry_on",
    "max_concurrency",
    "queue_timeout_ms",
    "rate_limit",
    "circuit_breaker",
    "once",
];

/// What `defaults:` may set.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    timeout_ms: Option<i64>,
    max_retries: Option<i64>,
    deadline_ms: Option<i64>,
    idempotent: Option<bool>,
    retry_on: Option<Vec<String>>,
    max_concurrency: Option<i64>,
    queue_timeout_ms: Option<i64>,
    rate_limit: Option<RateLimitSpec>,
    circuit_breaker: Option<CircuitBreakerSpec>,
    once: Option<OnceSpec>,
}

impl Defaults {
    /// Reads `defaults:`; an empty one sets nothing.
    pub(super) fn read(reading: &mut Reading<'_>, node: &Node) -> Self {
        if matches!(node.kind, Kind::Null) {
            return Self::default();
        }
        let path = FieldPath::Name(&FieldPath::Root, "defaults");
        let Some(fields) = reading.fields(Field { node, path }, FIELDS) else {
            return Self::default();
        };
        let mut defaults = Self {
            timeout_ms: reading.integer(fields.get("timeout_ms")),
            max_retries: reading.integer(fields.get("max_retries")),
            deadline_ms: reading.integer(fields.get("deadline_ms")),
            idempotent: reading.boolean(fields.get("idempotent")),
            retry_on: reading.texts(fields.get("retry_on")),
            max_concurrency: reading.integer(fields.get("max_concurrency")),
            queue_timeout_ms: reading.integer(fields.get("queue_timeout_ms")),
            rate_limit: entry::rate_limit(reading, fields.get("rate_limit")),
            circuit_breaker: entry::circuit_breaker(reading, fields.get("circuit_breaker")),
            once: entry::once(reading, fields.get("once")),
        };
        for violation in Tool::compile(defaults.probe()).err().unwrap_or_default() {
            let field = format!("{path}.{}", violation.field);
            // A part that is no number at all is missing from what was compiled.
            if !reading.is_faulty(&field) {
                let at = entry::place(node, &violation.field);
                reading.report.error(at, field, violation.rule.to_string());
            }
            let name = violation.field.split(['.', '[']).next();
            defaults.forget(name.unwrap_or_default());
        }
        defaults
    }

    /// Sets what the tool does not set itself.
    pub(super) fn fill(&self, spec: &mut ToolSpec) {
        spec.timeout_ms = spec.timeout_ms.or(self.timeout_ms);
        spec.max_retries = spec.max_retries.or(self.max_retries);
        spec.deadline_ms = spec.deadline_ms.or(self.deadline_ms);
        spec.idempotent = spec.idempotent.or(self.idempotent);
        if spec.retry_on.is_none() {
            spec.retry_on.clone_from(&self.retry_on);
        }
        spec.max_concurrency = spec.max_concurrency.or(self.max_concurrency);
        // A tool without places has no queue that the default could be about.
        if spec.max_concurrency.is_some() {
            spec.queue_timeout_ms = spec.queue_timeout_ms.or(self.queue_timeout_ms);
        }
        if spec.rate_limit.is_none() {
            spec.rate_limit.clone_from(&self.rate_limit);
        }
        if spec.circuit_breaker.is_none() {
            spec.circuit_breaker.clone_from(&self.circuit_breaker);
        }
        if spec.once.is_none() {
            spec.once.clone_from(&self.once);
        }
    }

    fn forget(&mut self, name: &str) {
        match name {
            "timeout_ms" => self.timeout_ms = None,
            "max_retries" => self.max_retries = None,
            "deadline_ms" => self.deadline_ms = None,
            "idempotent" => self.idempotent = None,
            "max_concurrency" => self.max_concurrency = None,
            "queue_timeout_ms" => self.queue_timeout_ms = None,
            "rate_limit" => self.rate_limit = None,
            "circuit_breaker" => self.circuit_breaker = None,
            "once" => self.once = None,
            _ => self.retry_on = None,
        }
    }

    /// A tool with these defaults that breaks no other rule.
    fn probe(&self) -> ToolSpec {
        let mut spec = harmless();
        // Whether the tools that a queue's default is for have places is their own business.
        if self.max_concurrency.is_none() && self.queue_timeout_ms.is_some() {
            spec.max_concurrency = Some(*limits::MAX_CONCURRENCY.start());
        }
        self.fill(&mut spec);
        spec
    }
}

/// A tool that breaks no rule by itself.
fn harmless() -> ToolSpec {
    ToolSpec {
        name: "defaults".to_owned(),
        url: "http://localhost/".to_owned(),
        auth: AuthSpec {
            scheme: Signer::HMAC_SHA256.to_owned(),
            secret: Some(Secret::new([b'0'; Secret::MIN_LEN])),
            secret_id: None,
        },
        ..ToolSpec::default()
    }
}
