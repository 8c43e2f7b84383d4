//! One worker in memory: the real door, engine and pool between a pipe to the agent and pipes to a
//! [`FakeTool`]. Nothing touches a socket, so a test may pause time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::body::Body;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::body::{BodyLimits, BufferedBytes};
use crate::call::Engine;
use crate::clock::{Clock, Timestamp};
use crate::config::AgentToken;
use crate::lifecycle::{DrainWatch, Drainer, drain};
use crate::proxy::{Identity, Proxy};
use crate::registry::{AuthSpec, LoadedFrom, Registry, Snapshot, SnapshotBuilder, Tool, ToolSpec};
use crate::secret::Secret;
use crate::server::guard::Guard;
use crate::server::{HttpLimits, serve_connection};
use crate::telemetry::{AccessLog, Metrics, Telemetry};
use crate::test_support::FakeTool;
use crate::test_support::client::{Reply, send_over};
use crate::upstream::{Pool, PoolGauges, PoolSettings};

/// The secret of every tool in a [`World`].
pub const SECRET: &str = "supersecret";
/// What the clock of a [`World`] reads at its start: 2024-01-15T12:40:00Z.
pub const START: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);

/// Builds a [`World`].
#[derive(Debug)]
pub struct Harness {
    tools: Vec<ToolSpec>,
    backend: FakeTool,
    body_limits: BodyLimits,
    tokens: Vec<(String, String)>,
}

impl Harness {
    /// A world with one tool, behind which is `backend`.
    pub fn with_tool(name: &str, backend: FakeTool) -> Self {
        let buffered = BufferedBytes::new(256 * 1024 * 1024);
        let timeout = Duration::from_secs(30);
        Self {
            tools: vec![spec(name)],
            backend,
            body_limits: BodyLimits {
                max_bytes: 10 * 1024 * 1024,
                timeout,
                buffered,
            },
            tokens: Vec::new(),
        }
    }

    /// Changes the tool's specification.
    pub fn spec(mut self, change: impl FnOnce(&mut SpecFields<'_>)) -> Self {
        change(&mut SpecFields(&mut self.tools[0]));
        self
    }

    /// Adds a second tool of the given scope, with a path of its own.
    pub fn also(mut self, name: &str, scope: &str, path: &str) -> Self {
        let mut more = spec(name);
        more.scope_id = Some(scope.to_owned());
        more.url = format!("http://tool.test{path}");
        self.tools.push(more);
        self
    }

    /// The tool's `timeout_ms`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.tools[0].timeout_ms = i64::try_from(timeout.as_millis()).ok();
        self
    }

    /// The tool's `max_retries`.
    pub fn retries(mut self, retries: i64) -> Self {
        self.tools[0].max_retries = Some(retries);
        self
    }

    /// Limits on bodies: bytes of one, bytes of all.
    pub fn body_limits(mut self, max_bytes: usize, max_buffered: usize) -> Self {
        self.body_limits.max_bytes = max_bytes;
        self.body_limits.buffered = BufferedBytes::new(max_buffered);
        self
    }

    /// Requires this token of this agent.
    pub fn token(mut self, agent: &str, token: &str) -> Self {
        self.tokens.push((agent.to_owned(), token.to_owned()));
        self
    }

    /// Puts the world together inside the current local runtime.
    ///
    /// # Panics
    /// When the tool's specification is not valid.
    pub fn start(self) -> World {
        let mut builder = SnapshotBuilder::new(None);
        for tool in self.tools {
            let tool = Tool::compile(tool).expect("a test's tool is valid");
            builder
                .add(tool)
                .expect("a test's tools have different names");
        }
        let engine = engine(builder.finish(), &self.backend, self.body_limits.clone());
        let tokens: Vec<_> = self
            .tokens
            .iter()
            .map(|(agent, token)| AgentToken {
                agent: agent.parse().expect("a valid agent"),
                token: Secret::new(token.as_str()),
            })
            .collect();
        let identity = Identity::new("agent".parse().expect("a valid agent"), &tokens);
        let (drainer, watch) = drain();
        World {
            proxy: Rc::new(Proxy {
                engine,
                identity,
                guard: Guard::default(),
            }),
            backend: self.backend,
            buffered: self.body_limits.buffered,
            started: Instant::now(),
            drainer,
            watch,
        }
    }
}

/// What a test may change about a tool.
#[derive(Debug)]
pub struct SpecFields<'s>(&'s mut ToolSpec);

