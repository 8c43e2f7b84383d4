//! `Retry-After`: seconds are seconds, dates are dates, and nothing else is either.

use std::time::Duration;

use http::HeaderValue;

use crate::call;
use crate::clock::Timestamp;

/// 2024-01-15T12:40:00Z, from `date -u -d @1705322400`.
const NOW_SECONDS: u64 = 1_705_322_400;
const NOW: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);
/// The end of the year 9999, from `date -u -d 9999-12-31T23:59:59Z +%s`: dates have four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// The value of a `Retry-After`; its first eight bytes are a time as well.
///
/// # Panics
/// When the wait is another than the value says.
pub fn retry_after(data: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(data) {
        assert_wait(&value, call::retry_after(&value, NOW));
    }
    let mut first = [0; 8];
    let length = data.len().min(first.len());
    first[..length].copy_from_slice(&data[..length]);
    assert_date(u64::from_le_bytes(first) % (LAST_SECOND + 1));
}

fn assert_wait(value: &HeaderValue, wait: Option<Duration>) {
    let text = String::from_utf8_lossy(value.as_bytes());
    let text = text.trim_matches([' ', '\t']);
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        // Only more digits than a number holds fail to be one.
        let seconds = text.parse().unwrap_or(u64::MAX);
        assert_eq!(wait, Some(Duration::from_secs(seconds)));
        return;
    }
    let Some(wait) = wait else { return };
    assert!(text.is_ascii(), "a date is ASCII");
    assert!(wait.as_secs() <= LAST_SECOND - NOW_SECONDS);
    if wait > Duration::ZERO && text.len() == "Mon, 15 Jan 2024 12:40:09 GMT".len() {
        let date = date_of(NOW_SECONDS + wait.as_secs());
        assert_eq!(text[4..], date[4..], "the date is another one");
    }
}

/// A date that we write down ourselves is understood.
fn assert_date(seconds: u64) {
    let value = HeaderValue::from_str(&date_of(seconds)).expect("a date is visible ASCII");
    let expected = Duration::from_secs(seconds.saturating_sub(NOW_SECONDS));
    assert_eq!(call::retry_after(&value, NOW), Some(expected), "{value:?}");
}

/// RFC 9110, 5.6.7, by way of RFC 3339 and so not of the code that reads it.
fn date_of(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let text = humantime::format_rfc3339_seconds(at).to_string();
    let month: usize = text[5..7].parse().expect("two digits");
    let (year, day, time) = (&text[..4], &text[8..10], &text[11..19]);
    // The epoch was a Thursday.
    let weekday = DAYS[usize::try_from(seconds / 86_400 % 7).expect("less than seven")];
    format!("{weekday}, {day} {} {year} {time} GMT", MONTHS[month - 1])
}
