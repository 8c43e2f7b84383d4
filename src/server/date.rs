//! The `Date` of answers (RFC 9110, 6.6.1), which changes once a second.

use std::cell::RefCell;
use std::fmt::Write as _;

use crate::clock::Clock;

/// A date's text and the second it belongs to.
struct Cached {
    second: i64,
    text: String,
}

thread_local! {
    /// One for each worker, so that nobody waits for anybody.
    static DATE: RefCell<Cached> = const {
        RefCell::new(Cached { second: i64::MIN, text: String::new() })
    };
}

/// Hands the current date to `write`.
pub(super) fn with_date(write: impl FnOnce(&[u8])) {
    DATE.with_borrow_mut(|cached| {
        let now = Clock::System.now();
        if now.unix_seconds() != cached.second {
            cached.second = now.unix_seconds();
            cached.text.clear();
            // A date before 1970 or after 9999 has no text.
            let time = std::time::UNIX_EPOCH
                + std::time::Duration::from_millis(now.unix_millis().min(MOST_MILLIS));
            let _ = write!(cached.text, "{}", httpdate::HttpDate::from(time));
        }
        write(cached.text.as_bytes());
    });
}

/// 9999-12-31T23:59:59Z, the last moment that the format can say.
const MOST_MILLIS: u64 = 253_402_300_799_000;
