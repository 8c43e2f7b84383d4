//! Wall time as text. The one format of every time that is shown to somebody.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;

/// A time that prints as `2024-01-15T10:00:00.000Z`: RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub Timestamp);

/// The end of the year 9999, where the format ends.
const LAST_MILLIS: u64 = 253_402_300_799_999;

impl Rfc3339 {
    /// The text, every byte of which is ASCII.
    pub fn to_ascii(self) -> [u8; 24] {
        // A host whose clock is dead or wild still gets its log: the time is held within what the
        // format can say.
        let millis = self.0.unix_millis().min(LAST_MILLIS);
        let seconds = millis / 1000;
        let (days, in_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (range, number) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, in_day / 3600),
            (14..16, in_day / 60 % 60),
            (17..19, in_day % 60),
            (20..23, millis % 1000),
        ] {
            write_decimal(&mut text[range], number);
        }
        text
    }
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Years are counted from March here, so that a leap day is the last day of its year and the months
/// before it always have the same lengths: five of them have 153 days. 400 years have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    const FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    let (era, day) = {
        let days = days + FROM_MARCH_OF_YEAR_0;
        (days / 146_097, days % 146_097)
    };
    // Without the leap days so far, every year has 365.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (next_year, month) = if month < 10 {
        (0, month + 3)
    } else {
        (1, month - 9)
    };
    (400 * era + year + next_year, month, day)
}

/// Fills `out` with the lowest digits of `number`.
fn write_decimal(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_ascii();
        f.pad(str::from_utf8(&text).expect("digits and punctuation are ASCII"))
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn every_time_can_be_shown() {
        for (millis, shown) in [
            (1_705_322_400_007, "2024-01-15T12:40:00.007Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-5, "1970-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = Rfc3339(Timestamp::from_unix_millis(millis));
            assert_eq!(time.to_string(), shown);
            assert_eq!(serde_json::to_value(time).unwrap(), shown);
        }
    }

    /// Every day of 400 years, after which the calendar repeats, and some of every year up to the
    /// last; at another time of the day each.
    #[test]
    fn dates_are_as_humantime_writes_them() {
        let check = |millis: u64| {
            let since_epoch = Duration::from_millis(millis);
            let expected = humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch);
            let time = Rfc3339(Timestamp::from_unix_millis(millis as i64));
            assert_eq!(time.to_string(), expected.to_string());
        };
        const DAY_AND_A_BIT: usize = 86_400_000 + 123_457;
        let cycle = 146_200 * DAY_AND_A_BIT as u64;
        (0..cycle).step_by(DAY_AND_A_BIT).for_each(check);
        (cycle..LAST_MILLIS)
            .step_by(97 * DAY_AND_A_BIT)
            .for_each(check);
    }
}
