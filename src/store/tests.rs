//! A store through its handle: what is found, what survives, and what is refused.

mod child;
mod damaged;
mod full_disk;
mod killed;
mod model;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// More than a test writes.
const ROOM: u64 = 1 << 30;

pub(super) fn put(space: Space, key: &str, value: &str) -> Change {
    Change {
        space,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    }
}

pub(super) fn delete(space: Space, key: &str) -> Change {
    Change {
        space,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: None,
    }
}

/// The files of a store's log, in their order.
pub(super) fn segments(path: &std::path::Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    segments
}

/// A folder, and the folder in it that a store may have.
pub(super) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign.store");
    (folder, path)
}

pub(super) fn open(path: &std::path::Path) -> (Store, Vec<Entry>) {
    Store::open(Place::File(path.to_owned()), ROOM).unwrap()
}

fn value(store: &Store, space: Space, key: &str) -> Option<String> {
    let value = store.get(space, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

fn names(entries: &[Entry]) -> Vec<(Space, &str, &str)> {
    let text = |bytes| str::from_utf8(bytes).unwrap();
    entries
        .iter()
        .map(|entry| (entry.space, text(&entry.key), text(&entry.value)))
        .collect()
}

/// Both kinds of stores.
fn places() -> (tempfile::TempDir, [Place; 2]) {
    let (folder, path) = folder();
    (folder, [Place::Memory, Place::File(path)])
}

#[tokio::test(flavor = "local")]
async fn what_is_queued_is_found_at_once() {
    let (_folder, places) = places();
    for place in places {
        let (store, _) = Store::open(place, ROOM).unwrap();
        let first = store.write(vec![
            put(Space::Claims, "a", "1"),
            put(Space::Counters, "a", "2"),
            put(Space::Claims, "b", "3"),
        ]);
        let second = store.write(vec![delete(Space::Claims, "b")]);
        let check = || {
            assert_eq!(value(&store, Space::Claims, "a").as_deref(), Some("1"));
            assert_eq!(value(&store, Space::Counters, "a").as_deref(), Some("2"));
            assert_eq!(value(&store, Space::Claims, "b"), None);
            assert_eq!(value(&store, Space::Audit, "a"), None);
        };
        check();
        assert!(first.await.is_ok() && second.await.is_ok());
        check();
        let figures = store.health().unwrap();
        // Two keys of one byte, two values of one byte, and what two entries cost beside them.
        assert_eq!((figures.entries, figures.bytes), (2, 2 * (2 + 128)));
    }
}

#[tokio::test(flavor = "local")]
async fn of_several_changes_of_a_key_the_last_one_counts() {
    let (_folder, places) = places();
    for place in places {
        let (store, _) = Store::open(place, ROOM).unwrap();
        let changes = vec![
            put(Space::Claims, "a", "1"),
            put(Space::Claims, "b", "1"),
            delete(Space::Claims, "a"),
            put(Space::Claims, "b", "2"),
        ];
        store.write(changes).await.unwrap();
        assert_eq!(value(&store, Space::Claims, "a"), None);
        assert_eq!(value(&store, Space::Claims, "b").as_deref(), Some("2"));
        assert_eq!(store.figures().entries, 1);
    }
}

// spec: STORE-4
#[tokio::test(flavor = "local")]
async fn a_store_is_read_in_the_order_of_writing() {
    let (_folder, path) = folder();
    let (store, entries) = open(&path);
    assert_eq!(entries, []);
    // Nobody waits for these.
    drop(store.write(vec![
        put(Space::Claims, "z", "1"),
        put(Space::Audit, "y", "2"),
    ]));
    drop(store.write(vec![
        put(Space::Claims, "x", "3"),
        put(Space::Claims, "gone", ""),
    ]));
    drop(store.write(vec![
        put(Space::Claims, "z", "4"),
        delete(Space::Claims, "gone"),
    ]));
    drop(store);
    let (store, entries) = open(&path);
    let expected = [
        (Space::Audit, "y", "2"),
        (Space::Claims, "x", "3"),
        (Space::Claims, "z", "4"),
    ];
    assert_eq!(names(&entries), expected);
    assert_eq!(value(&store, Space::Claims, "z").as_deref(), Some("4"));
    assert_eq!(value(&store, Space::Claims, "gone"), None);
}

// spec: STORE-5
#[tokio::test(flavor = "local")]
async fn the_first_write_creates_the_folder_for_its_owner_alone() {
    let (_folder, path) = folder();
    let (store, _) = open(&path);
    store.write(Vec::new()).await.unwrap();
    assert_eq!(store.get(Space::Claims, b"a"), Ok(None));
    let nothing = store.write(vec![delete(Space::Claims, "a")]);
    nothing.await.unwrap();
    assert!(!path.exists());
    store
        .write(vec![put(Space::Claims, "a", "1")])
        .await
        .unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in [path.join("lock"), segments(&path).remove(0)] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

// spec: STORE-3
#[tokio::test(flavor = "local")]
async fn a_full_store_takes_nothing_of_a_write_that_makes_it_larger() {
    let (_folder, places) = places();
    for place in places {
        // Room for two entries with a key of one byte and a value of ten.
        let max_bytes = 2 * (1 + 10 + 128);
        let (store, _) = Store::open(place, max_bytes).unwrap();
        let ten = "0123456789";
        store
            .write(vec![put(Space::Claims, "a", ten)])
            .await
            .unwrap();
        let changes = vec![
            delete(Space::Claims, "a"),
            put(Space::Claims, "b", ten),
            put(Space::Claims, "c", "01234567890"),
        ];
        let full = StoreError::Full { max_bytes };
        assert_eq!(store.write(changes).await, Err(full.clone()));
        assert_eq!(value(&store, Space::Claims, "a").as_deref(), Some(ten));
        assert_eq!(value(&store, Space::Claims, "b"), None);
        // What only just fits, is replaced, or becomes smaller, is written.
        store
            .write(vec![put(Space::Claims, "b", ten)])
            .await
            .unwrap();
        assert_eq!(
            store.write(vec![put(Space::Events, "d", "")]).await,
            Err(full)
        );
        store
            .write(vec![put(Space::Claims, "b", "9876543210")])
            .await
            .unwrap();
        store.write(vec![delete(Space::Claims, "a")]).await.unwrap();
        store
            .write(vec![put(Space::Events, "d", "")])
            .await
            .unwrap();
        assert_eq!(store.figures().entries, 2);
        assert!(store.health().is_ok());
    }
}

// spec: STORE-2
#[tokio::test(flavor = "local")]
async fn writes_that_wait_share_one_trip_to_the_disk() {
    let (_folder, path) = folder();
    let (store, _) = open(&path);
    let write = |n: u32| store.write(vec![put(Space::Claims, &n.to_string(), "running")]);
    let writes: Vec<_> = (0..1000).map(write).collect();
    for written in writes {
        written.await.unwrap();
    }
    let figures = store.figures();
    assert_eq!(figures.entries, 1000);
    assert!(figures.batches < 100, "{} batches", figures.batches);
}

#[tokio::test(flavor = "local")]
async fn a_write_without_changes_waits_for_those_before() {
    let (_folder, path) = folder();
    let (store, _) = open(&path);
    drop(store.write(vec![put(Space::Claims, "a", "1")]));
    store.write(Vec::new()).await.unwrap();
    assert_eq!(store.figures().entries, 1);
}

// spec: STORE-2
#[test]
fn what_nobody_waits_for_becomes_durable_too() {
    let (_folder, path) = folder();
    let (store, _) = open(&path);
    drop(store.write(vec![put(Space::Audit, "a", "1")]));
    while store.figures().entries == 0 {
        std::thread::yield_now();
    }
}
