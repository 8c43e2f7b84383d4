//! The fields of everything but tools: agents, locks, leases, events and counts.
//!
//! As for tools, a body or a query is described and read by the same table. What the hosted API
//! takes and nothing here needs (a failure's hash, say) is ignored like any unknown field.

mod read;

use crate::api::books::event_limits;
use crate::api::fields::{Absent, Described, Field};
use crate::api::rules::{Agent, Count, Date, Flag, OneOf, OrNull, SizedObject, Text, Whole};
use crate::audit::MAX_RECENT;
use crate::ids::MAX_ID_LEN;

pub use read::{
    Ending, Take, read_agent, read_audit, read_cancel, read_complete, read_days, read_disable,
    read_event, read_events, read_extend, read_fail, read_key, read_kind, read_logs,
    read_notifications, read_period, read_run, read_run_id, read_runs, read_take,
};

/// The longest key, in characters.
const KEY_CHARS: usize = 256;
/// The longest time, in seconds: thirty days.
const MAX_TTL_S: i64 = 30 * 86_400;
/// The largest metadata, in bytes.
const METADATA_BYTES: usize = 2048;
/// The largest result, in bytes. A body is at most twice that.
const RESULT_BYTES: usize = 512 * 1024;

type Word = OrNull<Text>;

const fn word(name: &'static str, about: &'static str) -> Field<Word> {
    Field {
        name,
        rule: OrNull(Text {
            min: 0,
            max: event_limits::WORD_CHARS,
        }),
        absent: Absent::Null,
        about,
    }
}

const fn number(name: &'static str, most: i64, default: i64, about: &'static str) -> Field<Whole> {
    Field {
        name,
        rule: Whole((default.signum())..=most),
        absent: Absent::Whole(default),
        about,
    }
}

/// Of a path.
pub const AGENT_ID: Field<Agent> = Field {
    name: "agent_id",
    rule: Agent,
    absent: Absent::Fault,
    about: "Who it is about.",
};
/// Of a path, and of an event.
pub const RUN_ID: Field<Text> = Field {
    name: "run_id",
    rule: Text {
        min: 1,
        max: event_limits::RUN_ID_CHARS,
    },
    absent: Absent::Fault,
    about: "Which run it is about.",
};
const REASON: Field<Word> = word("reason", "Why, for people.");
const CANCEL_IN_FLIGHT: Field<Flag> = Field {
    name: "cancel_in_flight",
    rule: Flag,
    absent: Absent::Flag(false),
    about: "Whether calls of the agent that are under way are cut off.",
};
const LIMIT_LOGS: Field<Whole> = number("limit", MAX_RECENT as i64, 100, "How many at most.");
const PERIOD: Field<OneOf> = Field {
    name: "period",
    rule: OneOf(&["hour", "day", "week"]),
    absent: Absent::Text("day"),
    about: "How far to look back.",
};
const AFTER: Field<Whole> = number(
    "after",
    MAX_EXACT,
    0,
    "The last record that is known already.",
);
const LIMIT_AUDIT: Field<Whole> = number("limit", 10_000, 1000, "How many at most.");
const KEY: Field<Text> = Field {
    name: "key",
    rule: Text {
        min: 1,
        max: KEY_CHARS,
    },
    absent: Absent::Fault,
    about: "What is done once.",
};
const TTL: Field<OrNull<Count>> = Field {
    name: "ttl",
    rule: OrNull(Count(Whole(1..=MAX_TTL_S))),
    absent: Absent::Null,
    about: "For how many seconds. A day for a lock and five minutes for a lease if it is left out; \
            as long as before for a lease that is extended.",
};
const METADATA: Field<OrNull<SizedObject>> = Field {
    name: "metadata",
    rule: OrNull(SizedObject {
        max_bytes: METADATA_BYTES,
    }),
    absent: Absent::Null,
    about: "Anything of at most 2,048 bytes. Its run_id says which run the events belong to; the \
            rest is not kept.",
};
const LEASE_ID: Field<Text> = Field {
    name: "lease_id",
    rule: Text {
        min: 1,
        max: MAX_ID_LEN,
    },
    absent: Absent::Fault,
    about: "The lease, as its holder got it.",
};
const RESULT: Field<OrNull<SizedObject>> = Field {
    name: "result",
    rule: OrNull(SizedObject {
        max_bytes: RESULT_BYTES,
    }),
    absent: Absent::Null,
    about: "What came of the work, at most 512 KiB.",
};
const RESULT_HASH: Field<Word> = word("result_hash", "The result's hash, as the holder makes it.");
const ERROR_CODE: Field<Text> = Field {
    name: "error_code",
    rule: Text {
        min: 1,
        max: event_limits::WORD_CHARS,
    },
    absent: Absent::Fault,
    about: "What went wrong.",
};
const KIND: Field<OneOf> = Field {
    name: "kind",
    rule: OneOf(&["make", "ai"]),
    absent: Absent::Text("make"),
    about: "Locks (make), or leases and calls of tools (ai).",
};
const FROM_DAY: Field<Date> = Field {
    name: "from_day",
    rule: Date,
    absent: Absent::Fault,
    about: "The first day, in UTC.",
};
const TO_DAY: Field<Date> = Field {
    name: "to_day",
    about: "The last day, in UTC.",
    ..FROM_DAY
};
const LIMIT_EVENTS: Field<Whole> = number("limit", 500, 50, "How many at most.");
const LIMIT_RUN: Field<Whole> = number("limit", 2000, 200, "How many at most.");
const OFFSET: Field<Whole> = number("offset", MAX_EXACT, 0, "How many to leave out.");
const PART: Field<Text> = Field {
    name: "q",
    rule: Text {
        min: 0,
        max: event_limits::RUN_ID_CHARS,
    },
    absent: Absent::Text(""),
    about: "A part of the run's name.",
};
const TYPE: Field<Text> = Field {
    name: "type",
    rule: Text {
        min: 1,
        max: event_limits::WORD_CHARS,
    },
    absent: Absent::Fault,
    about: "What happened.",
};
const TS: Field<OrNull<Count>> = Field {
    name: "ts",
    rule: OrNull(Count(Whole(0..=MAX_EXACT))),
    absent: Absent::Null,
    about: "When; now, in Unix seconds, if it is left out.",
};
/// The largest whole number that every JSON parser reads exactly.
const MAX_EXACT: i64 = (1 << 53) - 1;
const STATUS: Field<Word> = word("status", "How it went.");
const DURATION_MS: Field<OrNull<Count>> = Field {
    name: "duration_ms",
    about: "How long it took, in milliseconds.",
    ..TS
};
const STEP: Field<Word> = word("step", "At which step.");
const TOOL: Field<Word> = word("tool", "With which tool.");
const REQ_ID: Field<Word> = word("req_id", "In which request.");
const EVENT_LEASE: Field<Word> = word("lease_id", "Under which lease.");
const EVENT_AGENT: Field<Word> = word("agent_id", "By whom.");
const MESSAGE: Field<Word> = Field {
    name: "message",
    rule: OrNull(Text {
        min: 0,
        max: event_limits::MESSAGE_CHARS,
    }),
    absent: Absent::Null,
    about: "In words.",
};
const DATA: Field<OrNull<SizedObject>> = Field {
    name: "data",
    rule: OrNull(SizedObject {
        max_bytes: event_limits::DATA_BYTES,
    }),
    absent: Absent::Null,
    about: "Anything else, at most 16 KiB.",
};
const fn notification(name: &'static str, about: &'static str) -> Field<OrNull<Flag>> {
    Field {
        name,
        rule: OrNull(Flag),
        absent: Absent::Null,
        about,
    }
}
const BY_MAIL: Field<OrNull<Flag>> = notification(
    "email_notifications_enabled",
    "Whether to be told anything by mail. As it was if it is left out, like the others.",
);
const OF_TOOL_ERRORS: Field<OrNull<Flag>> = notification(
    "tool_error_notifications_enabled",
    "Whether to be told of tools that fail.",
);
const OF_RUN_FAILURES: Field<OrNull<Flag>> = notification(
    "run_failure_notifications_enabled",
    "Whether to be told of runs that fail.",
);

