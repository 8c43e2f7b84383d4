//! What was decided about a governed call, and the result that its agent gets.
//!
//! What a tool said is never cut short; what is too large is left out and said to be. How an answer
//! becomes an object is in `result`.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use serde_json::json;

use crate::audit::Decision;
use crate::body::{BodyLimits, Reservation};
use crate::call::Code;
use crate::call::attempt::Answer;
use crate::call::collect::{Collected, collect};
use crate::call::governed::result::{error_of, object_of};
use crate::call::refusal::{failure_word, what_failed, what_it_means};
use crate::ids::LeaseId;
use crate::once::Stored;
use crate::policy::Blocked;
use crate::telemetry::{BLOCKED, CallOutcome, CallRecord, DEDUP, Decided, FAILED};
use crate::upstream::{FailureKind, Seen};

/// What was decided about a governed call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruling {
    /// What was done.
    pub decision: Decision,
    /// `policy_reason`.
    pub reason: &'static str,
    /// `risk_level`.
    pub risk: &'static str,
    /// A JSON object, where there is one.
    pub result: Option<Bytes>,
    /// When a call that was blocked may be made, where that is known.
    pub retry_after: Option<Duration>,
}

const OK: &str = "ok";
const TOOL_ERROR: &str = Code::ToolError.word();
const TOO_LARGE: &str = Code::ResultTooLarge.word();
const LOW: &str = "low";

impl Ruling {
    /// The call was not made.
    pub(super) fn blocked(reason: &'static str, risk: &'static str) -> Self {
        Self {
            decision: Decision::Blocked,
            reason,
            risk,
            result: None,
            retry_after: None,
        }
    }

    pub(super) fn by_policy(blocked: Blocked) -> Self {
        Self {
            retry_after: blocked.retry_after,
            ..Self::blocked(blocked.reason.as_str(), blocked.risk.as_str())
        }
    }

    /// An earlier run of the call was cut off, and its tool wants no second one.
    pub(super) fn in_doubt(lease: &LeaseId) -> Self {
        let result = json!({
            "error": "in_doubt",
            "message": "an earlier run of this call was cut off and may have been carried out",
            "lease_id": lease.to_string(),
        });
        Self {
            result: Some(result.to_string().into()),
            ..Self::blocked(Code::InDoubt.word(), "medium")
        }
    }

    /// What an earlier run of the call came to.
    pub(super) fn repeated(stored: Stored) -> Self {
        if !stored.ok {
            return Self::failed_before(stored.answer);
        }
        Self {
            decision: Decision::Dedup,
            reason: "tool_idempotency",
            risk: LOW,
            result: Some(stored.answer),
            retry_after: None,
        }
    }

    /// The tool was called and did not do it.
    fn failed(reason: &'static str, result: Bytes) -> Self {
        Self {
            decision: Decision::Failed,
            reason,
            risk: LOW,
            result: Some(result),
            retry_after: None,
        }
    }

    /// The tool gave no answer.
    pub(super) fn without_answer(kind: FailureKind, seen: Seen) -> Self {
        let message = format!("{}: {}", what_failed(kind), what_it_means(seen));
        let error = failure_word(kind);
        let result = json!({ "error": error, "message": message, "status": null, "body": null });
        Self::failed(TOOL_ERROR, result.to_string().into())
    }

    /// Reads the tool's answer. What it takes is given back with it; a limit that it is over is written down.
    // spec: GOV-3
    pub(super) async fn of_answer(
        answer: Answer,
        max: usize,
        limits: &BodyLimits,
        record: &mut CallRecord,
    ) -> (Self, Option<Reservation>) {
        let (head, body) = answer.response.into_parts();
        let (status, silence) = (head.status, answer.max_silence);
        let whole = match collect(body, max, silence, limits).await {
            Collected::Whole(whole) => whole,
            Collected::Failed(kind) => {
                return (Self::without_answer(kind, Seen::MaybeSeen), None);
            }
            Collected::TooLarge(large) => {
                record.limit(large.limit);
                let result = json!({ "error": TOO_LARGE, "status": status.as_u16(), "body": null });
                return (Self::failed(TOO_LARGE, result.to_string().into()), None);
            }
        };
        let ruling = if status.is_success() {
            Self {
                decision: Decision::Executed,
                reason: OK,
                risk: LOW,
                result: Some(object_of(whole.bytes)),
                retry_after: None,
            }
        } else {
            Self::failed(TOOL_ERROR, error_of(status, &head.headers, &whole.bytes))
        };
        (ruling, Some(whole.room))
    }

