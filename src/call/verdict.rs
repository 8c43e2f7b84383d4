//! What an attempt came to, in the three cases that retrying depends on.

use http::{Response, StatusCode};

use crate::upstream::{Seen, SendError, UpstreamBody};

/// What an attempt came to.
// spec: RETRY-1
pub(super) enum Verdict {
    /// The upstream answered.
    Answered(Response<UpstreamBody>),
    /// It did not; the error says whether it may have seen the request.
    Failed(SendError),
}

/// A verdict without its payload: all that retrying looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// No byte of the request was taken.
    NotSent,
    /// The upstream may have acted on it.
    MaybeSeen,
    /// The upstream answered.
    Status(StatusCode),
}

impl Verdict {
    /// Whether the upstream can have acted on the attempt.
    pub(super) fn seen(&self) -> Seen {
        match self {
            Self::Answered(_) => Seen::MaybeSeen,
            Self::Failed(error) => error.seen(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Answered(answer) => Kind::Status(answer.status()),
            Self::Failed(error) => match error.seen() {
                Seen::NotSent => Kind::NotSent,
                Seen::MaybeSeen => Kind::MaybeSeen,
            },
        }
    }
}
