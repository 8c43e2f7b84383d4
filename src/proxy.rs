//! The transparent door: `/tools/{name}` carries an agent's own request to a tool.
//!
//! It understands requests and prints outcomes. Everything between is the engine's.

mod identity;
mod route;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use crate::call::{Addition, Call, Engine, Outcome, Refusal, Relay, RelayError};
use crate::headers::{TRACEPARENT, X_COUNTERSIGN_ATTEMPTS, X_REQUEST_ID};
use crate::ids::RequestId;
use crate::server::guard::Guard;
use crate::server::{Request, RequestBody, Service, Unreadable};
use crate::telemetry::{CallRecord, Door, TraceContext};

pub use identity::Identity;
#[cfg(feature = "test-support")]
pub use route::parse as parse_route;

/// One worker's transparent door.
pub struct Proxy {
    /// Makes the calls.
    pub engine: Engine,
    /// Decides who is calling.
    pub identity: Identity,
    /// Keeps browsers out.
    pub guard: Guard,
}

impl Service for Proxy {
    type Body = ProxyBody;

    fn answer(&self, request: Request) -> impl Future<Output = Response<ProxyBody>> {
        let telemetry = &self.engine.telemetry;
        let now = telemetry.clock.now();
        let fields = &request.head.fields;
        let request_id = RequestId::adopt_or_new(fields.get(&X_REQUEST_ID), now);
        let trace = TraceContext::child_of(fields.get_all(&TRACEPARENT));
        let method = request.head.method.clone();
        let record = CallRecord::start(
            Arc::clone(telemetry),
            now,
            Door::Proxy,
            request_id.clone(),
            trace.clone(),
            method,
        );
        let understood = self.understand(request, request_id.clone(), trace);
        async move {
            let outcome = match understood {
                Ok(call) => self.engine.run(call, record).await,
                Err(refusal) => refused(refusal, record),
            };
            print(outcome, &request_id)
        }
    }

    // spec: ERR-1
    fn refuse(&self, why: Unreadable) -> Response<ProxyBody> {
        let telemetry = &self.engine.telemetry;
        let now = telemetry.clock.now();
        let request_id = RequestId::adopt_or_new(None, now);
        let record = CallRecord::start_unread(
            Arc::clone(telemetry),
            now,
            Door::Proxy,
            request_id.clone(),
            TraceContext::child_of([]),
        );
        print(refused(why.into(), record), &request_id)
    }
}

/// What comes of a request before the engine is asked.
fn refused(refusal: Refusal, record: Box<CallRecord>) -> Outcome {
    refusal.report(record);
    Outcome {
        result: Err(refusal),
        attempts: 0,
    }
}

impl Proxy {
    /// From a request to a call, before anything of the body is read.
    // spec: CALL-1 CALL-2 ORIGIN-1
    fn understand(
        &self,
        request: Request,
        request_id: RequestId,
        trace: TraceContext,
    ) -> Result<Call<RequestBody>, Refusal> {
        let Request { mut head, body } = request;
        if !self.guard.allows_origin(&head.fields) {
            return Err(Refusal::OriginNotAllowed);
        }
        let (agent, proven) = self.identity.of(&mut head.fields)?;
        if !proven && !self.guard.allows_host(&head.fields) {
            return Err(Refusal::HostNotAllowed);
        }
        let route = route::parse(head.uri.path())?;
        let query = head.uri.query().map(str::to_owned);
        Ok(Call {
            tool: route.tool,
            agent,
            request_id,
            trace,
            method: head.method,
            fields: head.fields,
            addition: Addition {
                rest: route.rest,
                query,
            },
            body,
        })
    }
}

// spec: RESP-1
fn print(outcome: Outcome, request_id: &RequestId) -> Response<ProxyBody> {
    let mut response = match outcome.result {
        Ok(answer) => answer.map(ProxyBody::Upstream),
        Err(refusal) => refusal
            .to_response()
            .map(|own| ProxyBody::Own(Full::new(own))),
    };
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, request_id.to_header());
    headers.insert(X_COUNTERSIGN_ATTEMPTS, number(outcome.attempts));
    response
}

/// Almost every answer takes one attempt, and a constant takes no memory.
fn number(attempts: usize) -> HeaderValue {
    match attempts {
        1 => HeaderValue::from_static("1"),
        other => HeaderValue::from(other),
    }
}

/// What the door's answers carry.
pub enum ProxyBody {
    /// The tool's answer.
    Upstream(Relay),
    /// Our own.
    Own(Full<Bytes>),
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match &mut *self {
            Self::Upstream(relay) => Pin::new(relay).poll_frame(cx),
            Self::Own(own) => Pin::new(own).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream(relay) => relay.is_end_stream(),
            Self::Own(own) => own.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(relay) => relay.size_hint(),
            Self::Own(own) => own.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_answer<F>(_: impl FnOnce(&'static Proxy, Request) -> F) -> usize {
        size_of::<F>()
    }

    /// What every call moves to the heap, and holds there until its answer has begun.
    #[test]
    fn a_call_is_small() {
        let size = size_of_answer(|proxy, request| proxy.answer(request));
        assert!(size <= 2560, "{size} bytes");
    }
}
