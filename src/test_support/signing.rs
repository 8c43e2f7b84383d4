//! The signing primitive by itself, for vectors that other people's code made.

use http::{HeaderMap, HeaderValue};

use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::sign::verify::{DEFAULT_TOLERANCE, verify};
use crate::sign::{Signer, Stamp, sign_bytes};

const AT: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);

fn headers(secret: &[u8], body: &[u8]) -> HeaderMap {
    let name = HeaderValue::from_static("t");
    let signer = Signer::hmac_sha256(&Secret::new(secret), None);
    sign_bytes(
        &signer,
        body,
        Stamp {
            tool: &name,
            agent: &name,
            at: AT,
        },
    )
}

/// The signature header that this body gets.
///
/// # Panics
/// Never: a signature is visible ASCII.
pub fn sign_body(secret: &[u8], body: &[u8]) -> String {
    let headers = headers(secret, body);
    headers["x-onceonly-signature"]
        .to_str()
        .expect("hex digits")
        .to_owned()
}

/// Whether the verifier takes `signature` for this body.
pub fn verifies(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let mut headers = headers(secret, body);
    let Ok(signature) = HeaderValue::from_str(signature) else {
        return false;
    };
    headers.insert("x-onceonly-signature", signature);
    verify(&headers, body, &Secret::new(secret), AT, DEFAULT_TOLERANCE).is_ok()
}
