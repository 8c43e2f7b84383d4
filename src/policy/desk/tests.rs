//! The desk as calls meet it: lists, caps and switches, over restarts and between threads.

use std::thread;

use super::*;
use crate::policy::spec::PolicySpec;
use crate::policy::verdict::Reason;
use crate::store::Place;

fn store() -> Store {
    Store::open(Place::Memory, 1_000_000).unwrap().0
}

fn agent(id: &str) -> AgentId {
    id.parse().unwrap()
}

fn tool(name: &str) -> ToolName {
    name.parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_705_322_400_000 + seconds * 1_000)
}

/// One policy for the agent `bot`.
fn policies(change: impl FnOnce(&mut PolicySpec)) -> Policies {
    let mut spec = PolicySpec {
        agent_id: "bot".to_owned(),
        ..PolicySpec::default()
    };
    change(&mut spec);
    let mut policies = Policies::default();
    policies.add(Policy::compile(spec).unwrap()).unwrap();
    policies
}

fn reason<T>(verdict: Result<T, Blocked>) -> Option<&'static str> {
    verdict.err().map(|blocked| blocked.reason.as_str())
}

// spec: POLICY-1 POLICY-7
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_without_a_policy_is_not_governed() {
    let desk = Desk::new(store(), &[]);
    assert_eq!(
        desk.permits(&agent("bot"), &tool("a")),
        Ok(Permit::Ungoverned)
    );
    desk.replace(policies(|spec| spec.blocked_tools = vec!["a".to_owned()]));
    assert_eq!(
        reason(desk.permits(&agent("bot"), &tool("a"))),
        Some("tool_explicitly_blocked")
    );
    assert_eq!(
        desk.permits(&agent("bot"), &tool("b")),
        Ok(Permit::Governed)
    );
    assert_eq!(
        desk.permits(&agent("other"), &tool("a")),
        Ok(Permit::Ungoverned)
    );
    let spent = desk
        .spend(&agent("other"), &tool("a"), Some(0.5), at(0))
        .await;
    assert_eq!(spent.unwrap().price.dollars(), 0.5);
    desk.replace(Policies::default());
    assert_eq!(
        desk.permits(&agent("bot"), &tool("a")),
        Ok(Permit::Ungoverned)
    );
}

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_is_switched_off_is_blocked_until_it_is_switched_on() {
    let store = store();
    let desk = Desk::new(store.clone(), &[]);
    desk.replace(policies(|_| {}));
    for id in ["bot", "nobody-knows-me"] {
        let id = agent(id);
        assert_eq!(desk.state(&id), AgentState::On);
        let off = desk.switch_off(&id, Some("odd".to_owned()), false, at(0));
        let off = off.await.unwrap();
        assert_eq!(desk.state(&id), AgentState::Off(off));
        let blocked = desk.permits(&id, &tool("a")).unwrap_err();
        assert_eq!(
            (blocked.reason, blocked.retry_after),
            (Reason::AgentDisabled, None)
        );
        let spent = desk.spend(&id, &tool("a"), None, at(0)).await;
        assert_eq!(reason(spent), Some("agent_disabled"));
        // Policies come and go; the switch stays.
        desk.replace(policies(|_| {}));
        assert_eq!(
            reason(desk.permits(&id, &tool("a"))),
            Some("agent_disabled")
        );
        let kept = store.get(Space::Agents, id.as_str().as_bytes()).unwrap();
        let value = kept.expect("it is durable");
        let entry = Entry {
            space: Space::Agents,
            key: Bytes::copy_from_slice(id.as_str().as_bytes()),
            value,
        };
        let restarted = Desk::new(self::store(), &[entry]);
        assert_eq!(restarted.state(&id), desk.state(&id));
        assert_eq!(
            reason(restarted.permits(&id, &tool("a"))),
            Some("agent_disabled")
        );
        desk.switch_on(&id).await.unwrap();
        assert_eq!(desk.state(&id), AgentState::On);
        desk.permits(&id, &tool("a")).unwrap();
        assert_eq!(
            store.get(Space::Agents, id.as_str().as_bytes()).unwrap(),
            None
        );
    }
}

// spec: POLICY-6
#[test]
fn a_switch_that_cannot_be_read_keeps_its_agent_off() {
    let entry = Entry {
        space: Space::Agents,
        key: Bytes::from_static(b"bot"),
        value: Bytes::from_static(b"?"),
    };
    let desk = Desk::new(store(), &[entry]);
    assert_eq!(
        reason(desk.permits(&agent("bot"), &tool("a"))),
        Some("agent_disabled")
    );
}

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn listeners_are_told_whose_calls_to_cut() {
    let desk = Desk::new(store(), &[]);
    let mut cuts = desk.cuts();
    desk.switch_off(&agent("a"), None, false, at(0))
        .await
        .unwrap();
    desk.switch_off(&agent("b"), None, true, at(0))
        .await
        .unwrap();
    assert_eq!(cuts.try_recv().unwrap(), agent("b"));
    cuts.try_recv().unwrap_err();
}

