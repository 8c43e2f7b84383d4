//! A compiled tool: everything a call needs, checked and precomputed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, header};

use crate::headers;
use crate::ids::{InvalidId, ScopeId, SecretId, ToolName};
use crate::registry::budget::RetryBudget;
use crate::registry::guard::forbidden;
use crate::registry::once::OnceTerms;
use crate::registry::origin::{Origin, Reach, Target, TransportScheme, parse_url};
use crate::registry::protection::{Protection, in_range};
use crate::registry::retry_on::RetryOn;
use crate::registry::spec::{ToolSpec, limits};
use crate::registry::trust::Trust;
use crate::rule::{Rule, Violation};
use crate::secret::Secret;
use crate::sign::Signer;
use crate::telemetry::ToolMetrics;

/// A tool that may be called.
#[derive(Debug)]
pub struct Tool {
    /// Its name.
    pub name: ToolName,
    /// Its name as it goes into a header.
    pub name_header: HeaderValue,
    /// Who sees it.
    pub scope: ScopeId,
    /// Where it lives.
    pub origin: Arc<Origin>,
    /// Path without query, never empty.
    pub path: Box<str>,
    /// Query without the question mark.
    pub query: Option<Box<str>>,
    /// Path and query together, for calls that add to neither.
    pub path_and_query: PathAndQuery,
    /// How its requests are signed.
    pub signer: Signer,
    /// The end of the secret, for people.
    pub secret_mask: Box<str>,
    /// One attempt, from dialling to the response head; then the longest silence within the body.
    pub timeout: Duration,
    /// Attempts after the first.
    pub max_retries: u8,
    /// All attempts and waits together.
    pub deadline: Option<Duration>,
    /// Whether it may be called at all.
    pub enabled: bool,
    /// For people.
    pub description: Option<Box<str>>,
    /// Whether a request that may have been seen can be sent again.
    pub idempotent: bool,
    /// Whether `/tools/{name}/{rest}` appends `rest` to the path.
    pub forward_path: bool,
    /// Which verdicts may be retried at all.
    pub retry_on: RetryOn,
    /// What bounds its calls; nothing unless it is asked for.
    pub protection: Protection,
    /// How a governed call that is made twice is run once; `None` where each one runs.
    pub once: Option<OnceTerms>,
    /// Set on every request; values may be secret.
    pub headers: Box<[(HeaderName, HeaderValue)]>,
    /// What outlives a reload.
    state: Arc<ToolState>,
}

/// What a tool keeps across reloads as long as its name and scope stay.
#[derive(Debug, Default)]
struct ToolState {
    /// Made at the first use, because most tools of a large registry are never called.
    budget: OnceLock<RetryBudget>,
    metrics: OnceLock<ToolMetrics>,
}

impl Tool {
    /// The one validator: checks a specification and computes what calls need.
    ///
    /// # Errors
    /// Every rule that the specification breaks, not just the first.
    // spec: REG-2 REG-3
    pub fn compile(spec: ToolSpec) -> Result<Self, Vec<Violation>> {
        let mut faults = Vec::new();
        let compiled = Self::check(spec, &mut faults);
        match compiled {
            Some(tool) if faults.is_empty() => Ok(tool),
            Some(_) | None => Err(faults),
        }
    }

