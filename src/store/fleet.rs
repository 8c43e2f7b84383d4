//! What several sidecars know together: claims, counts and kill switches on one Redis or Valkey.
//!
//! A [`Fleet`] is a handle to a thread that talks to the server. Everything that it answers, every
//! sidecar of the fleet would answer alike at that moment, because each question is one atomic script
//! on the server. No question waits longer than the operator's patience. What an outage keeps from
//! being said is said when the server is back, before anything else. The meaning of claims, caps and
//! switches is left to those who ask, and so is what to do without an answer.

mod actor;
mod address;
mod backlog;
mod claims;
mod link;
mod script;
mod spending;
mod switches;
#[cfg(test)]
mod tests;
mod waiting;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, Gauge};
use tokio::runtime::{self, LocalOptions};
use tokio::sync::{mpsc, oneshot};

pub use address::FleetAddress;
pub use claims::{Ask, End, Ended, Found, Held, Run};
pub use spending::{Charge, Charged};
pub use switches::Off;

use super::StoreError;
use actor::Request;
use switches::Switches;

/// How a fleet is reached.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The server.
    pub address: FleetAddress,
    /// How the names of all keys begin. Sidecars with the same prefix are one fleet.
    pub prefix: String,
    /// How long a question waits for its answer.
    pub patience: Duration,
    /// Where it is shown how the server stands.
    pub gauges: FleetGauges,
}

/// What an operator sees of the connection to the server.
#[derive(Clone, Debug)]
pub struct FleetGauges {
    /// 1 while there is a connection, and otherwise 0.
    pub up: Gauge,
    /// Counts questions without a usable answer.
    pub failures: Counter,
}

impl FleetGauges {
    /// For those who do not look.
    #[cfg(test)]
    pub fn noop() -> Self {
        Self {
            up: Gauge::noop(),
            failures: Counter::noop(),
        }
    }
}

/// A handle to what a fleet knows; all clones are of the same connection.
#[derive(Clone)]
pub struct Fleet {
    requests: mpsc::UnboundedSender<Request>,
    switches: Arc<Switches>,
}

impl Fleet {
    /// Starts to connect, on a thread of its own, and goes on until the last handle is dropped.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub fn open(options: FleetOptions) -> io::Result<Self> {
        // Unbounded, because each request belongs to a call that waits for it, and calls are bounded
        // where they come in.
        let (requests, inbox) = mpsc::unbounded_channel();
        let switches = Arc::new(Switches::new());
        let fleet = Self { requests, switches };
        let weak = fleet.requests.downgrade();
        let shown = fleet.switches.clone();
        let (started, outcome) = std::sync::mpsc::channel();
        let thread = thread::Builder::new().name("fleet".to_owned());
        thread.spawn(move || {
            let mut runtime = runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    let _ = started.send(Ok(()));
                    runtime.block_on(actor::run(options, inbox, weak, shown));
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        })?;
        outcome
            .recv()
            .unwrap_or_else(|gone| Err(io::Error::other(gone)))?;
        Ok(fleet)
    }

    /// Ready when the server has answered for the first time. Before that nobody knows which agents
    /// are switched off.
    pub async fn known(&self) {
        self.switches.known().await;
    }

    /// Asks for the claim of a key. If this is dropped, a claim that was granted is released.
    ///
    /// # Errors
    /// When the server does not answer in time or refuses.
    pub async fn claim(&self, ask: Ask) -> Result<Found, StoreError> {
        self.ask(|reply| Request::Claim(ask, reply)).await
    }

    /// Counts a call against its agent's caps. If this is dropped, it may be counted or not.
    ///
    /// # Errors
    /// When the server does not answer in time or refuses.
    pub async fn spend(&self, charge: Charge) -> Result<Charged, StoreError> {
        self.ask(|reply| Request::Spend(charge, reply)).await
    }

    /// Switches an agent off, with what is to be known of it, or on. Ready when the follower here has
    /// heard of it and every other sidecar was told. Dropping the future takes nothing back.
    ///
    /// # Errors
    /// When the server does not answer in time or refuses. The agent is switched here all the same, and
    /// everywhere as soon as the server has heard it.
    pub async fn switch(&self, agent: &str, off: Option<Bytes>) -> Result<(), StoreError> {
        let agent = agent.to_owned();
        self.ask(|reply| Request::Switch(agent, off, reply)).await
    }

    /// Tells `follower` which agents are off, and whether the server has said so: at once if something is
    /// known, and whenever it may have changed. It is called on the fleet's thread and replaces whoever
    /// followed before.
    pub fn follow(&self, follower: impl FnMut(&Off, bool) + Send + 'static) {
        self.switches.follow(Box::new(follower));
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let closed = |_| StoreError::Closed;
        self.requests.send(request(reply)).map_err(closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fleet")
    }
}
