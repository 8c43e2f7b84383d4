//! The books by themselves: bounds, restarts and a store that fails. What they promise in good times
//! is tested at the door.

use std::time::Duration;

use serde_json::Map;

use super::*;
use crate::store::Place;

const START: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);
const ASKED: Asked<'_> = Asked {
    key: "k",
    request_id: "r-1",
    run_id: None,
    message: None,
};

fn asked(key: &str) -> Asked<'_> {
    Asked { key, ..ASKED }
}

fn in_memory(max_bytes: u64) -> Books {
    let (store, recovered) = Store::open(Place::Memory, max_bytes).unwrap();
    Books::new(store, &recovered, Clock::anchored_at(START))
}

/// Books in a file of this folder.
fn in_file(folder: &tempfile::TempDir, clock: Clock) -> Books {
    let place = Place::File(folder.path().join("store"));
    let (store, recovered) = Store::open(place, u64::MAX).unwrap();
    Books::new(store, &recovered, clock)
}

fn complete(result: &str) -> End {
    End::Complete {
        result: Some(Map::from_iter([("text".to_owned(), result.into())])),
        result_hash: Some("h".to_owned()),
    }
}

// spec: LOCK-1 LEASE-1 LEASE-3 RUN-1 USAGE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_restart_forgets_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::anchored_at(START);
    let books = in_file(&folder, clock);
    books.check_lock(asked("lock"), 60).await.unwrap();
    let Taken::Acquired(done) = books.lease(asked("done"), 60).await.unwrap() else {
        panic!("nobody has it");
    };
    let id = done.id.to_string();
    let done = books.end(asked("done"), &id, complete("é")).await.unwrap();
    let held = books.lease(asked("held"), 60).await.unwrap();
    let event = Event {
        run_id: Some("run".to_owned()),
        ..Event::new("step", START)
    };
    assert_eq!(books.report(event).await.unwrap(), 5);
    let prefer = |preferences: &mut Preferences| preferences.email_notifications_enabled = true;
    books.prefer(prefer).await.unwrap();
    let told = |books: &Books| {
        let today = DayNumber::of(START);
        let (events, run) = (books.events(100, 0), books.run("run", 10, 0));
        (events, run, books.preferences(), books.counts(today, today))
    };
    let before = told(&books);
    assert_eq!((before.0.len(), before.1.0), (5, 1));
    drop(books);

    let books = in_file(&folder, clock);
    assert_eq!(told(&books), before);
    let locked = books.check_lock(asked("lock"), 60).await.unwrap();
    let duplicate = Checked::Duplicate {
        first_seen: START,
        ttl_s: 60,
    };
    assert_eq!(locked, duplicate);
    assert_eq!(books.look("done"), Some(done.unwrap()));
    let Taken::Acquired(held) = held else {
        panic!("nobody had it");
    };
    assert_eq!(
        books.lease(asked("held"), 60).await.unwrap(),
        Taken::Found(held)
    );
    assert_eq!(books.report(Event::new("x", START)).await.unwrap(), 8);
}

// spec: LEASE-2 USAGE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_end_that_is_repeated_happened_once() {
    let books = in_memory(1_000_000);
    let Taken::Acquired(lease) = books.lease(asked("key"), 60).await.unwrap() else {
        panic!("nobody has it");
    };
    let id = lease.id.to_string();
    for _ in 0..3 {
        let ended = books.end(asked("key"), &id, complete("done")).await;
        assert!(ended.unwrap().is_ok());
    }
    let kinds: Vec<_> = books
        .events(100, 0)
        .into_iter()
        .map(|event| event.r#type)
        .collect();
    assert_eq!(kinds, ["ai_completed", "ai_acquired"]);
    let today = DayNumber::of(books.now());
    assert_eq!(books.counts(today, today)[0].1.ai_completed, 1);
}

struct Thing(u64, usize);

impl shelf::Lapsing for Thing {
    fn until_ms(&self) -> u64 {
        self.0
    }
    fn kept_ms(&self) -> u64 {
        self.0 + 90_000
    }
    fn bytes(&self) -> usize {
        self.1
    }
}

