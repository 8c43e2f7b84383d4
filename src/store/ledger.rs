//! Which row of the log holds which key, and how much of the log is still worth keeping.
//!
//! The latest change of a key is *live*; older values of it are dead copies. A deletion stays live for
//! as long as a copy of its key is somewhere in the log, because without it that copy would come back
//! with the next start. A row without a live change is dead and can be removed; of the oldest part of the
//! log the others can be rewritten with what is live in them, under their own numbers, which keeps the
//! order. The ledger only keeps the books: the rows themselves are the log's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::log::Rows;
use super::row;
use super::spaces::Spaces;
use super::{Space, weight};

/// How much may be dead beside as much again as is live, in bytes: below this, tidying up costs more
/// than it gains.
const SLACK_BYTES: u64 = 4 * 1024 * 1024;

/// How many dead rows are removed together.
const DEAD_TOGETHER: usize = 32;

/// What a row takes beside its changes, in bytes, and a little more: what is worth keeping must not be
/// rewritten for ever because of it.
const ROW_BYTES: u64 = 48;

/// How much is rewritten with one batch, in bytes, so that no batch waits long for it.
const REWRITE_BYTES: u64 = 512 * 1024;

/// A change as the ledger sees it.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) space: Space,
    pub(super) key: Arc<[u8]>,
    /// The length of the value; `None` for a deletion.
    pub(super) value: Option<usize>,
}

impl Mark {
    /// What it takes in its row, in bytes.
    fn size(&self) -> u64 {
        row::size(self.key.len(), self.value) as u64
    }
}

/// A key of which the log has at least one copy.
#[derive(Debug)]
struct Record {
    /// The row of its latest change.
    row: u64,
    /// The length of its value; `None` when it was deleted.
    value: Option<usize>,
    /// Values of it in the log, the live one included.
    copies: u32,
}

/// A row of the log. A key is in it at most once.
#[derive(Debug, Default)]
struct Row {
    marks: Vec<Mark>,
    stored: u64,
    live: u64,
    live_marks: usize,
}

/// What to do to old rows, together with the next batch.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    pub(super) remove: Vec<u64>,
    pub(super) rewrite: Vec<Rewrite>,
}

impl Tidying {
    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.rewrite.is_empty()
    }
}

/// A row that keeps only some of its changes.
#[derive(Debug)]
pub(super) struct Rewrite {
    pub(super) row: u64,
    /// What stays, in its order.
    pub(super) keep: Vec<(Space, Arc<[u8]>)>,
}

/// The books of a file.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    records: Spaces<Record>,
    rows: BTreeMap<u64, Row>,
    entries: u64,
    /// What the entries weigh.
    bytes: u64,
    /// What the live changes take.
    live: u64,
    dead: Vec<u64>,
}

impl Ledger {
    /// The row of a key's value.
    pub(super) fn row_of(&self, space: Space, key: &[u8]) -> Option<u64> {
        let record = self.records.get(space, key)?;
        record.value.map(|_| record.row)
    }

    /// What a key's entry weighs; 0 without one.
    pub(super) fn weight_of(&self, space: Space, key: &[u8]) -> u64 {
        let value = self.records.get(space, key).and_then(|known| known.value);
        value.map_or(0, |value| weight(key.len(), value))
    }

