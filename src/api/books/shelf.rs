//! Keys that count for some time, bounded in number and bytes.
//!
//! Nothing that still counts is pushed out: forgetting a lock would let its work be done twice, so
//! whoever comes when the shelf is full is refused.

use std::collections::HashMap;

use crate::clock::Timestamp;

/// The least time between two searches for what has lapsed, in milliseconds. A search looks at
/// everything.
const SWEEP_EVERY_MS: u64 = 60_000;

/// Something that lapses.
pub trait Lapsing {
    /// When it no longer counts, in Unix milliseconds.
    fn until_ms(&self) -> u64;
    /// When it may be forgotten, in Unix milliseconds, if its place is not needed before.
    fn kept_ms(&self) -> u64 {
        self.until_ms()
    }
    /// What it takes beside its key, in bytes.
    fn bytes(&self) -> usize;
}

/// There is no room, and nothing that has lapsed would make any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

/// Things by their key.
#[derive(Debug)]
pub struct Shelf<T> {
    things: HashMap<Box<str>, T>,
    bytes: usize,
    max_things: usize,
    max_bytes: usize,
    swept_ms: u64,
}

impl<T: Lapsing> Shelf<T> {
    /// An empty one for so many things, which together take so many bytes.
    pub fn new(max_things: usize, max_bytes: usize) -> Self {
        Self {
            things: HashMap::new(),
            bytes: 0,
            max_things,
            max_bytes,
            swept_ms: 0,
        }
    }

    /// The thing of a key, lapsed or not.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.things.get(key)
    }

    /// Puts a thing there, whether there is room or not.
    pub fn put(&mut self, key: &str, thing: T) {
        self.bytes += key.len() + thing.bytes();
        let before = self.things.insert(key.into(), thing);
        self.leave(key, before.as_ref());
    }

    /// Takes a thing away.
    pub fn remove(&mut self, key: &str) {
        let removed = self.things.remove(key);
        self.leave(key, removed.as_ref());
    }

    /// Makes room for a thing of so many bytes, in the place of what the key has, and returns the
    /// keys of what had to go for it. What may be forgotten goes as well, once a minute.
    ///
    /// # Errors
    /// When there is no room; nothing has gone then.
    pub fn make_room(
        &mut self,
        key: &str,
        bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Box<str>>, NoRoom> {
        let now_ms = now.unix_millis();
        let others = self.things.iter().filter(|(other, _)| ***other != *key);
        let going: Vec<Box<str>> = if self.has_room(key, bytes, (0, 0)) {
            // A clock that was set back looks again.
            let since = now_ms.checked_sub(self.swept_ms);
            if since.is_some_and(|since| since < SWEEP_EVERY_MS) {
                return Ok(Vec::new());
            }
            let stale = others.filter(|(_, thing)| thing.kept_ms() <= now_ms);
            stale.map(|(key, _)| key.clone()).collect()
        } else {
            let lapsed: Vec<_> = others
                .filter(|(_, thing)| thing.until_ms() <= now_ms)
                .collect();
            let freed = lapsed.iter().map(|(key, thing)| key.len() + thing.bytes());
            if !self.has_room(key, bytes, (lapsed.len(), freed.sum())) {
                return Err(NoRoom);
            }
            lapsed.into_iter().map(|(key, _)| key.clone()).collect()
        };
        self.swept_ms = now_ms;
        for key in &going {
            self.remove(key);
        }
        Ok(going)
    }

    /// Whether a thing of so many bytes fits in the place of what the key has, when so many others,
    /// of so many bytes, have gone.
    fn has_room(&self, key: &str, bytes: usize, (gone, freed): (usize, usize)) -> bool {
        let (things, given) = match self.things.get(key) {
            Some(before) => (self.things.len(), key.len() + before.bytes()),
            None => (self.things.len() + 1, 0),
        };
        let bytes = self.bytes - given - freed + key.len() + bytes;
        things - gone <= self.max_things && bytes <= self.max_bytes
    }

    fn leave(&mut self, key: &str, thing: Option<&T>) {
        if let Some(thing) = thing {
            self.bytes -= key.len() + thing.bytes();
        }
    }
}
