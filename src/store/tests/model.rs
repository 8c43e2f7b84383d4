//! Any writes, deletions and restarts, compared with a list.

use proptest::collection::vec;
use proptest::prelude::*;

use std::fs;

use super::*;

/// One step of a test.
#[derive(Clone, Debug)]
enum Step {
    /// Queue these: key, and size of the value if there is one.
    Write(Vec<(u8, Option<usize>)>),
    /// Wait for all of them.
    Settle,
    /// Close the store and open it again.
    Reopen,
}

/// Most values are small, some are larger than a batch, and together they exceed by far what may be
/// dead in a file.
fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        3 => Just(None),
        6 => (0_usize..3_000).prop_map(Some),
        2 => (100_000_usize..600_000).prop_map(Some),
    ];
    prop_oneof![
        20 => vec((0_u8..40, size), 0..6).prop_map(Step::Write),
        2 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

/// What a store should hold, in the order of writing.
#[derive(Default)]
struct Model(Vec<Entry>);

impl Model {
    fn apply(&mut self, changes: &[Change]) {
        for Change { space, key, value } in changes {
            self.0
                .retain(|entry| (entry.space, &entry.key) != (*space, key));
            self.0.extend(value.clone().map(|value| Entry {
                space: *space,
                key: key.clone(),
                value,
            }));
        }
    }

    fn check(&self, store: &Store) {
        for entry in &self.0 {
            let value = store.get(entry.space, &entry.key).unwrap();
            assert!(value.as_ref() == Some(&entry.value), "{:?}", entry.key);
        }
    }
}

fn changes(number: usize, sizes: &[(u8, Option<usize>)]) -> Vec<Change> {
    let change = |(key, size): &(u8, Option<usize>)| {
        let space = if key % 2 == 0 {
            Space::Claims
        } else {
            Space::Leases
        };
        let key = format!("key {}", key / 2);
        match size {
            Some(size) => put(space, &key, &format!("{number} {}", "x".repeat(*size))),
            None => delete(space, &key),
        }
    };
    sizes.iter().map(change).collect()
}

async fn compare(steps: &[Step]) {
    let (_folder, path) = folder();
    let mut model = Model::default();
    let (mut store, _) = open(&path);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Write(sizes) => {
                let changes = changes(number, sizes);
                model.apply(&changes);
                drop(store.write(changes));
            }
            Step::Settle => {
                store.write(Vec::new()).await.unwrap();
                assert_eq!(store.figures().entries, model.0.len() as u64);
                model.check(&store);
            }
            Step::Reopen => {
                drop(store);
                let entries;
                (store, entries) = open(&path);
                assert!(entries == model.0, "step {number}");
                model.check(&store);
            }
        }
    }
    model.check(&store);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    // spec: STORE-1 STORE-4
    #[test]
    fn a_store_is_a_map_that_remembers_its_order(steps in vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(&steps));
    }
}

// spec: STORE-3
#[tokio::test(flavor = "local")]
async fn what_is_dead_is_removed() {
    let (_folder, path) = folder();
    let (store, _) = open(&path);
    let mut random = fastrand::Rng::with_seed(3);
    // One value in each row stays, and dies much later than its neighbours.
    let mut model = Model::default();
    let mut written = 0;
    while written < 160 << 20 {
        let stays = format!("stays {}", random.u16(..2_000));
        let value = "x".repeat(random.usize(..200_000));
        written += value.len();
        let changes = vec![
            put(Space::Claims, &stays, "small"),
            put(Space::Counters, "replaced", &value),
        ];
        model.apply(&changes);
        store.write(changes).await.unwrap();
    }
    model.check(&store);
    drop(store);
    // 4 MiB may be dead, the last segment is not full, and the one that is being emptied is still there.
    let sizes = segments(&path)
        .into_iter()
        .map(|segment| fs::metadata(segment).unwrap().len());
    let size: u64 = sizes.sum();
    assert!(size < 16 << 20, "{size} bytes");
    let (_, entries) = open(&path);
    assert!(entries == model.0);
}
