//! Claims that all sidecars share: taking one, saying how its run ended, waiting for another's.
//!
//! A run that was granted is always ended: its holder says how, or dropping it says that nobody knows.
//! What could not be said in time stays in the backlog until the server has heard it. What a claim is
//! for, and what its answer means, is left to `once`.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::super::StoreError;
use super::actor::Request;
use crate::ids::LeaseId;

/// The name of a claim.
pub type Key = [u8; 32];

/// What is asked of a key.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The key.
    pub key: Key,
    /// Its lease, if nobody had one before.
    pub lease: LeaseId,
    /// How long an ending is kept, from when it is said.
    pub ttl: Duration,
    /// Whether a claim whose holder is gone may be run again.
    pub retry_in_doubt: bool,
    /// What the call must look like to be the same call.
    pub fingerprint: Option<[u8; 32]>,
}

/// What became of asking.
#[derive(Debug)]
pub enum Found {
    /// It is ours to run, and every sidecar knows.
    Ours(Held),
    /// It was run before, with this answer.
    Finished(Ended),
    /// Somebody runs it now.
    Running(Run),
    /// Whoever ran it is gone, and it may not be run again.
    InDoubt(LeaseId),
    /// The key belongs to a call that looks different.
    Mismatch,
}

/// How a run ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// With an answer that counts from now on.
    Done(Bytes),
    /// With an answer for those who wait; whoever asks next runs it again.
    Failed(Bytes),
    /// It never began: the key is as it was before.
    Released,
    /// Nobody knows.
    Doubt,
}

impl End {
    /// The script's word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Released => "released",
            Self::Doubt => "doubt",
        }
    }

    pub(super) fn answer(&self) -> &[u8] {
        match self {
            Self::Done(answer) | Self::Failed(answer) => answer,
            Self::Released | Self::Doubt => &[],
        }
    }
}

/// An ending, with all that the server needs to know of its run.
#[derive(Debug)]
pub(super) struct Saying {
    pub grant: Grant,
    pub end: End,
}

/// A run as the server knows it.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub key: Key,
    pub token: String,
    pub lease: LeaseId,
    pub ttl: Duration,
    pub fingerprint: Option<[u8; 32]>,
}

/// The right and the duty to run a key.
///
/// Dropped before [`Held::begin`] it is released; dropped afterwards without an end it is in doubt.
#[derive(Debug)]
pub struct Held {
    grant: Option<Grant>,
    lease: LeaseId,
    unsaid: End,
    requests: mpsc::UnboundedSender<Request>,
}

impl Held {
    pub(super) fn new(grant: Grant, requests: mpsc::UnboundedSender<Request>) -> Self {
        Self {
            lease: grant.lease,
            grant: Some(grant),
            unsaid: End::Released,
            requests,
        }
    }

    /// What the tool knows this run by; the same for every run of the key until one is done.
    pub fn lease(&self) -> &LeaseId {
        &self.lease
    }

    /// From here on the run may have had effects.
    pub fn begin(&mut self) {
        self.unsaid = End::Doubt;
    }

    /// Says how the run ended. Ready when every sidecar knows. When this is dropped, and also after a
    /// failure, it goes on being said until the server has heard it.
    ///
    /// # Errors
    /// When the server has not heard it in time.
    pub async fn end(mut self, end: End) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.say(end, Some(reply));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    fn say(&mut self, end: End, reply: Option<oneshot::Sender<Result<(), StoreError>>>) {
        if let Some(grant) = self.grant.take() {
            let saying = Saying { grant, end };
            // Without an actor there is nobody left who could say it; the reply's end tells so.
            let _ = self.requests.send(Request::Say(saying, reply));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let unsaid = self.unsaid.clone();
        self.say(unsaid, None);
    }
}

/// A run of somebody, here or elsewhere.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) key: Key,
    pub(super) token: String,
    pub(super) requests: mpsc::UnboundedSender<Request>,
}

/// What a run came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    /// The lease that it ran with.
    pub lease: LeaseId,
    /// Whether it was done, rather than failed.
    pub ok: bool,
    /// The answer.
    pub answer: Bytes,
}

impl Run {
    /// Ready when the run has ended, or when nobody can say how it did: then the key can be asked for
    /// again. Dropping this stops waiting and nothing else.
    pub async fn wait(self) -> Option<Ended> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Wait(self.key, self.token, reply);
        self.requests.send(request).ok()?;
        answer.await.ok().flatten()
    }
}