/// The body that switches an agent off.
pub const DISABLE: &[&dyn Described] = &[&REASON, &CANCEL_IN_FLIGHT];
/// The query for an agent's records.
pub const LOGS: &[&dyn Described] = &[&LIMIT_LOGS];
/// The query for an agent's sums.
pub const PERIODS: &[&dyn Described] = &[&PERIOD];
/// The query for the audit log.
pub const AUDIT: &[&dyn Described] = &[&AFTER, &LIMIT_AUDIT];
/// The body that takes a lock or a lease.
pub const TAKE: &[&dyn Described] = &[&KEY, &TTL, &METADATA];
/// The body that prolongs a lease.
pub const EXTEND: &[&dyn Described] = &[&KEY, &LEASE_ID, &TTL];
/// The body that ends a lease well.
pub const COMPLETE: &[&dyn Described] = &[&KEY, &LEASE_ID, &RESULT, &RESULT_HASH];
/// The body that ends a lease in vain.
pub const FAIL: &[&dyn Described] = &[&KEY, &LEASE_ID, &ERROR_CODE];
/// The body that gives a lease back.
pub const CANCEL: &[&dyn Described] = &[&KEY, &LEASE_ID, &REASON];
/// The query for a lease.
pub const ONE_KEY: &[&dyn Described] = &[&KEY];
/// The query for a month's use.
pub const KINDS: &[&dyn Described] = &[&KIND];
/// The query for days.
pub const DAYS: &[&dyn Described] = &[&FROM_DAY, &TO_DAY];
/// The query for events.
pub const EVENTS: &[&dyn Described] = &[&LIMIT_EVENTS, &OFFSET];
/// The query for runs.
pub const RUNS: &[&dyn Described] = &[&LIMIT_EVENTS, &OFFSET, &PART];
/// The query for one run.
pub const RUN: &[&dyn Described] = &[&LIMIT_RUN, &OFFSET];
/// The body of an event.
pub const EVENT: &[&dyn Described] = &[
    &RUN_ID,
    &TYPE,
    &TS,
    &STATUS,
    &DURATION_MS,
    &STEP,
    &TOOL,
    &REQ_ID,
    &EVENT_LEASE,
    &EVENT_AGENT,
    &MESSAGE,
    &DATA,
];
/// The body that says what the operator wants to be told.
pub const NOTIFICATIONS: &[&dyn Described] = &[&BY_MAIL, &OF_TOOL_ERRORS, &OF_RUN_FAILURES];
