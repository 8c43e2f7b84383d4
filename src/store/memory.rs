//! Facts that end with the process: for tests, and for those who say so.

use bytes::Bytes;

use super::spaces::Spaces;
use super::{Change, Space, StoreError, StoreFigures, weight};

/// A store without a file.
#[derive(Debug)]
pub(super) struct Memory {
    entries: Spaces<Bytes>,
    bytes: u64,
    max_bytes: u64,
    writes: u64,
}

impl Memory {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            entries: Spaces::default(),
            bytes: 0,
            max_bytes,
            writes: 0,
        }
    }

    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<Bytes> {
        self.entries.get(space, key).cloned()
    }

    pub(super) fn figures(&self) -> StoreFigures {
        StoreFigures {
            entries: self.entries.len() as u64,
            bytes: self.bytes,
            batches: self.writes,
            failures: 0,
        }
    }

    /// Makes all changes or none.
    ///
    /// # Errors
    /// When there would be more than there may be.
    pub(super) fn apply(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let before = self.bytes;
        let mut undo = Vec::with_capacity(changes.len());
        for change in changes {
            undo.push(self.change(change));
        }
        if self.bytes > self.max_bytes && self.bytes > before {
            for change in undo.into_iter().rev() {
                self.change(change);
            }
            return Err(StoreError::Full {
                max_bytes: self.max_bytes,
            });
        }
        self.writes += 1;
        Ok(())
    }

    /// Makes one change and returns the one that takes it back.
    fn change(&mut self, change: Change) -> Change {
        let Change { space, key, value } = change;
        let old = match value {
            Some(value) => {
                self.bytes += weight(key.len(), value.len());
                self.entries.insert(space, key[..].into(), value)
            }
            None => self.entries.remove(space, &key),
        };
        if let Some(old) = &old {
            self.bytes -= weight(key.len(), old.len());
        }
        Change {
            space,
            key,
            value: old,
        }
    }
}
