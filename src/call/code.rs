//! The words for why a call ended as it did, each written here once: in the refusals' answers, in the
//! results of governed calls and in the access log.
//!
//! Which failure has which word is the table of `refusal`; what an operator does about one is told by
//! whoever explains a line of the log.

use crate::telemetry::words;

words! {
    /// Why a call did not end as its agent wanted: the field `code` of the access log.
    Code {
        /// See [`Refusal`](crate::call::Refusal) for this and those that follow.
        BadRequest = "bad_request",
        /// A governed call whose fields are not what they must be.
        InvalidRequest = "invalid_request",
        /// The head is too large.
        HeadTooLarge = "head_too_large",
        /// Head or body came too slowly.
        RequestTimeout = "request_timeout",
        /// No token, or none that is known.
        Unauthorized = "unauthorized",
        /// Another agent's token.
        AgentMismatch = "agent_mismatch",
        /// A web page that is not listed.
        OriginNotAllowed = "origin_not_allowed",
        /// A name that is not ours.
        HostNotAllowed = "host_not_allowed",
        /// No door of ours.
        NotFound = "not_found",
        /// A door of ours, and not for this method.
        MethodNotAllowed = "method_not_allowed",
        /// No such tool for this agent.
        ToolNotFound = "tool_not_found",
        /// The tool is switched off.
        ToolDisabled = "tool_disabled",
        /// The body is too large.
        BodyTooLarge = "body_too_large",
        /// A limit on what goes on at once.
        Overloaded = "overloaded",
        /// The tool's rate.
        RateLimited = "rate_limited",
        /// The tool's circuit breaker.
        CircuitOpen = "circuit_open",
        /// The agent is switched off.
        AgentDisabled = "agent_disabled",
        /// Not on the policy's list.
        PolicyToolNotAllowed = "policy_tool_not_allowed",
        /// On the policy's list of blocked tools.
        PolicyToolBlocked = "policy_tool_blocked",
        /// The policy's actions per hour.
        PolicyActionsPerHour = "policy_max_actions_per_hour",
        /// The policy's calls of a tool per day.
        PolicyCallsPerTool = "policy_max_calls_per_tool",
        /// The policy's dollars per day.
        PolicySpendPerDay = "policy_max_spend_usd_per_day",
        /// The same of a governed call, in the words of the hosted API, and those that follow.
        ToolNotInAllowedList = "tool_not_in_allowed_list",
        /// See [`PolicyToolBlocked`](Self::PolicyToolBlocked).
        ToolExplicitlyBlocked = "tool_explicitly_blocked",
        /// See [`PolicyActionsPerHour`](Self::PolicyActionsPerHour).
        ActionsPerHourExceeded = "max_actions_per_hour_exceeded",
        /// See [`PolicyCallsPerTool`](Self::PolicyCallsPerTool).
        CallsPerToolExceeded = "max_calls_per_tool_exceeded",
        /// See [`PolicySpendPerDay`](Self::PolicySpendPerDay).
        SpendPerDayExceeded = "max_spend_usd_per_day_exceeded",
        /// A governed call that was cut off before, and must not be made twice.
        InDoubt = "in_doubt",
        /// The tool of a governed call answered with an error, or not at all.
        ToolError = "tool_error",
        /// The tool's answer to a governed call is too large.
        ResultTooLarge = "result_too_large",
        /// The key's call is under way.
        IdempotencyInFlight = "idempotency_in_flight",
        /// The key's call was cut off.
        IdempotencyInDoubt = "idempotency_in_doubt",
        /// The key belongs to another request.
        IdempotencyMismatch = "idempotency_mismatch",
        /// What has to be remembered cannot be.
        StoreUnavailable = "store_unavailable",
        /// No connection to the backend.
        UpstreamConnect = "upstream_connect",
        /// No TLS connection to it.
        UpstreamTls = "upstream_tls",
        /// It closed the connection.
        UpstreamClosed = "upstream_closed",
        /// Its answer is not HTTP.
        UpstreamInvalidResponse = "upstream_invalid_response",
        /// It did not answer in time.
        UpstreamTimeout = "upstream_timeout",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Reason;

    #[test]
    fn what_policies_say_is_among_the_words() {
        for reason in [
            Reason::AgentDisabled,
            Reason::ToolNotAllowed,
            Reason::ToolBlocked,
            Reason::ActionsPerHour,
            Reason::CallsPerTool,
            Reason::SpendPerDay,
            Reason::StoreUnavailable,
        ] {
            assert!(Code::read(reason.as_str()).is_some(), "{reason:?}");
        }
    }
}
