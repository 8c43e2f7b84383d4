//! A map for each space, so that a key is looked up without being copied.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Space;

/// How many spaces there are, from 1.
const SPACES: usize = 7;

/// Values by space and key.
#[derive(Debug)]
pub(super) struct Spaces<V>([Map<V>; SPACES]);

type Map<V> = HashMap<Arc<[u8]>, V, Seed>;

/// Keys are hashed a dozen times for each change, and most are digests. The seed is a secret of the
/// process, so that nobody can choose names of agents that fall together.
#[derive(Clone, Debug)]
struct Seed(u64);

impl BuildHasher for Seed {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(self.0)
    }
}

/// The hash of what was written so far.
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, length: usize) {
        // That of the key, which its bytes tell apart as well.
        self.0 = self.0.wrapping_add(length as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<V> Default for Spaces<V> {
    fn default() -> Self {
        let seed = Seed(RandomState::new().hash_one(SPACES));
        Self(std::array::from_fn(|_| HashMap::with_hasher(seed.clone())))
    }
}

impl<V> Spaces<V> {
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<&V> {
        self.of(space).get(key)
    }

    pub(super) fn get_mut(&mut self, space: Space, key: &[u8]) -> Option<&mut V> {
        self.of_mut(space).get_mut(key)
    }

    pub(super) fn insert(&mut self, space: Space, key: Arc<[u8]>, value: V) -> Option<V> {
        self.of_mut(space).insert(key, value)
    }

    pub(super) fn remove(&mut self, space: Space, key: &[u8]) -> Option<V> {
        self.of_mut(space).remove(key)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }

    fn of(&self, space: Space) -> &Map<V> {
        &self.0[space as usize - 1]
    }

    fn of_mut(&mut self, space: Space) -> &mut Map<V> {
        &mut self.0[space as usize - 1]
    }
}
