//! What to do about a call, by how it ended: one sentence each.
//!
//! The sets are closed, so a new outcome does not compile before somebody has said what to do.

use crate::call::Code;
use crate::telemetry::{Ending, Entry};

/// What to do next.
pub fn advice(entry: &Entry) -> &'static str {
    let ending = Ending::read(&entry.outcome);
    let code = entry.code.as_deref().unwrap_or(&entry.outcome);
    match (Code::read(code), ending) {
        (Some(code), _) => about_code(code),
        (None, Some(ending)) => about_ending(ending),
        (None, None) => {
            "a later version wrote this line: its docs/access-log.md says what the outcome means"
        }
    }
}

fn about_ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Success => "nothing: the agent got the backend's answer",
        Ending::ClientError => {
            "look at what the agent sent: the backend got the call and refused it, and a 401 or 403 \
             may mean that its secret is not the registry's (countersign verify tells)"
        }
        Ending::ServerError => {
            "look at the backend's own log at this time, under this request id: it got the call and \
             failed"
        }
        Ending::Aborted => {
            "look at the backend and what is between: it broke off or fell silent within its answer, \
             after the agent had its beginning"
        }
        Ending::Cancelled => {
            "give the agent more patience, or the tool less (timeout_ms, deadline_ms): the agent went \
             away first"
        }
        Ending::Blocked => "look at the agent's policy: it or a switch forbids the call",
        Ending::Dedup => "nothing: the call had been made before, and its answer was given again",
        Ending::Failed => "look at the backend's own log at this time: the tool did not do it",
    }
}

fn about_code(code: Code) -> &'static str {
    match code {
        Code::BadRequest | Code::InvalidRequest => {
            "correct the agent's request: the answer's body says what is wrong with it"
        }
        Code::HeadTooLarge => "send fewer or shorter headers, or raise limits.max_head_bytes",
        Code::RequestTimeout => {
            "find out why the agent sends so slowly, or raise limits.head_timeout_ms or \
             limits.body_timeout_ms"
        }
        Code::Unauthorized => "give the agent one of the tokens in agents.tokens",
        Code::AgentMismatch => {
            "let the agent name one agent: its token's, and the same in X-OnceOnly-Agent-Id and in the \
             agent_id of a governed call"
        }
        Code::OriginNotAllowed => {
            "a web page tried to call: list its origin in agents.allowed_origins if that is wanted"
        }
        Code::HostNotAllowed => {
            "call the sidecar by its address, or list the name in agents.allowed_hosts"
        }
        Code::NotFound => {
            "correct the path: tools are called at /tools/{name}, or by name at /v1/ai/run"
        }
        Code::MethodNotAllowed => "use POST: /v1/ai/run takes nothing else",
        Code::ToolNotFound => {
            "compare the name and the agent with countersign tools list --scope all"
        }
        Code::ToolDisabled => "countersign tools enable switches the tool on, once that is wanted",
        Code::BodyTooLarge => "send less, or raise limits.max_body_bytes",
        Code::Overloaded => {
            "see which limit it was, above, and whether the backend has become slow before raising it"
        }
        Code::RateLimited => "call less often, or raise the tool's rate_limit",
        Code::CircuitOpen => {
            "mend the backend: the circuit closes by itself when a trial call succeeds"
        }
        Code::AgentDisabled => {
            "find out who switched the agent off and why, then POST /v1/agents/{agent_id}/enable"
        }
        Code::PolicyToolNotAllowed | Code::ToolNotInAllowedList => {
            "add the tool to allowed_tools of the agent's policy, if the agent may call it"
        }
        Code::PolicyToolBlocked | Code::ToolExplicitlyBlocked => {
            "the agent's policy forbids this tool in blocked_tools: nothing, unless that is a mistake"
        }
        Code::PolicyActionsPerHour | Code::ActionsPerHourExceeded => {
            "find out why the agent calls so often before raising its max_actions_per_hour"
        }
        Code::PolicyCallsPerTool | Code::CallsPerToolExceeded => {
            "find out why the agent calls this tool so often before raising its max_calls_per_tool"
        }
        Code::PolicySpendPerDay | Code::SpendPerDayExceeded => {
            "see what the agent spent its money on before raising its max_spend_usd_per_day"
        }
        Code::InDoubt | Code::IdempotencyInDoubt => {
            "find out at the backend whether the earlier run was carried out, before anybody calls \
             with another key"
        }
        Code::ToolError => {
            "look at the backend's own log at this time, under this request id: the result names its \
             status and error"
        }
        Code::ResultTooLarge => "let the tool answer less, or raise the limit that is named above",
        Code::IdempotencyInFlight => {
            "let the agent wait and ask again: the first call of this key is still under way"
        }
        Code::IdempotencyMismatch => "let the agent use a new key for each new request",
        Code::StoreUnavailable => {
            "see why the store cannot be written: its disk, store_max_bytes, or the shared server"
        }
        Code::UpstreamConnect => {
            "see whether the backend runs and listens at the tool's url, and whether that address may \
             be called (the diagnostics at log.level: debug say which step failed)"
        }
        Code::UpstreamTls => {
            "check the backend's certificate, and the tool's tls: section for its authority"
        }
        Code::UpstreamClosed => {
            "see whether the backend crashed or was restarted at this time: it took the call and \
             closed the connection"
        }
        Code::UpstreamInvalidResponse => {
            "see what answers at the tool's url: it is not an HTTP server, or one with a fault"
        }
        Code::UpstreamTimeout => {
            "see why the backend is slow before raising the limit that is named above"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: &str, code: Option<&str>) -> &'static str {
        advice(&Entry {
            outcome: outcome.to_owned(),
            code: code.map(str::to_owned),
            ..Entry::default()
        })
    }

    #[test]
    fn the_code_says_more_than_the_outcome() {
        assert_eq!(
            told("failed", Some("tool_error")),
            about_code(Code::ToolError)
        );
        assert_eq!(
            told("blocked", Some("later")),
            about_ending(Ending::Blocked)
        );
        let refused = told("upstream_tls", Some("upstream_tls"));
        assert_eq!(refused, about_code(Code::UpstreamTls));
        assert!(told("later", None).starts_with("a later version"));
    }
}