    /// Whether the log has a copy of a key that a deletion would have to outlive.
    pub(super) fn has_copies(&self, space: Space, key: &[u8]) -> bool {
        self.records.get(space, key).is_some()
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn last_row(&self) -> Option<u64> {
        self.rows.last_key_value().map(|(number, _)| *number)
    }

    /// Enters a new row, whose number is above all others.
    pub(super) fn append(&mut self, number: u64, marks: Vec<Mark>) {
        let stored = marks.iter().map(Mark::size).sum();
        let mut row = Row {
            stored,
            ..Row::default()
        };
        for mark in &marks {
            if self.supersede(number, mark) {
                row.live += mark.size();
                row.live_marks += 1;
            }
        }
        row.marks = marks;
        self.live += row.live;
        if row.live_marks == 0 {
            self.dead.push(number);
        }
        self.rows.insert(number, row);
    }

    /// Makes `mark` the latest change of its key. False when it says nothing: a deletion of what the
    /// file has no copy of.
    fn supersede(&mut self, number: u64, mark: &Mark) -> bool {
        if let Some(value) = mark.value {
            self.entries += 1;
            self.bytes += weight(mark.key.len(), value);
        }
        let Some(record) = self.records.get_mut(mark.space, &mark.key) else {
            let is_value = mark.value.is_some();
            if is_value {
                let record = Record {
                    row: number,
                    value: mark.value,
                    copies: 1,
                };
                let key = Arc::clone(&mark.key);
                self.records.insert(mark.space, key, record);
            }
            return is_value;
        };
        if mark.value.is_some() {
            record.copies += 1;
        }
        let before = std::mem::replace(&mut record.row, number);
        let value = std::mem::replace(&mut record.value, mark.value);
        if let Some(value) = value {
            self.entries -= 1;
            self.bytes -= weight(mark.key.len(), value);
        }
        self.lose(before, row::size(mark.key.len(), value) as u64);
        true
    }

    /// A change of this size in row `number` is live no more.
    fn lose(&mut self, number: u64, size: u64) {
        let row = self.rows.get_mut(&number);
        let row = row.expect("a row with a live change is not removed");
        row.live -= size;
        row.live_marks -= 1;
        self.live -= size;
        if row.live_marks == 0 {
            self.dead.push(number);
        }
    }

    /// What is worth doing now. It stays to be done until [`tidied`](Self::tidied) says otherwise.
    // spec: STORE-3
    pub(super) fn tidying(&self, log: &Rows) -> Tidying {
        let worth = self.live + self.rows.len() as u64 * ROW_BYTES;
        let crowded = log.settled_bytes() > 2 * worth + SLACK_BYTES;
        let mut tidying = Tidying::default();
        if crowded || self.dead.len() >= DEAD_TOGETHER {
            tidying.remove.clone_from(&self.dead);
        }
        if crowded {
            self.choose_rewrites(&log.oldest(), &mut tidying);
        }
        tidying
    }

    /// The oldest rows, so that what they are in can be deleted.
    fn choose_rewrites(&self, oldest: &[u64], tidying: &mut Tidying) {
        let mut size = 0;
        let rows = oldest
            .iter()
            .filter_map(|number| Some((*number, self.rows.get(number)?)));
        for (number, row) in rows.filter(|(_, row)| row.live_marks > 0) {
            if size > REWRITE_BYTES {
                break;
            }
            size += row.stored;
            let live = row.marks.iter().filter(|mark| self.is_live(number, mark));
            let keep = live.map(|mark| (mark.space, Arc::clone(&mark.key)));
            let keep = keep.collect();
            tidying.rewrite.push(Rewrite { row: number, keep });
        }
    }

    /// The log no longer has what `tidying` named. Nothing has been entered since it was chosen.
    pub(super) fn tidied(&mut self, tidying: &Tidying) {
        self.dead.drain(..tidying.remove.len());
        for number in &tidying.remove {
            if let Some(row) = self.rows.remove(number) {
                self.forget(&row.marks);
            }
        }
        for Rewrite { row: number, .. } in &tidying.rewrite {
            self.shrink(*number);
        }
    }

    /// Row `number` has only its live changes now.
    fn shrink(&mut self, number: u64) {
        let Some(row) = self.rows.get_mut(&number) else {
            return;
        };
        let marks = std::mem::take(&mut row.marks);
        let (live, gone) = marks
            .into_iter()
            .partition::<Vec<_>, _>(|mark| self.is_live(number, mark));
        if let Some(row) = self.rows.get_mut(&number) {
            row.stored = row.live;
            row.marks = live;
        }
        self.forget(&gone);
    }

    /// These dead changes are in the log no more. With the last copy of a key its deletion has
    /// nothing left to hide.
    fn forget(&mut self, gone: &[Mark]) {
        for mark in gone.iter().filter(|mark| mark.value.is_some()) {
            let record = self.records.get_mut(mark.space, &mark.key);
            let record = record.expect("a key with a copy has a record");
            record.copies -= 1;
            if record.copies == 0 {
                let deletion = record.row;
                self.records.remove(mark.space, &mark.key);
                self.lose(deletion, row::size(mark.key.len(), None) as u64);
            }
        }
    }

    fn is_live(&self, number: u64, mark: &Mark) -> bool {
        let record = self.records.get(mark.space, &mark.key);
        record.is_some_and(|record| record.row == number)
    }
}
