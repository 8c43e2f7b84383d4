//! Wall time as text. The one format of every time that is shown to somebody.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;

/// A time that prints as `2024-01-15T10:00:00.000Z`: RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub Timestamp);

/// The end of the year 9999, where the format ends.
const LAST_MILLIS: u64 = 253_402_300_799_999;

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A host whose clock is dead or wild still gets its log: the time is held within what the
        // format can say.
        let since_epoch = Duration::from_millis(self.0.unix_millis().min(LAST_MILLIS));
        humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).fmt(f)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
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
}
