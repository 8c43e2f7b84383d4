//! The thread that talks to the server which sidecars share.
//!
//! It has a runtime of its own, so that neither a slow server nor a large answer holds up a worker.
//! Requests come over a channel and run beside each other on one connection. The thread ends when the
//! last handle is gone and nothing is left to be said, or when the server has not come back for it in
//! time. What is asked is in `questions`, and what keeps the connection alive in `keeper`.

mod keeper;
mod questions;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use super::super::StoreError;
use super::FleetOptions;
use super::backlog::{Backlog, Reply};
use super::claims::{Ask, Found, Key, Saying};
use super::link::Link;
use super::script::{Keys, Scripts};
use super::spending::{Charge, Charged};
use super::switches::{Changes, Switches};
use super::waiting::{Waiter, Waiting};

/// Something that the thread is to do.
#[derive(Debug)]
pub(super) enum Request {
    Claim(Ask, oneshot::Sender<Result<Found, StoreError>>),
    Say(Saying, Option<Reply>),
    Wait(Key, String, Waiter),
    Spend(Charge, oneshot::Sender<Result<Charged, StoreError>>),
    Switch(
        String,
        Option<Bytes>,
        oneshot::Sender<Result<(), StoreError>>,
    ),
}

/// What the thread's tasks share.
struct Actor {
    options: FleetOptions,
    link: Link,
    scripts: Scripts,
    keys: Keys,
    /// This sidecar, for as long as its process lives.
    me: String,
    tokens: Cell<u64>,
    backlog: RefCell<Backlog>,
    waiting: RefCell<Waiting>,
    /// The version of the kill switches that `switches` shows.
    version: RefCell<Option<String>>,
    /// What the server has not heard yet of agents that were switched here.
    switched: RefCell<Changes>,
    switches: Arc<Switches>,
    /// For the runs that are handed out, which end through it. Weak, so that they and the handles
    /// alone decide when the thread ends.
    requests: mpsc::WeakUnboundedSender<Request>,
}

/// Serves `inbox` until its senders are gone.
pub(super) async fn run(
    options: FleetOptions,
    mut inbox: mpsc::UnboundedReceiver<Request>,
    requests: mpsc::WeakUnboundedSender<Request>,
    switches: Arc<Switches>,
) {
    let actor = Rc::new(Actor {
        link: Link::new(options.patience, options.gauges.clone()),
        scripts: Scripts::new(),
        keys: Keys::new(&options.prefix),
        me: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
        tokens: Cell::new(0),
        backlog: RefCell::default(),
        waiting: RefCell::default(),
        version: RefCell::new(None),
        switched: RefCell::default(),
        switches,
        requests,
        options,
    });
    let keeper = spawn_local(actor.clone().keep());
    while let Some(request) = inbox.recv().await {
        actor.clone().take(request);
    }
    actor.leave().await;
    keeper.abort();
}

impl Actor {
    /// Starts what a request asks for.
    fn take(self: Rc<Self>, request: Request) {
        match request {
            Request::Claim(ask, reply) => {
                spawn_local(async move {
                    // Whoever asked may have left. Then a claim that was granted is dropped here, and
                    // dropping it releases it.
                    let _ = reply.send(self.claim(ask).await);
                });
            }
            Request::Say(saying, reply) => {
                let number = self.backlog.borrow_mut().add(saying, reply);
                spawn_local(self.say(number));
            }
            Request::Wait(key, token, waiter) => {
                let run = (key, token);
                if self.waiting.borrow_mut().add(run.clone(), waiter) {
                    spawn_local(self.look(run));
                }
            }
            Request::Spend(charge, reply) => {
                spawn_local(async move {
                    let _ = reply.send(self.spend(charge).await);
                });
            }
            Request::Switch(agent, off, reply) => {
                spawn_local(async move {
                    let _ = reply.send(self.switch(agent, off).await);
                });
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
