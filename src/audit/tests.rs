//! The log as its callers see it: what it records, answers, forgets and finds again.

use super::*;
use crate::ids::{AgentId, RequestId, ScopeId, ToolName};
use crate::store::Place;
use crate::telemetry::Door;
use http::HeaderValue;

/// Written by Python; see the tests of the chain.
const LOG: &str = include_str!("../../tests/vectors/audit_log.jsonl");

const START: i64 = 1_705_322_400_000;

fn store() -> Store {
    Store::open(Place::Memory, u64::MAX).unwrap().0
}

/// A call as a test tells it.
#[derive(Clone)]
struct Told {
    after_ms: i64,
    agent: &'static str,
    tool: &'static str,
    decision: Decision,
    spend_usd: Option<f64>,
}

const CALL: Told = Told {
    after_ms: 0,
    agent: "billing",
    tool: "send_email",
    decision: Decision::Executed,
    spend_usd: Some(0.5),
};

fn record(audit: &Audit, told: &Told) {
    let at = Timestamp::from_unix_millis(START + told.after_ms);
    audit.record(&Entry {
        ts: at,
        agent: &told.agent.parse().unwrap(),
        tool: &told.tool.parse().unwrap(),
        scope: &ScopeId::Global,
        door: Door::Proxy,
        allowed: told.decision != Decision::Blocked,
        decision: told.decision,
        reason: None,
        risk: None,
        args_hash: None,
        spend_usd: told.spend_usd,
        lease_id: None,
        request_id: &RequestId::new(at),
    });
}

/// What a store that is opened again gives back.
fn recovered(store: &Store, keys: impl IntoIterator<Item = Bytes>) -> Vec<store::Entry> {
    let entry = |key: Bytes| {
        let value = store.get(Space::Audit, &key).unwrap()?;
        Some(store::Entry {
            space: Space::Audit,
            key,
            value,
        })
    };
    keys.into_iter().filter_map(entry).collect()
}

fn all_keys(last: u64, agent: &str) -> Vec<Bytes> {
    let hour = START as u64 / 3_600_000;
    let hours = (hour - 2..hour + 400).map(|h| tally::Key::Hour(h, agent.into()).to_bytes());
    let days = (hour / 24..hour / 24 + 20).map(|day| tally::Key::Day(day).to_bytes());
    (1..=last)
        .map(record_key)
        .chain(hours)
        .chain(days)
        .collect()
}

// spec: AUDIT-2
#[test]
fn records_are_chained_as_an_independent_program_chains_them() {
    let audit = Audit::new(store(), &[], DEFAULT_MAX_RECORDS);
    let request = |id: &'static str| {
        let id = HeaderValue::from_static(id);
        RequestId::adopt_or_new(Some(&id), Timestamp::from_unix_millis(0))
    };
    let (billing, support): (AgentId, AgentId) = (
        "billing".parse().unwrap(),
        "support\"bot\\".parse().unwrap(),
    );
    let tool = |name: &str| name.parse::<ToolName>().unwrap();
    let own = ScopeId::Agent(support.clone());
    let charged = Entry {
        ts: Timestamp::from_unix_millis(START),
        agent: &billing,
        tool: &tool("stripe.charge"),
        scope: &ScopeId::Global,
        door: Door::Proxy,
        allowed: true,
        decision: Decision::Executed,
        reason: None,
        risk: Some("low"),
        args_hash: Some("a1b2c3d4"),
        spend_usd: Some(0.25),
        lease_id: Some("lease_1"),
        request_id: &request("r-1"),
    };
    audit.record(&charged);
    audit.record(&Entry {
        ts: Timestamp::from_unix_millis(START + 500),
        decision: Decision::Dedup,
        spend_usd: None,
        request_id: &request("r-2"),
        ..charged.clone()
    });
    audit.record(&Entry {
        ts: Timestamp::from_unix_millis(START + 60_000),
        agent: &support,
        tool: &tool("delete_user"),
        scope: &own,
        allowed: false,
        decision: Decision::Blocked,
        reason: Some("tool_explicitly_blocked"),
        risk: Some("high"),
        args_hash: None,
        spend_usd: None,
        lease_id: None,
        request_id: &request("r-3"),
        ..charged.clone()
    });
    audit.record(&Entry {
        ts: Timestamp::from_unix_millis(START + 3_660_000),
        tool: &tool("send_email"),
        decision: Decision::Failed,
        reason: Some("tool_error"),
        risk: Some("medium"),
        args_hash: Some("00ff00ff"),
        spend_usd: Some(1.5),
        lease_id: Some("lease_4"),
        request_id: &request("r-4"),
        ..charged.clone()
    });
    audit.record(&Entry {
        ts: Timestamp::from_unix_millis(START + 3_660_001),
        tool: &tool("send_email"),
        risk: None,
        args_hash: None,
        spend_usd: Some(0.0),
        lease_id: None,
        request_id: &request("r-5"),
        ..charged.clone()
    });
    let lines = audit.lines(0, 10).unwrap();
    let written: Vec<_> = lines
        .iter()
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    assert_eq!(written, LOG.lines().collect::<Vec<_>>());
    let head = audit.head().unwrap().to_string();
    assert_eq!(head, format!("5:{}", &LOG[LOG.len() - 67..LOG.len() - 3]));
}

