//! Folders that are missing, somebody else's, or not what was written.

use std::fs;
use std::path::Path;

use super::*;

fn refusal(path: &Path) -> StoreError {
    Store::open(Place::File(path.to_owned()), ROOM).unwrap_err()
}

fn is_damaged(path: &Path) -> bool {
    matches!(refusal(path), StoreError::Corrupt { .. })
}

/// A store with these keys, each of its own record with a value of `size` bytes.
async fn written(path: &Path, keys: &[&str], size: usize) {
    let (store, _) = open(path);
    for key in keys {
        let value = "x".repeat(size);
        let change = put(Space::Claims, key, &value);
        store.write(vec![change]).await.unwrap();
    }
}

/// The bytes of the only segment up to the end of its records, and the rest.
fn only_segment(path: &Path) -> (PathBuf, Vec<u8>, usize) {
    let [segment] = &segments(path)[..] else {
        panic!("one segment")
    };
    let bytes = fs::read(segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (segment.clone(), bytes, end)
}

/// How many keys there are when the segment has these bytes. What the start itself changes is undone.
fn keys_with(path: &Path, segment: &Path, bytes: &[u8]) -> Option<usize> {
    fs::write(segment, bytes).unwrap();
    match Store::open(Place::File(path.to_owned()), ROOM) {
        Ok((_, entries)) => Some(entries.len()),
        Err(StoreError::Corrupt { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

// spec: STORE-5
#[tokio::test(flavor = "local")]
async fn a_folder_belongs_to_one_store_at_a_time() {
    let (_folder, path) = folder();
    let locked = StoreError::Locked { path: path.clone() };
    let (first, _) = open(&path);
    let (second, _) = open(&path);
    first
        .write(vec![put(Space::Claims, "a", "1")])
        .await
        .unwrap();
    let write = || second.write(vec![put(Space::Claims, "a", "2")]);
    assert_eq!(write().await, Err(locked.clone()));
    assert_eq!(second.health(), Err(locked.clone()));
    assert_eq!(refusal(&path), locked);
    drop(first);
    // It would go on without knowing what the first one has written.
    assert_eq!(
        write().await,
        Err(StoreError::Replaced { path: path.clone() })
    );
    drop(second);
    let (_, entries) = open(&path);
    assert_eq!(names(&entries), [(Space::Claims, "a", "1")]);
}

// spec: STORE-4
#[tokio::test(flavor = "local")]
async fn a_segment_that_lost_its_end_is_refused() {
    let (_folder, path) = folder();
    written(&path, &["a", "b", "c"], 1000).await;
    let (segment, whole, end) = only_segment(&path);
    let lengths = [0, 1, 63, 64, 65, end - 1, end, end + 1, whole.len() - 1];
    for length in lengths {
        assert_eq!(
            keys_with(&path, &segment, &whole[..length]),
            None,
            "{length} bytes"
        );
        let left = fs::metadata(&segment).unwrap().len();
        assert_eq!(left, length as u64, "it is left as it is");
    }
    assert_eq!(keys_with(&path, &segment, &whole), Some(3));
}

/// The power fails while the last record is written: nobody was told that it is durable.
// spec: STORE-1 STORE-4
#[tokio::test(flavor = "local")]
async fn a_record_that_was_cut_short_does_not_count() {
    let (_folder, path) = folder();
    written(&path, &["a", "b"], 40).await;
    let (_, _, before) = only_segment(&path);
    fs::remove_dir_all(&path).unwrap();
    written(&path, &["a", "b", "c"], 40).await;
    let (segment, whole, end) = only_segment(&path);
    for cut in (before..end).step_by(3) {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        assert_eq!(keys_with(&path, &segment, &torn), Some(2), "{cut} bytes");
        // Sectors need not arrive in order.
        let mut torn = whole.clone();
        torn[before..cut].fill(0);
        let expected = if cut == before { 3 } else { 2 };
        assert_eq!(
            keys_with(&path, &segment, &torn),
            Some(expected),
            "{cut} bytes"
        );
    }
    // What is written from then on does not mix with what is left of it.
    let mut torn = whole.clone();
    torn[end - 1] ^= 1;
    fs::write(&segment, torn).unwrap();
    written(&path, &["d", "e"], 40).await;
    let (_, entries) = open(&path);
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys, ["a", "b", "d", "e"]);
}

// spec: STORE-4
#[tokio::test(flavor = "local")]
async fn a_flipped_bit_is_refused() {
    let (_folder, path) = folder();
    written(&path, &["a", "b"], 40).await;
    let (_, _, last) = only_segment(&path);
    fs::remove_dir_all(&path).unwrap();
    written(&path, &["a", "b", "c"], 40).await;
    let (segment, whole, _) = only_segment(&path);
    for place in 0..last {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        assert_eq!(keys_with(&path, &segment, &flipped), None, "byte {place}");
    }
}

// spec: STORE-4
#[tokio::test(flavor = "local")]
async fn of_older_segments_every_byte_counts() {
    let (_folder, path) = folder();
    written(&path, &["a", "b", "c", "d", "e"], 1_500_000).await;
    let all = segments(&path);
    assert_eq!(all.len(), 3);
    for segment in &all[..2] {
        let whole = fs::read(segment).unwrap();
        let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
        // Also of its last record, because the next segment says where that ends.
        let mut flipped = whole.clone();
        flipped[end] ^= 1;
        fs::write(segment, &flipped).unwrap();
        assert!(is_damaged(&path));
        fs::remove_file(segment).unwrap();
        let is_first = segment == &all[0];
        assert!(is_damaged(&path), "the first: {is_first}");
        fs::write(segment, whole).unwrap();
    }
    assert_eq!(open(&path).1.len(), 5);
}

#[test]
fn what_is_somebody_elses_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    for content in [&b"tools: []\n"[..], &[0; 9], b""] {
        fs::write(&path, content).unwrap();
        assert!(is_damaged(&path));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("mine"), "").unwrap();
    assert!(is_damaged(&path));
    for content in ["somebody", "countersign store, version 2\n"] {
        fs::write(path.join("lock"), content).unwrap();
        assert!(is_damaged(&path));
        assert_eq!(fs::read(path.join("lock")).unwrap(), content.as_bytes());
    }
}

#[tokio::test(flavor = "local")]
async fn a_creation_that_was_cut_short_is_begun_again() {
    let (_folder, path) = folder();
    for content in ["", "counter", "countersign store, version 1\n"] {
        fs::create_dir(&path).unwrap();
        // Also nothing but the folder is possible.
        assert_eq!(open(&path).1, []);
        fs::write(path.join("lock"), content).unwrap();
        fs::write(path.join("new"), [1; 5000]).unwrap();
        let (store, entries) = open(&path);
        assert_eq!(entries, []);
        store
            .write(vec![put(Space::Claims, "a", "1")])
            .await
            .unwrap();
        drop(store);
        assert_eq!(open(&path).1.len(), 1);
        // A lock that says less than it should beside what was written is damage.
        fs::write(path.join("lock"), "counter").unwrap();
        assert!(is_damaged(&path));
        fs::remove_dir_all(&path).unwrap();
    }
}

// spec: STORE-6
#[tokio::test(flavor = "local")]
async fn a_folder_that_cannot_be_created_is_tried_again_with_each_write() {
    let (folder, _) = folder();
    let missing = folder.path().join("later");
    let (store, _) = open(&missing.join("store"));
    let write = || store.write(vec![put(Space::Claims, "a", "1")]);
    let error = write().await.unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::Io {
                doing: "create",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(store.health().is_err());
    assert_eq!(store.get(Space::Claims, b"a"), Ok(None));
    fs::create_dir(&missing).unwrap();
    write().await.unwrap();
    let figures = store.health().unwrap();
    assert_eq!((figures.entries, figures.failures), (1, 1));
}
