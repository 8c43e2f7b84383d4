//! The demo's calls, each played through real sockets from its sender to what came of it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::cli::client;
use crate::cli::demo::backend::{Backend, Seen};
use crate::cli::demo::expected::Expected;
use crate::cli::demo::tools::{BUSY, DISABLED, GOOD};
use crate::headers::{X_COUNTERSIGN_ATTEMPTS, X_COUNTERSIGN_ERROR, X_ONCEONLY_AGENT_ID};

/// Who calls in the demo.
pub const AGENT: &str = "demo_agent";
/// The body of the good call.
pub const GOOD_BODY: &str = r#"{"tool":"send_email","args":{"to":"ada@example.com"}}"#;
/// The same letter to somebody else.
const FORGED_BODY: &str = r#"{"tool":"send_email","args":{"to":"eve@example.com"}}"#;
const BUSY_BODY: &str = r#"{"tool":"look_up_order","args":{"order":"A-1047"}}"#;
const DISABLED_BODY: &str = r#"{"tool":"delete_account","args":{"account":"ada"}}"#;

/// One call as it was played.
pub struct Scene {
    /// What it shows.
    pub title: &'static str,
    /// Who sent the request: the agent, or somebody who went round the sidecar.
    pub sender: Sender,
    /// Where it was sent.
    pub path: String,
    /// The body that was sent.
    pub body: &'static str,
    /// What the sender got.
    pub reply: Reply,
    /// What reached the backend, in order.
    pub seen: Vec<Seen>,
    /// What is not as it should be.
    pub wrong: Option<String>,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sender {
    /// An agent, to the sidecar.
    Agent,
    /// Somebody, straight to the backend.
    Intruder,
}

/// An answer.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// How many attempts the sidecar made.
    pub attempts: Option<usize>,
    /// The code of an answer that the sidecar made itself.
    pub refusal: Option<String>,
    /// What the answer says about itself.
    pub message: String,
}

/// Where the demo's requests go.
#[derive(Clone)]
pub struct Stage {
    /// The sidecar's listener for agents.
    pub agents: SocketAddr,
    /// The backend's own listener.
    pub backend_at: SocketAddr,
    /// What the backend remembers.
    pub backend: Backend,
}

impl Stage {
    /// Plays all scenes, one after the other.
    ///
    /// # Errors
    /// When a request gets no answer at all.
    pub async fn play(&self) -> anyhow::Result<Vec<Scene>> {
        let good = self.call(
            "A good call",
            GOOD,
            GOOD_BODY,
            &Expected {
                status: StatusCode::OK,
                attempts: Some(1),
                refusal: None,
                seen: &[(StatusCode::OK, true)],
            },
        );
        let good = good.await?;
        let retried = self.call(
            "A tool that is busy at first: retried",
            BUSY,
            BUSY_BODY,
            &Expected {
                status: StatusCode::OK,
                attempts: Some(2),
                refusal: None,
                seen: &[
                    (StatusCode::SERVICE_UNAVAILABLE, true),
                    (StatusCode::OK, true),
                ],
            },
        );
        let retried = retried.await?;
        let title = "A tool that is switched off: refused";
        let refused = self.call(
            title,
            DISABLED,
            DISABLED_BODY,
            &Expected {
                status: StatusCode::FORBIDDEN,
                attempts: Some(0),
                refusal: Some("tool_disabled"),
                seen: &[],
            },
        );
        let refused = refused.await?;
        let forged = self.forge(good.seen.first()).await?;
        Ok(vec![good, retried, refused, forged])
    }

    /// An agent's call through the sidecar.
    async fn call(
        &self,
        title: &'static str,
        tool: &str,
        body: &'static str,
        expected: &Expected,
    ) -> anyhow::Result<Scene> {
        let path = format!("/tools/{tool}");
        let mut request = request(&path, body)?;
        let agent = http::HeaderValue::from_static(AGENT);
        request.headers_mut().insert(X_ONCEONLY_AGENT_ID, agent);
        let scene = self
            .send(title, Sender::Agent, self.agents, request, body)
            .await?;
        Ok(scene.held_against(expected))
    }

    /// The good call's headers with another body, past the sidecar.
    async fn forge(&self, stolen: Option<&Seen>) -> anyhow::Result<Scene> {
        let mut request = request("/send-email", FORGED_BODY)?;
        if let Some(seen) = stolen {
            request.headers_mut().extend(signing_headers(&seen.headers));
        }
        let title = "Stolen headers on another body, past the sidecar: refused";
        let (to, body) = (self.backend_at, FORGED_BODY);
        let scene = self
            .send(title, Sender::Intruder, to, request, body)
            .await?;
        Ok(scene.held_against(&Expected {
            status: StatusCode::UNAUTHORIZED,
            attempts: None,
            refusal: None,
            seen: &[(StatusCode::UNAUTHORIZED, false)],
        }))
    }

    async fn send(
        &self,
        title: &'static str,
        sender: Sender,
        to: SocketAddr,
        request: Request<Full<Bytes>>,
        body: &'static str,
    ) -> anyhow::Result<Scene> {
        let path = request.uri().path().to_owned();
        self.backend.take_seen();
        let answer = client::send(&to.into(), request).await?;
        let (head, answered) = answer.into_parts();
        let answered = client::collect(answered).await?;
        let text = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let reply = Reply {
            status: head.status,
            attempts: text(X_COUNTERSIGN_ATTEMPTS).and_then(|text| text.parse().ok()),
            refusal: text(X_COUNTERSIGN_ERROR),
            message: message(&answered),
        };
        let seen = self.backend.take_seen();
        Ok(Scene {
            title,
            sender,
            path,
            body,
            reply,
            seen,
            wrong: None,
        })
    }
}

/// The headers that sign a request.
pub fn signing_headers(headers: &HeaderMap) -> HeaderMap {
    let signing = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-onceonly-"));
    signing
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn request(path: &str, body: &'static str) -> Result<Request<Full<Bytes>>, http::Error> {
    let builder = Request::post(path).header(CONTENT_TYPE, "application/json");
    builder.body(Full::new(Bytes::from_static(body.as_bytes())))
}

/// The message of a refusal, the error of the backend, or the body as it is.
fn message(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = json["detail"]["message"]
        .as_str()
        .or(json["error"].as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}
