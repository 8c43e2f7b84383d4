//! What a [`World`] is made from.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::body::{BodyLimits, BufferedBytes};
use crate::call::{Governance, OnStoreError};
use crate::clock::Clock;
use crate::config::AgentToken;
use crate::lifecycle::drain;
use crate::once::{Bounds, Once};
use crate::proxy::Identity;
use crate::registry::ToolSpec;
use crate::secret::Secret;
use crate::telemetry::Metrics;
use crate::test_support::governing::{governance_of, memory};
use crate::test_support::world::tools::{SpecFields, compile, spec};
use crate::test_support::world::{START, World, door, engine};
use crate::test_support::{FakeNetwork, FakeTool};
use crate::upstream::{Connect, Dialler, TlsClients};

/// Builds a [`World`].
#[derive(Debug)]
pub struct Harness {
    tools: Vec<ToolSpec>,
    backend: FakeTool,
    network: Option<FakeNetwork>,
    body_limits: BodyLimits,
    tokens: Vec<(String, String)>,
    max_result_bytes: usize,
    max_claims: usize,
    on_store_error: OnStoreError,
}

impl Harness {
    /// A world with one tool, behind which is `backend`.
    pub fn with_tool(name: &str, backend: FakeTool) -> Self {
        let buffered = BufferedBytes::new(256 * 1024 * 1024);
        let timeout = Duration::from_secs(30);
        Self {
            tools: vec![spec(name)],
            backend,
            network: None,
            body_limits: BodyLimits {
                max_bytes: 10 * 1024 * 1024,
                timeout,
                buffered,
            },
            tokens: Vec::new(),
            max_result_bytes: 4 * 1024 * 1024,
            max_claims: Bounds::default().max_claims,
            on_store_error: OnStoreError::Refuse,
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

    /// The last tool came through the Tools API.
    pub fn of_the_api(mut self) -> Self {
        let last = self.tools.last_mut().expect("there is always a tool");
        last.source = Some(ToolSpec::SOURCE_API.to_owned());
        self
    }

    /// Reaches the tools over this network, so that names are resolved and addresses checked.
    /// Without one, every origin is the backend.
    pub fn network(mut self, network: &FakeNetwork) -> Self {
        self.network = Some(network.clone());
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

    /// `limits.max_result_bytes`.
    pub fn max_result(mut self, bytes: usize) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// A store that takes so many claims and no more, and whether calls proceed then.
    pub fn claims(mut self, max: usize, proceed: bool) -> Self {
        self.max_claims = max;
        if proceed {
            self.on_store_error = OnStoreError::Proceed;
        }
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
        let governance = self.governance();
        let metrics = Arc::new(Metrics::new(self.body_limits.buffered.clone()));
        let connector: Rc<dyn Connect> = match self.network {
            None => Rc::new(self.backend.clone()),
            Some(network) => {
                let tls = TlsClients::new(None).expect("the platform's or the built-in roots");
                Rc::new(Dialler::on(network, Arc::new(tls), metrics.ssrf_refused()))
            }
        };
        let snapshot = compile(&self.tools, None);
        let engine = engine(
            snapshot,
            metrics,
            connector,
            self.body_limits.clone(),
            governance,
        );
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
            proxy: door(engine, identity),
            tools: RefCell::new(self.tools),
            policies: RefCell::default(),
            backend: self.backend,
            buffered: self.body_limits.buffered,
            started: Instant::now(),
            drainer,
            watch,
        }
    }
}

impl Harness {
    /// Everything in memory, and nothing known of anybody.
    fn governance(&self) -> Arc<Governance> {
        let (store, clock) = (memory(), Clock::anchored_at(START));
        let governance = governance_of(&store, &[], clock, self.max_result_bytes);
        let mut governance = Arc::into_inner(governance).expect("nobody else has it yet");
        let bounds = Bounds {
            max_claims: self.max_claims,
        };
        governance.once = Once::new(store, &[], clock, bounds);
        governance.on_store_error = self.on_store_error;
        Arc::new(governance)
    }
}
