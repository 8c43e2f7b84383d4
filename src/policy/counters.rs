//! The accounts of all agents, and the store that they outlive the process in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::clock::Timestamp;
use crate::ids::{AgentId, ToolName};
use crate::policy::account::{Account, Fact};
use crate::policy::compile::Caps;
use crate::policy::usd::Usd;
use crate::policy::verdict::Blocked;
use crate::policy::window::HOUR;
use crate::store::{Change, Entry, Space, Store};

/// What every agent has used of its caps.
#[derive(Debug)]
pub struct Counters {
    store: Store,
    /// Guards the accounts and the order in which their changes are queued.
    books: Mutex<Books>,
    /// Whether the last write failed, so that a broken disk is reported once.
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct Books {
    accounts: HashMap<AgentId, Account>,
    /// When accounts were last looked through for those that say nothing any more.
    swept: i64,
}

impl Counters {
    /// Takes up what an earlier process has counted. What cannot be read is left out.
    pub fn new(store: Store, recovered: &[Entry]) -> Self {
        let (books, unreadable) = Books::restored(recovered);
        if unreadable > 0 {
            tracing::warn!(unreadable, "counters of policies cannot be read");
        }
        Self {
            store,
            books: Mutex::new(books),
            failing: AtomicBool::new(false),
        }
    }

    /// Counts a call, durably, or says which cap stands in the way.
    ///
    /// Where the store fails, the call is counted in this process alone. Dropping the future stops
    /// waiting for the store; the call has been counted.
    pub async fn spend(
        &self,
        agent: &AgentId,
        caps: &Caps,
        tool: &ToolName,
        price: Usd,
        now: Timestamp,
    ) -> Result<(), Blocked> {
        let (spent, written) = {
            let mut books = self.lock();
            let mut changes = Vec::new();
            let spent = books.spend(agent, caps, tool, price, now.unix_seconds(), &mut changes);
            // Queued under the lock, so that of two counts the later one is also written later.
            (spent, self.store.write(changes))
        };
        spent?;
        let failed = written.await.err();
        if self.failing.swap(failed.is_some(), Ordering::Relaxed) != failed.is_some() {
            match failed {
                Some(error) => tracing::warn!(%error, "what is used of caps cannot be kept"),
                None => tracing::info!("what is used of caps is kept again"),
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // A count that a panic interrupted is at worst one too few of one cap.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// The accounts that these entries say, and how many of them say nothing.
    fn restored(entries: &[Entry]) -> (Self, usize) {
        let mut books = Self::default();
        let mut unreadable = 0;
        for entry in entries.iter().filter(|e| e.space == Space::Counters) {
            let restored = read(&entry.key, &entry.value)
                .and_then(|(agent, fact)| books.accounts.entry(agent).or_default().restore(fact));
            unreadable += usize::from(restored.is_none());
        }
        (books, unreadable)
    }

    fn spend(
        &mut self,
        agent: &AgentId,
        caps: &Caps,
        tool: &ToolName,
        price: Usd,
        now: i64,
        changes: &mut Vec<Change>,
    ) -> Result<(), Blocked> {
        self.sweep(now, changes);
        if !self.accounts.contains_key(agent) {
            self.accounts.insert(agent.clone(), Account::default());
        }
        let account = self.accounts.get_mut(agent);
        let account = account.expect("it was put there if it was not there");
        let mut facts = Vec::new();
        account.turn(now, &mut facts);
        let spent = account.spend(caps, tool, price, &mut facts);
        changes.extend(facts.into_iter().map(|fact| write(agent, fact)));
        spent
    }

    /// Drops the accounts of agents that have not been heard of for long, once an hour.
    fn sweep(&mut self, now: i64, changes: &mut Vec<Change>) {
        if (self.swept..self.swept + HOUR).contains(&now) {
            return;
        }
        self.swept = now;
        self.accounts.retain(|agent, account| {
            let mut facts = Vec::new();
            account.turn(now, &mut facts);
            changes.extend(facts.into_iter().map(|fact| write(agent, fact)));
            !account.is_blank()
        });
    }
}

/// Names of facts within an agent's.
const MINUTE: u8 = b'm';
const SPENT: u8 = b's';
const CALLS: u8 = b'c';

/// A fact as the store keeps it: its kind, the agent behind its length, and the rest of its name.
fn write(agent: &AgentId, fact: Fact) -> Change {
    let id = agent.as_str().as_bytes();
    let key = |kind: u8, rest: &[u8]| {
        let mut key = BytesMut::with_capacity(2 + id.len() + rest.len());
        key.put_u8(kind);
        key.put_u8(u8::try_from(id.len()).expect("an agent id has at most 128 bytes"));
        key.put_slice(id);
        key.put_slice(rest);
        key.freeze()
    };
    let dated = |at: i64, number: u64| {
        let mut value = BytesMut::with_capacity(16);
        value.put_i64(at);
        value.put_u64(number);
        value.freeze()
    };
    let (key, value) = match fact {
        Fact::Minute(minute, bytes) => {
            let value = (!bytes.is_empty()).then(|| Bytes::from(bytes));
            (key(MINUTE, &minute.to_be_bytes()), value)
        }
        Fact::Spent(spent) => {
            let value = spent.map(|(at, spent)| dated(at, spent.micros()));
            (key(SPENT, &[]), value)
        }
        Fact::Calls(tool, calls) => {
            let value = calls.map(|(at, calls)| dated(at, calls.into()));
            (key(CALLS, tool.as_str().as_bytes()), value)
        }
    };
    Change {
        space: Space::Counters,
        key,
        value,
    }
}

/// The fact that an entry holds; `None` where it holds none.
fn read(key: &[u8], value: &[u8]) -> Option<(AgentId, Fact)> {
    let (&[kind, length], rest) = key.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(length.into())?;
    let agent = std::str::from_utf8(id).ok()?.parse().ok()?;
    let dated = || {
        let (at, number) = value.split_first_chunk::<8>()?;
        let number = number.try_into().ok()?;
        Some((i64::from_be_bytes(*at), u64::from_be_bytes(number)))
    };
    let fact = match kind {
        MINUTE => Fact::Minute(i64::from_be_bytes(rest.try_into().ok()?), value.to_vec()),
        SPENT => {
            let (at, micros) = dated()?;
            Fact::Spent(Some((at, Usd::from_micros(micros))))
        }
        CALLS => {
            let tool = std::str::from_utf8(rest).ok()?.parse().ok()?;
            let (at, calls) = dated()?;
            Fact::Calls(tool, Some((at, u32::try_from(calls).unwrap_or(u32::MAX))))
        }
        _ => return None,
    };
    Some((agent, fact))
}

#[cfg(test)]
mod tests;
