//! The one table from a failure to the answer an agent gets.
//!
//! An agent gets a stable word and a next step; the cause goes to the log. Nothing else in the call
//! path builds an error answer.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::headers::X_COUNTERSIGN_ERROR;
use crate::ids::ToolName;
use crate::server::Unreadable;
use crate::telemetry::{CallOutcome, CallRecord};
use crate::upstream::{FailureKind, Seen};

/// After which time an overload may be over: bodies and places are held for seconds, not minutes.
const RETRY_AFTER_OVERLOAD: Duration = Duration::from_secs(1);

/// Why a call gets an answer of ours instead of an upstream's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The request means nothing, or two things.
    BadRequest(&'static str),
    /// The head is larger than it may be.
    HeadTooLarge,
    /// The head did not arrive in time.
    HeadTimeout {
        /// The limit that was passed.
        timeout: Duration,
    },
    /// Tokens are required and the request has none that we know.
    Unauthorized,
    /// The token belongs to another agent than the header names.
    AgentMismatch,
    /// A browser page that is not listed.
    OriginNotAllowed,
    /// A host name that is not ours.
    HostNotAllowed,
    /// The path is no door of ours.
    NotFound,
    /// No such tool for this agent.
    ToolNotFound(ToolName),
    /// The tool is switched off.
    ToolDisabled(ToolName),
    /// The body did not arrive in time.
    RequestTimeout {
        /// The limit that was passed.
        timeout: Duration,
    },
    /// The body is larger than its limit.
    BodyTooLarge {
        /// The limit that was passed.
        max_bytes: usize,
    },
    /// A limit on what goes on at once was reached.
    Overloaded(Overload),
    /// The tool's rate is used up.
    RateLimited {
        /// Until there is a token.
        retry_after: Duration,
    },
    /// The tool's circuit lets nothing through.
    CircuitOpen {
        /// Until it may let something through; zero while an attempt is trying.
        retry_after: Duration,
    },
    /// The last attempt got no answer.
    Upstream {
        /// How it failed.
        kind: FailureKind,
        /// Whether the tool can have acted on any of the attempts.
        seen: Seen,
    },
}

/// Which limit on what goes on at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overload {
    /// All bodies together.
    BufferedBytes,
    /// The calls of one tool.
    Concurrency,
}

