//! Ids that are made here: of requests, and of claims.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::{InvalidId, VisibleAscii};

/// Follows one call through logs, the upstream and the answer.
// spec: HDR-2
#[derive(Clone, Eq, PartialEq)]
pub struct RequestId(VisibleAscii);

impl RequestId {
    /// The agent's own id where it is usable, else a fresh UUIDv7.
    pub fn adopt_or_new(offered: Option<&HeaderValue>, now: Timestamp) -> Self {
        offered
            .cloned()
            .and_then(VisibleAscii::parse)
            .map_or_else(|| Self::new(now), Self)
    }

    /// A fresh UUIDv7: sortable by time, unique enough to find a line in a log.
    pub fn new(now: Timestamp) -> Self {
        let mut text = Uuid::encode_buffer();
        let value = HeaderValue::from_str(uuid_v7(now).hyphenated().encode_lower(&mut text))
            .expect("a hyphenated UUID is visible ASCII");
        Self(VisibleAscii(value))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as a header value.
    pub fn to_header(&self) -> HeaderValue {
        self.0.0.clone()
    }

    /// The id as a header value, for the last who needs it.
    pub fn into_header(self) -> HeaderValue {
        self.0.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.as_str())
    }
}

/// Names one claim of a key, over all attempts, repetitions and restarts: what a backend tells a
/// repetition by.
// spec: ONCE-1
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LeaseId(Uuid);

impl LeaseId {
    /// What stands before the UUID.
    const PREFIX: &str = "lease_";

    /// A fresh one.
    pub fn new(now: Timestamp) -> Self {
        Self(uuid_v7(now))
    }

    /// The 16 bytes that it is stored as.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that was stored as these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for LeaseId {
    type Err = InvalidId;

    /// Takes the one spelling that `Display` writes.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|uuid| Uuid::try_parse(uuid).ok())
            .map(Self)
            .filter(|id| id.to_string() == text)
            .ok_or(InvalidId("a lease id is `lease_` and a UUID in lower case"))
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.hyphenated())
    }
}

/// A UUID that begins with the time (RFC 9562, 5.7).
fn uuid_v7(now: Timestamp) -> Uuid {
    let mut random = [0_u8; 10];
    fastrand::fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_request_id_is_replaced() {
        let now = Timestamp::from_unix_millis(1_705_322_400_000);
        let kept = HeaderValue::from_static("trace-7f");
        assert_eq!(
            RequestId::adopt_or_new(Some(&kept), now).as_str(),
            "trace-7f"
        );
        for bad in ["", "a b", "é", &"x".repeat(129)] {
            let offered = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let minted = RequestId::adopt_or_new(Some(&offered), now);
            // The first 48 bits are the time in milliseconds, then version 7 (RFC 9562, 5.7).
            assert_eq!(&minted.as_str()[..15], "018d0d22-c900-7");
            assert_eq!(minted.as_str().len(), 36);
        }
    }

    #[test]
    fn a_lease_id_has_one_spelling() {
        let id = LeaseId::new(Timestamp::from_unix_millis(1_705_322_400_000));
        let text = id.to_string();
        assert_eq!(&text[..21], "lease_018d0d22-c900-7");
        assert_eq!(text.len(), 42);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(LeaseId::from_bytes(*id.as_bytes()), id);
        let plain = "018d0d22c90070008000000000000000";
        for bad in [
            "",
            "lease_",
            &text[6..],
            &text.to_uppercase(),
            &format!("lease_{plain}"),
            &format!("{text} "),
        ] {
            bad.parse::<LeaseId>().unwrap_err();
        }
    }
}
