//! The words for how calls and attempts end: the same in metrics and in the access log.
//!
//! They are closed sets, so that a label made of them stays small. The words for failures belong to
//! the table of refusals and come in as they are.

use std::time::Duration;

use http::StatusCode;

use crate::telemetry::words::{Ending, Unanswered};

/// Through which door a call came.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// `/tools/{name}`.
    Proxy,
    /// `/v1/ai/run`.
    Governed,
}

impl Door {
    /// Every door; a door's place in here is its discriminant.
    pub const ALL: [Self; 2] = [Self::Proxy, Self::Governed];

    /// The door's name in metrics and in the access log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Governed => "governed",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub enum AttemptOutcome {
    /// The upstream answered.
    Answered(StatusCode),
    /// It did not; the word is from the refusal table.
    Failed(&'static str, Unanswered),
}

impl AttemptOutcome {
    /// The agent went away while the attempt was under way.
    pub const CANCELLED: Self = Self::Failed(CANCELLED, Unanswered::MaybeSeen);

    /// `success`, `client_error`, `server_error`, or the failure's own word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answered(status) => class(status),
            Self::Failed(word, _) => word,
        }
    }

    /// The upstream's status, if there was one.
    pub fn status(self) -> Option<StatusCode> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Failed(..) => None,
        }
    }

    /// What it means for another attempt that there was no answer.
    pub fn unanswered(self) -> Option<Unanswered> {
        match self {
            Self::Answered(_) => None,
            Self::Failed(_, unanswered) => Some(unanswered),
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub enum CallOutcome {
    /// The upstream's answer went to the agent, whole.
    Answered(StatusCode),
    /// We answered ourselves; the word is from the refusal table.
    Refused(StatusCode, &'static str),
    /// The upstream died within its answer's body.
    Aborted,
    /// The call's own rules decided, or its tool failed where that is an answer too.
    Decided(Decided),
}

/// How a call ended that is more than its answer's status tells.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// What the agent got.
    pub status: StatusCode,
    /// [`BLOCKED`], [`DEDUP`] or [`FAILED`].
    pub word: &'static str,
    /// Why, where that is not said yet.
    pub code: Option<&'static str>,
}

impl CallOutcome {
    /// `success`, `client_error`, `server_error`, `aborted`, `blocked`, `dedup`, `failed`, or the
    /// refusal's own word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answered(status) => class(status),
            Self::Refused(_, word) => word,
            Self::Aborted => Ending::Aborted.word(),
            Self::Decided(decided) => decided.word,
        }
    }
}

/// The outcome of a call, and of an attempt, that the agent did not wait for.
pub const CANCELLED: &str = Ending::Cancelled.word();
/// The outcome of a call that its agent's policy or a switch forbids.
pub const BLOCKED: &str = Ending::Blocked.word();
/// The outcome of a call that was answered before.
pub const DEDUP: &str = Ending::Dedup.word();
/// The outcome of a governed call whose tool did not do it.
pub const FAILED: &str = Ending::Failed.word();
/// The outcome of an answer below 400.
pub const SUCCESS: &str = Ending::Success.word();

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..400 => SUCCESS,
        400..500 => Ending::ClientError.word(),
        500.. => Ending::ServerError.word(),
    }
}

/// One attempt that ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// [`AttemptOutcome::word`].
    pub outcome: &'static str,
    /// The upstream's status, if it answered.
    pub status: Option<u16>,
    /// What it means that it did not.
    pub unanswered: Option<Unanswered>,
    /// From dialling to the response head, or to the failure.
    pub took: Millis,
}

/// One retry that was decided on.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// What made it necessary.
    pub reason: &'static str,
    /// The wait before it.
    pub wait: Millis,
}

/// A duration that prints as milliseconds, to the microsecond.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub Duration);

impl Millis {
    /// As a number of milliseconds.
    pub fn as_f64(self) -> f64 {
        self.0.as_micros() as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_three_classes() {
        for (status, word) in [
            (100, "success"),
            (204, "success"),
            (302, "success"),
            (399, "success"),
            (400, "client_error"),
            (499, "client_error"),
            (500, "server_error"),
            (999, "server_error"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(AttemptOutcome::Answered(status).word(), word);
            assert_eq!(CallOutcome::Answered(status).word(), word);
        }
    }

    #[test]
    fn a_door_stands_where_its_discriminant_says() {
        for (place, door) in Door::ALL.into_iter().enumerate() {
            assert_eq!(door as usize, place);
        }
    }
}
