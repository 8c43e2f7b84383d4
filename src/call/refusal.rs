//! The one table from a failure to the answer an agent gets.
//!
//! An agent gets a stable word and a next step; the cause goes to the log. Nothing else in the call
//! path builds an error answer.

mod words;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::body::CaptureError;
use crate::call::code::Code;
use crate::headers::X_COUNTERSIGN_ERROR;
use crate::ids::ToolName;
use crate::policy::{Blocked, Reason};
use crate::server::Unreadable;
use crate::telemetry::{BLOCKED, CallOutcome, CallRecord, Decided, Limit};
use crate::upstream::{FailureKind, Seen};

pub(super) use words::{what_failed, what_it_means};

/// After which time an overload may be over: bodies, places and keys are held for seconds, not
/// minutes.
const RETRY_SOON: Duration = Duration::from_secs(1);

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
    /// Token, header and body do not name one agent.
    AgentMismatch,
    /// A browser page that is not listed.
    OriginNotAllowed,
    /// A host name that is not ours.
    HostNotAllowed,
    /// The path is no door of ours.
    NotFound,
    /// The path is a door of ours, and not for this method.
    MethodNotAllowed,
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
    /// The agent's policy, or whoever switched it off, forbids the call.
    Blocked(Blocked),
    /// Another call of this `Idempotency-Key` is under way.
    IdempotencyInFlight,
    /// A call of this `Idempotency-Key` was cut off, and its tool wants no second one.
    IdempotencyInDoubt,
    /// This `Idempotency-Key` belongs to another request.
    IdempotencyMismatch,
    /// What has to be remembered cannot be.
    StoreUnavailable,
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
        let (status, code) = self.status_and_reason();
        (status, code.word())
    }

    // spec: ERR-1
    fn status_and_reason(&self) -> (StatusCode, Code) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, Code::BadRequest),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Code::HeadTooLarge,
            ),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, Code::Unauthorized),
            Self::AgentMismatch => (StatusCode::FORBIDDEN, Code::AgentMismatch),
            Self::OriginNotAllowed => (StatusCode::FORBIDDEN, Code::OriginNotAllowed),
            Self::HostNotAllowed => (StatusCode::MISDIRECTED_REQUEST, Code::HostNotAllowed),
            Self::NotFound => (StatusCode::NOT_FOUND, Code::NotFound),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed),
            Self::ToolNotFound(_) => (StatusCode::NOT_FOUND, Code::ToolNotFound),
            Self::ToolDisabled(_) => (StatusCode::FORBIDDEN, Code::ToolDisabled),
            Self::HeadTimeout { .. } | Self::RequestTimeout { .. } => {
                (StatusCode::REQUEST_TIMEOUT, Code::RequestTimeout)
            }
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge),
            Self::Overloaded(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Overloaded),
            Self::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, Code::RateLimited),
            Self::CircuitOpen { .. } => (StatusCode::SERVICE_UNAVAILABLE, Code::CircuitOpen),
            Self::Blocked(blocked) => by_policy(blocked.reason),
            Self::IdempotencyInFlight => (StatusCode::CONFLICT, Code::IdempotencyInFlight),
            Self::IdempotencyInDoubt => (StatusCode::CONFLICT, Code::IdempotencyInDoubt),
            Self::IdempotencyMismatch => {
                (StatusCode::UNPROCESSABLE_ENTITY, Code::IdempotencyMismatch)
            }
            Self::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::StoreUnavailable),
            Self::Upstream { kind, .. } => (
                match kind {
                    FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                    FailureKind::Connect
                    | FailureKind::Tls
                    | FailureKind::Closed
                    | FailureKind::InvalidResponse => StatusCode::BAD_GATEWAY,
                },
                failure_code(*kind),
            ),
        }
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
        if *self == Self::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if *self == Self::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// When trying again makes sense, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded(_) | Self::IdempotencyInFlight | Self::StoreUnavailable => {
                Some(RETRY_SOON)
            }
            Self::Blocked(blocked) => blocked.retry_after,
            Self::RateLimited { retry_after } | Self::CircuitOpen { retry_after } => {
                Some(*retry_after)
            }
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::AgentMismatch
            | Self::OriginNotAllowed
            | Self::HostNotAllowed
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::IdempotencyInDoubt
            | Self::IdempotencyMismatch
            | Self::ToolNotFound(_)
            | Self::ToolDisabled(_)
            | Self::HeadTooLarge
            | Self::HeadTimeout { .. }
            | Self::RequestTimeout { .. }
            | Self::BodyTooLarge { .. }
            | Self::Upstream { .. } => None,
        }
    }

    /// The limit that was reached, where it is not an attempt's, which said so itself.
    fn limit(&self) -> Option<Limit> {
        match self {
            Self::HeadTooLarge => Some(Limit::MaxHeadBytes),
            Self::HeadTimeout { .. } => Some(Limit::HeadTimeoutMs),
            Self::RequestTimeout { .. } => Some(Limit::BodyTimeoutMs),
            Self::BodyTooLarge { .. } => Some(Limit::MaxBodyBytes),
            Self::Overloaded(Overload::BufferedBytes) => Some(Limit::MaxBufferedBytes),
            Self::Overloaded(Overload::Concurrency) => Some(Limit::MaxConcurrency),
            Self::RateLimited { .. } => Some(Limit::Rate),
            Self::CircuitOpen { .. } => Some(Limit::CircuitBreaker),
            Self::BadRequest(_)
            | Self::Unauthorized
            | Self::AgentMismatch
            | Self::OriginNotAllowed
            | Self::HostNotAllowed
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::ToolNotFound(_)
            | Self::ToolDisabled(_)
            | Self::Blocked(_)
            | Self::IdempotencyInFlight
            | Self::IdempotencyInDoubt
            | Self::IdempotencyMismatch
            | Self::StoreUnavailable
            | Self::Upstream { .. } => None,
        }
    }

    /// Ends the account of a call that is refused.
    pub fn report(&self, mut record: Box<CallRecord>) {
        let (status, code) = self.status_and_code();
        self.limit()
            .into_iter()
            .for_each(|limit| record.limit(limit));
        let decided = Decided {
            status,
            word: BLOCKED,
            code: Some(code),
        };
        record.finish(if matches!(self, Self::Blocked(_)) {
            CallOutcome::Decided(decided)
        } else {
            CallOutcome::Refused(status, code)
        });
    }
}

