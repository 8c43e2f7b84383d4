//! One segment: a file that is written once with room for its records, and then only appended to.
//!
//! It says where the records of the segment before end, so that of all segments but the last every byte is
//! accounted for. The last one ends where its records do: what stands behind the last whole one is the
//! record of a process that was killed or of a host that lost its power, which nobody has been told of. A
//! whole record behind it cannot be, because each is on disk before the next is written; then it is
//! damage.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::record::{self, Commit, Record};
use super::{options, sync_folder};

/// What a segment has room for, in bytes, unless a single record needs more. The room is written when the
/// segment is created, so that a commit changes nothing about the file but its content.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Where records begin: the mark of this layout, five numbers and their checksum.
const HEADER_BYTES: u64 = 64;
const LAYOUT: &[u8; 16] = b"countersign log1";

/// What names end with, behind the number.
const SUFFIX: &str = ".log";
/// The name of one that is being created.
const UNFINISHED: &str = "new";

/// How much is written at once when a segment is created.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// A segment that is part of a log.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) capacity: u64,
    /// Where its records end.
    pub(super) end: u64,
    /// All rows that were ever entered in it.
    pub(super) rows: Vec<u64>,
    /// How many of them are still here.
    pub(super) live: usize,
    pub(super) file: Arc<File>,
    salt: u64,
}

/// Where the next record goes.
pub(super) struct Tail {
    file: Arc<File>,
    salt: u64,
    at: u64,
}

/// Records and their places, in order.
pub(super) type Records = Vec<(u64, Record)>;

/// Why a segment cannot be used.
#[derive(Debug)]
pub(super) enum Unreadable {
    Io(io::Error),
    Damaged(&'static str),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The number that a file's name says, if it is a segment.
pub(super) fn number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (name == self::name(number)).then_some(number)
}

fn name(number: u64) -> String {
    format!("{number:08}{SUFFIX}")
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(name(number))
}

impl Segment {
    /// Creates one behind a segment whose records end at `previous_end`, with room for a record of `size`
    /// bytes. Segment `first` is the first that is needed. It is on disk when it has its name.
    ///
    /// # Errors
    /// When the disk fails or is full; then it is not there.
    pub(super) fn create(
        folder: &Path,
        number: u64,
        previous_end: u64,
        first: u64,
        size: u64,
    ) -> io::Result<Self> {
        let unfinished = folder.join(UNFINISHED);
        let create = || {
            let capacity = SEGMENT_BYTES.max(HEADER_BYTES + size);
            let header = Header {
                // Zero would look like room that nothing was written to.
                salt: fastrand::u64(1..),
                number,
                previous_end,
                first,
                capacity,
            };
            let file = options().create(true).truncate(true).open(&unfinished)?;
            let mut at = 0;
            while at < capacity {
                let length = ZEROS
                    .len()
                    .min(usize::try_from(capacity - at).unwrap_or(ZEROS.len()));
                file.write_all_at(&ZEROS[..length], at)?;
                at += length as u64;
            }
            file.write_all_at(&header.to_bytes(), 0)?;
            file.sync_all()?;
            fs::rename(&unfinished, path(folder, number))?;
            sync_folder(folder)?;
            Ok(Self::new(&header, file, HEADER_BYTES))
        };
        create().inspect_err(|_| {
            // What is left takes room that may be what is lacking.
            let _ = fs::remove_file(&unfinished);
        })
    }

    fn new(header: &Header, file: File, end: u64) -> Self {
        Self {
            number: header.number,
            capacity: header.capacity,
            end,
            rows: Vec::new(),
            live: 0,
            file: Arc::new(file),
            salt: header.salt,
        }
    }

    pub(super) fn has_room_for(&self, size: u64) -> bool {
        self.capacity - self.end >= size
    }

