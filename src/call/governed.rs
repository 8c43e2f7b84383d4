//! Governed calls: the agent says what it wants, the sidecar decides, builds the request and says
//! what came of it.
//!
//! The order is that of every door: what the agent may do at all, whether the call was made before,
//! what it has left, and then the attempts. A call that was claimed runs in a task of its own, because
//! clients give up before tools do: when they ask again, the call has to be there to be joined.

mod case;
mod result;
mod ruling;

use std::rc::Rc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::body::Reservation;
use crate::call::head::Template;
use crate::call::{Addition, Engine, Refusal};
use crate::headers::TRACESTATE;
use crate::ids::{AgentId, RequestId, ToolName};
use crate::once::{CanonicalArgs, Claimed};
use crate::registry::Tool;
use crate::telemetry::{CallRecord, TraceContext};
use case::Case;

pub use ruling::Ruling;

/// How often a call that waits for another asks again whether it may be made, when the other has
/// ended without an end. Each time somebody else was faster, or the tool takes no calls.
const MOST_CLAIMS: usize = 3;

/// What an agent wants done.
#[derive(Debug)]
pub struct GovernedCall {
    /// Which tool.
    pub tool: ToolName,
    /// Who asks.
    pub agent: AgentId,
    /// Follows the call everywhere.
    pub request_id: RequestId,
    /// The trace that the call is part of.
    pub trace: TraceContext,
    /// What the agent's tracing system wants to be passed on.
    pub tracestate: Option<HeaderValue>,
    /// The arguments, byte for byte: a JSON object.
    pub args: Box<RawValue>,
    /// The arguments as they are compared.
    pub canonical: CanonicalArgs,
    /// What the agent says that the call costs, in dollars.
    pub spend_usd: Option<f64>,
    /// Which key the agent came with.
    pub key_hash: KeyHash,
}

/// The beginning of a digest of a bearer token: tells keys apart and gives none away.
// spec: GOV-2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyHash(Box<str>);

impl KeyHash {
    /// Of a token, or of none.
    pub fn of(token: Option<&[u8]>) -> Self {
        let Some(token) = token else {
            return Self("k_00000000".into());
        };
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(token));
        Self(format!("k_{a:02x}{b:02x}{c:02x}{d:02x}").into())
    }

    /// As an envelope says it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a governed call.
#[derive(Debug)]
pub struct Governed {
    /// What was decided and came of it, or why nothing was.
    pub result: Result<Ruling, Refusal>,
    /// How many attempts were made.
    pub attempts: usize,
    /// What the result takes, to be kept for as long as any of it is.
    pub room: Option<Reservation>,
}

impl Engine {
    /// Decides about a call and, where it is to be made, makes it.
    ///
    /// Dropping the future cancels a call that was not claimed, and leaves one that was to its task.
    // spec: GOV-1 ONCE-1
    pub async fn govern(
        self: &Rc<Self>,
        call: GovernedCall,
        mut record: Box<CallRecord>,
    ) -> Governed {
        record.agent(call.agent.clone());
        let tool = match self.find(&call.agent, &call.tool, &mut record) {
            Ok(tool) => tool,
            Err(refusal) => return refused(refusal, record),
        };
        let case = match Case::open(self, call, tool, record) {
            Ok(case) => case,
            Err((refusal, record)) => return refused(refusal, record),
        };
        for _ in 0..MOST_CLAIMS {
            if let Err(blocked) = case.permits() {
                return case.close(blocked);
            }
            let claimed = match case.claim().await {
                Ok(Some(claimed)) => claimed,
                Ok(None) => return case.run(None).await,
                Err(refusal) => return case.refuse(refusal),
            };
            match claimed {
                Claimed::Ours(lease) => return case.run_apart(lease).await,
                Claimed::Finished(stored) => return case.repeat(stored),
                Claimed::InDoubt(lease) => return case.close(Ruling::in_doubt(&lease)),
                Claimed::Mismatch => return case.refuse(Refusal::IdempotencyMismatch),
                Claimed::Running(other) => {
                    if let Some(stored) = other.wait().await {
                        return case.repeat(stored);
                    }
                }
            }
        }
        case.refuse(Refusal::IdempotencyInFlight)
    }
}

fn refused(refusal: Refusal, record: Box<CallRecord>) -> Governed {
    let attempts = record.attempts();
    refusal.report(record);
    Governed {
        result: Err(refusal),
        attempts,
        room: None,
    }
}

impl GovernedCall {
    /// Bytes of what it holds, as far as an agent decides about them.
    fn size(&self) -> usize {
        self.args.get().len() + self.canonical.as_bytes().len()
    }

    fn template(&self, tool: &Tool) -> Result<Template, Refusal> {
        let json = HeaderValue::from_static("application/json");
        let state = self.tracestate.clone();
        let fields = [(CONTENT_TYPE, json)].into_iter();
        let fields = fields.chain(state.map(|state| (TRACESTATE, state)));
        Template::new(
            tool,
            self.agent.clone(),
            self.request_id.clone(),
            self.trace.clone(),
            Method::POST,
            fields.collect(),
            &Addition::default(),
        )
    }
}