impl<E> From<CaptureError<E>> for Refusal {
    fn from(error: CaptureError<E>) -> Self {
        match error {
            CaptureError::TooLarge { max_bytes } => Self::BodyTooLarge { max_bytes },
            CaptureError::Overloaded => Self::Overloaded(Overload::BufferedBytes),
            CaptureError::TimedOut { timeout } => Self::RequestTimeout { timeout },
            CaptureError::Broken(_) => Self::BadRequest("the body ended early or is malformed"),
        }
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

/// A wait as `Retry-After` says it: rounded up, so that nobody comes back too early, and never "at once".
pub fn whole_seconds(wait: Duration) -> HeaderValue {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

// spec: ERR-1
fn by_policy(reason: Reason) -> (StatusCode, Code) {
    match reason {
        Reason::AgentDisabled => (StatusCode::FORBIDDEN, Code::AgentDisabled),
        Reason::ToolNotAllowed => (StatusCode::FORBIDDEN, Code::PolicyToolNotAllowed),
        Reason::ToolBlocked => (StatusCode::FORBIDDEN, Code::PolicyToolBlocked),
        Reason::ActionsPerHour => (StatusCode::TOO_MANY_REQUESTS, Code::PolicyActionsPerHour),
        Reason::CallsPerTool => (StatusCode::TOO_MANY_REQUESTS, Code::PolicyCallsPerTool),
        Reason::SpendPerDay => (StatusCode::TOO_MANY_REQUESTS, Code::PolicySpendPerDay),
        Reason::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::StoreUnavailable),
    }
}

/// The word for an attempt without an answer; also what metrics and the access log say.
pub(super) fn failure_word(kind: FailureKind) -> &'static str {
    failure_code(kind).word()
}

fn failure_code(kind: FailureKind) -> Code {
    match kind {
        FailureKind::Connect => Code::UpstreamConnect,
        FailureKind::Tls => Code::UpstreamTls,
        FailureKind::Closed => Code::UpstreamClosed,
        FailureKind::InvalidResponse => Code::UpstreamInvalidResponse,
        FailureKind::Timeout => Code::UpstreamTimeout,
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