// spec: AUDIT-1
#[test]
fn the_oldest_records_leave_and_the_rest_still_verifies() {
    let store = store();
    let audit = Audit::new(store.clone(), &[], 100);
    for _ in 0..1000 {
        record(&audit, &CALL);
    }
    let lines = audit.lines(0, usize::MAX).unwrap();
    // 960 is the last multiple of 64, and 100 records were left then.
    assert_eq!(lines.len(), 100 + 40);
    let verdict = verify(lines.iter().map(|line| &line[..]), audit.head());
    assert_eq!((verdict.first, verdict.faults), (Some(861), Vec::new()));
    // An hour and a day are tallied.
    assert_eq!(store.health().unwrap().entries, 140 + 2);
    assert_eq!(audit.lines(990, 3).unwrap(), lines[130..133]);
    assert_eq!(audit.lines(1000, 3).unwrap(), [] as [Bytes; 0]);
    assert_eq!(audit.lines(u64::MAX, 3).unwrap(), [] as [Bytes; 0]);
}

// spec: AUDIT-1 AUDIT-5
#[test]
fn a_restart_continues_the_chain_and_forgets_no_call() {
    // Below, at and above the number of records after which tallies are written.
    for before in [0, 1, 63, 64, 65, 500, 1000] {
        let store = store();
        let audit = Audit::new(store.clone(), &[], 100);
        for number in 0..before {
            let after_ms = number * 1000;
            let decision = match number % 4 {
                0 => Decision::Blocked,
                1 => Decision::Dedup,
                2 => Decision::Failed,
                _ => Decision::Executed,
            };
            record(
                &audit,
                &Told {
                    after_ms,
                    decision,
                    ..CALL
                },
            );
        }
        let now = Timestamp::from_unix_millis(START + 1_000_000);
        let day = START as u64 / 86_400_000;
        let told = |audit: &Audit| {
            let tallied = (audit.sum("billing", 24, now), audit.days(day, day));
            let logs = audit.logs("billing", 100).unwrap();
            let logs: Vec<_> = logs.into_iter().map(|record| record.seq).collect();
            (
                audit.head(),
                audit.lines(0, usize::MAX).unwrap(),
                tallied,
                logs,
            )
        };
        let entries = recovered(&store, all_keys(before as u64, "billing"));
        let again = Audit::new(store, &entries, 100);
        assert_eq!(told(&again), told(&audit), "{before} records");
        assert_eq!(again.sum("billing", 24, now).actions, before as u64);
        record(&again, &CALL);
        let lines = again.lines(0, usize::MAX).unwrap();
        let verdict = verify(lines.iter().map(|line| &line[..]), again.head());
        assert_eq!(verdict.faults, [], "{before} records");
    }
}

