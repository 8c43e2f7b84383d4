//! The governed door: `POST /v1/ai/run` says what an agent wants done, and the answer what came of it.
//!
//! It is open on both listeners: to agents, who are who they are to the transparent door, and to the
//! operator, who may name any agent. It understands requests and prints rulings. Everything between
//! is the engine's.

use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;

use crate::api::{Failure, RunRequest};
use crate::body::{Absorb, Captured, Reservation};
use crate::call::{
    AnswerBody, Code, Engine, Governed, GovernedCall, KeyHash, Refusal, Ruling, whole_seconds,
};
use crate::headers::{
    self, TRACEPARENT, TRACESTATE, X_COUNTERSIGN_ATTEMPTS, X_COUNTERSIGN_ERROR,
    X_ONCEONLY_AGENT_ID, X_REQUEST_ID,
};
use crate::ids::{AgentId, RequestId};
use crate::proxy::{Identity, SideDoor, claimed};
use crate::server::guard::Guard;
use crate::server::{Request, RequestBody};
use crate::telemetry::{CallOutcome, CallRecord, Door, TraceContext};

/// The path of the door.
const PATH: &str = "/v1/ai/run";

/// One thread's governed door.
pub struct GovernedDoor {
    /// Makes the calls.
    pub engine: Rc<Engine>,
    /// Decides who is calling.
    pub identity: Identity,
    /// Keeps browsers out.
    pub guard: Guard,
}

/// Why a request is not made into a call.
enum Unfit {
    Refused(Refusal),
    Wrong(Failure),
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for Unfit {
    fn from(failure: Failure) -> Self {
        Self::Wrong(failure)
    }
}

/// Who is calling, as far as it is known before the body is read.
struct Caller {
    /// The agent that the body must name; `None` where it may name any.
    bound: Option<AgentId>,
    key_hash: KeyHash,
}

impl GovernedDoor {
    /// This door beside the transparent one, on the agents' listener.
    pub fn side_door(self: &Rc<Self>) -> SideDoor {
        let door = Rc::clone(self);
        SideDoor {
            path: PATH,
            answer: Box::new(move |request| {
                let door = Rc::clone(&door);
                Box::pin(async move { door.answer(request).await })
            }),
        }
    }

    /// Answers an agent's request.
    ///
    /// Dropping the future leaves a call that was claimed to its own end.
    // spec: GOV-1
    async fn answer(&self, request: Request) -> Response<AnswerBody> {
        let fields = &request.head.fields;
        let trace = TraceContext::child_of(fields.get_all(&TRACEPARENT));
        let name = X_REQUEST_ID;
        let offered = fields.get(&name);
        let (mut record, id) = self.start(&request.head.method, offered, trace);
        let governed = match self.understand(request, &mut record).await {
            Ok(call) => Ok(self.engine.govern(call, record).await),
            Err(unfit) => Err(refuse(unfit, record)),
        };
        print(governed, &id).map(AnswerBody::Whole)
    }

    /// Answers the operator's, whose key has been checked.
    ///
    /// Dropping the future leaves a call that was claimed to its own end.
    // spec: GOV-1
    pub async fn answer_operator(&self, headers: HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
        let trace = TraceContext::child_of(headers.get_all(TRACEPARENT));
        let offered = headers.get(X_REQUEST_ID);
        let (mut record, id) = self.start(&Method::POST, offered, trace);
        record.captured(body.len(), std::time::Duration::ZERO);
        let understood = || -> Result<GovernedCall, Unfit> {
            let caller = Caller {
                bound: claimed(headers.get_all(X_ONCEONLY_AGENT_ID))?,
                key_hash: KeyHash::of(headers::bearer(headers.get_all(AUTHORIZATION))),
            };
            call(&headers, &body, caller, &record)
        };
        let governed = match understood() {
            Ok(call) => Ok(self.engine.govern(call, record).await),
            Err(unfit) => Err(refuse(unfit, record)),
        };
        print(governed, &id)
    }

    /// Opens the account of a call.
    fn start(
        &self,
        method: &Method,
        offered: Option<&HeaderValue>,
        trace: TraceContext,
    ) -> (Box<CallRecord>, RequestId) {
        let telemetry = &self.engine.telemetry;
        let now = telemetry.clock.now();
        let id = RequestId::adopt_or_new(offered, now);
        let record = CallRecord::start(
            Arc::clone(telemetry),
            now,
            Door::Governed,
            id.clone(),
            trace,
            method.clone(),
        );
        (record, id)
    }

