//! The other side of the wire: checks a signed request the way a tool backend does.
//!
//! It accepts exactly what the published backend guide accepts, and where it refuses it says which
//! single thing is wrong. Used by `countersign verify`, by the demo's backend and by tests.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq as _;

use crate::body::Absorb as _;
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::sign::Signer;
use crate::sign::hmac_sha256::{ALGORITHM, BodyMac, SIGNATURE, TIMESTAMP};

/// How far a timestamp may be from the verifier's clock, in the published guide.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// What is wrong with a signed request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// A header that every signed request carries is absent.
    #[error("the header {0} is missing")]
    Missing(HeaderName),
    /// A header that must be unique stands there twice.
    #[error("the header {0} is there more than once")]
    Repeated(HeaderName),
    /// The request was signed with another scheme.
    #[error("{ALGORITHM} is not hmac_sha256")]
    UnknownAlgorithm,
    /// The timestamp is not an integer number of seconds.
    #[error("{TIMESTAMP} is not an integer number of Unix seconds")]
    MalformedTimestamp,
    /// The timestamp is too far from now.
    #[error("{TIMESTAMP} is {} s {}, more than the {} s allowed", skew.unsigned_abs(),
        if *skew < 0 { "in the past" } else { "in the future" }, tolerance.as_secs())]
    Expired {
        /// Seconds from the verifier's clock to the timestamp, negative in the past.
        skew: i64,
        /// What was allowed.
        tolerance: Duration,
    },
    /// The signature is not 64 lowercase hex digits.
    #[error("{SIGNATURE} is not 64 lowercase hex digits{}",
        if *prefixed { " (leave out the `sha256=` prefix)" } else { "" })]
    MalformedSignature {
        /// Whether it starts with `sha256=`, the habit of other schemes.
        prefixed: bool,
    },
    /// The signature belongs to other bytes or to another secret.
    #[error("the signature does not match this body and this secret{}", near.hint())]
    Mismatch {
        /// A body close to this one that does match.
        near: NearMiss,
    },
}

/// A small change to the body under which the signature would have matched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NearMiss {
    /// None that we know of.
    Unknown,
    /// The body without the line end at its end.
    WithoutFinalNewline,
    /// The body with a line feed at its end.
    WithFinalNewline,
}

impl NearMiss {
    fn hint(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::WithoutFinalNewline => {
                "; it does match the body without its final line end, so something added one \
                 after signing"
            }
            Self::WithFinalNewline => {
                "; it does match the body with a line feed at its end, so something removed one \
                 after signing"
            }
        }
    }
}

/// Checks signature and timestamp of one request.
///
/// # Errors
/// The first thing that is wrong, in the order in which a backend looks: headers present, scheme,
/// timestamp, signature.
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    secret: &Secret,
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let signature = required(headers, &SIGNATURE)?;
    let timestamp = required(headers, &TIMESTAMP)?;
    if let Some(algorithm) = optional(headers, &ALGORITHM)?
        && !algorithm.eq_ignore_ascii_case(Signer::HMAC_SHA256.as_bytes())
    {
        return Err(VerifyError::UnknownAlgorithm);
    }
    check_time(timestamp, now, tolerance)?;
    let offered = parse_hex(signature).ok_or_else(|| VerifyError::MalformedSignature {
        prefixed: signature.starts_with(b"sha256="),
    })?;
    let matches = |pieces: &[&[u8]]| {
        let mut mac = BodyMac::new(secret.expose());
        pieces.iter().for_each(|piece| mac.absorb(piece));
        bool::from(mac.digest().ct_eq(&offered))
    };
    if matches(&[body]) {
        return Ok(());
    }
    let trimmed = body
        .strip_suffix(b"\n")
        .map(|b| b.strip_suffix(b"\r").unwrap_or(b));
    let near = if trimmed.is_some_and(|trimmed| matches(&[trimmed])) {
        NearMiss::WithoutFinalNewline
    } else if matches(&[body, b"\n"]) {
        NearMiss::WithFinalNewline
    } else {
        NearMiss::Unknown
    };
    Err(VerifyError::Mismatch { near })
}

