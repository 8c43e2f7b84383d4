//! From the rows of a log to what a store holds.

use std::collections::HashSet;

use bytes::Bytes;

use super::ledger::{Ledger, Mark};
use super::log::Rows;
use super::row::{self, Damaged};
use super::{Entry, StoreError};

/// The books of a log and its entries, in the order in which they were written.
// spec: STORE-4
pub(super) fn recover(rows: &Rows) -> Result<(Ledger, Vec<Entry>), StoreError> {
    let mut ledger = Ledger::default();
    rows.for_each(|number, row| {
        let marks = row::slots(row).map(|slot| {
            slot.map(|slot| Mark {
                space: slot.space,
                key: slot.key.into(),
                value: slot.value.map(<[u8]>::len),
            })
        });
        let marks = marks.collect::<Result<Vec<_>, Damaged>>()?;
        let mut keys = HashSet::with_capacity(marks.len());
        if !marks
            .iter()
            .all(|mark| keys.insert((mark.space, &mark.key)))
        {
            return Err(Damaged);
        }
        drop(keys);
        ledger.append(number, marks);
        Ok(())
    })?;
    let mut entries = Vec::new();
    rows.for_each(|number, row| {
        for slot in row::slots(row).map_while(Result::ok) {
            let live = ledger.row_of(slot.space, slot.key) == Some(number);
            entries.extend(slot.value.filter(|_| live).map(|value| Entry {
                space: slot.space,
                key: Bytes::copy_from_slice(slot.key),
                value: Bytes::copy_from_slice(value),
            }));
        }
        Ok(())
    })?;
    Ok((ledger, entries))
}
