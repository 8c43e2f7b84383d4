//! What there is to ask for beside tools and the process: agents, locks, leases, events, counts.

use crate::api::fields::governed::{
    AUDIT, CANCEL, COMPLETE, DAYS, DISABLE, EVENT, EVENTS, EXTEND, FAIL, KINDS, LOGS,
    NOTIFICATIONS, ONE_KEY, PERIODS, RUN, RUNS, TAKE,
};
use crate::api::routes::{Action, Endpoint, Verb, plain};

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Governed {
    /// Switch an agent off.
    Disable,
    /// Switch an agent on.
    Enable,
    /// Tell an agent's last records.
    Logs,
    /// Tell an agent's sums.
    Sums,
    /// Give the audit log.
    Audit,
    /// Tell whose key it is.
    Me,
    /// Change what the operator is told.
    Notify,
    /// Tell a month's use of one kind.
    Usage,
    /// Tell a month's use of both kinds.
    UsageAll,
    /// Tell the counts of days.
    Days,
    /// Take a lock.
    CheckLock,
    /// Take a lease.
    Lease,
    /// Prolong a lease.
    Extend,
    /// End a lease well.
    Complete,
    /// End a lease in vain.
    Fail,
    /// Give a lease back.
    Cancel,
    /// Tell how a lease stands.
    Status,
    /// Tell what came of a lease.
    Result,
    /// List events.
    Events,
    /// Add an event.
    Report,
    /// List runs.
    Runs,
    /// Tell a run's events.
    Run,
}

/// All of it.
// spec: AUDIT-4 AUDIT-5 LOCK-1 LEASE-1 LEASE-2 RUN-1 USAGE-1
pub static GOVERNED: [Endpoint; 22] = [
    Endpoint {
        about: "Switches an agent off: from now on none of its calls is made.",
        body: Some(("AgentDisable", DISABLE)),
        ..post("/v1/agents/{agent_id}/disable", Governed::Disable)
    },
    Endpoint {
        about: "Switches an agent on again.",
        ..post("/v1/agents/{agent_id}/enable", Governed::Enable)
    },
    Endpoint {
        about: "Tells what became of an agent's last calls, the newest first.",
        query: LOGS,
        ..get("/v1/agents/{agent_id}/logs", Governed::Logs)
    },
    Endpoint {
        about: "Sums up an agent's calls of the last hour, day or week.",
        query: PERIODS,
        ..get("/v1/agents/{agent_id}/metrics", Governed::Sums)
    },
    Endpoint {
        about: "Gives the audit log as JSON lines, each with the hash of the one before.",
        query: AUDIT,
        ..get("/v1/audit", Governed::Audit)
    },
    Endpoint {
        about: "Tells whose key this is.",
        ..get("/v1/me", Governed::Me)
    },
    Endpoint {
        about: "Changes what the operator wants to be told. It is kept; nothing is sent.",
        body: Some(("Notifications", NOTIFICATIONS)),
        ..post("/v1/me/notifications", Governed::Notify)
    },
    Endpoint {
        about: "Tells the use of the present month, in UTC, of one kind.",
        query: KINDS,
        ..get("/v1/usage", Governed::Usage)
    },
    Endpoint {
        about: "Tells the use of the present month, in UTC.",
        ..get("/v1/usage/all", Governed::UsageAll)
    },
    Endpoint {
        about: "Counts by day, in UTC; days without any are left out.",
        query: DAYS,
        ..get("/v1/metrics", Governed::Days)
    },
    Endpoint {
        about: "Takes the lock of a key, unless somebody has it.",
        body: Some(("LockTake", TAKE)),
        ..post("/v1/check-lock", Governed::CheckLock)
    },
    Endpoint {
        about: "Takes the lease of a key, unless somebody has it or has ended it.",
        body: Some(("LeaseTake", TAKE)),
        ..post("/v1/ai/lease", Governed::Lease)
    },
    Endpoint {
        about: "Prolongs a lease.",
        body: Some(("LeaseExtend", EXTEND)),
        ..post("/v1/ai/extend", Governed::Extend)
    },
    Endpoint {
        about: "Ends a lease well and leaves its result for a week.",
        body: Some(("LeaseComplete", COMPLETE)),
        ..post("/v1/ai/complete", Governed::Complete)
    },
    Endpoint {
        about: "Ends a lease in vain, which is remembered for a week.",
        body: Some(("LeaseFail", FAIL)),
        ..post("/v1/ai/fail", Governed::Fail)
    },
    Endpoint {
        about: "Gives a lease back, as if it had never been taken.",
        body: Some(("LeaseCancel", CANCEL)),
        ..post("/v1/ai/cancel", Governed::Cancel)
    },
    Endpoint {
        about: "Tells how the lease of a key stands.",
        query: ONE_KEY,
        ..get("/v1/ai/status", Governed::Status)
    },
    Endpoint {
        about: "Tells what came of the lease of a key.",
        query: ONE_KEY,
        ..get("/v1/ai/result", Governed::Result)
    },
    Endpoint {
        about: "Lists events of locks, leases and runs, the newest first.",
        query: EVENTS,
        ..get("/v1/events", Governed::Events)
    },
    Endpoint {
        about: "Adds an event to a run.",
        body: Some(("EventReport", EVENT)),
        ..post("/v1/events", Governed::Report)
    },
    Endpoint {
        about: "Lists runs, the one that was heard of last first.",
        query: RUNS,
        ..get("/v1/runs", Governed::Runs)
    },
    Endpoint {
        about: "Tells the events of a run in their order.",
        query: RUN,
        ..get("/v1/runs/{run_id}", Governed::Run)
    },
];

const fn get(path: &'static str, what: Governed) -> Endpoint {
    plain(Verb::Get, path, Action::Governed(what))
}

const fn post(path: &'static str, what: Governed) -> Endpoint {
    plain(Verb::Post, path, Action::Governed(what))
}
