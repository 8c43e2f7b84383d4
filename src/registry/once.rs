//! `once:` of a tool: how long its governed calls are remembered, and what follows from one that was
//! cut off.
//!
//! Remembering is left to the claims that the engine makes; a tool only says how.

use std::time::Duration;

use crate::registry::protection::in_range;
use crate::registry::spec::{OnceSpec, limits};
use crate::rule::{Rule, Violation};

/// How a call that is made twice is run once.
// spec: ONCE-3
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OnceTerms {
    /// How long a call that is told by its arguments is remembered from its end on.
    pub ttl: Duration,
    /// What follows from a call of which nobody knows whether it was carried out.
    pub in_doubt: WhenInDoubt,
}

/// What follows from a call that was cut off, when it is made once more.
// spec: ONCE-4
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenInDoubt {
    /// It runs again, with the lease that it had.
    Retry,
    /// It is refused until it is forgotten.
    Refuse,
}

impl WhenInDoubt {
    /// The words of `once.in_doubt`.
    const WORDS: &[&str] = &["retry", "refuse"];
}

impl OnceTerms {
    /// Checks what a specification asks for; `None` is `off`.
    // spec: REG-2
    pub(super) fn compile(spec: Option<&OnceSpec>, faults: &mut Vec<Violation>) -> Option<Self> {
        let (ttl_ms, in_doubt) = match spec {
            Some(OnceSpec::Off) => return None,
            Some(OnceSpec::Kept { ttl_ms, in_doubt }) => (*ttl_ms, in_doubt.as_deref()),
            None => (None, None),
        };
        let ttl_ms = in_range(faults, "once.ttl_ms", ttl_ms, limits::ONCE_TTL_MS);
        let in_doubt = match in_doubt {
            None | Some("retry") => WhenInDoubt::Retry,
            Some("refuse") => WhenInDoubt::Refuse,
            Some(_) => {
                let rule = Rule::OneOf(WhenInDoubt::WORDS);
                faults.push(Violation::new("once.in_doubt", rule));
                WhenInDoubt::Retry
            }
        };
        let ttl_ms = ttl_ms.unwrap_or(limits::DEFAULT_ONCE_TTL_MS);
        Some(Self {
            ttl: Duration::from_millis(ttl_ms.unsigned_abs()),
            in_doubt,
        })
    }
}
