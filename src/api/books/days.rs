//! Days in UTC, as numbers and as text.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::telemetry::Rfc3339;

const DAY_MS: u64 = 86_400_000;

/// A day, counted from 1970-01-01, in the years 1970 to 9999.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct DayNumber(pub u64);

impl DayNumber {
    /// The day of a time.
    pub fn of(at: Timestamp) -> Self {
        Self(at.unix_millis() / DAY_MS)
    }
}

impl fmt::Display for DayNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = i64::try_from(self.0 * DAY_MS).unwrap_or(i64::MAX);
        let text = Rfc3339(Timestamp::from_unix_millis(midnight)).to_string();
        f.write_str(&text[..10])
    }
}

impl Serialize for DayNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoDay;

impl FromStr for DayNumber {
    type Err = NoDay;

    /// Reads `2025-01-31`. A day before 1970 is read as the first that we know.
    fn from_str(text: &str) -> Result<Self, NoDay> {
        let mut parts = text.splitn(3, '-');
        let mut next = |digits: usize| {
            let part = parts.next().ok_or(NoDay)?;
            let is_number = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| part.parse().ok()).flatten().ok_or(NoDay)
        };
        let (year, month, day): (i64, i64, i64) = (next(4)?, next(2)?, next(2)?);
        if year == 0 || !(1..=12).contains(&month) || !(1..=length_of(year, month)).contains(&day) {
            return Err(NoDay);
        }
        Ok(Self(
            u64::try_from(from_civil(year, month, day)).unwrap_or(0),
        ))
    }
}

fn length_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years begin in March here, so that a leap day is the last of its year.
fn from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The days of a time's month so far, and the month as text: `2025-01`.
pub fn month_of(at: Timestamp) -> (DayNumber, DayNumber, String) {
    let today = DayNumber::of(at);
    let text = today.to_string();
    let day_of_month: u64 = text[8..].parse().unwrap_or(1);
    let first = DayNumber(today.0.saturating_sub(day_of_month - 1));
    (first, today, text[..7].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Python's `datetime.date`.
    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, number) in [
            ("1970-01-01", 0),
            ("1972-02-29", 789),
            ("2000-02-29", 11_016),
            ("2024-01-15", 19_737),
            ("2024-12-31", 20_088),
            ("2025-03-01", 20_148),
            ("2100-03-01", 47_541),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(text.parse(), Ok(DayNumber(number)), "{text}");
            assert_eq!(DayNumber(number).to_string(), text);
        }
        assert_eq!("0001-01-01".parse(), Ok(DayNumber(0)));
        for bad in [
            "",
            "2025",
            "2025-1-1",
            "2025-02-30",
            "2023-02-29",
            "2100-02-29",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "2025-01-01T00",
            "+025-01-01",
            "0000-01-01",
        ] {
            assert_eq!(bad.parse::<DayNumber>(), Err(NoDay), "{bad}");
        }
    }

    #[test]
    fn a_month_begins_with_its_first_day() {
        let at = Timestamp::from_unix_millis(1_705_322_400_000);
        let month = (DayNumber(19_723), DayNumber(19_737), "2024-01".to_owned());
        assert_eq!(month_of(at), month);
    }
}
