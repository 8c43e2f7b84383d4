//! A tool's retry budget: retries may be a share of calls, not a multiple of them.
//!
//! When an upstream is down, every call would like to be sent three times; the budget keeps that
//! from tripling the load on something that is struggling already.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

// In thousandths of a retry, so that shares add up exactly.
/// Earned by each call: a fifth of a retry.
const PER_CALL: u64 = 200;
/// Earned by each millisecond: ten retries a second, so that a tool that is rarely called can be
/// retried at all.
const PER_MILLISECOND: u64 = 10;
/// The most that can be saved up; it decides what "recent" means, since older credit is lost.
const CAPACITY: u64 = 100_000;
const ONE_RETRY: u64 = 1_000;

/// Counts retries against calls. Shared by all workers and kept across reloads.
// spec: RETRY-3
#[derive(Debug)]
pub struct RetryBudget {
    /// Every call of every worker adds to it, so it has no lock.
    credit: AtomicU64,
    /// Up to when time has been credited. Held for a few arithmetic operations, by retries alone.
    refilled: Mutex<Instant>,
}

impl RetryBudget {
    /// A budget with one second's worth in it.
    pub fn new() -> Self {
        Self {
            credit: AtomicU64::new(1_000 * PER_MILLISECOND),
            refilled: Mutex::new(Instant::now()),
        }
    }

    /// Notes a call, which earns a share of a retry.
    pub fn deposit(&self) {
        self.earn(PER_CALL);
    }

    /// Takes one retry out; false when there is none left.
    pub fn withdraw(&self) -> bool {
        self.earn(self.elapsed_millis().saturating_mul(PER_MILLISECOND));
        self.change(|credit| credit.checked_sub(ONE_RETRY))
    }

    fn earn(&self, earned: u64) {
        // A full budget, which is what a tool without retries has, is not written to.
        self.change(|credit| {
            (credit < CAPACITY).then(|| credit.saturating_add(earned).min(CAPACITY))
        });
    }

    /// False where `change` says that nothing changes.
    fn change(&self, change: impl FnMut(u64) -> Option<u64>) -> bool {
        self.credit
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }

    /// Whole milliseconds since the last look; the rest is kept for the next one.
    fn elapsed_millis(&self) -> u64 {
        // One assignment cannot be left half done, so a poisoned lock still holds a time.
        let mut refilled = self
            .refilled
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let elapsed = Instant::now()
            .saturating_duration_since(*refilled)
            .as_millis() as u64;
        *refilled += Duration::from_millis(elapsed);
        elapsed
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(budget: &RetryBudget) -> usize {
        std::iter::from_fn(|| budget.withdraw().then_some(())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_share_of_calls_plus_a_trickle() {
        let budget = RetryBudget::new();
        assert_eq!(drain(&budget), 10);
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(drain(&budget), 20);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(drain(&budget), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn savings_are_bounded() {
        let budget = RetryBudget::new();
        (0..10_000).for_each(|_| budget.deposit());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(drain(&budget), 100);
    }
}
