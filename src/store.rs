//! Small facts that outlive the process: claims, counters, the audit log.
//!
//! A [`Store`] is a map from a space and a key to a value. Changes are queued in the order in which
//! they are written and become durable in that order, many at a time, by a thread of its own; so the
//! cost of reaching the disk is shared by everybody who waits. A write is all or nothing, also when
//! the process is killed in the middle of it. What the facts mean, and when one of them has expired,
//! is left to those who write them.

mod durable;
mod error;
pub mod fleet;
mod ledger;
mod log;
mod memory;
mod queue;
mod recovery;
mod row;
mod spaces;
mod writer;
mod written;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

pub use error::StoreError;
pub use written::Written;

use durable::Durable;
use memory::Memory;

/// Where facts are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In this process, to its end.
    Memory,
    /// In files in this folder, which the first write creates.
    File(PathBuf),
}

/// Whose facts they are. The numbers are written to disk and never change their meaning.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Space {
    /// Who runs what, and what came of it.
    Claims = 1,
    /// What agents have used of their caps.
    Counters = 2,
    /// Kill switches.
    Agents = 3,
    /// What was decided about calls.
    Audit = 4,
    /// Leases that agents hold themselves.
    Leases = 5,
    /// Events that agents report.
    Events = 6,
    /// The operator's own settings.
    Account = 7,
}

/// One change: a value for a key, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Whose fact it is.
    pub space: Space,
    /// Its name within the space.
    pub key: Bytes,
    /// The new value; `None` deletes.
    pub value: Option<Bytes>,
}

/// A key and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Whose fact it is.
    pub space: Space,
    /// Its name within the space.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StoreFigures {
    /// Keys that have a value.
    pub entries: u64,
    /// What these count for against the store's limit, in bytes.
    pub bytes: u64,
    /// How often something has become durable, one write or many.
    pub batches: u64,
    /// How often it has not, because the disk failed.
    pub failures: u64,
}

/// What an entry counts for beside its key and value, in bytes: its places in the ledger, in its row
/// and in the page of that.
const ENTRY_BYTES: u64 = 128;

/// What an entry counts for, by the lengths of its key and value.
fn weight(key: usize, value: usize) -> u64 {
    (key + value) as u64 + ENTRY_BYTES
}

/// A handle to a store; all clones are the same store. Dropping the last one waits until everything
/// that was queued has been written.
#[derive(Clone, Debug)]
pub struct Store(Arc<Keeper>);

#[derive(Debug)]
enum Keeper {
    /// The lock guards the entries, for a few look-ups.
    Memory(Box<Mutex<Memory>>),
    File(Durable),
}

impl Store {
    /// Opens a store that holds at most `max_bytes` of keys, values and what these cost, and returns
    /// its entries in the order in which they were written.
    ///
    /// # Errors
    /// When the folder is another process's, is not a store, is damaged, or cannot be read.
    // spec: STORE-4
    pub fn open(place: Place, max_bytes: u64) -> Result<(Self, Vec<Entry>), StoreError> {
        let (keeper, entries) = match place {
            Place::Memory => (
                Keeper::Memory(Box::new(Mutex::new(Memory::new(max_bytes)))),
                Vec::new(),
            ),
            Place::File(path) => {
                let (durable, entries) = Durable::open(path, max_bytes)?;
                (Keeper::File(durable), entries)
            }
        };
        Ok((Self(Arc::new(keeper)), entries))
    }

    /// Queues `changes`, all or none of them, behind everything that was queued before. The answer
    /// says when they are durable, together with everything before them; whoever does not want to
    /// know drops it, and the write goes on. Of several changes of one key the last one counts.
    ///
    /// After an error the changes do not count, and neither does anything that was queued by then;
    /// when the disk was the reason, they may be there after a restart all the same. Without changes it
    /// waits for what was queued before.
    // spec: STORE-1
    pub fn write(&self, changes: Vec<Change>) -> Written {
        match &*self.0 {
            Keeper::Memory(memory) => Written::ready(lock(memory).apply(changes)),
            Keeper::File(durable) => durable.write(changes),
        }
    }

    /// Queues `changes` like [`write`](Self::write), for those who do not want to know. They go along
    /// with the next write that somebody waits for, or soon without it.
    pub fn note(&self, changes: Vec<Change>) {
        match &*self.0 {
            Keeper::Memory(memory) => drop(lock(memory).apply(changes)),
            Keeper::File(durable) => durable.note(changes),
        }
    }

    /// Says that the calling thread will write nothing for now. One that says so each time it pauses is
    /// waited for, up to 2 ms, so that what it writes in one go becomes durable in one.
    pub fn pause(&self) {
        match &*self.0 {
            Keeper::Memory(_) => {}
            Keeper::File(durable) => durable.pause(),
        }
    }

    /// The value of a key, of the last write that was queued.
    ///
    /// It reads the log where the value is not in memory, which may block for as long as a disk
    /// takes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match &*self.0 {
            Keeper::Memory(memory) => Ok(lock(memory).get(space, key)),
            Keeper::File(durable) => durable.get(space, key),
        }
    }

    /// How much there is, as far as it is durable.
    pub fn figures(&self) -> StoreFigures {
        match &*self.0 {
            Keeper::Memory(memory) => lock(memory).figures(),
            Keeper::File(durable) => durable.figures(),
        }
    }

    /// How much there is, if the last write went well.
    ///
    /// # Errors
    /// What the last write came to, when it failed.
    pub fn health(&self) -> Result<StoreFigures, StoreError> {
        match &*self.0 {
            Keeper::Memory(memory) => Ok(lock(memory).figures()),
            Keeper::File(durable) => durable.health(),
        }
    }
}

impl Space {
    /// The space with a number, as it stands in files.
    fn numbered(number: u8) -> Option<Self> {
        const ALL: [Space; 7] = [
            Space::Claims,
            Space::Counters,
            Space::Agents,
            Space::Audit,
            Space::Leases,
            Space::Events,
            Space::Account,
        ];
        ALL.into_iter().find(|space| *space as u8 == number)
    }
}

/// A panic while a lock was held is a bug that others need not suffer from: what the locks here guard
/// is whole between any two statements that can panic.
fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
