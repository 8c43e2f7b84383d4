//! A process that writes and is killed at any point: the store has all that was acknowledged, nothing
//! out of order, and no write in part.

use std::collections::HashMap;

use super::child::{self, Role};
use super::*;

const ROUNDS: u64 = 30;

/// How many writes the child has in flight.
const AHEAD: usize = 20;

/// The changes of write `number`: a count, a value of many sizes, and now and then a deletion.
fn changes(number: u64) -> Vec<Change> {
    let mut random = fastrand::Rng::with_seed(number);
    let mut name = || format!("key {}", random.u8(..60));
    let (one, other) = (name(), name());
    let length = if random.u8(..50) == 0 {
        400_000
    } else {
        random.usize(..2_000)
    };
    let value = format!("{number} {}", "x".repeat(length));
    let mut changes = vec![put(Space::Counters, "count", &number.to_string())];
    changes.push(put(Space::Claims, &one, &value));
    if random.bool() && one != other {
        changes.push(delete(Space::Claims, &other));
    }
    changes
}

/// What is there after the first `count` writes, in the order of writing.
fn expected(count: u64) -> Vec<Entry> {
    let mut entries = HashMap::new();
    let mut order = 0;
    for number in 0..count {
        for Change { space, key, value } in changes(number) {
            order += 1;
            match value {
                Some(value) => entries.insert((space, key), (order, value)),
                None => entries.remove(&(space, key)),
            };
        }
    }
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(_, (order, _))| *order);
    let entry = |((space, key), (_, value))| Entry { space, key, value };
    entries.into_iter().map(entry).collect()
}

/// The number of writes that these entries say there were.
fn count(entries: &[Entry]) -> u64 {
    let count = entries.iter().find(|entry| entry.space == Space::Counters);
    let number = |entry: &Entry| {
        str::from_utf8(&entry.value)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    count.map_or(0, |entry| number(entry) + 1)
}

#[tokio::test(flavor = "local")]
#[ignore = "a role that the test below starts"]
async fn writing() {
    let Some(path) = child::file() else { return };
    let (store, entries) = open(&path);
    let mut waiting = std::collections::VecDeque::new();
    for number in count(&entries).. {
        waiting.push_back((number, store.write(changes(number))));
        if waiting.len() > AHEAD {
            let (number, written) = waiting.pop_front().unwrap();
            written.await.unwrap();
            child::say(number);
        }
    }
}

// spec: STORE-1 STORE-4
#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    let (_folder, path) = folder();
    let mut random = fastrand::Rng::with_seed(7);
    let mut writes = 0;
    for round in 0..ROUNDS {
        let mut writer = Role::start("", module_path!(), "writing", &path);
        let mut acknowledged = 0;
        // Some are killed before they have written anything, or while they create the folder.
        for _ in 0..random.u64(..300) {
            acknowledged = writer.next().unwrap().parse::<u64>().unwrap() + 1;
        }
        drop(writer);
        let (store, entries) = open(&path);
        writes = count(&entries);
        assert!(
            writes >= acknowledged,
            "round {round}: {writes} of {acknowledged}"
        );
        assert!(
            entries == expected(writes),
            "round {round}: not the first {writes} writes"
        );
        for entry in &entries {
            let value = store.get(entry.space, &entry.key).unwrap();
            assert!(value.as_ref() == Some(&entry.value), "round {round}");
        }
    }
    assert!(writes > 1_000, "only {writes} writes");
}
