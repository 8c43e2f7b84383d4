//! Whether to try again, and when. Pure decisions; `attempt` carries them out.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};

use crate::call::verdict::Kind;
use crate::clock::Timestamp;
use crate::headers::IDEMPOTENCY_KEY;
use crate::http1::FieldList;
use crate::registry::{RetryOn, Tool};
use crate::telemetry::{NoRetry, Unanswered};

/// The first wait is drawn from zero to this.
const BASE_WAIT: Duration = Duration::from_millis(100);
/// No wait of our own choice is longer.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// An upstream that asks for more than this gets no retry: the agent can wait better than we can.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The words for retries of attempts without an answer.
const NOT_SENT: &str = Unanswered::NotSent.word();
const MAYBE_SEEN: &str = Unanswered::MaybeSeen.word();

/// Whether a request that the upstream may have seen can be sent again without asking.
// spec: RETRY-2
pub(super) fn is_repeatable(tool: &Tool, method: &Method, fields: &FieldList) -> bool {
    let by_method = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
    ];
    tool.idempotent || by_method.contains(method) || fields.contains(&IDEMPOTENCY_KEY)
}

/// What one call may do about failures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    repeatable: bool,
    retry_on: RetryOn,
    max_retries: u8,
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Wait, then try again.
    Retry {
        /// How long.
        wait: Duration,
        /// The word for metrics and the log.
        reason: &'static str,
    },
    /// Give the agent what is in hand; the reason, where it is nothing that one is content with.
    Stop(Option<NoRetry>),
}

impl Policy {
    pub(super) fn of(tool: &Tool, repeatable: bool) -> Self {
        Self {
            repeatable,
            retry_on: tool.retry_on,
            max_retries: tool.max_retries,
        }
    }

    /// Decides after the attempt that follows `retries` others and can be retried for this reason.
    ///
    /// `remaining` is what is left of the call's deadline, `random` is uniform in `0.0..1.0`.
    // spec: RETRY-2 RETRY-3
    pub(super) fn next(
        &self,
        reason: &'static str,
        retries: u8,
        retry_after: Option<Duration>,
        remaining: Option<Duration>,
        random: f64,
    ) -> Next {
        if retries >= self.max_retries {
            return Next::Stop(Some(NoRetry::MaxRetries));
        }
        if retry_after.is_some_and(|wait| wait > MAX_RETRY_AFTER) {
            return Next::Stop(Some(NoRetry::RetryAfter));
        }
        let wait = backoff(retries, random).max(retry_after.unwrap_or_default());
        if remaining.is_some_and(|remaining| wait >= remaining) {
            return Next::Stop(Some(NoRetry::Deadline));
        }
        Next::Retry { wait, reason }
    }

    /// The word for an attempt that can be retried.
    ///
    /// # Errors
    /// Why it cannot be, where it went wrong.
    // spec: RETRY-2
    pub(super) fn reason(&self, verdict: Kind) -> Result<&'static str, Option<NoRetry>> {
        let (word, is_safe, is_wanted) = match verdict {
            Kind::NotSent => (NOT_SENT, true, self.retry_on.not_sent()),
            Kind::MaybeSeen => (MAYBE_SEEN, self.repeatable, self.retry_on.maybe_seen()),
            Kind::Status(status) => {
                let (word, always) = match status {
                    StatusCode::TOO_MANY_REQUESTS => ("429", true),
                    StatusCode::SERVICE_UNAVAILABLE => ("503", true),
                    StatusCode::REQUEST_TIMEOUT => ("408", false),
                    StatusCode::INTERNAL_SERVER_ERROR => ("500", false),
                    StatusCode::BAD_GATEWAY => ("502", false),
                    StatusCode::GATEWAY_TIMEOUT => ("504", false),
                    _ => return Err(None),
                };
                let is_safe = always || self.repeatable;
                (word, is_safe, self.retry_on.status(status))
            }
        };
        if !is_wanted {
            return Err(Some(NoRetry::RetryOn));
        }
        if !is_safe {
            return Err(Some(NoRetry::NotRepeatable));
        }
        Ok(word)
    }
}

