//! The call engine: what happens between a door that understood a request and the tool that gets
//! it.
//!
//! Every door makes a [`Call`] and prints what comes back. Resolving, limits, signing, attempts,
//! retries, the account of the call and every refusal live here once.

mod attempt;
mod breaker;
mod head;
mod refusal;
mod relay;
mod retry;
mod verdict;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use hyper::body::Body;
use tokio::time::Instant;

use crate::body::{BodyLimits, CaptureError, Captured};
use crate::http1::FieldList;
use crate::ids::{AgentId, RequestId, ToolName};
use crate::registry::{Place, Registry, Tool};
use crate::telemetry::{CallRecord, Telemetry, TraceContext};
use crate::upstream::Pool;

pub use head::Addition;
pub use refusal::{Overload, Refusal};
pub use relay::{Relay, RelayError};
#[cfg(feature = "test-support")]
pub use retry::retry_after;

/// A door's request, understood but not yet decided upon.
#[derive(Debug)]
pub struct Call<B> {
    /// Which tool.
    pub tool: ToolName,
    /// Who asks.
    pub agent: AgentId,
    /// Follows the call everywhere.
    pub request_id: RequestId,
    /// The trace that the call is part of.
    pub trace: TraceContext,
    /// The method, passed on.
    pub method: Method,
    /// The agent's fields as they came.
    pub fields: FieldList,
    /// What the agent adds to the tool's URL.
    pub addition: Addition,
    /// The agent's body, not read yet.
    pub body: B,
}

/// What became of a call.
pub struct Outcome {
    /// The upstream's answer, or why there is none.
    pub result: Result<Response<Relay>, Refusal>,
    /// How many attempts were made.
    pub attempts: usize,
}

/// A call that is going to be made once its body is here.
struct Admitted<B> {
    tool: Arc<Tool>,
    policy: retry::Policy,
    template: head::Template,
    body: B,
}

/// One worker's engine.
pub struct Engine {
    /// The tools.
    pub registry: Arc<Registry>,
    /// This worker's connections.
    pub pool: Pool,
    /// Where calls report.
    pub telemetry: Arc<Telemetry>,
    /// Bounds on bodies.
    pub body_limits: BodyLimits,
}

impl Engine {
    /// Makes the call and waits for the head of its answer.
    ///
    /// `record` is the call's account; it goes on with the answer's body and reports itself when
    /// that has ended. Dropping the future cancels the attempt that is running and starts no other.
    // spec: CANCEL-1
    pub fn run<B>(
        &self,
        call: Call<B>,
        mut record: Box<CallRecord>,
    ) -> impl Future<Output = Outcome>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // What needs no waiting is done before the future begins, which then has no room for both
        // the call and what becomes of it.
        let mut admitted = self.admit(call, &mut record);
        async move {
            let result = match admitted {
                Ok(ref mut admitted) => self.attempts(admitted, &mut record).await,
                Err(refusal) => Err(refusal),
            };
            let attempts = record.attempts();
            let result = match result {
                Ok((answer, place)) => Ok(Relay::start(answer, place, record)),
                Err(refusal) => {
                    refusal.report(record);
                    Err(refusal)
                }
            };
            Outcome { result, attempts }
        }
    }

    /// The life of a call before anything of its body is read, one line a phase.
    fn admit<B>(&self, call: Call<B>, record: &mut CallRecord) -> Result<Admitted<B>, Refusal> {
        record.agent(call.agent.clone());
        let tool = self.resolve(&call, record)?;
        let repeatable = retry::is_repeatable(&tool, &call.method, &call.fields);
        let template = head::Template::new(
            &tool,
            call.agent,
            call.request_id,
            call.trace,
            call.method,
            call.fields,
            &call.addition,
        )?;
        admit(&tool, record)?;
        Ok(Admitted {
            policy: retry::Policy::of(&tool, repeatable),
            tool,
            template,
            body: call.body,
        })
    }

    /// The rest of it.
    async fn attempts<B>(
        &self,
        call: &mut Admitted<B>,
        record: &mut CallRecord,
    ) -> Result<(attempt::Answer, Option<Place>), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let tool = &call.tool;
        let (body, captured) = self.capture(&mut call.body, tool, record).await?;
        let deadline = tool.deadline.map(|deadline| captured + deadline);
        let place = place(tool, deadline, record).await?;
        // Reading the clock costs as much as a small phase of a call, and most wait for no place.
        let started = match &place {
            Some(_) => Instant::now(),
            None => captured,
        };
        let attempts = attempt::Attempts {
            pool: &self.pool,
            clock: self.telemetry.clock,
            tool,
            template: &call.template,
            body: &body,
            deadline,
        };
        tool.budget().deposit();
        let answer = attempts.run(call.policy, started, record).await?;
        Ok((answer, place))
    }

    fn resolve<B>(&self, call: &Call<B>, record: &mut CallRecord) -> Result<Arc<Tool>, Refusal> {
        let Some(tool) = self.registry.resolve(&call.agent, call.tool.as_str()) else {
            record.unknown_tool(call.tool.as_str());
            return Err(Refusal::ToolNotFound(call.tool.clone()));
        };
        let metrics = tool.metrics(|name| self.telemetry.metrics.tool(name));
        record.tool(tool.name.as_str(), &tool.scope, metrics);
        if !tool.enabled {
            return Err(Refusal::ToolDisabled(tool.name.clone()));
        }
        Ok(tool)
    }

    /// Reads the body. Tells when it was there, too.
    async fn capture<B>(
        &self,
        body: B,
        tool: &Tool,
        record: &mut CallRecord,
    ) -> Result<(Captured<crate::sign::Signature>, Instant), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let started = Instant::now();
        record.capture_started(started);
        let captured = Captured::read(body, &self.body_limits, tool.signer.begin()).await;
        let captured = captured.map_err(|error| match error {
            CaptureError::TooLarge { max_bytes } => Refusal::BodyTooLarge { max_bytes },
            CaptureError::Overloaded => Refusal::Overloaded(Overload::BufferedBytes),
            CaptureError::TimedOut { timeout } => Refusal::RequestTimeout { timeout },
            CaptureError::Broken(_) => Refusal::BadRequest("the body ended early or is malformed"),
        })?;
        let now = Instant::now();
        record.captured(captured.size(), now - started);
        Ok((captured, now))
    }
}

