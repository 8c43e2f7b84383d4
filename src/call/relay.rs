//! The answer on its way back: head cleaned, body passed on as it comes, the account at its end.
//!
//! An answer that was collected, or kept from an earlier call, is given as a whole instead.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::call::attempt::Answer;
use crate::call::leash::Leash;
use crate::headers;
use crate::ids::AgentId;
use crate::registry::Place;
use crate::telemetry::{CallOutcome, CallRecord};
use crate::upstream::{BodyError, UpstreamBody};

/// Why an answer's body stopped before its end. The agent's connection is then aborted.
// spec: RESP-2
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The upstream died or broke the framing.
    #[error("the upstream's answer broke off")]
    Broken(#[source] BodyError),
    /// The agent was switched off.
    #[error("the agent was switched off")]
    Cut,
    /// The upstream fell silent.
    #[error("the upstream sent nothing for {} ms", max_silence.as_millis())]
    Silent {
        /// The limit that was passed.
        max_silence: Duration,
    },
}

/// What an answer carries.
pub enum AnswerBody {
    /// An upstream's body, piece by piece.
    Relay(Relay),
    /// Something that is all there.
    Whole(Full<Bytes>),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match &mut *self {
            Self::Relay(relay) => Pin::new(relay).poll_frame(cx),
            Self::Whole(whole) => Pin::new(whole)
                .poll_frame(cx)
                .map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Relay(relay) => relay.is_end_stream(),
            Self::Whole(whole) => whole.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Relay(relay) => relay.size_hint(),
            Self::Whole(whole) => whole.size_hint(),
        }
    }
}

/// An answer that is passed on while it comes.
pub(super) struct Stream {
    pub(super) answer: Answer,
    /// What was read of its body already.
    pub(super) ahead: Bytes,
    /// The call's place at its upstream.
    pub(super) place: Option<Place>,
}

/// An upstream's body on its way to the agent.
///
/// Dropping it unread closes the upstream's connection and reports the call as cancelled.
pub struct Relay {
    body: UpstreamBody,
    /// What comes before it.
    ahead: Bytes,
    status: StatusCode,
    max_silence: Duration,
    /// Made at the first wait: most answers come in one piece with their head.
    silence: Option<Pin<Box<Sleep>>>,
    /// Taken when the call has been reported.
    record: Option<Box<CallRecord>>,
    /// Given back then, too: the call is at its upstream until the answer has ended.
    place: Option<Place>,
    /// What the call is cut by when its agent is switched off. On the heap, because most answers end
    /// with their head and need none.
    tether: Option<Box<(Leash, AgentId)>>,
}

impl Relay {
    /// Cleans the head and takes over the call's account and its place.
    // spec: RESP-1
    pub(super) fn start(
        stream: Stream,
        leash: Leash,
        agent: &AgentId,
        mut record: Box<CallRecord>,
    ) -> Response<Self> {
        let Stream {
            answer,
            ahead,
            place,
        } = stream;
        let (mut head, body) = answer.response.into_parts();
        headers::remove_what_ends_here(&mut head.headers);
        record.head_sent();
        let tether = (!body.is_end_stream()).then(|| Box::new((leash, agent.clone())));
        let mut relay = Self {
            body,
            ahead,
            status: head.status,
            max_silence: answer.max_silence,
            silence: None,
            record: Some(record),
            place,
            tether,
        };
        relay.finish_if_ended();
        Response::from_parts(head, relay)
    }

    fn report(&mut self, outcome: CallOutcome) {
        if let Some(record) = self.record.take() {
            record.finish(outcome);
        }
        self.place = None;
        self.tether = None;
    }

    /// A body that says it has ended is not polled again by whoever sends it.
    fn finish_if_ended(&mut self) {
        if self.is_end_stream() {
            self.report(CallOutcome::Answered(self.status));
        }
    }

    /// Passes on a piece of the body.
    fn passed(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if let Some(record) = &mut self.record {
            record.sent(bytes);
        }
        self.finish_if_ended();
        Poll::Ready(Some(Ok(frame)))
    }

    /// Breaks the body off.
    fn broken(&mut self, error: RelayError) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.report(CallOutcome::Aborted);
        Poll::Ready(Some(Err(error)))
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.max_silence)));
        timer.as_mut().poll(cx)
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            let ahead = std::mem::take(&mut this.ahead);
            return this.passed(Frame::data(ahead));
        }
        loop {
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if let Some(tether) = &mut this.tether
                        && tether.0.poll_cut(&tether.1, cx).is_ready()
                    {
                        return this.broken(RelayError::Cut);
                    }
                    ready!(this.poll_silence(cx));
                    let max_silence = this.max_silence;
                    return this.broken(RelayError::Silent { max_silence });
                }
            };
            if let Some(timer) = &mut this.silence {
                timer.as_mut().reset(Instant::now() + this.max_silence);
            }
            match frame {
                None => {
                    this.report(CallOutcome::Answered(this.status));
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return this.broken(RelayError::Broken(error)),
                // Trailers end here, as `Trailer` does: the agent was not told of any.
                Some(Ok(frame)) if frame.is_data() => return this.passed(frame),
                Some(Ok(_)) => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (ahead, rest) = (self.ahead.len() as u64, self.body.size_hint());
        let mut size = SizeHint::new();
        size.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper() {
            size.set_upper(upper.saturating_add(ahead));
        }
        size
    }
}