/// Full jitter: anything from nothing to twice the bound of the wait before.
fn backoff(retries: u8, random: f64) -> Duration {
    let bound = BASE_WAIT.saturating_mul(1 << retries.min(10)).min(MAX_WAIT);
    bound.mul_f64(random)
}

/// Reads `Retry-After` in either form (RFC 9110, 10.2.3); `None` when it is neither.
pub fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a u64 holds is still a number of seconds, and a very long wait.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now.to_system_time()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Policy = Policy {
        repeatable: true,
        retry_on: RetryOn::ALL,
        max_retries: 10,
    };

    #[test]
    fn only_what_is_safe_is_retried() {
        let once = Policy {
            repeatable: false,
            ..ALL
        };
        let retried = |policy: Policy, kind| policy.reason(kind).is_ok();
        let status = |code| Kind::Status(StatusCode::from_u16(code).unwrap());
        for (kind, repeatable, otherwise) in [
            (Kind::NotSent, true, true),
            (Kind::MaybeSeen, true, false),
            (status(429), true, true),
            (status(503), true, true),
            (status(408), true, false),
            (status(500), true, false),
            (status(502), true, false),
            (status(504), true, false),
            (status(200), false, false),
            (status(302), false, false),
            (status(400), false, false),
            (status(404), false, false),
            (status(501), false, false),
            (status(505), false, false),
        ] {
            assert_eq!(
                (retried(ALL, kind), retried(once, kind)),
                (repeatable, otherwise),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn what_is_not_retried_has_a_reason_where_it_went_wrong() {
        let once = Policy {
            repeatable: false,
            ..ALL
        };
        let unsafe_again = Some(NoRetry::NotRepeatable);
        for (kind, expected) in [
            (Kind::MaybeSeen, unsafe_again),
            (
                Kind::Status(StatusCode::INTERNAL_SERVER_ERROR),
                unsafe_again,
            ),
            (Kind::Status(StatusCode::NOT_FOUND), None),
            (Kind::Status(StatusCode::OK), None),
        ] {
            assert_eq!(once.reason(kind), Err(expected), "{kind:?}");
        }
    }

    #[test]
    fn waits_double_up_to_five_seconds() {
        let longest = |retries| match ALL.next("not_sent", retries, None, None, 1.0) {
            Next::Retry { wait, .. } => wait.as_millis(),
            Next::Stop(why) => {
                assert_eq!(why, Some(NoRetry::MaxRetries));
                0
            }
        };
        let waits: Vec<u128> = (0..11).map(longest).collect();
        assert_eq!(
            waits,
            [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 0]
        );
    }

    #[test]
    fn retry_after_is_the_floor_and_the_deadline_the_ceiling() {
        let secs = Duration::from_secs;
        let next = |after, left| ALL.next("not_sent", 0, after, left, 0.5);
        let wait = |wait| Next::Retry {
            wait,
            reason: "not_sent",
        };
        assert_eq!(next(Some(secs(3)), None), wait(secs(3)));
        assert_eq!(next(Some(secs(0)), None), wait(Duration::from_millis(50)));
        assert_eq!(next(Some(secs(30)), Some(secs(31))), wait(secs(30)));
        let stop = |why| Next::Stop(Some(why));
        assert_eq!(
            next(Some(secs(30)), Some(secs(30))),
            stop(NoRetry::Deadline)
        );
        assert_eq!(next(Some(secs(31)), None), stop(NoRetry::RetryAfter));
        let late = next(None, Some(Duration::from_millis(50)));
        assert_eq!(late, stop(NoRetry::Deadline));
    }

    #[test]
    fn retry_after_comes_in_two_forms() {
        // 2024-01-15T12:40:00Z, from `date -u -d @1705322400`.
        let now = Timestamp::from_unix_millis(1_705_322_400_000);
        for (text, expected) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Mon, 15 Jan 2024 12:40:09 GMT", Some(9)),
            ("Mon, 15 Jan 2024 12:39:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let value = HeaderValue::from_str(text).unwrap();
            assert_eq!(
                retry_after(&value, now).map(|d| d.as_secs()),
                expected,
                "{text}"
            );
        }
    }
}