impl Refusal {
    /// What a connection over `agents.max_connections` gets before it is closed, as raw bytes,
    /// because no request of it is read.
    pub const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
        Content-Type: application/json\r\n\
        Content-Length: 110\r\n\
        X-Countersign-Error: overloaded\r\n\
        Retry-After: 1\r\n\
        Connection: close\r\n\r\n\
        {\"detail\":{\"error\":\"overloaded\",\"message\":\"too many connections at once (agents.max_connections): try again\"}}";

    /// Status and machine word. The words are part of the contract.
    // spec: ERR-1
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head_too_large",
            ),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::AgentMismatch => (StatusCode::FORBIDDEN, "agent_mismatch"),
            Self::OriginNotAllowed => (StatusCode::FORBIDDEN, "origin_not_allowed"),
            Self::HostNotAllowed => (StatusCode::MISDIRECTED_REQUEST, "host_not_allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::ToolNotFound(_) => (StatusCode::NOT_FOUND, "tool_not_found"),
            Self::ToolDisabled(_) => (StatusCode::FORBIDDEN, "tool_disabled"),
            Self::HeadTimeout { .. } | Self::RequestTimeout { .. } => {
                (StatusCode::REQUEST_TIMEOUT, "request_timeout")
            }
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Overloaded(_) => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::CircuitOpen { .. } => (StatusCode::SERVICE_UNAVAILABLE, "circuit_open"),
            Self::Upstream { kind, .. } => (
                match kind {
                    FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                    FailureKind::Connect
                    | FailureKind::Tls
                    | FailureKind::Closed
                    | FailureKind::InvalidResponse => StatusCode::BAD_GATEWAY,
                },
                failure_word(*kind),
            ),
        }
    }

    /// What happened and what to do about it, for whoever reads the agent's output.
    fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::BadRequest(reason) => reason,
            Self::HeadTooLarge => {
                "the head is larger than limits.max_head_bytes or has more than 100 fields: send \
                 fewer or shorter ones"
            }
            Self::HeadTimeout { timeout } => {
                return format!(
                    "the head did not arrive within {} ms (limits.head_timeout_ms)",
                    timeout.as_millis()
                )
                .into();
            }
            Self::Unauthorized => {
                "this sidecar requires a token: send `Authorization: Bearer <token>` with one of \
                 agents.tokens"
            }
            Self::AgentMismatch => {
                "the token belongs to another agent than X-OnceOnly-Agent-Id names: leave the \
                 header out or send the token's own agent"
            }
            Self::OriginNotAllowed => {
                "web pages may not call tools: list the page's origin in agents.allowed_origins if \
                 this one may"
            }
            Self::HostNotAllowed => {
                "the Host is neither an address nor a known name: call 127.0.0.1, or list the name \
                 in agents.allowed_hosts"
            }
            Self::NotFound => "there is nothing at this path: tools are called at /tools/{name}",
            Self::ToolNotFound(_) => {
                "no tool of this name is registered for this agent: check the name and the \
                 registry's scope_id"
            }
            Self::ToolDisabled(_) => "the tool is switched off: set enabled: true in the registry",
            Self::RequestTimeout { timeout } => {
                return format!(
                    "the body did not arrive within {} ms (limits.body_timeout_ms)",
                    timeout.as_millis()
                )
                .into();
            }
            Self::BodyTooLarge { max_bytes } => {
                return format!(
                    "the body is larger than {max_bytes} bytes (limits.max_body_bytes)"
                )
                .into();
            }
            Self::Upstream { kind, seen } => {
                return format!("{}: {}", what_failed(*kind), what_it_means(*seen)).into();
            }
            Self::Overloaded(Overload::BufferedBytes) => {
                "too many bodies are buffered right now (limits.max_buffered_bytes): try again"
            }
            Self::Overloaded(Overload::Concurrency) => {
                "too many calls of this tool are under way (the tool's max_concurrency): try again"
            }
            Self::RateLimited { .. } => {
                "this tool was called too often (the tool's rate_limit): try again after the time \
                 in Retry-After"
            }
            Self::CircuitOpen { .. } => {
                "the tool's backend keeps failing and is left alone for a while (the tool's \
                 circuit_breaker): nothing was sent, try again after the time in Retry-After"
            }
        })
    }

    /// The answer itself.
    // spec: ERR-1 RESP-1
    pub fn to_response(&self) -> Response<Bytes> {
        let (status, code) = self.status_and_code();
        let mut detail = json!({ "error": code, "message": self.message() });
        if let Self::ToolNotFound(name) | Self::ToolDisabled(name) = self {
            detail["name"] = name.as_str().into();
        }
        let mut response = Response::new(json!({ "detail": detail }).to_string().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(X_COUNTERSIGN_ERROR, HeaderValue::from_static(code));
        if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, whole_seconds(wait));
        }
        if *self == Self::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// When trying again makes sense, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded(_) => Some(RETRY_AFTER_OVERLOAD),
            Self::RateLimited { retry_after } | Self::CircuitOpen { retry_after } => {
                Some(*retry_after)
            }
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::AgentMismatch
            | Self::OriginNotAllowed
            | Self::HostNotAllowed
            | Self::NotFound
            | Self::ToolNotFound(_)
            | Self::ToolDisabled(_)
            | Self::HeadTooLarge
            | Self::HeadTimeout { .. }
            | Self::RequestTimeout { .. }
            | Self::BodyTooLarge { .. }
            | Self::Upstream { .. } => None,
        }
    }

    /// Ends the account of a call that is refused.
    pub fn report(&self, record: Box<CallRecord>) {
        let (status, code) = self.status_and_code();
        record.finish(CallOutcome::Refused(status, code));
    }
}

impl From<Unreadable> for Refusal {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Malformed(sentence) => Self::BadRequest(sentence),
            Unreadable::HeadTooLarge => Self::HeadTooLarge,
            Unreadable::HeadTooSlow { timeout } => Self::HeadTimeout { timeout },
        }
    }
}

/// Rounded up, so that nobody comes back too early, and never "at once".
fn whole_seconds(wait: Duration) -> HeaderValue {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

fn what_failed(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect => "the tool's backend could not be reached",
        FailureKind::Tls => {
            "no TLS connection to the tool's backend (check its certificate and the tool's tls:)"
        }
        FailureKind::Closed => "the tool's backend closed the connection without an answer",
        FailureKind::InvalidResponse => "the tool's backend answered something that is not HTTP",
        FailureKind::Timeout => {
            "the tool's backend did not answer in time (timeout_ms, deadline_ms)"
        }
    }
}

/// The one thing that an agent has to know before it calls again.
fn what_it_means(seen: Seen) -> &'static str {
    match seen {
        Seen::NotSent => "nothing was sent",
        Seen::MaybeSeen => "the call may have been carried out",
    }
}

/// The word for an attempt without an answer; also what metrics and the access log say.
pub(super) fn failure_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect => "upstream_connect",
        FailureKind::Tls => "upstream_tls",
        FailureKind::Closed => "upstream_closed",
        FailureKind::InvalidResponse => "upstream_invalid_response",
        FailureKind::Timeout => "upstream_timeout",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
            let wait = Duration::from_millis(millis);
            assert_eq!(whole_seconds(wait), seconds, "{millis} ms");
        }
    }

    #[test]
    fn the_raw_refusal_is_one_whole_answer() {
        let text = std::str::from_utf8(Refusal::TOO_MANY_CONNECTIONS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["detail"]["error"], "overloaded");
    }
}
