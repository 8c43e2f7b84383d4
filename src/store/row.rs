//! A row of the log: the changes of one batch, one behind the other.
//!
//! A change is its space (one byte), the lengths of key and value (four bytes each, little-endian; a
//! length of all ones says that there is no value), the key and the value. The head of the
//! segment says which layout it is, so a row has none of its own.

use std::fmt;

use super::Space;

/// What stands before the key.
const HEAD_BYTES: usize = 9;

/// In place of the value's length: the key has no value any more.
const DELETED: u32 = u32::MAX;

/// The most that a key or a value may have, in bytes: its length is written in four of them. No answer is
/// as large as this.
pub(super) const MOST_BYTES: usize = 1 << 30;

/// A change as it stands in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot<'r> {
    pub(super) space: Space,
    pub(super) key: &'r [u8],
    pub(super) value: Option<&'r [u8]>,
}

impl Slot<'_> {
    /// Writes it behind what is in `row`.
    pub(super) fn append_to(&self, row: &mut Vec<u8>) {
        let length = |bytes: &[u8]| {
            u32::try_from(bytes.len()).expect("no key and no value exceeds `MOST_BYTES`")
        };
        row.push(self.space as u8);
        row.extend_from_slice(&length(self.key).to_le_bytes());
        row.extend_from_slice(&self.value.map_or(DELETED, length).to_le_bytes());
        row.extend_from_slice(self.key);
        row.extend_from_slice(self.value.unwrap_or_default());
    }
}

/// What a change takes in a row, in bytes, by the lengths of its key and its value.
pub(super) fn size(key: usize, value: Option<usize>) -> usize {
    HEAD_BYTES + key + value.unwrap_or(0)
}

/// A row that is not what was written.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row cannot be read")
    }
}

/// The changes of a row, in the order in which they were queued. After damage there is nothing more.
pub(super) fn slots(mut row: &[u8]) -> impl Iterator<Item = Result<Slot<'_>, Damaged>> {
    std::iter::from_fn(move || {
        if row.is_empty() {
            return None;
        }
        let slot = first(&mut row).ok_or(Damaged);
        if slot.is_err() {
            row = &[];
        }
        Some(slot)
    })
}

/// Takes the first change off a row.
fn first<'r>(row: &mut &'r [u8]) -> Option<Slot<'r>> {
    let space = Space::numbered(*row.split_off_first()?)?;
    let key_length = length(row)?;
    let value_length = length(row)?;
    let key = row.split_off(..usize::try_from(key_length).ok()?)?;
    let value = match value_length {
        DELETED => None,
        length => Some(row.split_off(..usize::try_from(length).ok()?)?),
    };
    Some(Slot { space, key, value })
}

fn length(row: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = row.split_first_chunk()?;
    *row = rest;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot<'r>(space: Space, key: &'r str, value: Option<&'r str>) -> Slot<'r> {
        Slot {
            space,
            key: key.as_bytes(),
            value: value.map(str::as_bytes),
        }
    }

    #[test]
    fn a_row_is_laid_out_as_documented() {
        let mut row = Vec::new();
        slot(Space::Claims, "key", Some("v")).append_to(&mut row);
        slot(Space::Account, "", None).append_to(&mut row);
        assert_eq!(
            row,
            b"\x01\x03\0\0\0\x01\0\0\0keyv\x07\0\0\0\0\xff\xff\xff\xff"
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let written = [
            slot(Space::Audit, "a", Some("")),
            slot(Space::Audit, "a", None),
            slot(Space::Events, "long key", Some("and its value")),
        ];
        let mut row = Vec::new();
        for slot in &written {
            let before = row.len();
            slot.append_to(&mut row);
            let size = size(slot.key.len(), slot.value.map(<[u8]>::len));
            assert_eq!(row.len() - before, size);
        }
        let read: Result<Vec<_>, _> = slots(&row).collect();
        assert_eq!(read.as_deref(), Ok(&written[..]));
    }

    #[test]
    fn a_row_that_ends_early_is_damaged() {
        let mut row = Vec::new();
        slot(Space::Leases, "key", Some("value")).append_to(&mut row);
        for end in 1..row.len() {
            let read: Vec<_> = slots(&row[..end]).collect();
            assert_eq!(read, [Err(Damaged)], "{end} bytes");
        }
    }

    #[test]
    fn an_unknown_space_is_damage() {
        for number in [0, 8, 255] {
            let row = [number, 0, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(slots(&row).collect::<Vec<_>>(), [Err(Damaged)]);
        }
    }
}
