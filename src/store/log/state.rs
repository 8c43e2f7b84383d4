//! Where the rows of a log are, and which of its segments are still needed.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Glance;
use super::record::{Commit, Entered};
use super::segment::{self, Opened, Segment, Tail, Unreadable};

/// What is known of a log in memory.
#[derive(Debug)]
pub(super) struct State {
    folder: PathBuf,
    /// Those that are needed, the oldest first; their numbers have no gaps.
    segments: VecDeque<Segment>,
    /// No longer needed, which is not durable yet.
    spent: Vec<u64>,
    places: BTreeMap<u64, Place>,
    /// Memory for the next commit.
    pub(super) spare: Vec<u8>,
    /// Nothing more is appended to the last segment: an earlier process wrote it, or an append failed and
    /// left nobody knows what behind its end.
    pub(super) is_sealed: bool,
}

/// Where a row is.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    at: u64,
    length: usize,
}

impl State {
    /// Reads the segments with these numbers, which are in order.
    // spec: STORE-4
    pub(super) fn read(folder: &Path, numbers: &[u64]) -> Result<Self, Unreadable> {
        let mut state = Self {
            folder: folder.to_owned(),
            segments: VecDeque::new(),
            spent: Vec::new(),
            places: BTreeMap::new(),
            spare: Vec::new(),
            is_sealed: true,
        };
        let Some(&last) = numbers.last() else {
            return Ok(state);
        };
        let newest = Opened::read(folder, last)?;
        let mut end = newest.previous_end();
        let (newest, records, first) = newest.last()?;
        let needed = numbers.iter().copied().filter(|number| *number >= first);
        if !needed.eq(first..=last) {
            return Err(Unreadable::Damaged("a segment is missing"));
        }
        let mut read = vec![(newest, records)];
        for number in (first..last).rev() {
            let opened = Opened::read(folder, number)?;
            let before = opened.previous_end();
            read.push(opened.all(end)?);
            end = before;
        }
        for (segment, records) in read.into_iter().rev() {
            state.segments.push_back(segment);
            for (at, record) in records {
                state.apply(at, &record.rows, &record.removed);
            }
        }
        for number in numbers.iter().filter(|number| **number < first) {
            // It may stay: nothing in it counts.
            let _ = fs::remove_file(segment::path(folder, *number));
        }
        Ok(state)
    }

    /// The first segment that is needed.
    pub(super) fn first(&self) -> u64 {
        let first = self.segments.front().map(|segment| segment.number);
        first.unwrap_or_else(|| self.next().0)
    }

    /// The number of the next segment, and where the records of the last one end.
    pub(super) fn next(&self) -> (u64, u64) {
        let last = self.segments.back();
        last.map_or((1, 0), |last| (last.number + 1, last.end))
    }

    /// Where a record of `size` bytes goes; `None` when a new segment is needed.
    pub(super) fn tail_for(&self, size: u64) -> Option<Tail> {
        let last = self.segments.back().filter(|_| !self.is_sealed)?;
        last.has_room_for(size).then(|| last.tail())
    }

    /// Goes on with a new segment.
    pub(super) fn start(&mut self, segment: Segment) {
        self.segments.push_back(segment);
        self.is_sealed = false;
    }

    /// Enters a commit that is durable, at this place of the last segment.
    pub(super) fn enter(&mut self, commit: &Commit, at: u64, removed: &[u64]) {
        self.apply(at, &commit.rows, removed);
        if let Some(last) = self.segments.back_mut() {
            last.end = at + commit.size();
        }
        while self.segments.len() > 1 && self.segments[0].live == 0 {
            self.spent.push(self.segments[0].number);
            self.segments.pop_front();
        }
    }

    fn apply(&mut self, at: u64, rows: &[Entered], removed: &[u64]) {
        for number in removed {
            self.leave(*number);
        }
        for row in rows {
            self.leave(row.number);
            let last = self.segments.back_mut();
            let last = last.expect("what is entered is in a segment");
            last.rows.push(row.number);
            last.live += 1;
            let place = Place {
                segment: last.number,
                at: at + row.at,
                length: row.length,
            };
            self.places.insert(row.number, place);
        }
    }

    /// The row is no longer where it was.
    fn leave(&mut self, number: u64) {
        let before = self.places.remove(&number);
        if let Some(segment) = before.and_then(|before| self.index(before.segment)) {
            self.segments[segment].live -= 1;
        }
    }

    fn index(&self, segment: u64) -> Option<usize> {
        let first = self.segments.front()?.number;
        usize::try_from(segment.checked_sub(first)?).ok()
    }

    /// The files that are not needed, by a commit that said so and is durable.
    pub(super) fn take_spent(&mut self, first: u64) -> Vec<PathBuf> {
        let spent = self.spent.extract_if(.., |number| *number < first);
        spent
            .map(|number| segment::path(&self.folder, number))
            .collect()
    }

    pub(super) fn glance(&self, number: u64) -> Option<Glance> {
        let place = self.places.get(&number)?;
        let segment = &self.segments[self.index(place.segment)?];
        Some(Glance {
            file: Arc::clone(&segment.file),
            at: place.at,
            length: place.length,
        })
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.places.keys().copied().collect()
    }

    pub(super) fn last_row(&self) -> Option<u64> {
        self.places.last_key_value().map(|(number, _)| *number)
    }

    /// What the segments take that nothing is appended to, in bytes.
    pub(super) fn settled_bytes(&self) -> u64 {
        let settled = self.segments.iter().take(self.settled());
        settled.map(|segment| segment.capacity).sum()
    }

    /// The rows of the oldest segment, unless it is appended to.
    pub(super) fn oldest(&self) -> Vec<u64> {
        let oldest = self.segments.front().filter(|_| self.settled() > 0);
        let Some(oldest) = oldest else {
            return Vec::new();
        };
        let is_here = |row: &u64| {
            let place = self.places.get(row);
            place.is_some_and(|place| place.segment == oldest.number)
        };
        oldest.rows.iter().copied().filter(is_here).collect()
    }

    fn settled(&self) -> usize {
        self.segments.len() - usize::from(!self.is_sealed && !self.segments.is_empty())
    }
}
