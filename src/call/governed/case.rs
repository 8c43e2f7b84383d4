//! One governed call, from the first question about it to its end.
//!
//! A case is closed with a ruling or refused without one, and either consumes it, so that no call is
//! counted or written down twice. What lies between a claim and an answer is in `making`.

mod making;

use std::panic::resume_unwind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::{JoinError, spawn_local};

use crate::audit::{Decision, Entry};
use crate::body::Reservation;
use crate::call::governance::note_unkept;
use crate::call::governed::{Governed, GovernedCall, Ruling, refused};
use crate::call::leash::{Cut, Leash};
use crate::call::supervised::{CUT, in_doubt};
use crate::call::{Code, Engine, Overload, Refusal};
use crate::ids::LeaseId;
use crate::once::{ClaimKey, Claimed, EXPLICIT_TTL, Lease, Stored, Terms};
use crate::registry::{OnceTerms, Tool};
use crate::telemetry::{CallRecord, Door};
use making::Unmade;

/// What a call takes besides its arguments: its account, its task, its request and its connection to the
/// tool. It goes on when its agent leaves, so the number of connections does not bound how many there
/// are; the room for bodies does, 16,384 of them by default.
const CALL_BYTES: usize = 16 * 1024;

/// A call that is being decided about.
pub(super) struct Case {
    engine: Rc<Engine>,
    call: GovernedCall,
    tool: Arc<Tool>,
    record: Box<CallRecord>,
    /// What the call takes.
    #[expect(dead_code, reason = "dropping it gives the room back")]
    room: Reservation,
    /// What the result takes.
    result_room: Option<Reservation>,
    /// What the tool is told.
    lease: Option<LeaseId>,
    /// What the call has been counted with, in dollars.
    spent: Option<f64>,
}

impl Case {
    /// Opens the case of a call of this tool.
    ///
    /// # Errors
    /// When there is no room for it. The account comes back.
    // spec: BODY-1 GOV-4
    pub(super) fn open(
        engine: &Rc<Engine>,
        call: GovernedCall,
        tool: Arc<Tool>,
        record: Box<CallRecord>,
    ) -> Result<Self, (Refusal, Box<CallRecord>)> {
        let mut room = engine.body_limits.reservation();
        if !room.grow_to(CALL_BYTES + call.size()) {
            let refusal = Refusal::Overloaded(Overload::BufferedBytes);
            return Err((refusal, record));
        }
        Ok(Self {
            engine: Rc::clone(engine),
            call,
            tool,
            record,
            room,
            result_room: None,
            lease: None,
            spent: None,
        })
    }

    /// Whether the agent may call the tool at all, and the tool be called.
    ///
    /// # Errors
    /// What stands in the way.
    // spec: GOV-1
    pub(super) fn permits(&self) -> Result<(), Ruling> {
        let desk = &self.engine.governance.desk;
        desk.permits(&self.call.agent, &self.tool.name)
            .map_err(Ruling::by_policy)?;
        if !self.tool.enabled {
            return Err(Ruling::blocked(Code::ToolDisabled.word(), "medium"));
        }
        Ok(())
    }

    /// Claims the call, unless its tool wants each to be its own.
    // spec: ONCE-2
    pub(super) async fn claim(&self) -> Result<Option<Claimed>, Refusal> {
        let Some(once) = self.tool.once else {
            return Ok(None);
        };
        let governance = &self.engine.governance;
        let (key, terms) = self.key(once);
        match governance.once.claim(key, terms).await {
            Ok(claimed) => Ok(Some(claimed)),
            Err(error) => governance.without_claim(&error).map(|()| None),
        }
    }

