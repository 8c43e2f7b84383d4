//! Forgetting claims whose time has come, a few with every claim that is made.
//!
//! There is no timer and no task: memory is bounded by the number of claims, and what has expired
//! counts as absent whether it has been swept or not. What the store fails to forget is swept once
//! more, so that nothing stays in it for good. How the store is told is left to the caller.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::clock::Timestamp;
use crate::once::key::ClaimKey;
use crate::once::table::Table;
use crate::store::{StoreError, Written};

/// Claims that are forgotten with each one that is made. More than one, so that a burst of claims
/// is forgotten faster than the next one can follow, and few enough to take some microseconds.
const AT_ONCE: usize = 32;

/// Keys that the store was told to forget and has not answered for, the oldest first.
#[derive(Debug)]
pub(super) struct Sweep<W = Written>(VecDeque<(Vec<ClaimKey>, W)>);

impl<W> Default for Sweep<W> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<W: Future<Output = Result<(), StoreError>> + Unpin> Sweep<W> {
    /// Forgets the next claims, in memory at once and in the store soon: `forget` tells it.
    // spec: ONCE-3
    pub(super) fn go_on(
        &mut self,
        table: &mut Table,
        now: Timestamp,
        forget: impl FnOnce(&[ClaimKey]) -> W,
    ) {
        self.review(table);
        let keys = table.take_due(now, AT_ONCE);
        if !keys.is_empty() {
            let written = forget(&keys);
            self.0.push_back((keys, written));
        }
    }

    /// Looks at what has been answered, without waiting for it.
    fn review(&mut self, table: &mut Table) {
        let mut context = Context::from_waker(Waker::noop());
        while let Some((keys, written)) = self.0.front_mut() {
            let Poll::Ready(result) = Pin::new(written).poll(&mut context) else {
                return;
            };
            if result.is_err() {
                keys.drain(..).for_each(|key| table.forget_again(key));
            }
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::time::Duration;

    use super::*;
    use crate::once::table::{Rest, Step};
    use crate::once::{InDoubt, Terms};

    const START: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);
    const LATER: Timestamp = Timestamp::from_unix_millis(1_705_322_460_000);

    /// A table in which keys 0, 1, 2 and so on have ended at the start.
    fn table(keys: u8) -> Table {
        let mut table = Table::new(usize::MAX);
        for key in 0..keys {
            run(&mut table, key, START);
            table.rest(ClaimKey::from_bytes([key; 32]), Rest::Failed, START);
        }
        table
    }

    fn run(table: &mut Table, key: u8, now: Timestamp) {
        let terms = Terms {
            ttl: Duration::from_secs(60),
            in_doubt: InDoubt::Retry,
            fingerprint: None,
        };
        let step = table.claim(ClaimKey::from_bytes([key; 32]), &terms, now);
        assert!(matches!(step, Step::Run(_)), "{step:?}");
    }

    /// Goes on once and returns the keys that the store was told to forget.
    fn swept(
        sweep: &mut Sweep<Ready<Result<(), StoreError>>>,
        table: &mut Table,
        result: Result<(), StoreError>,
    ) -> Vec<u8> {
        let mut told = Vec::new();
        sweep.go_on(table, LATER, |keys| {
            told.extend(keys.iter().map(|key| key.as_bytes()[0]));
            ready(result)
        });
        told
    }

    // spec: ONCE-3
    #[test]
    fn a_store_that_fails_is_told_again() {
        let (mut sweep, mut table) = (Sweep::default(), table(3));
        assert_eq!(
            swept(&mut sweep, &mut table, Err(StoreError::Closed)),
            [0, 1, 2]
        );
        // What has been claimed since is not to be forgotten.
        run(&mut table, 1, LATER);
        assert_eq!(
            swept(&mut sweep, &mut table, Err(StoreError::Closed)),
            [0, 2]
        );
        assert_eq!(swept(&mut sweep, &mut table, Ok(())), [0, 2]);
        assert!(swept(&mut sweep, &mut table, Ok(())).is_empty());
        assert_eq!(table.sizes(), (1, 0));
    }

    // spec: ONCE-3
    #[test]
    fn a_few_are_forgotten_at_a_time() {
        let (mut sweep, mut table) = (Sweep::default(), table(70));
        let rounds = [0, 32, 64, 70].windows(2).map(|ends| ends[0]..ends[1]);
        for keys in rounds {
            let expected: Vec<u8> = keys.collect();
            assert_eq!(swept(&mut sweep, &mut table, Ok(())), expected);
        }
        assert!(swept(&mut sweep, &mut table, Ok(())).is_empty());
    }

    // spec: ONCE-3
    #[test]
    fn nobody_waits_for_an_answer() {
        let (mut sweep, mut table) = (Sweep::default(), table(40));
        for expected in [32, 8] {
            sweep.go_on(&mut table, LATER, |keys| {
                assert_eq!(keys.len(), expected);
                std::future::pending()
            });
        }
        assert_eq!((sweep.0.len(), table.sizes()), (2, (0, 0)));
    }
}