impl SpecFields<'_> {
    /// `url`.
    pub fn url(&mut self, url: &str) -> &mut Self {
        self.0.url = url.to_owned();
        self
    }

    /// `enabled`.
    pub fn enabled(&mut self, enabled: bool) -> &mut Self {
        self.0.enabled = Some(enabled);
        self
    }

    /// `idempotent`.
    pub fn idempotent(&mut self, idempotent: bool) -> &mut Self {
        self.0.idempotent = Some(idempotent);
        self
    }

    /// `forward_path`.
    pub fn forward_path(&mut self, forward: bool) -> &mut Self {
        self.0.forward_path = Some(forward);
        self
    }

    /// `deadline_ms`.
    pub fn deadline(&mut self, deadline: Duration) -> &mut Self {
        self.0.deadline_ms = i64::try_from(deadline.as_millis()).ok();
        self
    }

    /// `retry_on`.
    pub fn retry_on(&mut self, words: &[&str]) -> &mut Self {
        self.0.retry_on = Some(words.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// One entry of `headers`.
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.headers.push((name.to_owned(), Secret::new(value)));
        self
    }
}

fn spec(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        url: format!("http://tool.test/v1/{name}"),
        auth: AuthSpec {
            scheme: "hmac_sha256".to_owned(),
            secret: Some(Secret::new(SECRET)),
            secret_id: None,
        },
        ..ToolSpec::default()
    }
}

fn engine(snapshot: Snapshot, backend: &FakeTool, body_limits: BodyLimits) -> Engine {
    let metrics = Arc::new(Metrics::new(body_limits.buffered.clone()));
    let loaded_from = LoadedFrom {
        source: None,
        loaded_at: START,
        last_errors: Vec::new(),
    };
    let gauges = PoolGauges {
        idle: metrics.upstream_connections("idle"),
        active: metrics.upstream_connections("active"),
    };
    Engine {
        registry: Arc::new(Registry::new(snapshot, loaded_from)),
        pool: Pool::new(Rc::new(backend.clone()), PoolSettings::default(), gauges),
        telemetry: Arc::new(Telemetry::for_worker(
            metrics,
            &AccessLog::off(),
            Clock::anchored_at(START),
        )),
        body_limits,
    }
}

/// A running worker and the pipes around it.
pub struct World {
    proxy: Rc<Proxy>,
    /// The tool behind it.
    pub backend: FakeTool,
    buffered: BufferedBytes,
    started: Instant,
    drainer: Drainer,
    watch: DrainWatch,
}

impl World {
    /// Time since the start, as the runtime sees it.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Bytes of bodies that are held now.
    pub fn buffered(&self) -> usize {
        self.buffered.used()
    }

    /// A connection to the agent's door, for tests that write bytes themselves.
    pub fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let limits = HttpLimits {
            head_timeout: Duration::from_secs(10),
            max_head_bytes: 64 * 1024,
            body_timeout: Duration::from_secs(30),
        };
        let serving = serve_connection(theirs, Rc::clone(&self.proxy), limits, self.watch.clone());
        tokio::task::spawn_local(serving);
        ours
    }

    /// `POST /tools/{name}` with a JSON body.
    pub async fn call(&self, name: &str, body: impl Into<Bytes>) -> Reply {
        let request = Request::post(format!("/tools/{name}"))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .expect("a valid request");
        self.send(request).await
    }

    /// Sends any request on a connection of its own.
    ///
    /// # Panics
    /// When there is no well-formed answer.
    pub async fn send<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static,
    {
        send_over(self.connect(), request).await.expect("an answer")
    }

    /// Lets paused time pass while everything that has something to do does it.
    pub async fn let_time_pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Waits for a state.
    ///
    /// # Panics
    /// When it has not come after a minute of the runtime's time.
    pub async fn until(&self, state: impl Fn(&Self) -> bool) {
        for _ in 0..60_000 {
            if state(self) {
                return;
            }
            self.let_time_pass(Duration::from_millis(1)).await;
        }
        panic!(
            "the state never came; received: {:?}",
            self.backend.received()
        );
    }

    /// What Prometheus would see.
    pub fn metrics(&self) -> String {
        self.proxy.engine.telemetry.metrics.render()
    }

    /// Starts the drain and waits for its end.
    pub async fn drain(self, timeout: Duration) -> bool {
        drop(self.watch);
        self.drainer.drain(timeout).await
    }
}
