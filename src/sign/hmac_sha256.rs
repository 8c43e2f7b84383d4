//! The OnceOnly scheme: HMAC-SHA256 over the body bytes and nothing else.
//!
//! The signature covers neither the timestamp nor the names in the other headers; a backend that
//! needs those protected must find them in the body. That is the published scheme, kept to the
//! letter.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderName, HeaderValue};
use sha2::Sha256;

use crate::body::Absorb;
use crate::headers::Field;
use crate::ids::SecretId;
use crate::secret::Secret;
use crate::sign::Stamp;

/// Lowercase hex of the HMAC.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-onceonly-signature");
/// The scheme's name.
pub(super) const ALGORITHM: HeaderName = HeaderName::from_static("x-onceonly-signature-alg");
/// Integer Unix seconds.
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("x-onceonly-timestamp");
const TOOL: HeaderName = HeaderName::from_static("x-onceonly-tool");
const AGENT: HeaderName = HeaderName::from_static("x-onceonly-agent-id");
const SECRET_ID: HeaderName = HeaderName::from_static("x-onceonly-secret-id");

const ALGORITHM_VALUE: HeaderValue = HeaderValue::from_static(super::Signer::HMAC_SHA256);

/// A keyed digest of a body.
#[derive(Clone)]
pub struct BodyMac(Hmac<Sha256>);

impl BodyMac {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104)"))
    }

    /// The digest of what was absorbed so far.
    pub(super) fn finish(&self) -> [u8; 32] {
        self.0.clone().finalize().into_bytes().into()
    }
}

impl Absorb for BodyMac {
    fn absorb(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }
}

/// Shows nothing: the inner state is derived from the key.
impl fmt::Debug for BodyMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyMac(***)")
    }
}

/// One key of the scheme.
#[derive(Clone, Debug)]
pub(super) struct Scheme {
    /// The key's schedule, computed once per registry load.
    keyed: BodyMac,
    id: SecretId,
}

impl Scheme {
    pub(super) fn new(secret: &Secret, id: Option<SecretId>) -> Self {
        let keyed = BodyMac::new(secret.expose());
        let id = id.unwrap_or_else(|| derive_id(&keyed));
        Self { keyed, id }
    }

    pub(super) fn secret_id(&self) -> &SecretId {
        &self.id
    }

    pub(super) fn begin(&self) -> BodyMac {
        self.keyed.clone()
    }

    // spec: SIG-1 SIG-2
    pub(super) fn fields(&self, mac: &BodyMac, stamp: Stamp<'_>) -> [Field; 6] {
        [
            (SIGNATURE, hex_value(&mac.finish())),
            (ALGORITHM, ALGORITHM_VALUE),
            (TIMESTAMP, HeaderValue::from(stamp.at.unix_seconds())),
            (TOOL, stamp.tool.clone()),
            (AGENT, stamp.agent.clone()),
            (SECRET_ID, self.id.to_header()),
        ]
    }
}

// spec: SIG-5
fn derive_id(keyed: &BodyMac) -> SecretId {
    let mut mac = keyed.clone();
    mac.absorb(b"countersign secret id");
    let digits = hex(&mac.finish());
    format!("sec_{}", digits[..8].escape_ascii())
        .parse()
        .expect("a prefix and hex digits are visible ASCII")
}

fn hex_value(digest: &[u8; 32]) -> HeaderValue {
    HeaderValue::from_bytes(&hex(digest)).expect("hex digits are visible ASCII")
}

/// Lowercase hex without an allocation; it is written for every attempt.
fn hex(digest: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0_u8; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0x0f)];
    }
    text
}