// spec: POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_switch_acts_even_where_the_store_does_not() {
    let full = Store::open(Place::Memory, 1).unwrap().0;
    let desk = Desk::new(full, &[]);
    let off = desk.switch_off(&agent("bot"), None, false, at(0)).await;
    assert!(matches!(off, Err(StoreError::Full { .. })), "{off:?}");
    assert_eq!(
        reason(desk.permits(&agent("bot"), &tool("a"))),
        Some("agent_disabled")
    );
}

// spec: POLICY-2 POLICY-7
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_was_used_counts_on_when_policies_change() {
    let desk = Desk::new(store(), &[]);
    let spend = async || desk.spend(&agent("bot"), &tool("a"), None, at(0)).await;
    desk.replace(policies(|spec| spec.max_actions_per_hour = Some(2)));
    for _ in 0..2 {
        spend().await.unwrap();
    }
    assert_eq!(reason(spend().await), Some("max_actions_per_hour_exceeded"));
    desk.replace(policies(|spec| spec.max_actions_per_hour = Some(3)));
    spend().await.unwrap();
    assert_eq!(reason(spend().await), Some("max_actions_per_hour_exceeded"));
    desk.replace(policies(|spec| spec.max_actions_per_hour = Some(1)));
    assert_eq!(reason(spend().await), Some("max_actions_per_hour_exceeded"));
}

// spec: POLICY-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_cap_holds_in_this_process_where_the_store_does_not() {
    let full = Store::open(Place::Memory, 1).unwrap().0;
    let desk = Desk::new(full, &[]);
    desk.replace(policies(|spec| spec.max_actions_per_hour = Some(2)));
    let mut through = 0;
    for _ in 0..5 {
        let spent = desk.spend(&agent("bot"), &tool("a"), None, at(0)).await;
        through += u32::from(spent.is_ok());
    }
    assert_eq!(through, 2);
}

// spec: POLICY-2 POLICY-3 POLICY-4
#[test]
fn threads_together_stay_within_all_caps() {
    const THREADS: usize = 8;
    let desk = Desk::new(store(), &[]);
    desk.replace(policies(|spec| {
        spec.max_actions_per_hour = Some(1_000);
        spec.max_calls_per_tool = vec![("a".to_owned(), 300)];
        spec.max_spend_usd_per_day = Some(5.0);
    }));
    let through = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let desk = &desk;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    let (id, tool) = (agent("bot"), tool(["a", "b"][number % 2]));
                    let calls = async || {
                        let mut through = 0;
                        for _ in 0..500 {
                            let price = (number % 2 == 1).then_some(0.01);
                            through +=
                                u32::from(desk.spend(&id, &tool, price, at(0)).await.is_ok());
                        }
                        through
                    };
                    (number % 2, runtime.block_on(calls()))
                })
            })
            .collect();
        let mut through = [0, 0];
        for thread in threads {
            let (tool, calls) = thread.join().unwrap();
            through[tool] += calls;
        }
        through
    });
    // 300 calls of the one, and 500 times a cent for the other; 800 are below the hour's 1,000.
    assert_eq!(through, [300, 500]);
}

// spec: POLICY-2 POLICY-3 POLICY-4 POLICY-6
#[tokio::test(flavor = "local")]
async fn a_process_that_starts_anew_knows_what_was_used_and_who_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let place = Place::File(folder.path().join("desk.store"));
        let (store, kept) = Store::open(place, 1_000_000).unwrap();
        let desk = Desk::new(store, &kept);
        desk.replace(policies(|spec| {
            spec.max_actions_per_hour = Some(4);
            spec.max_calls_per_tool = vec![("a".to_owned(), 2)];
            spec.max_spend_usd_per_day = Some(1.0);
        }));
        desk
    };
    let spend = async |desk: &Desk, name: &str, price: f64| {
        let spent = desk
            .spend(&agent("bot"), &tool(name), Some(price), at(0))
            .await;
        reason(spent)
    };
    let first = open();
    for _ in 0..2 {
        assert_eq!(spend(&first, "a", 0.4).await, None);
    }
    let other = agent("other");
    first.switch_off(&other, None, false, at(0)).await.unwrap();
    drop(first);

    let second = open();
    let per_tool = Some("max_calls_per_tool_exceeded");
    assert_eq!(spend(&second, "a", 0.0).await, per_tool);
    let money = Some("max_spend_usd_per_day_exceeded");
    assert_eq!(spend(&second, "b", 0.21).await, money);
    for _ in 0..2 {
        assert_eq!(spend(&second, "b", 0.1).await, None);
    }
    assert_eq!(
        reason(second.permits(&other, &tool("a"))),
        Some("agent_disabled")
    );
    second.switch_on(&other).await.unwrap();
    drop(second);

    let third = open();
    let per_hour = Some("max_actions_per_hour_exceeded");
    assert_eq!(spend(&third, "b", 0.0).await, per_hour);
    assert_eq!(third.state(&other), AgentState::On);
}
