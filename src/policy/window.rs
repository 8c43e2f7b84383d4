//! How often something happened within the last 60 minutes.
//!
//! Occurrences are counted by the second, so an hour is at most 3,601 numbers however much happens
//! in it. An occurrence leaves the window when its whole second is more than an hour old: up to a
//! second late, and never early. So no 60 minutes, wherever they begin, hold more than is let
//! through here.

use std::collections::VecDeque;

/// Seconds in the window.
pub const HOUR: i64 = 3_600;

/// Seconds that are written to the store together.
const MINUTE: i64 = 60;

/// Occurrences by the second, of at most one hour.
#[derive(Debug, Default)]
pub struct Window {
    /// By second, oldest first; none of them is 0.
    seconds: VecDeque<(i64, u32)>,
    total: u64,
}

impl Window {
    /// Forgets what cannot have happened within the hour before `now`, in seconds since the epoch,
    /// and returns the minutes of which nothing is left.
    ///
    /// What is later than `now` goes as well: the clock was set back, and what it said before tells
    /// nothing any more.
    // spec: POLICY-2
    pub fn turn(&mut self, now: i64) -> Vec<i64> {
        let mut gone = Vec::new();
        let mut forget = |(second, count): (i64, u32), total: &mut u64| {
            *total -= u64::from(count);
            if gone.last() != Some(&minute(second)) {
                gone.push(minute(second));
            }
        };
        while let Some(oldest) = self.seconds.front().copied()
            && oldest.0 < now - HOUR
        {
            self.seconds.pop_front();
            forget(oldest, &mut self.total);
        }
        while let Some(latest) = self.seconds.back().copied()
            && latest.0 > now
        {
            self.seconds.pop_back();
            forget(latest, &mut self.total);
        }
        let left = |minute: &i64| {
            let has = |second: Option<&(i64, u32)>| {
                second.is_some_and(|(second, _)| self::minute(*second) == *minute)
            };
            has(self.seconds.front()) || has(self.seconds.back())
        };
        gone.retain(|minute| !left(minute));
        gone
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When there will be fewer than `cap`, if nothing more happens: seconds since the epoch.
    pub fn below(&self, cap: u32) -> Option<i64> {
        let mut left = self.total;
        let mut seconds = self.seconds.iter();
        let last_to_go = seconds.find(|(_, count)| {
            left -= u64::from(*count);
            left < u64::from(cap)
        });
        last_to_go.map(|(second, _)| second + HOUR + 1)
    }

    /// Counts one at `now`, which is not earlier than what was counted before. What a second cannot
    /// hold is not counted; that is more than any cap.
    pub fn add(&mut self, now: i64) {
        match self.seconds.back_mut() {
            Some((second, count)) if *second == now => match count.checked_add(1) {
                Some(more) => *count = more,
                None => return,
            },
            Some(_) | None => self.seconds.push_back((now, 1)),
        }
        self.total += 1;
    }

    /// The minute of a second, and what the window holds of it, as it is kept: for each second its
    /// place in the minute and its count.
    pub fn minute_of(&self, second: i64) -> (i64, Vec<u8>) {
        let wanted = minute(second);
        let newest_first = self.seconds.iter().rev();
        let newest_first = newest_first.skip_while(|(second, _)| minute(*second) > wanted);
        let of_minute = newest_first.take_while(|(second, _)| minute(*second) == wanted);
        let mut bytes = Vec::new();
        for (second, count) in of_minute {
            let place = second.rem_euclid(MINUTE);
            bytes.push(u8::try_from(place).expect("a remainder of 60 is less than 60"));
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        (wanted, bytes)
    }

    /// Takes up what was kept of a minute. Minutes come in any order, each once.
    pub fn restore(&mut self, minute: i64, bytes: &[u8]) -> Option<()> {
        let (seconds, []) = bytes.as_chunks::<5>() else {
            return None;
        };
        let start = minute.checked_mul(MINUTE)?;
        for [place, count @ ..] in seconds {
            let count = u32::from_be_bytes(*count);
            let second = start.checked_add(i64::from(*place))?;
            let at = self.seconds.partition_point(|(other, _)| *other < second);
            self.seconds.insert(at, (second, count));
            self.total += u64::from(count);
        }
        Some(())
    }

    /// The latest second that it knows of.
    pub fn latest(&self) -> Option<i64> {
        self.seconds.back().map(|(second, _)| *second)
    }
}

fn minute(second: i64) -> i64 {
    second.div_euclid(MINUTE)
}