    pub(super) fn tail(&self) -> Tail {
        Tail {
            file: Arc::clone(&self.file),
            salt: self.salt,
            at: self.end,
        }
    }
}

impl Tail {
    /// Writes a commit and returns where it is, once it is durable.
    pub(super) fn append(self, commit: &mut Commit) -> io::Result<u64> {
        let bytes = commit.at(self.salt, self.at);
        self.file.write_all_at(bytes, self.at)?;
        self.file.sync_data()?;
        Ok(self.at)
    }
}

/// What a segment says about itself.
struct Header {
    /// Chosen anew for each segment: no record of another one is taken for one of its own.
    salt: u64,
    number: u64,
    previous_end: u64,
    first: u64,
    capacity: u64,
}

impl Header {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = LAYOUT.to_vec();
        let numbers = [
            self.salt,
            self.number,
            self.previous_end,
            self.first,
            self.capacity,
        ];
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (header, mut sum) = bytes.get(..64)?.split_at(56);
        let mut rest = header.strip_prefix(LAYOUT)?;
        let mut next = || record::number(&mut rest);
        let header_is_whole = record::number(&mut sum)? == xxh3_64(header);
        let header = Self {
            salt: next()?,
            number: next()?,
            previous_end: next()?,
            first: next()?,
            capacity: next()?,
        };
        header_is_whole.then_some(header)
    }
}

/// A segment as it is read at the start.
pub(super) struct Opened {
    header: Header,
    file: File,
    bytes: Vec<u8>,
}

impl Opened {
    pub(super) fn read(folder: &Path, number: u64) -> Result<Self, Unreadable> {
        let mut file = options().open(path(folder, number))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let header = Header::read(&bytes).filter(|header| header.number == number);
        let header = header.ok_or(Unreadable::Damaged("a segment has no header"))?;
        if bytes.len() as u64 != header.capacity {
            return Err(Unreadable::Damaged("a segment lacks its end"));
        }
        Ok(Self {
            header,
            file,
            bytes,
        })
    }

    /// Where the records of the segment before end.
    pub(super) fn previous_end(&self) -> u64 {
        self.header.previous_end
    }

    /// Its records and their places, up to `end`, where they must end.
    pub(super) fn all(self, end: u64) -> Result<(Segment, Records), Unreadable> {
        let (records, whole) = self.records(end);
        if whole != end {
            return Err(Unreadable::Damaged("a record is not what was written"));
        }
        Ok((Segment::new(&self.header, self.file, end), records))
    }

    /// The records of the last segment and their places, and the first segment that is needed.
    pub(super) fn last(self) -> Result<(Segment, Records, u64), Unreadable> {
        let (records, end) = self.records(self.header.capacity);
        let mark = self.header.salt.to_le_bytes();
        let behind = usize::try_from(end)
            .ok()
            .and_then(|end| self.written().get(end + 1..));
        let is_mark = |bytes: &[u8]| bytes == mark;
        if behind.is_some_and(|behind| behind.windows(mark.len()).any(is_mark)) {
            return Err(Unreadable::Damaged("a record is not what was written"));
        }
        // The process that wrote it may not have come to that.
        self.file.sync_data()?;
        let first = records.last().map(|(_, record)| record.first);
        let first = first.unwrap_or(self.header.first);
        Ok((Segment::new(&self.header, self.file, end), records, first))
    }

    /// Its bytes without most of the room that was never written to.
    fn written(&self) -> &[u8] {
        let mut written = &self.bytes[..];
        while let Some((rest, last)) = written.split_last_chunk()
            && *last == ZEROS
        {
            written = rest;
        }
        written
    }

    /// Whole records, one behind the other, none of which goes beyond `most`, and where they end.
    fn records(&self, most: u64) -> (Records, u64) {
        let mut records = Vec::new();
        let mut at = HEADER_BYTES;
        while let Some(bytes) = self.rest(at, most)
            && let Some(record) = Record::read(bytes, self.header.salt, at)
        {
            let size = record.size as u64;
            records.push((at, record));
            at += size;
        }
        (records, at)
    }

    fn rest(&self, at: u64, most: u64) -> Option<&[u8]> {
        let place = |at: u64| usize::try_from(at).ok();
        self.bytes.get(place(at)?..place(most)?)
    }
}