/// Refuses what the tool's circuit or rate would refuse, while that costs nothing yet.
// spec: LIMIT-2 LIMIT-3
fn admit(tool: &Tool, record: &mut CallRecord) -> Result<(), Refusal> {
    // In this order: a call that is not going to be made must not use up a token.
    breaker::admit(tool, record)?;
    let Some(rate) = &tool.protection.rate else {
        return Ok(());
    };
    rate.take().map_err(|retry_after| {
        record.rate_limited();
        Refusal::RateLimited { retry_after }
    })
}

/// Takes one of the tool's places, where it has a number of them.
///
/// Dropping the future leaves the queue.
// spec: LIMIT-1
async fn place(
    tool: &Tool,
    deadline: Option<Instant>,
    record: &mut CallRecord,
) -> Result<Option<Place>, Refusal> {
    let Some(concurrency) = &tool.protection.concurrency else {
        return Ok(None);
    };
    if let Some(place) = concurrency.places.try_take() {
        record.not_queued();
        return Ok(Some(place));
    }
    record.queue_joined();
    let waited = concurrency.places.take(concurrency.patience, deadline);
    let place = waited.await;
    record.queue_left();
    place
        .map(Some)
        .map_err(|_| Refusal::Overloaded(Overload::Concurrency))
}

/// A call's first attempt, signed, without the engine around it, for a `look` at it.
///
/// # Errors
/// When no URL comes of the call.
#[cfg(feature = "test-support")]
pub fn first_attempt<T>(
    tool: &Tool,
    (agent, request_id): (AgentId, RequestId),
    fields: FieldList,
    body: &Captured<crate::sign::Signature>,
    at: crate::clock::Timestamp,
    look: impl FnOnce(&crate::sign::Signed<'_>) -> T,
) -> Result<T, Refusal> {
    let trace = TraceContext::child_of(fields.get_all(&crate::headers::TRACEPARENT));
    let addition = Addition::default();
    let template = head::Template::new(
        tool,
        agent,
        request_id,
        trace,
        Method::POST,
        fields,
        &addition,
    )?;
    let stamp = crate::sign::Stamp {
        tool: &tool.name_header,
        agent: template.agent(),
        at,
    };
    let span = template.next_span();
    let signed = tool
        .signer
        .sign(template.head(), span.as_ref(), body, stamp);
    Ok(look(&signed))
}