    /// From a request to a call.
    // spec: GOV-1 CALL-2 ORIGIN-1
    async fn understand(
        &self,
        request: Request,
        record: &mut CallRecord,
    ) -> Result<GovernedCall, Unfit> {
        let Request { mut head, body } = request;
        if !self.guard.allows_origin(&head.fields) {
            return Err(Refusal::OriginNotAllowed.into());
        }
        let key_hash = KeyHash::of(headers::bearer(head.fields.get_all(&AUTHORIZATION)));
        let (agent, proven) = self.identity.of(&mut head.fields)?;
        if !proven && !self.guard.allows_host(&head.fields) {
            return Err(Refusal::HostNotAllowed.into());
        }
        if head.method != Method::POST {
            return Err(Refusal::MethodNotAllowed.into());
        }
        let is_bound = proven || head.fields.contains(&X_ONCEONLY_AGENT_ID);
        let body = self.capture(body, record).await?;
        let caller = Caller {
            bound: is_bound.then_some(agent),
            key_hash,
        };
        call(&head.fields.into(), &body, caller, record)
    }

    /// Reads the body, within the limits of every other.
    async fn capture(&self, body: RequestBody, record: &mut CallRecord) -> Result<Bytes, Refusal> {
        let started = Instant::now();
        record.capture_started(started);
        let captured = Captured::read(body, &self.engine.body_limits, Unhashed).await?;
        record.captured(captured.size(), started.elapsed());
        let replay = captured.replay();
        Ok(match replay.blocks() {
            [] => Bytes::new(),
            [only] => only.clone(),
            many => {
                let mut whole = BytesMut::with_capacity(captured.size());
                many.iter().for_each(|block| whole.extend_from_slice(block));
                whole.freeze()
            }
        })
    }
}

/// What the agent sends is not what is signed, so it is not hashed.
struct Unhashed;

impl Absorb for Unhashed {
    type Digest = ();

    fn absorb(&mut self, _: &[u8]) {}

    fn finish(self) {}
}

/// Reads what is wanted.
// spec: GOV-1
fn call(
    headers: &HeaderMap,
    body: &[u8],
    caller: Caller,
    record: &CallRecord,
) -> Result<GovernedCall, Unfit> {
    let asked = RunRequest::read(headers, body)?;
    if caller.bound.is_some_and(|agent| agent != asked.agent) {
        return Err(Refusal::AgentMismatch.into());
    }
    let trace = record.trace().clone();
    let tracestate = headers.get(TRACESTATE);
    Ok(GovernedCall {
        tool: asked.tool,
        agent: asked.agent,
        request_id: record.request_id().clone(),
        tracestate: tracestate.filter(|_| trace.keep_tracestate()).cloned(),
        trace,
        args: asked.args,
        canonical: asked.canonical,
        spend_usd: asked.spend_usd,
        key_hash: caller.key_hash,
    })
}

/// Ends the account of a request that is no call.
fn refuse(unfit: Unfit, record: Box<CallRecord>) -> Response<Full<Bytes>> {
    let failure = match unfit {
        Unfit::Refused(refusal) => {
            refusal.report(record);
            return refusal.to_response().map(Full::new);
        }
        Unfit::Wrong(failure) => failure,
    };
    let mut response = failure.into_response();
    let status = response.status();
    let code = match status {
        StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidRequest.word(),
        _ => Code::BadRequest.word(),
    };
    record.finish(CallOutcome::Refused(status, code));
    let told = HeaderValue::from_static(code);
    response.headers_mut().insert(X_COUNTERSIGN_ERROR, told);
    response
}

// spec: GOV-3
fn print(
    governed: Result<Governed, Response<Full<Bytes>>>,
    request_id: &RequestId,
) -> Response<Full<Bytes>> {
    let (mut response, attempts) = match governed {
        Ok(governed) => {
            let response = match governed.result {
                Ok(ruling) => ruled(&ruling, governed.room),
                Err(refusal) => refusal.to_response().map(Full::new),
            };
            (response, governed.attempts)
        }
        Err(response) => (response, 0),
    };
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, request_id.to_header());
    headers.insert(X_COUNTERSIGN_ATTEMPTS, HeaderValue::from(attempts));
    response
}

/// Whatever was decided, the decision is the answer that was asked for. It keeps the room of its result.
fn ruled(ruling: &Ruling, room: Option<Reservation>) -> Response<Full<Bytes>> {
    let json = ruling.to_json();
    let json = match room {
        Some(room) => room.hold(json),
        None => json,
    };
    let mut response = Response::new(Full::new(json));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    if let Some(wait) = ruling.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, whole_seconds(wait));
    }
    response
}