    /// `None` only where a fault was noted; faults may be noted beside `Some`.
    fn check(spec: ToolSpec, faults: &mut Vec<Violation>) -> Option<Self> {
        let name = if spec.name.is_empty() {
            faults.push(Violation::new("name", Rule::Required));
            None
        } else {
            let pattern = |_: InvalidId| Rule::Pattern(ToolName::PATTERN);
            note(
                faults,
                "name",
                spec.name.parse::<ToolName>().map_err(pattern),
            )
        };
        let scope = spec
            .scope_id
            .as_deref()
            .map_or(Some(ScopeId::Global), |scope| {
                note(faults, "scope_id", scope.parse().map_err(invalid_id))
            });
        let trust = spec
            .tls
            .as_ref()
            .map(|tls| Arc::new(Trust::compile(tls, faults)));
        let target = if spec.url.is_empty() {
            faults.push(Violation::new("url", Rule::Required));
            None
        } else {
            let target = parse_url(&spec.url, trust).map_err(invalid);
            note(faults, "url", target.and_then(somewhere))
        };
        if let Some(target) = &target
            && target.origin.scheme() == TransportScheme::Http
            && spec.tls.is_some()
        {
            faults.push(Violation::new(
                "tls",
                invalid("has no meaning for an http:// URL"),
            ));
        }
        let signer = signer(&spec, faults);
        let timeout = in_range(faults, "timeout_ms", spec.timeout_ms, limits::TIMEOUT_MS);
        let max_retries = in_range(faults, "max_retries", spec.max_retries, limits::MAX_RETRIES);
        let deadline = in_range(faults, "deadline_ms", spec.deadline_ms, limits::DEADLINE_MS);
        if spec
            .description
            .as_ref()
            .is_some_and(|d| d.chars().count() > limits::DESCRIPTION_CHARS)
        {
            let max = limits::DESCRIPTION_CHARS;
            faults.push(Violation::new("description", Rule::TooLong { max }));
        }
        let retry_on = RetryOn::compile(spec.retry_on.as_deref(), faults);
        let protection = Protection::compile(&spec, faults);
        let once = OnceTerms::compile(spec.once.as_ref(), faults);
        let headers = static_headers(&spec.headers, faults);
        let reach = reach(spec.source.as_deref(), faults);

        let target = target?;
        let path_and_query = match &target.query {
            Some(query) => format!("{}?{query}", target.path).parse(),
            None => target.path.parse(),
        };
        let not_a_path = |_| invalid("must have a path and query that HTTP can carry");
        let path_and_query = note(faults, "url", path_and_query.map_err(not_a_path))?;
        let name = name?;
        let (signer, secret_mask) = signer?;
        Some(Self {
            name_header: name.to_header(),
            name,
            scope: scope?,
            origin: Arc::new(target.origin.reaching(reach)),
            path: target.path,
            query: target.query,
            path_and_query,
            signer,
            secret_mask,
            timeout: millis(timeout.unwrap_or(limits::DEFAULT_TIMEOUT_MS)),
            max_retries: u8::try_from(max_retries.unwrap_or(limits::DEFAULT_MAX_RETRIES))
                .expect("limits::MAX_RETRIES lies within u8"),
            deadline: deadline.map(millis),
            enabled: spec.enabled.unwrap_or(true),
            description: spec.description.map(Into::into),
            idempotent: spec.idempotent.unwrap_or(true),
            forward_path: spec.forward_path.unwrap_or(false),
            retry_on,
            protection,
            once,
            headers,
            state: Arc::default(),
        })
    }

    /// What is allowed but should be looked at: field and sentence.
    // spec: REG-2
    pub fn warning(&self) -> Option<(&'static str, &'static str)> {
        let plain = self.origin.scheme() == TransportScheme::Http;
        (plain && !self.origin.host().is_loopback()).then_some((
            "url",
            "plain http to another host: bodies and signatures can be read on the way",
        ))
    }

    /// Its URL in the normal form: the scheme and the host in lower case, the port only where it is
    /// not the scheme's own, and a path in any case.
    pub fn url(&self) -> String {
        let authority = self.origin.authority().to_str();
        let authority =
            authority.expect("an origin's authority was cut from a URL, which is ASCII");
        let scheme = self.origin.scheme().as_str();
        format!("{scheme}://{authority}{}", self.path_and_query)
    }

    /// The retry budget, which outlives reloads.
    pub fn budget(&self) -> &RetryBudget {
        self.state.budget.get_or_init(RetryBudget::new)
    }

    /// The metric handles, resolved by `make` at the first use.
    pub fn metrics(&self, make: impl FnOnce(&str) -> ToolMetrics) -> &ToolMetrics {
        self.state.metrics.get_or_init(|| make(self.name.as_str()))
    }

    /// Takes over what `previous`, the same tool before a reload, had kept.
    pub(super) fn inherit(&mut self, previous: &Self) {
        self.state = Arc::clone(&previous.state);
        self.protection.inherit(&previous.protection);
    }
}

