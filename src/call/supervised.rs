//! Transparent calls that are not just passed on: those of agents with a policy, and those with an
//! `Idempotency-Key`.
//!
//! The order is that of every door: what the agent may do at all, whether the call was made before,
//! what it has left, and then the attempts. What a key means is in `keyed`.

use std::cell::Cell;

use bytes::Bytes;
use tokio::time::Instant;

use crate::audit::{Decision, Entry};
use crate::body::Captured;
use crate::call::governance::note_unkept;
use crate::call::keyed::{Claim, Key};
use crate::call::{Admitted, Call, Engine, Given, Refusal};
use crate::ids::{AgentId, LeaseId};
use crate::once::InDoubt;
use crate::policy::{Blocked, Permit, Reason, Risk};
use crate::registry::{OnceTerms, Tool, WhenInDoubt};
use crate::sign::Signature;
use crate::telemetry::{CallOutcome, CallRecord, Door};
use crate::upstream::Seen;

/// Why a call ends whose agent was switched off while it ran.
pub(super) const CUT: Blocked = Blocked {
    reason: Reason::AgentDisabled,
    risk: Risk::High,
    retry_after: None,
};

/// What has to be asked and remembered about a call.
pub(super) struct Watch {
    /// Whether the agent has a policy.
    is_governed: bool,
    key: Option<Key>,
    spent: Cell<Option<f64>>,
    lease: Cell<Option<LeaseId>>,
}

impl Engine {
    /// Asks whether the agent may call the tool at all, and what there is to watch if it does.
    ///
    /// # Errors
    /// When it may not, or its key cannot be read.
    // spec: POLICY-1 IDEM-1
    pub(super) fn watch<B>(
        &self,
        call: &Call<B>,
        tool: &Tool,
        record: &CallRecord,
    ) -> Result<Option<Box<Watch>>, Refusal> {
        let permit = self.governance.desk.permits(&call.agent, &tool.name);
        let mut watch = Watch {
            is_governed: permit != Ok(Permit::Ungoverned),
            key: None,
            spent: Cell::new(None),
            lease: Cell::new(None),
        };
        if let Err(blocked) = permit {
            let refused = Err(Refusal::Blocked(blocked));
            self.account(&call.agent, tool, Some(&watch), &refused, record);
            return Err(Refusal::Blocked(blocked));
        }
        watch.key = Key::of(call, tool)?;
        let is_needed = watch.is_governed || watch.key.is_some();
        Ok(is_needed.then(|| Box::new(watch)))
    }

    /// From a body that was there at `since` to an answer, with everything that is asked and
    /// remembered between.
    ///
    /// Dropped when attempts have begun, it leaves the call's claim in doubt; dropped before, as it
    /// was.
    // spec: IDEM-1
    pub(super) async fn supervised(
        &self,
        call: &Admitted,
        watch: &Watch,
        body: &Captured<Signature>,
        since: Instant,
        record: &mut CallRecord,
    ) -> Result<Given, Refusal> {
        let mut lease = match &watch.key {
            None => None,
            Some(key) => match self.claim(call, key, body).await? {
                Claim::Ours(lease) => lease,
                Claim::Answered(given) => return Ok(given),
            },
        };
        if let Some(lease) = &lease {
            watch.lease.set(Some(*lease.id()));
            record.lease(*lease.id());
        }
        let sent = match self.spend(call, watch).await {
            Ok(()) => {
                let begin = || {
                    if let Some(lease) = &mut lease {
                        lease.begin();
                    }
                };
                self.send(call, body, since, begin, record).await
            }
            Err(blocked) => Err(Refusal::Blocked(blocked)),
        };
        match (lease, sent) {
            (None, sent) => sent.map(Given::Stream),
            (Some(lease), Ok(stream)) => self.keep(lease, stream).await,
            (Some(lease), Err(refusal)) => {
                note_unkept(match may_be_done(&refusal) {
                    true => lease.fail(Bytes::new()).await,
                    false => lease.release().await,
                });
                Err(refusal)
            }
        }
    }

    async fn spend(&self, call: &Admitted, watch: &Watch) -> Result<(), Blocked> {
        if watch.is_governed {
            let desk = &self.governance.desk;
            let (agent, tool) = (call.template.agent(), &call.tool.name);
            let spent = desk.spend(agent, tool, None, self.now()).await?;
            watch.spent.set(Some(spent.price.dollars()));
        }
        Ok(())
    }

    /// Writes down what became of a call whose agent has a policy or was switched off.
    // spec: AUDIT-1
    pub(super) fn account(
        &self,
        agent: &AgentId,
        tool: &Tool,
        watch: Option<&Watch>,
        came_of_it: &Result<Given, Refusal>,
        record: &CallRecord,
    ) {
        if watch.is_some_and(|watch| !watch.is_governed)
            && !matches!(came_of_it, Err(Refusal::Blocked(_)))
        {
            return;
        }
        let (decision, reason, risk) = match came_of_it {
            Ok(given) => match decision(given) {
                Decision::Failed => (Decision::Failed, Some("tool_error"), Risk::Low),
                Decision::Dedup => (Decision::Dedup, Some("tool_idempotency"), Risk::Low),
                other @ (Decision::Executed | Decision::Blocked) => (other, None, Risk::Low),
            },
            Err(Refusal::Blocked(blocked)) => {
                let reason = Some(blocked.reason.as_str());
                (Decision::Blocked, reason, blocked.risk)
            }
            Err(Refusal::Upstream { .. }) => (Decision::Failed, Some("tool_error"), Risk::Low),
            // Whatever else is refused was not decided here, and nothing was sent.
            Err(_) => return,
        };
        let lease = watch.and_then(|watch| watch.lease.get());
        let lease = lease.map(|lease| lease.to_string());
        self.governance.audit.record(&Entry {
            ts: self.now(),
            agent,
            tool: &tool.name,
            scope: &tool.scope,
            door: Door::Proxy,
            allowed: decision != Decision::Blocked,
            decision,
            reason,
            risk: Some(risk.as_str()),
            args_hash: None,
            spend_usd: watch.and_then(|watch| watch.spent.get()),
            lease_id: lease.as_deref(),
            request_id: record.request_id(),
        });
    }
}

/// What the log calls an answer.
fn decision(given: &Given) -> Decision {
    let status = match given {
        Given::Stream(stream) => stream.answer.response.status(),
        Given::Whole(whole) => match &**whole {
            (_, CallOutcome::Decided(_)) => return Decision::Dedup,
            (response, _) => response.status(),
        },
    };
    if status.is_client_error() || status.is_server_error() {
        Decision::Failed
    } else {
        Decision::Executed
    }
}

pub(super) fn in_doubt(once: OnceTerms) -> InDoubt {
    match once.in_doubt {
        WhenInDoubt::Retry => InDoubt::Retry,
        WhenInDoubt::Refuse => InDoubt::Refuse,
    }
}

/// Whether the tool may have seen something of a call that was refused.
pub(super) fn may_be_done(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Upstream {
            seen: Seen::MaybeSeen,
            ..
        }
    )
}