// spec: AUDIT-5
#[test]
fn logs_are_an_agents_own_and_the_newest_first() {
    let audit = Audit::new(store(), &[], DEFAULT_MAX_RECORDS);
    for number in 0..700 {
        let agent = if number % 2 == 0 { "even" } else { "odd" };
        record(&audit, &Told { agent, ..CALL });
    }
    let seqs = |agent, limit| {
        let records = audit.logs(agent, limit).unwrap();
        records.iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs("odd", 3), [700, 698, 696]);
    assert_eq!(seqs("even", 2), [699, 697]);
    assert_eq!(seqs("odd", MAX_RECENT).len(), 350);
    assert_eq!(seqs("nobody", 5), [] as [u64; 0]);
}

// spec: AUDIT-5
#[test]
fn sums_reach_back_by_the_minute_and_by_the_hour() {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    let audit = Audit::new(store(), &[], DEFAULT_MAX_RECORDS);
    // 12:40, so that an hour begins 40 minutes before.
    for (after_ms, tool, decision, spend_usd) in [
        (0, "a", Decision::Executed, Some(1.0)),
        (HOUR, "b", Decision::Blocked, None),
        (HOUR + MINUTE, "b", Decision::Failed, Some(0.25)),
        (24 * HOUR, "a", Decision::Dedup, None),
        (24 * HOUR + 59 * MINUTE, "c", Decision::Executed, Some(4.0)),
    ] {
        let told = Told {
            after_ms,
            tool,
            decision,
            spend_usd,
            ..CALL
        };
        record(&audit, &told);
    }
    let check = |after: i64, hours, expected: (u64, u64, f64), tools: &[(&str, u64)]| {
        let now = Timestamp::from_unix_millis(START + after);
        let sum = audit.sum("billing", hours, now);
        assert_eq!((sum.actions, sum.blocked, sum.spend_usd), expected);
        let named: Vec<_> = sum.tools.iter().map(|(tool, n)| (&**tool, *n)).collect();
        assert_eq!(named, tools);
    };
    let now = 24 * HOUR + 59 * MINUTE;
    check(now, 1, (2, 0, 4.0), &[("a", 1), ("c", 1)]);
    check(now + MINUTE, 1, (1, 0, 4.0), &[("c", 1)]);
    // It is 13:39 of the next day, and the hours from 14:00 on count.
    check(now, 24, (2, 0, 4.0), &[("a", 1), ("c", 1)]);
    check(
        24 * HOUR - HOUR,
        24,
        (5, 1, 5.25),
        &[("a", 2), ("b", 2), ("c", 1)],
    );
    check(now, 168, (5, 1, 5.25), &[("a", 2), ("b", 2), ("c", 1)]);
    check(now + 168 * HOUR, 168, (0, 0, 0.0), &[]);
    let nobody = audit.sum("nobody", 24, Timestamp::from_unix_millis(START));
    assert_eq!(nobody.actions, 0);
}

#[test]
fn agents_are_bounded_and_the_silent_ones_go_first() {
    let store = store();
    let audit = Audit::new(store.clone(), &[], 64);
    for number in 0..1200 {
        let agent: &'static str = format!("agent-{number}").leak();
        record(&audit, &Told { agent, ..CALL });
    }
    let now = Timestamp::from_unix_millis(START);
    let calls = |agent: &str| audit.sum(agent, 24, now).actions;
    assert_eq!(
        (calls("agent-199"), calls("agent-200"), calls("agent-1199")),
        (0, 1, 1)
    );
    // The 1,000 at the last settling, behind 1,152 records, with one hour each, and the day.
    assert_eq!(store.health().unwrap().entries, 64 + 48 + 1000 + 1);
}