fn signer(spec: &ToolSpec, faults: &mut Vec<Violation>) -> Option<(Signer, Box<str>)> {
    const SCHEMES: &[&str] = &[Signer::HMAC_SHA256];
    let auth = &spec.auth;
    if auth.scheme.is_empty() {
        faults.push(Violation::new("auth.type", Rule::Required));
    } else if !SCHEMES.contains(&auth.scheme.as_str()) {
        faults.push(Violation::new("auth.type", Rule::OneOf(SCHEMES)));
    }
    let id = auth.secret_id.as_deref().and_then(|id| {
        note(
            faults,
            "auth.secret_id",
            id.parse::<SecretId>().map_err(invalid_id),
        )
    });
    let Some(secret) = &auth.secret else {
        faults.push(Violation::new("auth.secret", Rule::Required));
        return None;
    };
    if secret.len() < Secret::MIN_LEN {
        faults.push(Violation::new(
            "auth.secret",
            Rule::TooShort {
                min: Secret::MIN_LEN,
            },
        ));
    }
    Some((Signer::hmac_sha256(secret, id), secret.mask().into()))
}

/// Refuses a literal address that no tool is ever connected to, whoever wrote the tool: every call of
/// it would fail. What else a tool of the API may not have is asked when it is registered, so that a
/// registry stays valid when `upstream.allow_private` is taken back.
// spec: SSRF-1
fn somewhere(target: Target) -> Result<Target, Rule> {
    match forbidden(target.origin.host(), Reach::Lenient) {
        None => Ok(target),
        Some(reason) => Err(Rule::Invalid(
            format!("must not be at {reason}, which no tool may have").into(),
        )),
    }
}

/// A tool that nobody marked was found in the file, so its operator wrote it.
// spec: SSRF-1
fn reach(source: Option<&str>, faults: &mut Vec<Violation>) -> Reach {
    match source {
        None | Some("file") => Reach::Lenient,
        Some(ToolSpec::SOURCE_API) => Reach::PublicOnly,
        Some(_) => {
            let rule = Rule::OneOf(&["file", ToolSpec::SOURCE_API]);
            faults.push(Violation::new("source", rule));
            Reach::Lenient
        }
    }
}

fn static_headers(
    written: &[(String, Secret)],
    faults: &mut Vec<Violation>,
) -> Box<[(HeaderName, HeaderValue)]> {
    if written.len() > limits::HEADERS {
        faults.push(Violation::new(
            "headers",
            invalid("must be at most 32 headers"),
        ));
    }
    let mut compiled: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(written.len());
    for (name, value) in written {
        let mut fault = |reason: &'static str| {
            faults.push(Violation::new(format!("headers.{name}"), invalid(reason)));
        };
        let Ok(name) = name.parse::<HeaderName>() else {
            fault("is not a valid header name");
            continue;
        };
        if is_reserved(&name) {
            fault("is set by Countersign or by the connection and cannot be configured");
            continue;
        }
        if compiled.iter().any(|(seen, _)| *seen == name) {
            fault("is there more than once");
            continue;
        }
        if value.len() > limits::HEADER_VALUE_BYTES {
            fault("must be at most 8192 bytes long");
            continue;
        }
        let Ok(mut value) = HeaderValue::from_bytes(value.expose()) else {
            fault("holds a character that a header cannot carry");
            continue;
        };
        // Keeps it out of `Debug` output and out of HTTP/2's compression tables.
        value.set_sensitive(true);
        compiled.push((name, value));
    }
    compiled.into()
}

fn is_reserved(name: &HeaderName) -> bool {
    headers::is_ours(name)
        || headers::is_hop_by_hop(name)
        || *name == header::HOST
        || *name == header::CONTENT_LENGTH
        || *name == headers::X_REQUEST_ID
        || *name == headers::TRACEPARENT
}

fn note<T>(faults: &mut Vec<Violation>, field: &'static str, result: Result<T, Rule>) -> Option<T> {
    result
        .map_err(|rule| faults.push(Violation::new(field, rule)))
        .ok()
}

fn invalid(reason: &'static str) -> Rule {
    Rule::Invalid(reason.into())
}

fn invalid_id(error: InvalidId) -> Rule {
    invalid(error.0)
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(value.unsigned_abs())
}
