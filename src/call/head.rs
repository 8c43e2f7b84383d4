//! The head of an outbound request: the agent's, cleaned, with ours added.
//!
//! A [`Template`] is made once per call; every attempt sends a copy that differs in nothing but the
//! trace span and what signing adds.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::call::Refusal;
use crate::headers::{self, TRACEPARENT, X_REQUEST_ID};
use crate::ids::{AgentId, RequestId};
use crate::registry::Tool;
use crate::sign::Head;
use crate::telemetry::TraceContext;

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

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
    agent: HeaderValue,
    trace: Option<TraceContext>,
}

impl Template {
    /// Rewrites the agent's head for this tool.
    ///
    /// # Errors
    /// When the addition does not fit the tool or no URL comes of it.
    // spec: HDR-1 HDR-2 CALL-1
    pub(super) fn new(
        tool: &Tool,
        agent: &AgentId,
        method: Method,
        mut headers: HeaderMap,
        addition: &Addition,
    ) -> Result<Self, Refusal> {
        let uri = Uri::from(target(tool, addition)?);
        headers::remove_what_ends_here(&mut headers);
        // Both are made anew for the upstream.
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        for (name, value) in &tool.headers {
            headers.insert(name, value.clone());
        }
        Ok(Self {
            head: Head {
                method,
                uri,
                headers,
            },
            agent: agent.to_header(),
            trace: None,
        })
    }

    pub(super) fn request_id(mut self, id: &RequestId) -> Self {
        self.head.headers.insert(X_REQUEST_ID, id.to_header());
        self
    }

    pub(super) fn trace(mut self, trace: TraceContext) -> Self {
        if !trace.keep_tracestate() {
            self.head.headers.remove(TRACESTATE);
        }
        self.trace = Some(trace);
        self
    }

    /// The head of the next attempt.
    pub(super) fn next(&self) -> Head {
        let mut head = self.head.clone();
        if let Some(trace) = &self.trace {
            head.headers.insert(TRACEPARENT, trace.next_span());
        }
        head
    }

    /// Who calls, for the stamp.
    pub(super) fn agent(&self) -> &HeaderValue {
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
