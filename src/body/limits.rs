//! Room for bodies: one limit for all requests of the process, and what each of them holds of it.
//!
//! A body takes room before its bytes come and gives it back when the last replay of it is dropped,
//! so the counter never says less than what bodies take. Large bodies may not use all of it: they
//! would otherwise keep the small calls out, of which far more fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

/// What a body may hold and still count as small: more than nearly every JSON call, and so little
/// that the room kept for small ones (16 MiB by default) serves hundreds of them at once.
const SMALL_BYTES: usize = 64 * 1024;
/// One part in so many of all room is kept for small bodies. A process full of large uploads then
/// still serves its other calls, and large bodies lose next to nothing.
const KEPT_FOR_SMALL: usize = 16;

/// Bounds on bodies: one's size and duration, and the sum over all requests of the process.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// Most bytes of one body.
    pub max_bytes: usize,
    /// Longest time from the head to the last byte of one body.
    pub timeout: Duration,
    /// What all captured bodies together may take.
    pub buffered: BufferedBytes,
}

impl BodyLimits {
    /// A hold on nothing yet.
    pub fn reservation(&self) -> Reservation {
        let max = self.buffered.max;
        // The largest body that is allowed must fit into an idle process, however little the limit
        // of all bodies exceeds it.
        let kept = (max / KEPT_FOR_SMALL).min(max.saturating_sub(self.max_bytes));
        Reservation {
            bytes: 0,
            max_if_large: max - kept,
            pool: self.buffered.clone(),
        }
    }

    /// These bytes, holding room as in [`Reservation::hold`]; `None` when there is none.
    // spec: BODY-1
    pub fn hold(&self, bytes: Bytes) -> Option<Bytes> {
        let mut room = self.reservation();
        room.grow_to(bytes.len()).then(|| room.hold(bytes))
    }
}

/// Counts the bytes that bodies hold, over all workers, against one limit.
#[derive(Clone, Debug)]
pub struct BufferedBytes {
    used: Arc<AtomicUsize>,
    max: usize,
}

impl BufferedBytes {
    /// A counter with room for `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            used: Arc::new(AtomicUsize::new(0)),
            max,
        }
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be held.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Takes `bytes` if no more than `max` are held afterwards.
    fn take(&self, bytes: usize, max: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= max);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .is_ok()
    }
}

/// What one body holds of the shared limit; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    bytes: usize,
    /// What all bodies together may hold while this one grows beyond a small one's size.
    max_if_large: usize,
    pool: BufferedBytes,
}

impl Reservation {
    /// A hold on nothing that never grows.
    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Self {
            bytes: 0,
            max_if_large: 0,
            pool: BufferedBytes::new(0),
        }
    }

    /// Makes it hold `bytes` at least; false when there is no room for that.
    // spec: BODY-1
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            return true;
        };
        let max = if bytes > SMALL_BYTES {
            self.max_if_large
        } else {
            self.pool.max
        };
        let granted = self.pool.take(more, max);
        if granted {
            self.bytes = bytes;
        }
        granted
    }

    /// These bytes, holding the room until the last of their clones and slices is dropped.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, room: self })
    }

    /// Gives back what exceeds `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.pool.used.fetch_sub(surplus, Ordering::Relaxed);
        self.bytes -= surplus;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes and their room.
struct Held {
    bytes: Bytes,
    #[expect(dead_code, reason = "dropping it gives the room back")]
    room: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    /// With `max_bytes` for one body, `max` for all and `held` taken, what a body of `size` gets.
    #[track_caller]
    fn check(max_bytes: usize, max: usize, held: usize, size: usize, granted: bool) {
        let limits = BodyLimits {
            max_bytes,
            timeout: Duration::ZERO,
            buffered: BufferedBytes::new(max),
        };
        assert!(limits.buffered.take(held, max));
        let mut reservation = limits.reservation();
        assert_eq!(reservation.grow_to(size), granted);
        let taken = if granted { size } else { 0 };
        assert_eq!(limits.buffered.used(), held + taken);
        drop(reservation);
        assert_eq!(limits.buffered.used(), held);
    }

    // spec: BODY-1
    #[test]
    fn the_last_sixteenth_is_for_small_bodies() {
        let (one, all) = (10 * MIB, 256 * MIB);
        check(one, all, 230 * MIB, 10 * MIB, true);
        check(one, all, 230 * MIB + 1, 10 * MIB, false);
        check(one, all, 240 * MIB, 64 * KIB + 1, false);
        check(one, all, 240 * MIB, 64 * KIB, true);
        check(one, all, 256 * MIB - 64 * KIB, 64 * KIB, true);
        check(one, all, 256 * MIB, 1, false);
        check(one, all, 256 * MIB, 0, true);
    }

    #[test]
    fn the_largest_body_fits_into_an_idle_process() {
        check(10 * MIB, 10 * MIB, 0, 10 * MIB, true);
        check(10 * MIB, 10 * MIB + 1, 1, 10 * MIB, false);
        check(10 * MIB, 10 * MIB + 1, 0, 10 * MIB, true);
        // Every body is small here, and nothing is kept back.
        check(1000, 1000, 0, 1000, true);
        check(1000, 999, 0, 1000, false);
    }

    // spec: BODY-1
    #[test]
    fn bytes_hold_their_room_until_the_last_of_them_is_dropped() {
        let limits = BodyLimits {
            max_bytes: KIB,
            timeout: Duration::ZERO,
            buffered: BufferedBytes::new(KIB),
        };
        let held = limits.hold(Bytes::from(vec![7; KIB])).unwrap();
        assert!(limits.hold(Bytes::from_static(b"7")).is_none());
        let last = held.slice(KIB - 1..);
        drop(held);
        assert_eq!((&last[..], limits.buffered.used()), (&[7][..], KIB));
        drop(last);
        assert_eq!(limits.buffered.used(), 0);
    }

    #[test]
    fn growing_counts_as_large_from_where_it_is_large() {
        let limits = BodyLimits {
            max_bytes: MIB,
            timeout: Duration::ZERO,
            buffered: BufferedBytes::new(16 * MIB),
        };
        assert!(limits.buffered.take(15 * MIB, 16 * MIB));
        let mut body = limits.reservation();
        assert!(body.grow_to(KIB) && body.grow_to(64 * KIB));
        assert!(!body.grow_to(64 * KIB + 1));
        assert!(body.grow_to(KIB), "it holds that already");
        body.shrink_to(KIB);
        assert_eq!(limits.buffered.used(), 15 * MIB + KIB);
    }
}
