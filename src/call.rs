//! The call engine: what happens between a door that understood a request and the tool that gets
//! it.
//!
//! Every door makes a [`Call`] or a [`GovernedCall`] and prints what comes back. Resolving, what the
//! agent may do, what was done before, limits, signing, attempts, retries, the account of the call
//! and every refusal live here once.

mod attempt;
mod breaker;
mod code;
mod collect;
mod envelope;
mod governance;
mod governed;
mod head;
mod kept;
mod keyed;
mod leash;
mod limits;
mod refusal;
mod relay;
mod retry;
mod supervised;
mod verdict;

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Body;
use tokio::time::Instant;

use crate::body::{BodyLimits, Captured};
use crate::clock::Timestamp;
use crate::http1::FieldList;
use crate::ids::{AgentId, RequestId, ToolName};
use crate::lifecycle::Work;
use crate::registry::{Registry, Tool};
use crate::sign::Signature;
use crate::telemetry::{CallOutcome, CallRecord, Telemetry, TraceContext};
use crate::upstream::Pool;
use leash::{Cut, Leash};
use limits::{admit, place};
use relay::Stream;

pub use code::Code;
pub use governance::{Governance, OnStoreError};
pub use governed::{Governed, GovernedCall, KeyHash, Ruling};
pub use head::Addition;
pub use leash::Leashes;
pub use refusal::{Overload, Refusal, whole_seconds};
pub use relay::{AnswerBody, Relay};
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
    /// The upstream's answer, now or before, or why there is none.
    pub result: Result<Response<AnswerBody>, Refusal>,
    /// How many attempts were made.
    pub attempts: usize,
}

/// A call that is going to be made once its body is here.
struct Admitted {
    tool: Arc<Tool>,
    policy: retry::Policy,
    template: head::Template,
    /// What has to be asked or remembered about the call; nothing for most.
    watch: Option<Box<supervised::Watch>>,
}

