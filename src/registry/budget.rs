//! A tool's retry budget: retries may be a share of calls, not a multiple of them.
//!
//! When an upstream is down, every call would like to be sent three times; the budget keeps that
//! from tripling the load on something that is struggling already.

use std::sync::Mutex;
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
    /// Guards the balance; held for a few arithmetic operations.
    balance: Mutex<Balance>,
}

#[derive(Debug)]
struct Balance {
    credit: u64,
    refilled: Instant,
}

impl RetryBudget {
    /// A budget with one second's worth in it.
    pub fn new() -> Self {
        let balance = Balance {
            credit: 1_000 * PER_MILLISECOND,
            refilled: Instant::now(),
        };
        Self {
            balance: Mutex::new(balance),
        }
    }

    /// Notes a call, which earns a share of a retry.
    pub fn deposit(&self) {
        self.with(|balance| balance.credit = (balance.credit + PER_CALL).min(CAPACITY));
    }

    /// Takes one retry out; false when there is none left.
    pub fn withdraw(&self) -> bool {
        self.with(|balance| {
            let now = Instant::now();
            // Whole milliseconds only; the rest is kept for the next look.
            let elapsed = Duration::from_millis((now - balance.refilled).as_millis() as u64);
            balance.refilled += elapsed;
            let earned = (elapsed.as_millis() as u64).saturating_mul(PER_MILLISECOND);
            balance.credit = balance.credit.saturating_add(earned).min(CAPACITY);
            let granted = balance.credit >= ONE_RETRY;
            if granted {
                balance.credit -= ONE_RETRY;
            }
            granted
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Balance) -> T) -> T {
        // Arithmetic cannot leave the balance half changed, so a poisoned lock is still good.
        let mut balance = self
            .balance
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        change(&mut balance)
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
