//! The answer on its way back: head cleaned, body passed on as it comes, the account at its end.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::call::attempt::Answer;
use crate::headers;
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
    /// The upstream fell silent.
    #[error("the upstream sent nothing for {} ms", max_silence.as_millis())]
    Silent {
        /// The limit that was passed.
        max_silence: Duration,
    },
}

/// An upstream's body on its way to the agent.
///
/// Dropping it unread closes the upstream's connection and reports the call as cancelled.
pub struct Relay {
    body: UpstreamBody,
    status: StatusCode,
    max_silence: Duration,
    /// Made at the first wait: most answers come in one piece with their head.
    silence: Option<Pin<Box<Sleep>>>,
    /// Taken when the call has been reported.
    record: Option<Box<CallRecord>>,
    /// Given back then, too: the call is at its upstream until the answer has ended.
    place: Option<Place>,
}

impl Relay {
    /// Cleans the head and takes over the call's account and its place.
    // spec: RESP-1
    pub(super) fn start(
        answer: Answer,
        place: Option<Place>,
        mut record: Box<CallRecord>,
    ) -> Response<Self> {
        let (mut head, body) = answer.response.into_parts();
        headers::remove_what_ends_here(&mut head.headers);
        record.head_sent();
        let mut relay = Self {
            body,
            status: head.status,
            max_silence: answer.max_silence,
            silence: None,
            record: Some(record),
            place,
        };
        relay.finish_if_ended();
        Response::from_parts(head, relay)
    }

    fn report(&mut self, outcome: CallOutcome) {
        if let Some(record) = self.record.take() {
            record.finish(outcome);
        }
        self.place = None;
    }

    /// A body that says it has ended is not polled again by whoever sends it.
    fn finish_if_ended(&mut self) {
        if self.body.is_end_stream() {
            self.report(CallOutcome::Answered(self.status));
        }
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
        loop {
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(this.poll_silence(cx));
                    this.report(CallOutcome::Aborted);
                    let max_silence = this.max_silence;
                    return Poll::Ready(Some(Err(RelayError::Silent { max_silence })));
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
                Some(Err(error)) => {
                    this.report(CallOutcome::Aborted);
                    return Poll::Ready(Some(Err(RelayError::Broken(error))));
                }
                Some(Ok(frame)) => {
                    // Trailers end here, as `Trailer` does: the agent was not told of any.
                    let Some(data) = frame.data_ref() else {
                        continue;
                    };
                    if let Some(record) = &mut this.record {
                        record.sent(data.len());
                    }
                    this.finish_if_ended();
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
