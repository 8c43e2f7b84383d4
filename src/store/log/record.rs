//! What one commit writes: what it removes, the rows that it enters, and where the log begins.
//!
//! A record is a head, with a mark, the length and the checksum of what follows, and then the number of
//! the first segment that is needed (eight bytes), how many rows are removed and their numbers (eight
//! bytes each), and to its end the rows that are entered, each with its number and its length (eight bytes
//! each) before it. All numbers are little-endian.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Mark, length and checksum.
pub(super) const HEAD_BYTES: usize = 24;

/// A row within a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entered {
    pub(super) number: u64,
    /// Where it is, from the start of the record.
    pub(super) at: u64,
    pub(super) length: usize,
}

/// A record that is written, or was.
#[derive(Debug)]
pub(super) struct Commit {
    bytes: Vec<u8>,
    pub(super) rows: Vec<Entered>,
}

impl Commit {
    /// What it takes, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The memory that it was written to.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Its bytes for one place, which no other place takes for its own.
    pub(super) fn at(&mut self, salt: u64, at: u64) -> &[u8] {
        let content = &self.bytes[HEAD_BYTES..];
        let head = [salt, content.len() as u64, checksum(content, salt, at)];
        for (place, number) in self.bytes.chunks_exact_mut(8).zip(head) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        &self.bytes
    }
}

/// Writes a record.
pub(super) struct Builder(Commit);

impl Builder {
    /// One that says that segment `first` is the first that is needed, and that these rows are not.
    /// `bytes` is memory to write it to.
    pub(super) fn new(mut bytes: Vec<u8>, first: u64, removed: &[u64]) -> Self {
        bytes.clear();
        bytes.resize(HEAD_BYTES, 0);
        let numbers = [first, removed.len() as u64];
        for number in numbers.iter().chain(removed) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let rows = Vec::new();
        Self(Commit { bytes, rows })
    }

    pub(super) fn row(&mut self, number: u64, row: &[u8]) {
        let Commit { bytes, rows } = &mut self.0;
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&(row.len() as u64).to_le_bytes());
        rows.push(Entered {
            number,
            at: bytes.len() as u64,
            length: row.len(),
        });
        bytes.extend_from_slice(row);
    }

    pub(super) fn finish(self) -> Commit {
        self.0
    }
}

/// A record as it is read.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// The first segment that is needed.
    pub(super) first: u64,
    pub(super) removed: Vec<u64>,
    pub(super) rows: Vec<Entered>,
    /// What it takes, in bytes.
    pub(super) size: usize,
}

impl Record {
    /// The record that `bytes` begin with; `None` when there is none, or not all of it.
    pub(super) fn read(bytes: &[u8], salt: u64, at: u64) -> Option<Self> {
        let mut rest = bytes;
        let (mark, length, sum) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
        if mark != salt {
            return None;
        }
        let mut rest = rest.get(..usize::try_from(length).ok()?)?;
        let size = HEAD_BYTES + rest.len();
        if checksum(rest, salt, at) != sum {
            return None;
        }
        let first = number(&mut rest)?;
        let count = number(&mut rest)?;
        let removed: Option<Vec<_>> = (0..count).map(|_| number(&mut rest)).collect();
        let mut rows = Vec::new();
        while !rest.is_empty() {
            let (number, length) = (number(&mut rest)?, number(&mut rest)?);
            let at = (size - rest.len()) as u64;
            let length = rest.split_off(..usize::try_from(length).ok()?)?.len();
            rows.push(Entered { number, at, length });
        }
        Some(Self {
            first,
            removed: removed?,
            rows,
            size,
        })
    }
}

/// Of a record's content at its place: what was written elsewhere, or to another segment, is not taken
/// for a record.
fn checksum(content: &[u8], salt: u64, at: u64) -> u64 {
    xxh3_64_with_seed(content, salt.wrapping_add(at))
}

/// Takes a number off the front.
pub(super) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> Commit {
        let mut builder = Builder::new(Vec::new(), 7, &[1, 2]);
        builder.row(3, b"row");
        builder.row(300, b"");
        builder.finish()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut commit = commit();
        let rows = commit.rows.clone();
        let bytes = commit.at(42, 64);
        let record = Record::read(bytes, 42, 64).unwrap();
        let expected = Record {
            first: 7,
            removed: vec![1, 2],
            rows,
            size: bytes.len(),
        };
        assert_eq!(record, expected);
        let Entered { at, length, .. } = record.rows[0];
        assert_eq!(&bytes[at as usize..][..length], b"row");
    }

    /// Logs of older versions have these bytes; the checksum is XXH3 with 64 bits and the seed 42 + 64.
    #[test]
    fn a_record_is_laid_out_as_documented() {
        let mut commit = commit();
        let bytes = commit.at(42, 64);
        let expected = [42, 67, 12_232_467_982_749_613_938, 7, 2, 1, 2, 3, 3];
        let (numbers, rest) = bytes.split_at(8 * expected.len());
        let numbers: Vec<_> = numbers
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        assert_eq!(numbers, expected);
        assert_eq!(rest, b"row\x2c\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn no_byte_of_it_can_be_missing_or_another() {
        let mut commit = commit();
        let bytes = commit.at(42, 64).to_vec();
        for end in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..end], 42, 64), None, "{end}");
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << bit;
                assert_eq!(Record::read(&flipped, 42, 64), None, "{place}.{bit}");
            }
        }
        assert_eq!(Record::read(&bytes, 43, 64), None);
        assert_eq!(Record::read(&bytes, 42, 65), None);
    }
}
