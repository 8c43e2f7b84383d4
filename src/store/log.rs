//! The log on disk: rows by number, in a folder of segments to which commits are appended.
//!
//! A commit is one record with its checksum, and it counts from the moment at which it is on disk as a
//! whole. Nothing that was written is ever changed. Room is made at the front: what is still worth
//! keeping of the oldest segment is appended again, and a segment without a row that counts is deleted,
//! always the oldest first, so that a removal is never forgotten before what it removes. Only one
//! process has the log, and only its owner can read it. What the rows say is left to `row`, which of
//! them count to `ledger`.

mod record;
mod segment;
mod state;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::ledger::{Rewrite, Tidying};
use super::row::{self, Slot};
use super::{Space, StoreError, lock};
use record::{Builder, Commit};
use segment::{Segment, Unreadable};
use state::State;

/// How much memory is kept for the next commit, in bytes; only large values need more.
const SPARE_BYTES: usize = 64 * 1024;

/// Only the owner reads and writes: tools' answers are in it.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The file that is locked, and that says what the folder is.
const LOCK: &str = "lock";
const LOCK_CONTENT: &[u8] = b"countersign store, version 1\n";

/// An open log.
#[derive(Debug)]
pub(super) struct Rows {
    folder: PathBuf,
    lock: File,
    /// Guards where rows are; held for look-ups, never for the disk. Only one thread commits.
    state: Mutex<State>,
}

/// A row that stays readable for as long as this is held, whatever becomes of the log.
#[derive(Debug)]
pub(super) struct Glance {
    file: Arc<File>,
    at: u64,
    length: usize,
}

impl Rows {
    /// Opens the log in `folder`; `None` when there is none.
    ///
    /// # Errors
    /// When it is another process's, is not one of ours, is damaged, or cannot be read.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, StoreError> {
        let failed = |error| failed("open", folder, error);
        match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => return Err(not_ours(folder)),
            Ok(_) => {}
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        match options().open(folder.join(LOCK)) {
            Ok(file) => Self::read(folder, file).map(Some),
            Err(error) if !is_missing(&error) => Err(failed(error)),
            // A process was killed while it created the folder, or it was made for us.
            Err(_) if fs::read_dir(folder).map_err(failed)?.next().is_none() => Ok(None),
            Err(_) => Err(not_ours(folder)),
        }
    }

    /// Opens the log in `folder`, or creates it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when it cannot be created.
    // spec: STORE-5
    pub(super) fn create(folder: &Path) -> Result<Self, StoreError> {
        if let Some(rows) = Self::open(folder)? {
            return Ok(rows);
        }
        let create = || -> io::Result<File> {
            DirBuilder::new()
                .recursive(false)
                .mode(FOLDER_MODE)
                .create(folder)
                .or_else(|error| match folder.is_dir() {
                    true => Ok(()),
                    false => Err(error),
                })?;
            // A folder whose name is not on disk is lost with the power, whatever was written to it.
            sync_folder(parent(folder))?;
            options().create(true).open(folder.join(LOCK))
        };
        let file = create().map_err(|error| failed("create", folder, error))?;
        Self::read(folder, file)
    }

    fn read(folder: &Path, mut lock: File) -> Result<Self, StoreError> {
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = folder.to_owned();
                return Err(StoreError::Locked { path });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", folder, error)),
        }
        let failed = |error| failed("read", folder, error);
        let numbers = numbers(folder).map_err(failed)?;
        if !claim_folder(&mut lock, numbers.is_empty()).map_err(failed)? {
            return Err(not_ours(folder));
        }
        let state = State::read(folder, &numbers).map_err(|unreadable| match unreadable {
            Unreadable::Io(error) => failed(error),
            Unreadable::Damaged(what) => corrupt(folder, what),
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            lock,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Shows every row to `each`, in the order of their numbers.
    ///
    /// # Errors
    /// When a row cannot be read, by us or by `each`.
    pub(super) fn for_each(
        &self,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), row::Damaged>,
    ) -> Result<(), StoreError> {
        let numbers = self.state().numbers();
        for number in numbers {
            let row = self.row(&self.glance(number)?)?;
            each(number, &row).map_err(|damaged| self.damaged(&damaged))?;
        }
        Ok(())
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> Option<u64> {
        self.state().last_row()
    }

    /// What the segments take that nothing is appended to any more, in bytes.
    pub(super) fn settled_bytes(&self) -> u64 {
        self.state().settled_bytes()
    }

    /// The rows of the oldest segment, unless it is appended to.
    pub(super) fn oldest(&self) -> Vec<u64> {
        self.state().oldest()
    }

    /// Does the tidying and enters `row` under `number`, all or nothing, and returns when that is
    /// durable. No row is entered when it is empty.
    ///
    /// # Errors
    /// When the disk fails. Whether it was done shows after a restart; until then it was not.
    pub(super) fn commit(
        &self,
        number: u64,
        row: &[u8],
        tidying: &Tidying,
    ) -> Result<(), StoreError> {
        let first = self.state().first();
        let mut commit = self.encode(first, number, row, tidying)?;
        let at = self.append(first, &mut commit).map_err(|error| {
            self.state().is_sealed = true;
            failed("write", &self.folder, error)
        })?;
        let spent = {
            let mut state = self.state();
            state.enter(&commit, at, &tidying.remove);
            state.spare = commit.into_bytes();
            state.spare.shrink_to(SPARE_BYTES);
            state.take_spent(first)
        };
        // What cannot be deleted is found, and deleted, by the next start.
        spent.iter().for_each(|path| drop(fs::remove_file(path)));
        Ok(())
    }

    fn encode(
        &self,
        first: u64,
        number: u64,
        row: &[u8],
        tidying: &Tidying,
    ) -> Result<Commit, StoreError> {
        let bytes = std::mem::take(&mut self.state().spare);
        let mut builder = Builder::new(bytes, first, &tidying.remove);
        for Rewrite { row, keep } in &tidying.rewrite {
            let old = self.row(&self.glance(*row)?)?;
            let kept = kept(&old, keep).ok_or_else(|| self.damaged(&row::Damaged))?;
            builder.row(*row, &kept);
        }
        if !row.is_empty() {
            builder.row(number, row);
        }
        Ok(builder.finish())
    }

    /// Appends a commit, in a new segment if the last one cannot take it; where it is then.
    fn append(&self, first: u64, commit: &mut Commit) -> io::Result<u64> {
        let tail = self.state().tail_for(commit.size());
        let tail = match tail {
            Some(tail) => tail,
            None => {
                let (number, previous_end) = self.state().next();
                let segment =
                    Segment::create(&self.folder, number, previous_end, first, commit.size())?;
                let tail = segment.tail();
                self.state().start(segment);
                tail
            }
        };
        tail.append(commit)
    }

    /// A row as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn glance(&self, number: u64) -> Result<Glance, StoreError> {
        let glance = self.state().glance(number);
        glance.ok_or_else(|| self.damaged(&row::Damaged))
    }

    /// The value that a row has for a key.
    ///
    /// # Errors
    /// When the row cannot be read, or has none.
    pub(super) fn value(
        &self,
        glance: &Glance,
        space: Space,
        key: &[u8],
    ) -> Result<Bytes, StoreError> {
        let row = self.row(glance)?;
        let is_it = |slot: &Slot<'_>| slot.space == space && slot.key == key;
        row::slots(&row)
            .filter_map(Result::ok)
            .find(is_it)
            .and_then(|slot| slot.value)
            .map(Bytes::copy_from_slice)
            .ok_or_else(|| self.damaged(&row::Damaged))
    }

    fn row(&self, glance: &Glance) -> Result<Vec<u8>, StoreError> {
        let mut row = vec![0; glance.length];
        let read = glance.file.read_exact_at(&mut row, glance.at);
        read.map_err(|error| failed("read", &self.folder, error))?;
        Ok(row)
    }

    fn damaged(&self, what: &row::Damaged) -> StoreError {
        corrupt(&self.folder, &what.to_string())
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // Closing the file is not enough while a process that is just being started has it, too.
        let _ = self.lock.unlock();
    }
}