    fn key(&self, once: OnceTerms) -> (ClaimKey, Terms) {
        let GovernedCall {
            agent,
            tool,
            canonical,
            ..
        } = &self.call;
        let (key, ttl) = match canonical.idempotency_key() {
            Some(key) => (ClaimKey::explicit(agent, tool, key), EXPLICIT_TTL),
            None => {
                let key = ClaimKey::of_args(agent, tool, canonical.as_bytes());
                (key, once.ttl)
            }
        };
        let terms = Terms {
            ttl,
            in_doubt: in_doubt(once),
            // Whoever names a call says that it is the same, however its arguments are worded.
            fingerprint: None,
        };
        (key, terms)
    }

    /// Runs the call where its agent's leaving does not end it.
    // spec: GOV-4
    pub(super) async fn run_apart(self, lease: Lease) -> Governed {
        let working = self.engine.work.begin();
        // In a box, because a task moves what it runs more than once, and this is large.
        let task = spawn_local(Box::pin(async move {
            let governed = self.run(Some(lease)).await;
            drop(working);
            governed
        }));
        match task.await.map_err(JoinError::try_into_panic) {
            Ok(governed) => governed,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime is ending, and this task with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    pub(super) async fn run(mut self, mut lease: Option<Lease>) -> Governed {
        let id = match &lease {
            Some(lease) => *lease.id(),
            None => LeaseId::new(self.engine.now()),
        };
        self.lease = Some(id);
        self.record.lease(id);
        let mut leash = Leash::new(&self.engine.leashes);
        let agent = self.call.agent.clone();
        let made = leash
            .hold(&agent, pin!(self.make(id, lease.as_mut())))
            .await;
        let ruling = match made {
            Ok(Ok(ruling)) => ruling,
            Ok(Err(unmade)) => {
                if let Some(lease) = lease {
                    note_unkept(lease.release().await);
                }
                return match unmade {
                    Unmade::Blocked(blocked) => self.close(Ruling::by_policy(blocked)),
                    Unmade::Refused(refusal) => self.refuse(refusal),
                };
            }
            // The lease is dropped: if something was sent, that may have been carried out.
            Err(Cut) => return self.close(Ruling::by_policy(CUT)),
        };
        if let Some(lease) = lease {
            let kept = ruling.kept();
            note_unkept(match ruling.decision {
                Decision::Executed => lease.complete(kept).await,
                Decision::Dedup | Decision::Blocked | Decision::Failed => lease.fail(kept).await,
            });
        }
        self.close(ruling)
    }

    /// Ends the call with what an earlier run came to, if there is room for that. Each who is told has
    /// an answer of his own to send.
    // spec: BODY-1 ONCE-1
    pub(super) fn repeat(mut self, stored: Stored) -> Governed {
        let mut room = self.engine.body_limits.reservation();
        if !room.grow_to(stored.answer.len()) {
            return self.refuse(Refusal::Overloaded(Overload::BufferedBytes));
        }
        self.result_room = Some(room);
        self.close(Ruling::repeated(stored))
    }

    /// Ends the call with a decision.
    // spec: GOV-3 AUDIT-1
    pub(super) fn close(mut self, ruling: Ruling) -> Governed {
        let lease = self.lease.map(|lease| lease.to_string());
        self.engine.governance.audit.record(&Entry {
            ts: self.engine.now(),
            agent: &self.call.agent,
            tool: &self.tool.name,
            scope: &self.tool.scope,
            door: Door::Governed,
            allowed: ruling.is_allowed(),
            decision: ruling.decision,
            reason: Some(ruling.reason),
            risk: Some(ruling.risk),
            args_hash: Some(&self.call.canonical.args_hash()),
            spend_usd: self.spent,
            lease_id: lease.as_deref(),
            request_id: &self.call.request_id,
        });
        let attempts = self.record.attempts();
        self.record.sent(ruling.size());
        self.record.finish(ruling.outcome());
        Governed {
            result: Ok(ruling),
            attempts,
            room: self.result_room,
        }
    }

    /// Ends the call without one.
    pub(super) fn refuse(self, refusal: Refusal) -> Governed {
        refused(refusal, self.record)
    }
}
