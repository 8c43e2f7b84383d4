//! The admin door: metrics, health, the state of the registry, and its tools.
//!
//! Metrics and health are open to whoever reaches the listener; everything else asks for the admin
//! token. Refusals have the shapes of the hosted API, so that its clients understand them.
//! Accepting connections, deciding which browsers and host names may speak, and editing the
//! registry's file is left to others.

mod auth;
mod body;
mod books;
mod door;
mod edit;
mod failure;
mod fault;
mod fields;
mod governing;
mod openapi;
mod policies;
mod registry;
mod reply;
mod routes;
mod rules;
mod run;
mod tools;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::body::BodyLimits;
use crate::call::{Governance, KeyHash};
use crate::http1::FieldList;
use crate::registry::{Reach, Registry};
use crate::secret::Secret;
use crate::telemetry::Metrics;
use auth::AdminToken;
use body::Incoming;
use governing::Governing;
use policies::Rulebook;
use routes::{Action, Found, Governed};
use tools::Tools;

pub use books::Books;
pub use door::AdminDoor;
pub use edit::Edit;
pub use failure::Failure;
pub use run::{Run, RunRequest};

/// Tells whether calls should be sent here, and in a few words why not.
pub type Readiness = Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// Reads the registry again and puts it into service if it can be used; the errors if it cannot.
pub type Reload = Box<dyn Fn() -> Reloading + Send + Sync>;

/// A reload under way.
pub type Reloading = Pin<Box<dyn Future<Output = Result<(), Vec<String>>> + Send>>;

/// Begins the end of the process, as SIGTERM does. What is asked more than once happens once.
pub type Quit = Box<dyn Fn() + Send + Sync>;

/// What operators ask of the process itself.
pub struct Process {
    /// Tells whether it wants calls.
    pub readiness: Readiness,
    /// Reads its registry again.
    pub reload: Reload,
    /// Ends it.
    pub quit: Quit,
}

/// Answers what the admin listener is asked.
pub struct AdminApi {
    /// `None` closes everything that is not open to all.
    token: Option<AdminToken>,
    metrics: Arc<Metrics>,
    tools: Tools,
    /// What the registry's state says about room for bodies.
    bodies: BodyLimits,
    process: Process,
    /// `None` where no calls can be made.
    run: Option<Run>,
    governing: Governing,
}

impl AdminApi {
    /// An API whose tools can be looked at. Without a token, or with an empty one, only metrics and
    /// health answer.
    // spec: BIND-1
    pub fn new(
        token: Option<&Secret>,
        metrics: Arc<Metrics>,
        registry: Arc<Registry>,
        bodies: BodyLimits,
        process: Process,
        (governance, books): (Arc<Governance>, Books),
    ) -> Self {
        Self {
            token: token.and_then(AdminToken::new),
            metrics,
            tools: Tools {
                registry,
                edit: None,
                reach: Reach::PublicOnly,
            },
            bodies,
            process,
            run: None,
            governing: Governing {
                governance,
                books,
                key_preview: KeyHash::of(token.map(Secret::expose)),
            },
        }
    }

    /// Lets tools be called.
    // spec: GOV-1
    pub fn running(mut self, run: Run) -> Self {
        self.run = Some(run);
        self
    }

    /// Lets tools and policies be changed. With `allow_private` the URLs of tools may lead to loopback and private
    /// addresses.
    // spec: API-1 SSRF-1
    pub fn editable(mut self, edit: Edit, allow_private: bool) -> Self {
        self.tools.edit = Some(edit);
        if allow_private {
            self.tools.reach = Reach::Lenient;
        }
        self
    }

    /// Whether a request carries the admin token.
    pub fn carries_token(&self, fields: &FieldList) -> bool {
        let offered = || fields.get_all(&AUTHORIZATION);
        let token = self.token.as_ref();
        token.is_some_and(|token| token.check(offered()).is_ok())
    }

