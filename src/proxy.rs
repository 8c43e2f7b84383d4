//! The transparent door: `/tools/{name}` carries an agent's own request to a tool.
//!
//! It understands requests and prints outcomes. Everything between is the engine's.

mod identity;
mod route;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Response};
use http_body_util::Full;

use crate::call::{Addition, AnswerBody, Call, Engine, Outcome, Refusal};
use crate::headers::{TRACEPARENT, X_COUNTERSIGN_ATTEMPTS, X_REQUEST_ID};
use crate::ids::RequestId;
use crate::server::guard::Guard;
use crate::server::{Request, RequestBody, Service, Unreadable};
use crate::telemetry::{CallRecord, Door, TraceContext};

pub use identity::{Identity, claimed};
#[cfg(feature = "test-support")]
pub use route::parse as parse_route;

/// One worker's transparent door.
pub struct Proxy {
    /// Makes the calls.
    pub engine: Rc<Engine>,
    /// Decides who is calling.
    pub identity: Identity,
    /// Keeps browsers out.
    pub guard: Guard,
    /// What else is asked for here.
    pub beside: Option<SideDoor>,
}

/// Another door on the same listener.
pub struct SideDoor {
    /// The one path that leads to it.
    pub path: &'static str,
    /// What answers there.
    pub answer: Box<dyn Fn(Request) -> Answering>,
}

/// An answer of another door.
pub type Answering = Pin<Box<dyn Future<Output = Response<AnswerBody>>>>;

/// What a request is, before anything of its body is read.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would cost the common case an allocation"
)]
enum Understood {
    Call(Call<RequestBody>, Box<CallRecord>, RequestId),
    Refused(Refusal, Box<CallRecord>, RequestId),
    Beside(Answering),
}

impl Service for Proxy {
    type Body = AnswerBody;

    fn answer(&self, request: Request) -> impl Future<Output = Response<AnswerBody>> {
        let understood = match &self.beside {
            Some(door) if request.head.uri.path() == door.path => {
                Understood::Beside((door.answer)(request))
            }
            Some(_) | None => self.begin(request),
        };
        async move {
            let (outcome, request_id) = match understood {
                Understood::Call(call, record, id) => (self.engine.run(call, record).await, id),
                Understood::Refused(refusal, record, id) => (refused(refusal, record), id),
                Understood::Beside(answering) => return answering.await,
            };
            print(outcome, &request_id)
        }
    }

    // spec: ERR-1
    fn refuse(&self, why: Unreadable) -> Response<AnswerBody> {
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
    /// Opens the account of a request that is ours, and reads it.
    fn begin(&self, request: Request) -> Understood {
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
        match self.understand(request, request_id.clone(), trace) {
            Ok(call) => Understood::Call(call, record, request_id),
            Err(refusal) => Understood::Refused(refusal, record, request_id),
        }
    }

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
fn print(outcome: Outcome, request_id: &RequestId) -> Response<AnswerBody> {
    let mut response = match outcome.result {
        Ok(answer) => answer,
        Err(refusal) => refusal
            .to_response()
            .map(|own| AnswerBody::Whole(Full::new(own))),
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
