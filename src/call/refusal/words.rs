//! What a refusal says, for whoever reads the agent's output: what happened, and what to do about it.

use std::borrow::Cow;

use crate::call::refusal::{Overload, Refusal};
use crate::policy::{Blocked, Reason};
use crate::upstream::{FailureKind, Seen};

impl Refusal {
    /// What happened and what to do about it, for whoever reads the agent's output.
    pub(super) fn message(&self) -> Cow<'static, str> {
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
                "the request names two agents: the token's or X-OnceOnly-Agent-Id's, and another in \
                 X-OnceOnly-Agent-Id or agent_id; name the same one everywhere"
            }
            Self::OriginNotAllowed => {
                "web pages may not call tools: list the page's origin in agents.allowed_origins if \
                 this one may"
            }
            Self::HostNotAllowed => {
                "the Host is neither an address nor a known name: call 127.0.0.1, or list the name \
                 in agents.allowed_hosts"
            }
            Self::NotFound => {
                "there is nothing at this path: tools are called at /tools/{name}, or by name at \
                 /v1/ai/run"
            }
            Self::MethodNotAllowed => "this path takes POST alone",
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
            Self::Blocked(blocked) => why_blocked(*blocked),
            Self::IdempotencyInFlight => {
                "a call of this Idempotency-Key is under way: nothing was sent, ask again for its \
                 answer"
            }
            Self::IdempotencyInDoubt => {
                "a call of this Idempotency-Key was cut off and may have been carried out (the \
                 tool's once.in_doubt): nothing was sent, find out before you use another key"
            }
            Self::IdempotencyMismatch => {
                "this Idempotency-Key was used for another request: nothing was sent, a new \
                 request needs a new key"
            }
            Self::StoreUnavailable => {
                "the call cannot be remembered, since the store cannot be written (store, \
                 store_max_bytes, on_store_error): nothing was sent, try again"
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
}

fn why_blocked(blocked: Blocked) -> &'static str {
    match blocked.reason {
        Reason::AgentDisabled => "this agent is switched off: an operator has to switch it on",
        Reason::ToolNotAllowed => {
            "the agent's policy has a list of tools without this one: an operator has to add it to \
             allowed_tools"
        }
        Reason::ToolBlocked => {
            "the agent's policy forbids this tool: an operator has to take it out of blocked_tools"
        }
        Reason::ActionsPerHour => {
            "the agent has made as many calls within an hour as its policy allows: try again after \
             the time in Retry-After"
        }
        Reason::CallsPerTool => {
            "the agent has called this tool as often today as its policy allows: try again after \
             the time in Retry-After"
        }
        Reason::SpendPerDay if blocked.retry_after.is_none() => {
            "the call costs more than the agent's policy allows for a whole day: an operator has to \
             raise max_spend_usd_per_day"
        }
        Reason::SpendPerDay => {
            "the call costs more than the agent's policy leaves for today: try again after the time \
             in Retry-After"
        }
        Reason::StoreUnavailable => {
            "the call cannot be counted, since the shared store does not answer (store, \
             on_store_error): nothing was sent, try again"
        }
    }
}

pub fn what_failed(kind: FailureKind) -> &'static str {
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
pub fn what_it_means(seen: Seen) -> &'static str {
    match seen {
        Seen::NotSent => "nothing was sent",
        Seen::MaybeSeen => "the call may have been carried out",
    }
}
