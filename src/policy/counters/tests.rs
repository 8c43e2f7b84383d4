//! The arithmetic of caps against a model that remembers every call.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::policy::compile::Policy;
use crate::policy::spec::PolicySpec;
use crate::policy::verdict::Reason;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What the store would hold.
#[derive(Clone, Default)]
struct Shelf(BTreeMap<Bytes, Bytes>);

impl Shelf {
    fn apply(&mut self, changes: Vec<Change>) {
        for Change { key, value, .. } in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }

    /// The accounts of a process that starts now. The entries come in another order than that of
    /// writing, which must not matter.
    fn restart(&self) -> Books {
        let entries = self.0.iter().rev().map(|(key, value)| Entry {
            space: Space::Counters,
            key: key.clone(),
            value: value.clone(),
        });
        let (books, unreadable) = Books::restored(&entries.collect::<Vec<_>>());
        assert_eq!(unreadable, 0);
        books
    }
}

/// Every call that was let through, with its time in milliseconds.
#[derive(Default)]
struct Model(Vec<(i64, &'static str, u64)>);

impl Model {
    fn within(&self, from: i64, to: i64) -> usize {
        let calls = self.0.iter();
        calls.filter(|(at, ..)| (from..=to).contains(at)).count()
    }

    fn today(&self, now: i64) -> impl Iterator<Item = &(i64, &'static str, u64)> {
        let day = now.div_euclid(DAY_MS);
        self.0
            .iter()
            .filter(move |(at, ..)| at.div_euclid(DAY_MS) == day)
    }

    fn calls_today(&self, now: i64, tool: &str) -> usize {
        self.today(now).filter(|(_, name, _)| *name == tool).count()
    }

    fn spent_today(&self, now: i64) -> u64 {
        self.today(now).map(|(.., price)| price).sum()
    }
}

#[derive(Clone, Debug)]
struct Step {
    /// Milliseconds since the step before.
    later: i64,
    tool: &'static str,
    micros: u64,
    restart: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // The edges of seconds, minutes, hours and days, from both sides, and anything between.
    let edges = [1, 1_000, 60_000, HOUR_MS, HOUR_MS + 1_000, DAY_MS];
    let edges = edges
        .into_iter()
        .flat_map(|edge| [edge - 1, edge, edge + 1]);
    let later = prop_oneof![
        4 => 0..3_000_i64,
        4 => 0..HOUR_MS / 3,
        1 => 0..DAY_MS,
        2 => prop::sample::select(edges.collect::<Vec<_>>()),
    ];
    let tool = prop::sample::select(vec!["a", "b"]);
    let micros = prop_oneof![Just(0_u64), 1..4_u64, 0..2_500_000_u64];
    let step = (later, tool, micros, prop::bool::weighted(0.1));
    let step = step.prop_map(|(later, tool, micros, restart)| Step {
        later,
        tool,
        micros,
        restart,
    });
    prop::collection::vec(step, 1..120)
}

const ACTIONS: u32 = 6;
const CALLS_OF_A: u32 = 9;
const MICROS: u64 = 5_000_000;

fn policy(hour: bool, tool: bool, spend: bool) -> Policy {
    let calls = vec![("a".to_owned(), i64::from(CALLS_OF_A))];
    let spec = PolicySpec {
        agent_id: "bot".to_owned(),
        max_actions_per_hour: hour.then_some(ACTIONS.into()),
        max_calls_per_tool: if tool { calls } else { Vec::new() },
        max_spend_usd_per_day: spend.then_some(5.0),
        ..PolicySpec::default()
    };
    Policy::compile(spec).unwrap()
}

fn spend(
    books: &mut Books,
    policy: &Policy,
    tool: &str,
    micros: u64,
    ms: i64,
) -> (Result<(), Blocked>, Vec<Change>) {
    let mut changes = Vec::new();
    let result = books.spend(
        policy.agent(),
        policy.caps(),
        &tool.parse().unwrap(),
        Usd::from_micros(micros),
        Timestamp::from_unix_millis(ms).unix_seconds(),
        &mut changes,
    );
    (result, changes)
}

/// Whether the model agrees with a verdict.
fn agree(
    model: &Model,
    policy: &Policy,
    step: &Step,
    now: i64,
    verdict: Result<(), Blocked>,
) -> Result<(), TestCaseError> {
    let caps = policy.caps();
    let hour_full = caps.actions_per_hour.is_some_and(|cap| {
        // Exact from above: the hour before this call, both ends included.
        model.within(now - HOUR_MS, now) >= cap.get() as usize
    });
    let hour_may_be_full = caps.actions_per_hour.is_some_and(|cap| {
        // A call may count for up to a second longer.
        model.within(now - HOUR_MS - 1_000, now) >= cap.get() as usize
    });
    let capped = caps
        .calls_per_tool
        .get(&step.tool.parse::<ToolName>().unwrap());
    let tool_full =
        capped.is_some_and(|cap| model.calls_today(now, step.tool) >= cap.get() as usize);
    let day_full = caps
        .spend_per_day
        .is_some_and(|cap| step.micros > 0 && model.spent_today(now) + step.micros > cap.micros());
    match verdict.map_err(|blocked| blocked.reason) {
        Ok(()) => prop_assert!(!hour_full && !tool_full && !day_full),
        Err(Reason::ActionsPerHour) => prop_assert!(hour_may_be_full),
        Err(Reason::CallsPerTool) => prop_assert!(!hour_full && tool_full),
        Err(Reason::SpendPerDay) => prop_assert!(!hour_full && !tool_full && day_full),
        Err(other) => prop_assert!(false, "{other:?} is no cap"),
    }
    Ok(())
}

proptest! {
    // spec: POLICY-2 POLICY-3 POLICY-4
    #[test]
    fn caps_hold_over_boundaries_and_restarts(
        start in prop_oneof![Just(0_i64), Just(19_723 * DAY_MS - 1), 0..4_000_000_000_000_i64],
        steps in steps(),
        (hour, tool, money) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let policy = policy(hour, tool, money);
        let (mut books, mut shelf, mut model) = (Books::default(), Shelf::default(), Model::default());
        let mut now = start;
        for step in &steps {
            now += step.later;
            if step.restart {
                books = shelf.restart();
            }
            let (verdict, changes) = spend(&mut books, &policy, step.tool, step.micros, now);
            shelf.apply(changes);
            agree(&model, &policy, step, now, verdict)?;
            if verdict.is_ok() {
                model.0.push((now, step.tool, step.micros));
            }
            if let Err(Blocked { retry_after: Some(wait), .. }) = verdict {
                // Whoever waits as long as he is told gets past this cap, and is not told too much.
                let wait_ms = i64::try_from(wait.as_millis()).unwrap();
                prop_assert!((1_000..=DAY_MS).contains(&wait_ms));
                let reason = verdict.map_err(|blocked| blocked.reason);
                let then = now - now.rem_euclid(1_000) + wait_ms;
                let (later, _) = spend(&mut shelf.restart(), &policy, step.tool, step.micros, then);
                prop_assert_ne!(later.map_err(|blocked| blocked.reason), reason);
                let (sooner, _) = spend(&mut shelf.restart(), &policy, step.tool, step.micros, then - 1_000);
                prop_assert_eq!(sooner.map_err(|blocked| blocked.reason), reason);
            }
            // One fact for each of 61 minutes, for the sum, and for each capped tool.
            prop_assert!(shelf.0.len() <= 63);
        }
        // A day later nothing is left, in memory or in the store.
        let (_, changes) = spend(&mut books, &self::policy(false, false, false), "b", 0, now + DAY_MS);
        shelf.apply(changes);
        prop_assert_eq!(shelf.0.len(), 0);
    }

    /// Threads read the clock in one order and count in another.
    #[test]
    fn a_thread_that_comes_late_changes_no_cap(late in prop::collection::vec(0..5_000_i64, 1..60)) {
        // Across midnight.
        let start = 20_000 * DAY_MS - 2_500;
        let policy = policy(true, true, true);
        let mut books = Books::default();
        let mut through = 0;
        for (number, late) in late.iter().enumerate() {
            let now = start + i64::try_from(number).unwrap() * 100 - late;
            through += usize::from(spend(&mut books, &policy, "a", 1, now).0.is_ok());
        }
        prop_assert_eq!(through, late.len().min(ACTIONS as usize));
    }
}

fn blocked(reason: Reason, seconds: Option<u64>) -> Result<(), Blocked> {
    Err(Blocked {
        retry_after: seconds.map(Duration::from_secs),
        ..Blocked::by(reason)
    })
}

// spec: POLICY-2
#[test]
fn an_hour_slides() {
    let policy = policy(true, false, false);
    let mut books = Books::default();
    // Six calls, a minute apart, from 12:00:00.5 on.
    let noon = 20_000 * DAY_MS + 12 * HOUR_MS + 500;
    for minute in 0..6 {
        let (verdict, _) = spend(&mut books, &policy, "a", 0, noon + minute * 60_000);
        assert_eq!(verdict, Ok(()));
    }
    for (ms, expected) in [
        (5 * 60_000, blocked(Reason::ActionsPerHour, Some(3_301))),
        (HOUR_MS, blocked(Reason::ActionsPerHour, Some(1))),
        (HOUR_MS + 499, blocked(Reason::ActionsPerHour, Some(1))),
        // The second of the first call is over by more than an hour.
        (HOUR_MS + 500, Ok(())),
        (HOUR_MS + 501, blocked(Reason::ActionsPerHour, Some(60))),
    ] {
        assert_eq!(
            spend(&mut books, &policy, "a", 0, noon + ms).0,
            expected,
            "{ms}"
        );
    }
}

// spec: POLICY-3 POLICY-4
#[test]
fn a_day_ends_at_midnight_utc() {
    let policy = policy(false, true, true);
    let mut books = Books::default();
    let midnight = 20_000 * DAY_MS;
    let mut check = |ms: i64, tool: &str, micros: u64, expected| {
        let (verdict, _) = spend(&mut books, &policy, tool, micros, midnight + ms);
        assert_eq!(verdict, expected, "{ms} {tool} {micros}");
    };
    check(-2_000, "b", MICROS, Ok(()));
    check(-1, "b", 1, blocked(Reason::SpendPerDay, Some(1)));
    // What costs nothing goes on.
    check(-1, "b", 0, Ok(()));
    for _ in 0..CALLS_OF_A {
        check(-1, "a", 0, Ok(()));
    }
    check(-1, "a", 0, blocked(Reason::CallsPerTool, Some(1)));
    check(0, "a", 1, Ok(()));
    // What costs more than a whole day's money never fits.
    check(0, "b", MICROS + 1, blocked(Reason::SpendPerDay, None));
    check(0, "b", MICROS, blocked(Reason::SpendPerDay, Some(86_400)));
    check(0, "b", MICROS - 1, Ok(()));
}

/// A sum that has reached the most that is counted has reached every cap.
// spec: POLICY-4
#[test]
fn the_largest_cap_is_a_cap() {
    let policy = Policy::compile(PolicySpec {
        agent_id: "bot".to_owned(),
        max_spend_usd_per_day: Some(1e9),
        ..PolicySpec::default()
    });
    let policy = policy.unwrap();
    let mut books = Books::default();
    let most = Usd::MAX.micros();
    assert_eq!(spend(&mut books, &policy, "a", most, 0).0, Ok(()));
    let again = spend(&mut books, &policy, "a", 1, 0).0;
    assert_eq!(again, blocked(Reason::SpendPerDay, Some(86_400)));
}

#[test]
fn nothing_is_counted_of_a_call_that_is_blocked() {
    let policy = policy(true, true, true);
    let mut books = Books::default();
    for _ in 0..100 {
        let (verdict, changes) = spend(&mut books, &policy, "a", MICROS + 1, 0);
        assert_eq!(verdict, blocked(Reason::SpendPerDay, None));
        assert_eq!(changes, []);
    }
    assert_eq!(spend(&mut books, &policy, "a", MICROS, 0).0, Ok(()));
}

/// What a write that failed has left of an earlier day counts for nothing, whichever is read first.
// spec: POLICY-3 POLICY-4
#[test]
fn of_two_days_in_the_store_the_later_counts() {
    let policy = policy(false, true, true);
    let midnight = 20_000 * DAY_MS;
    let (today, yesterday) = (midnight / 1_000, midnight / 1_000 - 1);
    // Sums are read before calls.
    for (spent_at, called_at) in [(yesterday, today), (today, yesterday)] {
        let tool = "a".parse().unwrap();
        let facts = [
            Fact::Spent(Some((spent_at, Usd::from_micros(MICROS)))),
            Fact::Calls(tool, Some((called_at, CALLS_OF_A))),
        ];
        let mut shelf = Shelf::default();
        shelf.apply(facts.map(|fact| write(policy.agent(), fact)).into());
        let verdict = |tool, micros| spend(&mut shelf.restart(), &policy, tool, micros, midnight).0;
        let (money, calls) = if spent_at == today {
            (blocked(Reason::SpendPerDay, Some(86_400)), Ok(()))
        } else {
            (Ok(()), blocked(Reason::CallsPerTool, Some(86_400)))
        };
        assert_eq!(verdict("b", 1), money);
        assert_eq!(verdict("a", 0), calls);
        let (_, changes) = spend(&mut shelf.restart(), &policy, "b", 0, midnight);
        shelf.apply(changes);
        assert_eq!(shelf.0.len(), 1);
    }
}

/// A clock that was a year ahead must not block an agent for that year.
#[test]
fn a_clock_that_is_set_back_starts_anew() {
    let policy = policy(true, true, true);
    let (mut books, mut shelf) = (Books::default(), Shelf::default());
    for _ in 0..ACTIONS {
        shelf.apply(spend(&mut books, &policy, "a", MICROS / 6, 400 * DAY_MS).1);
    }
    for mut books in [books, shelf.restart()] {
        let wrong = spend(&mut books, &policy, "a", 0, 400 * DAY_MS).0;
        assert_eq!(
            wrong.map_err(|blocked| blocked.reason),
            Err(Reason::ActionsPerHour)
        );
        let (verdict, changes) = spend(&mut books, &policy, "a", MICROS, 35 * DAY_MS);
        assert_eq!(verdict, Ok(()));
        let mut shelf = shelf.clone();
        shelf.apply(changes);
        assert_eq!(shelf.0.len(), 3);
    }
}

#[test]
fn entries_that_say_nothing_are_left_out() {
    let mut shelf = Shelf::default();
    let policy = policy(true, true, true);
    shelf.apply(spend(&mut Books::default(), &policy, "a", 1, 0).1);
    let mut entries = Vec::new();
    for (key, value) in &shelf.0 {
        for key in [&key[..0], &key[..1], &key[..3], b"?\x03bot", b"c\xffbot"] {
            let (key, value) = (Bytes::copy_from_slice(key), value.clone());
            entries.push(Entry {
                space: Space::Counters,
                key,
                value,
            });
        }
        let (key, value) = (key.clone(), value.slice(1..));
        entries.push(Entry {
            space: Space::Counters,
            key,
            value,
        });
    }
    assert_eq!(Books::restored(&entries).1, entries.len());
}