    /// What is kept of it for repetitions: the result, and before that of a failure how it failed.
    pub(super) fn kept(&self) -> Bytes {
        let result = self.result.clone().unwrap_or_default();
        if self.decision == Decision::Executed {
            return result;
        }
        let mut kept = BytesMut::with_capacity(1 + result.len());
        kept.put_u8(u8::from(self.reason == TOO_LARGE));
        kept.put(result);
        kept.freeze()
    }

    fn failed_before(mut kept: Bytes) -> Self {
        let is_too_large = !kept.is_empty() && kept.split_to(1)[0] == 1;
        let reason = if is_too_large { TOO_LARGE } else { TOOL_ERROR };
        Self::failed(reason, kept)
    }

    /// Whether the agent may do what it wanted.
    pub fn is_allowed(&self) -> bool {
        self.decision != Decision::Blocked
    }

    /// Whether it was done, now or before.
    pub fn is_ok(&self) -> bool {
        matches!(self.decision, Decision::Executed | Decision::Dedup)
    }

    /// Bytes of the result.
    pub(super) fn size(&self) -> usize {
        self.result.as_ref().map_or(0, Bytes::len)
    }

    /// What the call's account says.
    pub(super) fn outcome(&self) -> CallOutcome {
        let (word, code) = match self.decision {
            Decision::Executed => return CallOutcome::Answered(StatusCode::OK),
            Decision::Dedup => (DEDUP, None),
            Decision::Blocked => (BLOCKED, Some(self.reason)),
            Decision::Failed => (FAILED, Some(self.reason)),
        };
        CallOutcome::Decided(Decided {
            status: StatusCode::OK,
            word,
            code,
        })
    }

    /// The agent's answer, with its members in the order of the hosted API.
    // spec: GOV-3
    pub fn to_json(&self) -> Bytes {
        let mut text = String::with_capacity(self.size() + ROOM_FOR_THE_REST);
        write!(
            text,
            "{{\"ok\":{},\"allowed\":{},\"decision\":\"{}\",\"policy_reason\":\"{}\",\"risk_level\":\"{}\"",
            self.is_ok(),
            self.is_allowed(),
            self.decision.as_str(),
            self.reason,
            self.risk,
        )
        .expect("a String takes everything");
        let mut json = text.into_bytes();
        if let Some(result) = &self.result {
            json.extend_from_slice(b",\"result\":");
            json.extend_from_slice(result);
        }
        json.push(b'}');
        json.into()
    }
}

/// Everything of an answer but its result.
const ROOM_FOR_THE_REST: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_remembered_as_what_it_was() {
        for reason in [TOOL_ERROR, TOO_LARGE] {
            let failed = Ruling::failed(reason, Bytes::from_static(b"{\"status\":500}"));
            assert_eq!(Ruling::failed_before(failed.kept()), failed);
        }
    }

    #[test]
    fn an_answer_has_the_hosted_members() {
        let blocked = Ruling::blocked("agent_disabled", "high");
        let expected = r#"{"ok":false,"allowed":false,"decision":"blocked","policy_reason":"agent_disabled","risk_level":"high"}"#;
        assert_eq!(blocked.to_json(), expected);
        let done = Ruling {
            decision: Decision::Executed,
            reason: OK,
            risk: LOW,
            result: Some(Bytes::from_static(b"{\"a\":1}")),
            retry_after: None,
        };
        let expected = r#"{"ok":true,"allowed":true,"decision":"executed","policy_reason":"ok","risk_level":"low","result":{"a":1}}"#;
        assert_eq!(done.to_json(), expected);
    }
}