    /// Answers one request.
    ///
    /// Dropping the future stops waiting for a reload or a change of the registry; whether that
    /// goes on is its own business.
    // spec: API-2
    pub async fn answer(&self, request: Request<impl Incoming>) -> Response<Full<Bytes>> {
        let is_head = request.method() == Method::HEAD;
        let response = self.respond(request).await;
        if is_head {
            reply::without_body(response)
        } else {
            response
        }
    }

    async fn respond(&self, request: Request<impl Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let found = Found::at(path);
        let is_open = match &found {
            Some(found) => found.is_open(),
            // That a path under it does not exist is a part of the API as well.
            None => path != "/v1" && !path.starts_with("/v1/"),
        };
        if !is_open && self.token.is_none() {
            return reply::admin_api_disabled();
        }
        let Some(found) = found else {
            return reply::detail(StatusCode::NOT_FOUND, "Not Found");
        };
        let Some(action) = found.action(request.method()) else {
            return reply::method_not_allowed(&found.methods());
        };
        if !is_open
            && let Some(token) = &self.token
            && let Err(refusal) = token.check(request.headers().get_all(AUTHORIZATION))
        {
            return refusal.into_response();
        }
        self.act(action, &found.name, request).await
    }

    async fn act(
        &self,
        action: Action,
        name: &str,
        request: Request<impl Incoming>,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let done = match action {
            Action::Metrics => {
                let snapshot = self.tools.registry.current();
                self.metrics.circuit_states(snapshot.circuit_states());
                self.metrics.store_state(self.governing.books.store_state());
                Ok(reply::exposition(self.metrics.render()))
            }
            Action::Health => Ok(reply::text(StatusCode::OK, "ok")),
            Action::Ready => Ok(match (self.process.readiness)() {
                Ok(()) => reply::text(StatusCode::OK, "ready"),
                Err(reason) => reply::text(StatusCode::SERVICE_UNAVAILABLE, reason),
            }),
            Action::Registry => Ok(registry::status(&self.tools.registry, &self.bodies)),
            Action::Reload => Ok(match (self.process.reload)().await {
                Ok(()) => registry::status(&self.tools.registry, &self.bodies),
                Err(errors) => registry::refused(&errors),
            }),
            Action::Quit => {
                (self.process.quit)();
                Ok(reply::draining())
            }
            Action::Describe => Ok(reply::json(StatusCode::OK, &openapi::document())),
            Action::ListTools => self.tools.list(&head),
            Action::PutTool => self.tools.put(&head, body).await,
            Action::ShowTool => self.tools.show(&head, name),
            Action::ToggleTool => self.tools.toggle(&head, name, body).await,
            Action::DeleteTool => self.tools.delete(&head, name).await,
            Action::RunTool => self.run_tool(head, body).await,
            Action::Governed(what) => self.governing.answer(what, &head, name, body).await,
            Action::Policy(what) => self.rulebook().answer(what, &head, name, body).await,
        };
        done.unwrap_or_else(Failure::into_response)
    }
}

impl AdminApi {
    fn rulebook(&self) -> Rulebook<'_> {
        Rulebook {
            desk: &self.governing.governance.desk,
            tools: &self.tools,
        }
    }

    /// `POST /v1/ai/run`, which calls a tool, or takes the lease of a key if it names one.
    ///
    /// Dropping the future leaves a call that was claimed to its own end.
    // spec: GOV-1 LEASE-1
    async fn run_tool(
        &self,
        head: Parts,
        body: impl Incoming,
    ) -> Result<Response<Full<Bytes>>, Failure> {
        let body = body::collect(body).await?;
        if run::asks_for_a_lease(&body) {
            let body = Full::new(body);
            return self
                .governing
                .answer(Governed::Lease, &head, "", body)
                .await;
        }
        let run = self.run.as_ref().ok_or(Failure::NoCalls)?;
        Ok(run(head.headers, body).await)
    }
}

impl fmt::Debug for AdminApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_token = self.token.is_some();
        let mut shown = f.debug_struct("AdminApi");
        shown.field("has_token", &has_token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
