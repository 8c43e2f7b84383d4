//! What attempts came to in the last ten seconds.

use std::time::Duration;

use tokio::time::Instant;

/// Long enough that a tool with a few calls a second has something to go by, short enough that an
/// outage which is over does not count for long.
const SLOTS: usize = 10;
/// What leaves the window leaves it in steps of this.
const SLOT: Duration = Duration::from_secs(1);

/// Counts by second, in a ring.
#[derive(Debug)]
pub(super) struct Window {
    slots: [Counts; SLOTS],
    /// The slot that is being filled.
    current: usize,
    /// When that slot began.
    began: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    calls: u32,
    failures: u32,
}

impl Window {
    /// An empty one.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            slots: [Counts::default(); SLOTS],
            current: 0,
            began: now,
        }
    }

    /// Counts one attempt that ended now.
    pub(super) fn note(&mut self, now: Instant, failed: bool) {
        self.move_to(now);
        let slot = &mut self.slots[self.current];
        slot.calls = slot.calls.saturating_add(1);
        slot.failures = slot.failures.saturating_add(failed.into());
    }

    /// Attempts in the window, and how many of them failed.
    pub(super) fn sums(&mut self, now: Instant) -> (u32, u32) {
        self.move_to(now);
        let add = |(calls, failures): (u32, u32), slot: &Counts| {
            let calls = calls.saturating_add(slot.calls);
            (calls, failures.saturating_add(slot.failures))
        };
        self.slots.iter().fold((0, 0), add)
    }

    fn move_to(&mut self, now: Instant) {
        let slots = now.saturating_duration_since(self.began).as_nanos() / SLOT.as_nanos();
        // After a whole turn nothing is left, however long it has been.
        for _ in 0..slots.min(SLOTS as u128) {
            self.current = (self.current + 1) % SLOTS;
            self.slots[self.current] = Counts::default();
        }
        self.began += SLOT * u32::try_from(slots).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: LIMIT-3
    #[test]
    fn what_is_older_than_ten_seconds_does_not_count() {
        let start = Instant::now();
        let at = |tenths: u32| start + Duration::from_millis(100) * tenths;
        let mut window = Window::new(start);
        window.note(at(0), true);
        window.note(at(9), false);
        window.note(at(10), true);
        assert_eq!(window.sums(at(99)), (3, 2));
        assert_eq!(window.sums(at(100)), (1, 1));
        assert_eq!(window.sums(at(109)), (1, 1));
        assert_eq!(window.sums(at(110)), (0, 0));
        window.note(at(115), false);
        assert_eq!(window.sums(at(1_000_000)), (0, 0));
        window.note(at(1_000_001), true);
        assert_eq!(window.sums(at(1_000_002)), (1, 1));
    }
}
