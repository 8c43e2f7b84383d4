//! One worker in memory: the real door, engine and pool between a pipe to the agent and pipes to a
//! [`FakeTool`]. Nothing touches a socket, so a test may pause time.

mod governed;
mod harness;
mod tools;

use std::cell::RefCell;
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
use crate::call::{Engine, Governance, Leashes};
use crate::clock::{Clock, Timestamp};
use crate::governed::GovernedDoor;
use crate::lifecycle::{DrainWatch, Drainer, Work, drain};
use crate::proxy::{Identity, Proxy};
use crate::registry::{LoadedFrom, Registry, Snapshot, ToolSpec};
use crate::server::guard::Guard;
use crate::server::{HttpLimits, serve_connection};
use crate::telemetry::{AccessLog, Metrics, Telemetry};
use crate::test_support::FakeTool;
use crate::test_support::client::{Reply, send_over};
use crate::upstream::{Connect, Pool, PoolGauges, PoolSettings};

pub use governed::PolicyFields;
pub use harness::Harness;
pub use tools::SpecFields;
use tools::compile;

/// The secret of every tool in a [`World`].
pub const SECRET: &str = "supersecret";
/// What the clock of a [`World`] reads at its start: 2024-01-15T12:40:00Z.
pub const START: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);

fn engine(
    snapshot: Snapshot,
    metrics: Arc<Metrics>,
    connector: Rc<dyn Connect>,
    body_limits: BodyLimits,
    governance: Arc<Governance>,
) -> Rc<Engine> {
    let loaded_from = LoadedFrom {
        source: None,
        loaded_at: START,
        last_errors: Vec::new(),
    };
    Rc::new(Engine {
        registry: Arc::new(Registry::new(snapshot, loaded_from)),
        pool: pool(connector, &metrics),
        leashes: leashes(&governance),
        governance,
        work: Work::new(),
        telemetry: Arc::new(Telemetry::for_worker(
            metrics,
            &AccessLog::off(),
            Clock::anchored_at(START),
        )),
        body_limits,
    })
}

fn leashes(governance: &Arc<Governance>) -> Rc<Leashes> {
    let leashes = Leashes::new();
    tokio::task::spawn_local(Rc::clone(&leashes).follow(Arc::clone(governance)));
    leashes
}

/// What a worker's agents come to.
fn door(engine: Rc<Engine>, identity: Identity) -> Rc<Proxy> {
    let governed = Rc::new(GovernedDoor {
        engine: Rc::clone(&engine),
        identity: identity.clone(),
        guard: Guard::default(),
    });
    Rc::new(Proxy {
        engine,
        identity,
        guard: Guard::default(),
        beside: Some(governed.side_door()),
    })
}

fn pool(connector: Rc<dyn Connect>, metrics: &Metrics) -> Pool {
    let gauges = PoolGauges {
        idle: metrics.upstream_connections("idle"),
        active: metrics.upstream_connections("active"),
    };
    Pool::new(connector, PoolSettings::default(), gauges)
}

/// A running worker and the pipes around it.
pub struct World {
    proxy: Rc<Proxy>,
    tools: RefCell<Vec<ToolSpec>>,
    policies: governed::Written,
    /// The tool behind it.
    pub backend: FakeTool,
    buffered: BufferedBytes,
    started: Instant,
    drainer: Drainer,
    watch: DrainWatch,
}

impl World {
    /// Another worker of the same process: with an engine and a pool of its own, and with the
    /// registry, the metrics and the room for bodies of this one.
    pub fn second_worker(&self) -> Self {
        let first = &self.proxy.engine;
        let telemetry = Telemetry::for_worker(
            Arc::clone(&first.telemetry.metrics),
            &AccessLog::off(),
            Clock::anchored_at(START),
        );
        let engine = Rc::new(Engine {
            governance: Arc::clone(&first.governance),
            leashes: leashes(&first.governance),
            work: first.work.clone(),
            registry: Arc::clone(&first.registry),
            pool: pool(Rc::new(self.backend.clone()), &telemetry.metrics),
            telemetry: Arc::new(telemetry),
            body_limits: first.body_limits.clone(),
        });
        let (drainer, watch) = drain();
        Self {
            proxy: door(
                engine,
                Identity::new("agent".parse().expect("a valid agent"), &[]),
            ),
            tools: self.tools.clone(),
            policies: self.policies.clone(),
            backend: self.backend.clone(),
            buffered: self.buffered.clone(),
            started: self.started,
            drainer,
            watch,
        }
    }

    /// Puts a new version of the first tool into service, as an edit of the registry file would.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn reload(&self, change: impl FnOnce(&mut SpecFields<'_>)) {
        let mut tools = self.tools.borrow_mut();
        change(&mut SpecFields(&mut tools[0]));
        let registry = &self.proxy.engine.registry;
        let next = compile(&tools, Some(&registry.current()));
        registry.replace(next, START);
    }

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
        let serving = serve_connection(
            Box::new(theirs),
            Rc::clone(&self.proxy),
            limits,
            self.watch.clone(),
        );
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
        let Engine {
            registry,
            telemetry,
            ..
        } = &*self.proxy.engine;
        let snapshot = registry.current();
        telemetry.metrics.circuit_states(snapshot.circuit_states());
        telemetry.metrics.render()
    }

    /// The value of a series, without `countersign_`; 0 when there is none.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.metrics();
        let value = |line: &str| {
            let rest = line.strip_prefix("countersign_")?.strip_prefix(series)?;
            rest.strip_prefix(' ')?.parse().ok()
        };
        text.lines().find_map(value).unwrap_or_default()
    }

    /// Starts the drain and waits for its end.
    pub async fn drain(self, timeout: Duration) -> bool {
        drop(self.watch);
        let until = Instant::now() + timeout;
        let work = self.proxy.engine.work.clone();
        let connections = self.drainer.drain(timeout).await;
        connections && tokio::time::timeout_at(until, work.ended()).await.is_ok()
    }
}
