//! The head of an outbound request: the agent's, cleaned, with ours added.
//!
//! A [`Template`] is made once per call; the attempts share it, and differ in nothing but the trace
//! span and what signing adds.

use http::uri::PathAndQuery;
use http::{HeaderName, Method};

use crate::call::Refusal;
use crate::headers::{EndToEnd, TRACEPARENT, TRACESTATE, X_REQUEST_ID};
use crate::http1::FieldList;
use crate::ids::{AgentId, RequestId};
use crate::registry::Tool;
use crate::sign::Head;
use crate::telemetry::TraceContext;

/// What an agent adds to a tool's URL, as encoded by the agent.
#[derive(Debug, Default)]
pub struct Addition {
    /// Path below the tool's own, without the slash before it.
    pub rest: Option<String>,
    /// Query without the question mark.
    pub query: Option<String>,
}

/// Everything about an attempt's head that is the same for all attempts of a call.
#[derive(Debug)]
pub(super) struct Template {
    head: Head,
    agent: AgentId,
    trace: TraceContext,
}

impl Template {
    /// Rewrites the agent's head for this tool.
    ///
    /// # Errors
    /// When the addition does not fit the tool or no URL comes of it.
    // spec: HDR-1 HDR-2 CALL-1
    pub(super) fn new(
        tool: &Tool,
        agent: AgentId,
        request_id: RequestId,
        trace: TraceContext,
        method: Method,
        fields: FieldList,
        addition: &Addition,
    ) -> Result<Self, Refusal> {
        let path = target(tool, addition)?;
        let is_replaced = |name: &HeaderName| {
            *name == X_REQUEST_ID
                || *name == TRACEPARENT
                || (*name == TRACESTATE && !trace.keep_tracestate())
                || tool.headers.iter().any(|(own, _)| own == name)
        };
        let mut fields = EndToEnd::of(fields.into_vec(), tool.headers.len() + 1, is_replaced);
        for (name, value) in &tool.headers {
            fields.push(name.clone(), value.clone());
        }
        fields.push(X_REQUEST_ID, request_id.into_header());
        Ok(Self {
            head: Head {
                method,
                path,
                fields,
            },
            agent,
            trace,
        })
    }

    /// What the next attempt says like every other.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// The span that the next attempt is.
    pub(super) fn next_span(&self) -> impl AsRef<[u8]> {
        self.trace.next_span()
    }

    /// Who calls.
    pub(super) fn agent(&self) -> &AgentId {
        &self.agent
    }
}

// spec: CALL-1
fn target(tool: &Tool, addition: &Addition) -> Result<PathAndQuery, Refusal> {
    if addition.rest.is_some() && !tool.forward_path {
        return Err(Refusal::NotFound);
    }
    if addition.rest.is_none() && addition.query.is_none() {
        return Ok(tool.path_and_query.clone());
    }
    let mut text = tool.path.to_string();
    if let Some(rest) = &addition.rest {
        if !text.ends_with('/') {
            text.push('/');
        }
        text.push_str(rest);
    }
    let queries = [tool.query.as_deref(), addition.query.as_deref()];
    for (query, mark) in queries.into_iter().flatten().zip(['?', '&']) {
        text.push(mark);
        text.push_str(query);
    }
    text.parse()
        .map_err(|_| Refusal::BadRequest("the path and query make no valid URL"))
}
