//! Wall time. The only place that reads it, so that a test can hold it still.
//!
//! Durations and deadlines never come from here: they run on tokio's `Instant`, which is monotonic
//! and which a paused runtime controls.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "test-support")]
use tokio::time::Instant;

/// A point in wall time, in milliseconds since the Unix epoch.
///
/// Negative before 1970: a host with a dead clock is reported as it is, not as 1970.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Whole seconds since the Unix epoch, rounded down: what a signature's timestamp carries.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Milliseconds since the Unix epoch, 0 before it.
    pub const fn unix_millis(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.unsigned_abs() }
    }

    /// The same point as the standard library's type, for formatting.
    pub fn to_system_time(self) -> SystemTime {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        }
    }
}

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The host's clock.
    System,
    /// Starts at a given time and follows tokio's clock, paused or not.
    #[cfg(feature = "test-support")]
    Anchored {
        /// Wall time at `since`.
        start: Timestamp,
        /// The instant that `start` belongs to.
        since: Instant,
    },
}

impl Clock {
    /// A clock that reads `start` now and moves with the runtime's clock.
    #[cfg(feature = "test-support")]
    pub fn anchored_at(start: Timestamp) -> Self {
        Self::Anchored {
            start,
            since: Instant::now(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one reader of wall time"
            )]
            Self::System => Timestamp(match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(after) => millis(after),
                Err(before) => -millis(before.duration()),
            }),
            #[cfg(feature = "test-support")]
            Self::Anchored { start, since } => Timestamp(start.0 + millis(since.elapsed())),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp::from_unix_millis(1_999).unix_seconds(), 1);
        assert_eq!(Timestamp::from_unix_millis(-1).unix_seconds(), -1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_anchored_clock_follows_paused_time() {
        let clock = Clock::anchored_at(Timestamp::from_unix_millis(1_705_322_400_000));
        tokio::time::advance(Duration::from_secs(15)).await;
        assert_eq!(clock.now().unix_seconds(), 1_705_322_415);
    }
}
