//! `rate_limit`: a token bucket for the calls of a tool, over all workers.
//!
//! The bucket is kept as one number, the time at which it will be full again. A call moves that
//! time on by the interval between tokens; where it would then lie further ahead than the whole
//! bucket takes to fill, the bucket is empty. Nothing has to refill it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The numbers of a `rate_limit`, within their ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tokens a second.
    pub per_second: f64,
    /// Tokens in a full bucket.
    pub burst: u32,
}

/// A tool's bucket; full at first.
#[derive(Debug)]
pub struct RateLimiter {
    rate: Rate,
    /// Nanoseconds between two tokens.
    interval: u64,
    started: Instant,
    /// Nanoseconds after `started` at which the bucket is full.
    full_at: AtomicU64,
}

impl RateLimiter {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            // At the allowed rates this is between a microsecond and 1,000 seconds.
            interval: (1e9 / rate.per_second).round() as u64,
            started: Instant::now(),
            full_at: AtomicU64::new(0),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When there is none: how long until there is.
    // spec: LIMIT-2
    pub fn take(&self) -> Result<(), Duration> {
        let now = self.now();
        let full = self.interval * u64::from(self.rate.burst);
        let moved = |full_at: u64| {
            let full_at = full_at.max(now) + self.interval;
            (full_at - now <= full).then_some(full_at)
        };
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved)
            .map(drop)
            .map_err(|full_at| Duration::from_nanos(full_at + self.interval - now - full))
    }

    /// Whole tokens that are there now.
    pub fn available(&self) -> u64 {
        let full_at = self.full_at.load(Ordering::Relaxed);
        let missing = full_at.saturating_sub(self.now());
        u64::from(self.rate.burst).saturating_sub(missing.div_ceil(self.interval))
    }

    /// The numbers it was made with.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    fn now(&self) -> u64 {
        // Enough for 584 years.
        self.started.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: f64, burst: u32) -> RateLimiter {
        RateLimiter::new(Rate { per_second, burst })
    }

    fn drain(limiter: &RateLimiter) -> usize {
        std::iter::from_fn(|| limiter.take().ok()).count()
    }

    async fn pass(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    // spec: LIMIT-2
    #[tokio::test(start_paused = true)]
    async fn a_bucket_starts_full_and_refills_evenly() {
        let limiter = limiter(50.0, 100);
        assert_eq!((limiter.available(), drain(&limiter)), (100, 100));
        assert_eq!(limiter.take(), Err(Duration::from_millis(20)));
        pass(19).await;
        assert_eq!(limiter.take(), Err(Duration::from_millis(1)));
        pass(1).await;
        assert_eq!((limiter.available(), drain(&limiter)), (1, 1));
        pass(1010).await;
        assert_eq!((limiter.available(), drain(&limiter)), (50, 50));
        pass(3_600_000).await;
        assert_eq!((limiter.available(), drain(&limiter)), (100, 100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_may_be_a_fraction() {
        let limiter = limiter(0.2, 1);
        assert_eq!(limiter.take(), Ok(()));
        assert_eq!(limiter.take(), Err(Duration::from_secs(5)));
        pass(4_999).await;
        assert_eq!(limiter.take(), Err(Duration::from_millis(1)));
        pass(1).await;
        assert_eq!(limiter.take(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_extremes_do_not_overflow() {
        let slowest = limiter(0.001, 1_000_000);
        assert_eq!(drain(&slowest), 1_000_000);
        assert_eq!(slowest.take(), Err(Duration::from_secs(1000)));
        let fastest = limiter(1_000_000.0, 1);
        assert_eq!(drain(&fastest), 1);
        assert_eq!(fastest.take(), Err(Duration::from_micros(1)));
    }

    #[test]
    fn threads_share_the_tokens() {
        let limiter = limiter(0.001, 1000);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| drain(&limiter))).collect();
            threads.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