/// Makes room on a shelf for what is put there.
fn put(
    shelf: &mut shelf::Shelf<Thing>,
    key: &str,
    thing: Thing,
    ms: i64,
) -> Result<Vec<Box<str>>, NoRoom> {
    let mut gone = shelf.make_room(key, thing.1, Timestamp::from_unix_millis(ms))?;
    gone.sort();
    shelf.put(key, thing);
    Ok(gone)
}

fn keys(keys: &[&str]) -> Result<Vec<Box<str>>, NoRoom> {
    Ok(keys.iter().map(|key| Box::from(*key)).collect())
}

// spec: LOCK-1 LEASE-1
#[test]
fn a_full_shelf_refuses_newcomers_until_something_lapses() {
    let mut shelf = shelf::Shelf::new(3, 100);
    for key in ["a", "b"] {
        assert_eq!(put(&mut shelf, key, Thing(5_000, 9), 0), keys(&[]));
    }
    assert_eq!(put(&mut shelf, "c", Thing(9_000, 80), 0), Err(NoRoom));
    assert_eq!(put(&mut shelf, "c", Thing(9_000, 79), 0), keys(&[]));
    // In its own place there is room for what it gives up.
    assert_eq!(put(&mut shelf, "c", Thing(9_000, 80), 1), Err(NoRoom));
    assert_eq!(put(&mut shelf, "c", Thing(9_000, 79), 1), keys(&[]));
    assert_eq!(put(&mut shelf, "d", Thing(9_000, 0), 4_999), Err(NoRoom));
    // What has lapsed stays where it is no help.
    assert_eq!(put(&mut shelf, "d", Thing(9_000, 20), 5_000), Err(NoRoom));
    assert!(shelf.get("a").is_some() && shelf.get("b").is_some());
    assert_eq!(
        put(&mut shelf, "d", Thing(9_000, 19), 5_000),
        keys(&["a", "b"])
    );
}

// spec: LEASE-2
#[test]
fn what_has_lapsed_is_forgotten_later() {
    let c = || Thing(999_000, 0);
    let mut shelf = shelf::Shelf::new(9, 100);
    for (key, ms) in [("a", 5_000), ("b", 9_000)] {
        assert_eq!(put(&mut shelf, key, Thing(ms, 0), 30_000), keys(&[]));
    }
    assert_eq!(put(&mut shelf, "c", c(), 94_999), keys(&[]));
    assert_eq!(
        put(&mut shelf, "c", c(), 154_998),
        keys(&[]),
        "it looked just now"
    );
    assert_eq!(put(&mut shelf, "c", c(), 154_999), keys(&["a", "b"]));
}

// spec: LEASE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn results_that_do_not_fit_are_refused_and_the_lease_goes_on() {
    let books = in_memory(u64::MAX);
    let large = "x".repeat(500 * 1024);
    let mut refused = 0;
    for number in 0..70 {
        let key = format!("k{number}");
        let Taken::Acquired(lease) = books.lease(asked(&key), 60).await.unwrap() else {
            panic!("nobody has it");
        };
        let id = lease.id.to_string();
        match books.end(asked(&key), &id, complete(&large)).await {
            Ok(Ok(_)) => {}
            Ok(Err(Lost)) => panic!("it is ours"),
            Err(Unwritten::Store(error)) => panic!("{error}"),
            Err(Unwritten::TooMany) => {
                refused += 1;
                assert_eq!(books.look(&key).unwrap().state, LeaseState::Held);
                let ended = books.end(asked(&key), &id, complete("short")).await;
                assert!(ended.unwrap().is_ok());
            }
        }
    }
    // 65 results of 500 KiB and a bit are in 32 MiB.
    assert_eq!(refused, 5);
}

