//! A claim that is held, from before it is durable to its end.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::ids::LeaseId;
use crate::once::Stored;
use crate::once::embedded::Shared;
use crate::once::key::ClaimKey;
use crate::once::record::{Progress, Record};
use crate::once::table::{Claim, Rest, Started};
use crate::store::{StoreError, Written};

/// A claim that is held. Dropping it does what is right for how far it has come.
#[derive(Debug)]
pub(in crate::once) struct Held {
    shared: Arc<Shared>,
    key: ClaimKey,
    /// What the store knows of it.
    record: Record,
    /// What the key had before.
    before: Option<Claim>,
    /// Those who wait listen here.
    outcome: watch::Sender<Option<Stored>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Nobody has begun to run it; it may not even be durable.
    Claimed,
    /// Somebody runs it.
    Running,
    /// It has ended.
    Ended,
}

impl Held {
    pub(super) fn new(shared: Arc<Shared>, key: ClaimKey, started: Started) -> Self {
        Self {
            shared,
            key,
            record: started.record,
            before: started.before,
            outcome: started.outcome,
            stage: Stage::Claimed,
        }
    }

    /// From here on its run may have had effects.
    pub(in crate::once) fn begin(&mut self) {
        self.stage = Stage::Running;
    }

    pub(in crate::once) fn id(&self) -> &LeaseId {
        &self.record.lease
    }

    // spec: ONCE-1
    pub(in crate::once) async fn complete(mut self, answer: Bytes) -> Result<(), StoreError> {
        let rest = Rest::Finished { durable: false };
        let result = self.end(rest, Progress::Finished, answer.clone()).await;
        let (key, lease) = (&self.key, self.record.lease);
        self.shared.lock().table.settle(key, lease, result.is_ok());
        self.tell(true, answer);
        result
    }

    // spec: ONCE-1
    pub(in crate::once) async fn fail(mut self, answer: Bytes) -> Result<(), StoreError> {
        let result = self.end(Rest::Failed, Progress::Failed, Bytes::new()).await;
        self.tell(false, answer);
        result
    }

    // spec: ONCE-1
    pub(in crate::once) async fn release(mut self) -> Result<(), StoreError> {
        self.take_back().await
    }

    fn end(&mut self, rest: Rest, progress: Progress, answer: Bytes) -> Written {
        self.stage = Stage::Ended;
        let now = self.shared.clock.now();
        self.record.progress = progress;
        self.record.since_ms = now.unix_millis();
        self.record.answer = answer;
        let encoded = self.record.encode();
        let mut claims = self.shared.lock();
        claims.table.rest(self.key, rest, now);
        self.shared.write(self.key, Some(encoded))
    }

    fn take_back(&mut self) -> Written {
        self.stage = Stage::Ended;
        let before = self.before.take();
        let record = before.as_ref().map(|claim| claim.at_rest().encode());
        let mut claims = self.shared.lock();
        claims.table.restore(self.key, before);
        self.shared.write(self.key, record)
    }

    fn tell(&self, ok: bool, answer: Bytes) {
        self.outcome.send_replace(Some(Stored {
            lease_id: self.record.lease,
            ok,
            answer,
        }));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.stage {
            // What was queued goes on to be written, and this behind it.
            Stage::Claimed => drop(self.take_back()),
            // Nobody waits for it: until it is written, a restart comes to the same.
            Stage::Running => drop(self.end(Rest::InDoubt, Progress::InDoubt, Bytes::new())),
            Stage::Ended => {}
        }
    }
}
