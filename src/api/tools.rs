//! The tools over HTTP: list, show, put, toggle, delete.
//!
//! Answers are made from the registry in service, never from what was asked for, so a caller sees
//! what the next call will use.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::api::body::Incoming;
use crate::api::edit::Edit;
use crate::api::failure::{Failure, read, secret_is_missing};
use crate::api::{body, fields, reply};
use crate::config::{Change, EditError, Target};
use crate::ids::{ScopeId, ToolName};
use crate::registry::{Reach, Registry, Tool};

type Reply = Response<Full<Bytes>>;

/// The tools, and how they are changed.
pub struct Tools {
    /// What serves.
    pub registry: Arc<Registry>,
    /// `None` where there is nothing to write to.
    pub edit: Option<Edit>,
    /// Where the URL of a tool that comes through here may lead.
    pub reach: Reach,
}

/// A tool as it is shown: everything but the secret.
// spec: API-1 SIG-5
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    scope_id: String,
    url: String,
    timeout_ms: u64,
    max_retries: u8,
    enabled: bool,
    description: Option<&'a str>,
    has_secret: bool,
    secret_id: &'a str,
    secret_mask: &'a str,
}

impl<'a> Shown<'a> {
    fn of(tool: &'a Tool) -> Self {
        Self {
            name: tool.name.as_str(),
            scope_id: tool.scope.to_string(),
            url: tool.url(),
            timeout_ms: u64::try_from(tool.timeout.as_millis())
                .expect("limits::TIMEOUT_MS lies within u64"),
            max_retries: tool.max_retries,
            enabled: tool.enabled,
            description: tool.description.as_deref(),
            // Without one a tool does not compile.
            has_secret: true,
            secret_id: tool.signer.secret_id().as_str(),
            secret_mask: &tool.secret_mask,
        }
    }
}

impl Tools {
    /// `GET /v1/tools`
    // spec: API-1
    pub fn list(&self, head: &Parts) -> Result<Reply, Failure> {
        let scope = read(|faults| fields::read_listed_scope(query(head), faults))?;
        let snapshot = self.registry.current();
        let wanted = |tool: &&Arc<Tool>| scope.as_ref().is_none_or(|scope| tool.scope == *scope);
        let mut tools: Vec<_> = snapshot.tools().filter(wanted).collect();
        tools.sort_by_key(|tool| order(tool));
        let shown: Vec<_> = tools.into_iter().map(|tool| Shown::of(tool)).collect();
        Ok(reply::json(StatusCode::OK, &shown))
    }

    /// `GET /v1/tools/{name}`
    pub fn show(&self, head: &Parts, name: &str) -> Result<Reply, Failure> {
        let scope = one_scope(head)?;
        self.shown(&scope, name)
    }

    /// `POST /v1/tools`
    ///
    /// Dropping the future stops waiting for a change that has begun, not the change.
    // spec: API-1 API-3
    pub async fn put(&self, head: &Parts, body: impl Incoming) -> Result<Reply, Failure> {
        let json = body::read(&head.headers, body).await?;
        let snapshot = self.registry.current();
        let before = |scope: &ScopeId, name: &str| snapshot.get(scope, name).cloned();
        let write = read(|faults| fields::read_tool(&json, self.reach, before, faults))?;
        let (name, scope) = (write.name.clone(), write.scope.clone());
        match self.change(Change::Put(write)).await {
            // It was there when its secret was left out, and is not any more.
            Err(Failure::UnknownTool { .. }) => Err(secret_is_missing()),
            Err(failure) => Err(failure),
            Ok(()) => self.shown(&scope, name.as_str()),
        }
    }

    /// `POST /v1/tools/{name}/toggle`
    ///
    /// Dropping the future stops waiting for a change that has begun, not the change.
    // spec: API-1 API-3
    pub async fn toggle(
        &self,
        head: &Parts,
        name: &str,
        body: impl Incoming,
    ) -> Result<Reply, Failure> {
        #[derive(Serialize)]
        struct Toggled<'a> {
            name: &'a str,
            enabled: bool,
        }
        let json = body::read(&head.headers, body).await?;
        let (scope, enabled) = read(|faults| {
            let scope = fields::read_scope(query(head), faults);
            scope.zip(fields::read_toggle(&json, faults))
        })?;
        let name = known(&scope, name)?;
        let toggled = Toggled {
            name: &name.to_string(),
            enabled,
        };
        let change = Change::SetEnabled {
            name,
            scope,
            enabled,
        };
        self.change(change).await?;
        Ok(reply::json(StatusCode::OK, &toggled))
    }

    /// `DELETE /v1/tools/{name}`
    ///
    /// Dropping the future stops waiting for a change that has begun, not the change.
    // spec: API-1 API-3
    pub async fn delete(&self, head: &Parts, name: &str) -> Result<Reply, Failure> {
        #[derive(Serialize)]
        struct Deleted<'a> {
            ok: bool,
            deleted: &'a str,
            scope_id: String,
        }
        let scope = one_scope(head)?;
        let name = known(&scope, name)?;
        let deleted = Deleted {
            ok: true,
            deleted: &name.to_string(),
            scope_id: scope.to_string(),
        };
        self.change(Change::Delete { name, scope }).await?;
        Ok(reply::json(StatusCode::OK, &deleted))
    }

    /// Changes the file, and returns when the change is in service.
    ///
    /// Dropping the future stops waiting for a change that has begun, not the change.
    pub async fn change(&self, change: Change) -> Result<(), Failure> {
        let edit = self.edit.as_ref().ok_or(Failure::NoFile)?;
        let unknown = match change.target() {
            Target::Tool(name, scope) => unknown(scope, name.as_str()),
            // A policy that is not there is made.
            Target::Policy(_) => Failure::Edit(EditError::NotFound),
        };
        edit(change).await.map_err(|error| match error {
            EditError::NotFound => unknown,
            EditError::Invalid(_)
            | EditError::ReadOnly { .. }
            | EditError::NotEditable { .. }
            | EditError::BrokenFile(_)
            | EditError::Busy
            | EditError::Io { .. } => Failure::Edit(error),
        })
    }

    fn shown(&self, scope: &ScopeId, name: &str) -> Result<Reply, Failure> {
        let snapshot = self.registry.current();
        let tool = snapshot.get(scope, name);
        let tool = tool.ok_or_else(|| unknown(scope, name))?;
        Ok(reply::json(StatusCode::OK, &Shown::of(tool)))
    }
}

/// Global tools first, then by agent; within a scope by name.
pub(super) fn order(tool: &Tool) -> (Option<String>, ToolName) {
    let agent = match &tool.scope {
        ScopeId::Global => None,
        ScopeId::Agent(agent) => Some(agent.as_str().to_owned()),
    };
    (agent, tool.name.clone())
}

fn query(head: &Parts) -> &str {
    head.uri.query().unwrap_or_default()
}

fn one_scope(head: &Parts) -> Result<ScopeId, Failure> {
    read(|faults| fields::read_scope(query(head), faults))
}

/// What is not a valid name is nobody's name.
fn known(scope: &ScopeId, name: &str) -> Result<ToolName, Failure> {
    name.parse().map_err(|_| unknown(scope, name))
}

fn unknown(scope: &ScopeId, name: &str) -> Failure {
    Failure::UnknownTool {
        name: name.to_owned(),
        scope: scope.to_string(),
    }
}