/// What was refused is as if it had not been asked for.
// spec: LOCK-1 LEASE-1 LEASE-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn what_the_store_does_not_take_was_not_taken() {
    let books = in_memory(4_000);
    let Taken::Acquired(lease) = books.lease(ASKED, 60).await.unwrap() else {
        panic!("nobody has it");
    };
    let id = lease.id.to_string();
    let full = |error: Unwritten| matches!(error, Unwritten::Store(StoreError::Full { .. }));
    let long = complete(&"x".repeat(8_000));
    assert!(full(books.end(ASKED, &id, long).await.unwrap_err()));
    assert_eq!(books.look("k"), Some(lease));
    let long = "x".repeat(256);
    let mut taken = 0;
    let refused = loop {
        let key = format!("{long}{taken}");
        match books.check_lock(asked(&key), 60).await {
            Ok(checked) => assert_eq!(checked, Checked::Locked),
            Err(error) => break (key, error),
        }
        taken += 1;
    };
    assert!(taken > 0 && full(refused.1));
    let again = books.check_lock(asked(&refused.0), 60).await;
    assert!(
        full(again.unwrap_err()),
        "a duplicate would have been answered"
    );
    let lease = books.lease(asked(&long), 60).await;
    assert!(full(lease.unwrap_err()));
    assert_eq!(books.look(&long), None);
}

// spec: LEASE-1 LEASE-2
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_lease_lapses_and_late_work_ends_well_until_somebody_else_begins() {
    let books = in_memory(u64::MAX);
    let take = async |key: &'static str| books.lease(asked(key), 60).await.unwrap();
    let pass = |s| tokio::time::advance(Duration::from_secs(s));
    for (key, beside) in [("late", "x"), ("taken", "y")] {
        let Taken::Acquired(lease) = take(key).await else {
            panic!("nobody has it");
        };
        assert_eq!((lease.version, lease.left_s(books.now())), (1, 60));
        pass(59).await;
        assert!(matches!(take(key).await, Taken::Found(_)));
        let id = lease.id.to_string();
        let extend = End::Extend { ttl_s: Some(30) };
        let extended = books.end(asked(key), &id, extend).await.unwrap().unwrap();
        assert_eq!((extended.id, extended.left_s(books.now())), (lease.id, 30));
        pass(30).await;
        assert_eq!(books.look(key), None);
        // What others do meanwhile is no reason to forget it.
        pass(3_600).await;
        assert!(matches!(take(beside).await, Taken::Acquired(_)));
        if key == "taken" {
            let Taken::Acquired(next) = take(key).await else {
                panic!("it had lapsed");
            };
            assert_eq!((next.version, next.first_seen_ms), (2, lease.first_seen_ms));
            assert_ne!(next.id, lease.id);
            let ended = books.end(asked(key), &id, complete("late")).await;
            assert_eq!(ended.unwrap(), Err(Lost));
        } else {
            let ended = books.end(asked(key), &id, complete("late")).await;
            assert!(ended.unwrap().is_ok());
            assert!(matches!(take(key).await, Taken::Found(_)));
            pass(7 * 86_400 - 1).await;
            assert!(matches!(take(key).await, Taken::Found(_)));
            pass(1).await;
            assert!(matches!(take(key).await, Taken::Acquired(_)));
        }
    }
}

// spec: RUN-1
#[test]
fn the_oldest_events_leave_and_numbers_go_on() {
    let mut events = Events::default();
    let mut changes = Vec::new();
    for _ in 0..20_010 {
        events.add(Event::new("x", START), &mut changes);
    }
    let deleted = changes.iter().filter(|change| change.value.is_none());
    assert_eq!(deleted.count(), 10);
    let ids = |limit, offset| {
        let page = events.page(limit, offset);
        page.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(2, 0), [20_010, 20_009]);
    assert_eq!(ids(5, 19_998), [12, 11]);
    let mut events = Events::default();
    let large = Event {
        message: Some("x".repeat(1024 * 1024)),
        ..Event::new("x", START)
    };
    for _ in 0..20 {
        events.add(large.clone(), &mut changes);
    }
    assert_eq!(events.page(100, 0).len(), 15);
}