/// Makes sure that the folder is a store's: its lock says so, or nothing at all while there is no segment.
/// False when it is somebody else's.
fn claim_folder(lock: &mut File, is_new: bool) -> io::Result<bool> {
    let mut content = Vec::new();
    lock.take(LOCK_CONTENT.len() as u64 + 1)
        .read_to_end(&mut content)?;
    if content == LOCK_CONTENT {
        return Ok(true);
    }
    // Written by a process that was killed while it created the folder.
    let is_unfinished = is_new && LOCK_CONTENT.starts_with(&content);
    if is_unfinished {
        lock.write_all_at(LOCK_CONTENT, 0)?;
        lock.sync_all()?;
    }
    Ok(is_unfinished)
}

/// What stays of a row. `keep` is in the row's order; `None` unless all of it is there.
fn kept(row: &[u8], keep: &[(Space, Arc<[u8]>)]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let mut keep = keep.iter().peekable();
    for slot in row::slots(row).map_while(Result::ok) {
        let is_it = |(space, key): &&(Space, Arc<[u8]>)| *space == slot.space && **key == *slot.key;
        if keep.next_if(is_it).is_some() {
            slot.append_to(&mut kept);
        }
    }
    keep.peek().is_none().then_some(kept)
}

/// The numbers of the segments in a folder, in their order.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(segment::number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    options
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn not_ours(folder: &Path) -> StoreError {
    corrupt(folder, "it is not a folder of this program's")
}

fn corrupt(folder: &Path, what: &str) -> StoreError {
    StoreError::Corrupt {
        path: folder.to_owned(),
        what: what.into(),
    }
}

fn failed(doing: &'static str, folder: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        doing,
        path: folder.to_owned(),
        source: Arc::new(source),
    }
}