fn required<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], VerifyError> {
    optional(headers, name)?.ok_or_else(|| VerifyError::Missing(name.clone()))
}

fn optional<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h [u8]>, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(VerifyError::Repeated(name.clone()));
    }
    Ok(first.map(|value| value.as_bytes()))
}

fn check_time(text: &[u8], now: Timestamp, tolerance: Duration) -> Result<(), VerifyError> {
    let seconds: i64 = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(VerifyError::MalformedTimestamp)?;
    let skew = seconds.saturating_sub(now.unix_seconds());
    if skew.unsigned_abs() > tolerance.as_secs() {
        return Err(VerifyError::Expired { skew, tolerance });
    }
    Ok(())
}

/// Uppercase digits are refused: the published verifier compares the text.
fn parse_hex(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.try_into().ok()?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0_u8; 32];
    for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"a":1}"#;
    /// `printf '{"a":1}' | openssl dgst -sha256 -hmac supersecret`
    const GOOD: &str = "88b88bfe63a39b09cd806a78df5f824baafbb6e44bff539a28431d6460cfc1a1";
    const NOW: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);

    #[track_caller]
    fn check(headers: &[(HeaderName, &str)], body: &[u8], expected: Result<(), &str>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(n, v)| (n.clone(), v.parse().unwrap()))
            .collect();
        let secret = Secret::new("supersecret");
        let result = verify(&headers, body, &secret, NOW, DEFAULT_TOLERANCE);
        assert_eq!(
            result.map_err(|e| e.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_good_signature_passes_with_and_without_the_algorithm() {
        check(
            &[(SIGNATURE, GOOD), (TIMESTAMP, "1705322400")],
            BODY,
            Ok(()),
        );
        let named = [
            (SIGNATURE, GOOD),
            (TIMESTAMP, "1705322100"),
            (ALGORITHM, "HMAC_SHA256"),
        ];
        check(&named, BODY, Ok(()));
    }

    #[test]
    fn each_fault_is_named() {
        let with = |signature, timestamp| [(SIGNATURE, signature), (TIMESTAMP, timestamp)];
        let upper = GOOD.to_uppercase();
        let prefixed = format!("sha256={GOOD}");
        check(&[], BODY, Err("the header x-onceonly-signature is missing"));
        check(
            &[(SIGNATURE, GOOD)],
            BODY,
            Err("the header x-onceonly-timestamp is missing"),
        );
        check(
            &with(GOOD, "1705322400.5"),
            BODY,
            Err("x-onceonly-timestamp is not an integer number of Unix seconds"),
        );
        check(
            &with(GOOD, "1705322099"),
            BODY,
            Err("x-onceonly-timestamp is 301 s in the past, more than the 300 s allowed"),
        );
        check(
            &with(GOOD, "1705322400000"),
            BODY,
            Err(
                "x-onceonly-timestamp is 1703617077600 s in the future, more than the 300 s allowed",
            ),
        );
        check(
            &with(&upper, "1705322400"),
            BODY,
            Err("x-onceonly-signature is not 64 lowercase hex digits"),
        );
        check(
            &with(&prefixed, "1705322400"),
            BODY,
            Err(
                "x-onceonly-signature is not 64 lowercase hex digits (leave out the `sha256=` \
                 prefix)",
            ),
        );
        check(
            &with(GOOD, "1705322400"),
            b"{}",
            Err("the signature does not match this body and this secret"),
        );
        check(
            &with(GOOD, "1705322400"),
            b"{\"a\":1}\r\n",
            Err(
                "the signature does not match this body and this secret; it does match the body \
                 without its final line end, so something added one after signing",
            ),
        );
        check(
            &[
                (SIGNATURE, GOOD),
                (SIGNATURE, GOOD),
                (TIMESTAMP, "1705322400"),
            ],
            BODY,
            Err("the header x-onceonly-signature is there more than once"),
        );
        check(
            &[
                (SIGNATURE, GOOD),
                (TIMESTAMP, "1705322400"),
                (ALGORITHM, "ed25519"),
            ],
            BODY,
            Err("x-onceonly-signature-alg is not hmac_sha256"),
        );
    }
}