/// A call's own answer. It is handed up through every future of the call, so it is kept on the heap:
/// moving it costs more.
enum Given {
    /// The upstream's, which is still coming.
    Stream(Box<Stream>),
    /// One that is all there, and what the call's account says of it.
    Whole(Box<(Response<Bytes>, CallOutcome)>),
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
    /// What agents may do and have done.
    pub governance: Arc<Governance>,
    /// This worker's calls, so that they can be cut short.
    pub leashes: Rc<Leashes>,
    /// What is finished although its agent has left.
    pub work: Work,
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
        let mut leash = Leash::new(&self.leashes);
        async move {
            let result = match &mut admitted {
                Ok((call, body)) => {
                    let given = self.answer(call, body, &mut leash, &mut record).await;
                    given.map(|given| (given, call.template.agent()))
                }
                Err(refusal) => Err(refusal.clone()),
            };
            let attempts = record.attempts();
            let result = match result {
                Ok((Given::Stream(stream), agent)) => {
                    let answer = Relay::start(*stream, leash, agent, record);
                    Ok(answer.map(AnswerBody::Relay))
                }
                Ok((Given::Whole(whole), _)) => {
                    let (answer, outcome) = *whole;
                    record.head_sent();
                    record.sent(answer.body().len());
                    record.finish(outcome);
                    Ok(answer.map(|whole| AnswerBody::Whole(Full::new(whole))))
                }
                Err(refusal) => {
                    refusal.report(record);
                    Err(refusal)
                }
            };
            Outcome { result, attempts }
        }
    }

    /// The life of a call before anything of its body is read, one line a phase.
    fn admit<B>(&self, call: Call<B>, record: &mut CallRecord) -> Result<(Admitted, B), Refusal> {
        record.agent(call.agent.clone());
        let tool = self.find(&call.agent, &call.tool, record)?;
        let watch = self.watch(&call, &tool, record)?;
        if !tool.enabled {
            return Err(Refusal::ToolDisabled(tool.name.clone()));
        }
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
        let admitted = Admitted {
            policy: retry::Policy::of(&tool, repeatable),
            tool,
            template,
            watch,
        };
        Ok((admitted, call.body))
    }

    /// The rest of it, unless the agent is switched off meanwhile.
    async fn answer<B>(
        &self,
        call: &Admitted,
        body: &mut B,
        leash: &mut Leash,
        record: &mut CallRecord,
    ) -> Result<Given, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (answered, is_cut) = {
            let attempts = pin!(self.attempts(call, body, record));
            match leash.hold(call.template.agent(), attempts).await {
                Ok(answered) => (answered, false),
                Err(Cut) => (Err(Refusal::Blocked(supervised::CUT)), true),
            }
        };
        if is_cut || call.watch.is_some() {
            self.account(
                call.template.agent(),
                &call.tool,
                call.watch.as_deref(),
                &answered,
                record,
            );
        }
        answered
    }

    async fn attempts<B>(
        &self,
        call: &Admitted,
        body: &mut B,
        record: &mut CallRecord,
    ) -> Result<Given, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (body, since) = self.capture(body, &call.tool, record).await?;
        match &call.watch {
            None => self
                .send(call, &body, since, || (), record)
                .await
                .map(Given::Stream),
            // On the heap: it is rare, and every call would have room for it otherwise.
            Some(watch) => Box::pin(self.supervised(call, watch, &body, since, record)).await,
        }
    }

    /// From a body that was there at `captured` to the head of an answer. Nothing is sent before
    /// `begin` has been called.
    async fn send(
        &self,
        call: &Admitted,
        body: &Captured<Signature>,
        captured: Instant,
        begin: impl FnOnce(),
        record: &mut CallRecord,
    ) -> Result<Box<Stream>, Refusal> {
        let tool = &call.tool;
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
            body,
            deadline,
            first_stamp: None,
        };
        tool.budget().deposit();
        begin();
        let answer = attempts.run(call.policy, started, record).await?;
        Ok(Box::new(Stream {
            answer,
            ahead: Bytes::new(),
            place,
        }))
    }

    fn find(
        &self,
        agent: &AgentId,
        name: &ToolName,
        record: &mut CallRecord,
    ) -> Result<Arc<Tool>, Refusal> {
        let Some(tool) = self.registry.resolve(agent, name.as_str()) else {
            record.unknown_tool(name.as_str());
            return Err(Refusal::ToolNotFound(name.clone()));
        };
        let metrics = tool.metrics(|name| self.telemetry.metrics.tool(name));
        record.tool(tool.name.as_str(), &tool.scope, metrics);
        Ok(tool)
    }

    fn now(&self) -> Timestamp {
        self.telemetry.clock.now()
    }

    /// Reads the body. Tells when it was there, too.
    async fn capture<B>(
        &self,
        body: B,
        tool: &Tool,
        record: &mut CallRecord,
    ) -> Result<(Captured<Signature>, Instant), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let started = Instant::now();
        record.capture_started(started);
        let captured = Captured::read(body, &self.body_limits, tool.signer.begin()).await;
        let captured = captured.map_err(Refusal::from)?;
        let now = Instant::now();
        record.captured(captured.size(), now - started);
        Ok((captured, now))
    }
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
    body: &Captured<Signature>,
    at: Timestamp,
    look: impl FnOnce(&crate::sign::Signed<'_>) -> T,
) -> Result<T, Refusal> {
    let trace = TraceContext::child_of(fields.get_all(&crate::headers::TRACEPARENT));
    let addition = Addition::default();
    let template = head::Template::new(
        tool,
        agent.clone(),
        request_id,
        trace,
        Method::POST,
        fields,
        &addition,
    )?;
    let stamp = crate::sign::Stamp {
        tool: &tool.name_header,
        agent: template.agent().as_header(),
        at,
    };
    let span = template.next_span();
    let signed = tool
        .signer
        .sign(template.head(), span.as_ref(), body, stamp);
    Ok(look(&signed))
}
