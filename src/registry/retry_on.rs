//! `retry_on:` of a tool: what it allows to be tried again.

use http::StatusCode;

use crate::rule::{Rule, Violation};

/// Which verdicts a tool allows to be retried. A narrowing: what is never retried stays so.
// spec: RETRY-2
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryOn(u8);

impl RetryOn {
    /// The words of `retry_on:`, in the order of their bits.
    pub const WORDS: &[&str] = &[
        "not_sent",
        "maybe_seen",
        "408",
        "429",
        "500",
        "502",
        "503",
        "504",
    ];
    /// Everything that may be retried.
    pub const ALL: Self = Self(u8::MAX);

    pub(super) fn compile(words: Option<&[String]>, faults: &mut Vec<Violation>) -> Self {
        let Some(words) = words else { return Self::ALL };
        let mut allowed = Self(0);
        for (index, word) in words.iter().enumerate() {
            match Self::WORDS.iter().position(|known| known == word) {
                Some(bit) => allowed.0 |= 1 << bit,
                None => {
                    let field = format!("retry_on[{index}]");
                    faults.push(Violation::new(field, Rule::OneOf(Self::WORDS)));
                }
            }
        }
        allowed
    }

    /// Whether a request that was never sent may be sent again.
    pub fn not_sent(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether a request that may have been seen may be sent again.
    pub fn maybe_seen(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether an answer of this status may be tried again.
    pub fn status(self, status: StatusCode) -> bool {
        let word = status.as_str();
        Self::WORDS
            .iter()
            .position(|known| *known == word)
            .is_some_and(|bit| self.0 & 1 << bit != 0)
    }
}
