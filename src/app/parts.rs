//! What every thread of a sidecar shares.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::body::{BodyLimits, BufferedBytes};
use crate::call::{Engine, Governance, Leashes};
use crate::clock::Clock;
use crate::config::Settings;
use crate::governed::GovernedDoor;
use crate::lifecycle::Work;
use crate::proxy::Identity;
use crate::registry::Registry;
use crate::server::guard::Guard;
use crate::server::{ConnectionSlots, HttpLimits};
use crate::store::Store;
use crate::telemetry::{AccessLog, Metrics, Telemetry};
use crate::upstream::{Dialler, Pool, PoolGauges, PoolSettings, TlsClients};

/// Made once by the composition root; read or counted by everybody, changed by nobody.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) registry: Arc<Registry>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access_log: AccessLog,
    pub(super) buffered: BufferedBytes,
    pub(super) slots: ConnectionSlots,
    pub(super) tls: Arc<TlsClients>,
    pub(super) clock: Clock,
    pub(super) governance: Arc<Governance>,
    /// What all of that is kept in.
    pub(super) store: Store,
    /// Calls that are finished although their agents have left.
    pub(super) work: Work,
    /// Held while the registry's files are read or edited. An edit deletes secret files that its
    /// new text no longer names, and a load that had read the old text would miss them.
    pub(super) files: Mutex<()>,
}

impl Parts {
    /// Waits until nobody else reads or edits the registry's files. Blocks.
    pub(super) fn files(&self) -> MutexGuard<'_, ()> {
        // It guards files, which a panicking thread leaves as whole as any other.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for every worker.
    pub(super) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            max_bytes: self.settings.limits.max_body_bytes,
            timeout: self.settings.limits.body_timeout,
            buffered: self.buffered.clone(),
        }
    }

    /// An engine for this thread, whose calls can be cut short from now on.
    pub(super) fn engine(&self) -> Rc<Engine> {
        let upstream = &self.settings.upstream;
        let dialler = Dialler::new(Arc::clone(&self.tls), self.metrics.ssrf_refused())
            .allow_private(upstream.allow_private);
        let pool_settings = PoolSettings {
            connect_timeout: upstream.connect_timeout,
            idle_timeout: upstream.pool_idle_timeout,
            ..PoolSettings::default()
        };
        let gauges = PoolGauges {
            idle: self.metrics.upstream_connections("idle"),
            active: self.metrics.upstream_connections("active"),
        };
        let leashes = Leashes::new();
        let cutting = Rc::clone(&leashes).follow(Arc::clone(&self.governance));
        tokio::task::spawn_local(cutting);
        Rc::new(Engine {
            registry: Arc::clone(&self.registry),
            pool: Pool::new(Rc::new(dialler), pool_settings, gauges),
            telemetry: Arc::new(Telemetry::for_worker(
                Arc::clone(&self.metrics),
                &self.access_log,
                self.clock,
            )),
            body_limits: self.body_limits(),
            governance: Arc::clone(&self.governance),
            leashes,
            work: self.work.clone(),
        })
    }

    /// Who calls, on the listener for agents.
    pub(super) fn identity(&self) -> Identity {
        let agents = &self.settings.agents;
        Identity::new(agents.default_id.clone(), &agents.tokens)
    }

    /// What keeps browsers away from agents' doors.
    pub(super) fn agents_guard(&self) -> Guard {
        let agents = &self.settings.agents;
        Guard::of_agents(agents.allowed_origins.clone(), agents.allowed_hosts.clone())
    }

    /// The governed door of an engine.
    pub(super) fn governed(&self, engine: &Rc<Engine>) -> Rc<GovernedDoor> {
        Rc::new(GovernedDoor {
            engine: Rc::clone(engine),
            identity: self.identity(),
            guard: self.agents_guard(),
        })
    }

    /// The same for both listeners.
    pub(super) fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            head_timeout: self.settings.limits.head_timeout,
            max_head_bytes: self.settings.limits.max_head_bytes,
            body_timeout: self.settings.limits.body_timeout,
        }
    }
}
