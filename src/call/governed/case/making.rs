//! Making a governed call: its limits, its envelope and its attempts.
//!
//! The lease begins right before the first attempt, so that a call which ends earlier leaves nothing in
//! doubt. What becomes of the claim afterwards is left to the case.

use bytes::Bytes;
use http_body_util::Full;
use tokio::time::Instant;

use crate::body::{BodyLimits, Captured};
use crate::call::envelope::{Envelope, MAX_OWN_BYTES};
use crate::call::governed::Ruling;
use crate::call::governed::case::Case;
use crate::call::limits::{admit, deadline, place};
use crate::call::{Refusal, attempt, retry};
use crate::ids::LeaseId;
use crate::once::Lease;
use crate::policy::Blocked;

/// Why a call was not made.
pub(super) enum Unmade {
    Blocked(Blocked),
    Refused(Refusal),
}

impl From<Refusal> for Unmade {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Case {
    /// From a claim, if there is one, to what the tool made of it. Dropping the future cancels the attempt
    /// that is running.
    ///
    /// # Errors
    /// What kept the call from being made; nothing was sent.
    pub(super) async fn make(
        &mut self,
        id: LeaseId,
        lease: Option<&mut Lease>,
    ) -> Result<Ruling, Unmade> {
        let Self {
            engine,
            call,
            tool,
            record,
            result_room,
            spent,
            ..
        } = self;
        admit(tool, record)?;
        let desk = &engine.governance.desk;
        let counted = desk.spend(&call.agent, &tool.name, call.spend_usd, engine.now());
        *spent = Some(counted.await.map_err(Unmade::Blocked)?.price.dollars());
        let deadline = deadline(tool);
        let place = place(tool, deadline, record).await?;
        let now = engine.now();
        let envelope = Envelope {
            tool: &tool.name,
            args: &call.args,
            agent: &call.agent,
            namespace: &engine.governance.namespace,
            key_hash: &call.key_hash.0,
            at: now,
            lease: &id,
            scope: &tool.scope,
        };
        let envelope = Full::new(Bytes::from(envelope.to_bytes()));
        // The arguments were within the limit, so the envelope is not refused for its own part.
        let limits = BodyLimits {
            max_bytes: engine.body_limits.max_bytes.saturating_add(MAX_OWN_BYTES),
            ..engine.body_limits.clone()
        };
        let body = Captured::read(envelope, &limits, tool.signer.begin());
        let body = body.await.map_err(Refusal::from)?;
        let attempts = attempt::Attempts {
            pool: &engine.pool,
            clock: engine.telemetry.clock,
            tool,
            template: &call.template(tool)?,
            body: &body,
            deadline,
            first_stamp: Some(now),
        };
        tool.budget().deposit();
        if let Some(lease) = lease {
            lease.begin();
        }
        let policy = retry::Policy::of(tool, tool.idempotent);
        let ruling = match attempts.run(policy, Instant::now(), record).await {
            Ok(answer) => {
                let max = engine.governance.max_result_bytes;
                let read = Ruling::of_answer(answer, max, &engine.body_limits, record);
                let (ruling, room) = read.await;
                *result_room = room;
                ruling
            }
            Err(Refusal::Upstream { kind, seen }) => Ruling::without_answer(kind, seen),
            Err(refusal) => return Err(refusal.into()),
        };
        drop(place);
        Ok(ruling)
    }
}
