//! The words of the access log that come from closed sets, each written here once: what writes a line
//! and what explains one both go by these types.
//!
//! A word is part of the contract of `docs/access-log.md` and never changes its meaning.

/// Makes an enum of which every variant has one word: `word` says it, `read` finds it again.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for the access log.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What a word of the access log means; `None` for one of a later version.
            pub fn read(word: &str) -> Option<Self> {
                Self::ALL.iter().find(|one| one.word() == word).copied()
            }
        }
    };
}

pub(crate) use words;

words! {
    /// How a call ended, where that is not said by a refusal's word.
    Ending {
        /// The upstream's answer, below 400, was passed on whole.
        Success = "success",
        /// The upstream's answer, 400 to 499, was.
        ClientError = "client_error",
        /// The upstream's answer, 500 and above, was.
        ServerError = "server_error",
        /// The upstream died within its answer.
        Aborted = "aborted",
        /// The agent went away first.
        Cancelled = "cancelled",
        /// The agent's policy or a switch forbids the call.
        Blocked = "blocked",
        /// The call was answered before.
        Dedup = "dedup",
        /// A governed call whose tool did not do it.
        Failed = "failed",
    }
}

words! {
    /// What an attempt without an answer came to: all that retrying looks at.
    Unanswered {
        /// The upstream cannot have seen anything of it.
        NotSent = "not_sent",
        /// The upstream may have acted on it.
        MaybeSeen = "maybe_seen",
    }
}

words! {
    /// Why there was no further attempt after one that went wrong.
    NoRetry {
        /// The upstream may have acted on it, and the call must not be made twice.
        NotRepeatable = "not_repeatable",
        /// The tool's `retry_on` leaves it out.
        RetryOn = "retry_on",
        /// The tool's `max_retries` are used up.
        MaxRetries = "max_retries",
        /// The upstream asked for a longer wait than anybody waits here.
        RetryAfter = "retry_after",
        /// The wait would have passed the tool's `deadline_ms`.
        Deadline = "deadline",
        /// The tool's retry budget is spent.
        Budget = "budget",
        /// The tool's circuit breaker is open.
        Circuit = "circuit",
    }
}

words! {
    /// The setting whose limit ended a call, or its last attempt.
    Limit {
        /// Of a tool: how long one attempt may take.
        TimeoutMs = "timeout_ms",
        /// Of a tool: how long all attempts and waits together may take.
        DeadlineMs = "deadline_ms",
        /// Of a tool: how many calls may be at the backend at once.
        MaxConcurrency = "max_concurrency",
        /// Of a tool: how often it may be called.
        Rate = "rate_limit",
        /// Of a tool: how often its backend may fail.
        CircuitBreaker = "circuit_breaker",
        /// How large a head may be.
        MaxHeadBytes = "limits.max_head_bytes",
        /// How long a head may take.
        HeadTimeoutMs = "limits.head_timeout_ms",
        /// How large a body may be.
        MaxBodyBytes = "limits.max_body_bytes",
        /// How long a body may take.
        BodyTimeoutMs = "limits.body_timeout_ms",
        /// How large all bodies together may be.
        MaxBufferedBytes = "limits.max_buffered_bytes",
        /// How large the result of a governed call may be.
        MaxResultBytes = "limits.max_result_bytes",
    }
}

words! {
    /// What a tool's circuit breaker decided about a call.
    CircuitVerdict {
        /// It must not be made.
        Refused = "refused",
        /// A retry that was due must not be made.
        NoRetry = "no_retry",
        /// It may try whether the upstream is well again.
        Probe = "probe",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_again() {
        assert_eq!(NoRetry::read("max_retries"), Some(NoRetry::MaxRetries));
        assert_eq!(
            Limit::read("limits.max_body_bytes"),
            Some(Limit::MaxBodyBytes)
        );
        assert_eq!(Limit::read("max_body_bytes"), None);
        assert_eq!(CircuitVerdict::read(""), None);
        for one in Unanswered::ALL {
            assert_eq!(Unanswered::read(one.word()), Some(*one));
        }
    }
}
