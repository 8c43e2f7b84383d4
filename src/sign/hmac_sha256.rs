//! The OnceOnly scheme: HMAC-SHA256 over the body bytes and nothing else.
//!
//! The signature covers neither the timestamp nor the names in the other headers; a backend that
//! needs those protected must find them in the body. That is the published scheme, kept to the
//! letter.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderName;
use sha2::Sha256;

use crate::body::Absorb;
use crate::http1::Decimal;
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

/// The scheme's fields. A constant would be made anew wherever it is looked at.
static NAMES: [HeaderName; 6] = [SIGNATURE, ALGORITHM, TIMESTAMP, TOOL, AGENT, SECRET_ID];

/// A keyed digest of a body that is still coming.
#[derive(Clone)]
pub struct BodyMac(Hmac<Sha256>);

impl BodyMac {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104)"))
    }

    /// The digest of what was absorbed so far.
    pub(super) fn digest(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

impl Absorb for BodyMac {
    type Digest = Signature;

    fn absorb(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    fn finish(self) -> Signature {
        Signature(hex(&self.digest()))
    }
}

/// Shows nothing: the inner state is derived from the key.
impl fmt::Debug for BodyMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyMac(***)")
    }
}

/// A body's signature, as it goes out with every attempt.
#[derive(Debug)]
pub struct Signature([u8; 64]);

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

    pub(super) fn stamp<'s>(&'s self, signature: &'s Signature, stamp: Stamp<'s>) -> Stamped<'s> {
        Stamped {
            signature,
            timestamp: stamp.at.unix_seconds().into(),
            stamp,
            id: &self.id,
        }
    }
}

/// What the scheme says about one attempt. All but the time is there already, and is not copied.
#[derive(Debug)]
pub(super) struct Stamped<'s> {
    signature: &'s Signature,
    timestamp: Decimal,
    stamp: Stamp<'s>,
    id: &'s SecretId,
}

impl Stamped<'_> {
    // spec: SIG-1 SIG-2
    pub(super) fn fields(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> + Clone {
        let values = [
            &self.signature.0,
            super::Signer::HMAC_SHA256.as_bytes(),
            self.timestamp.as_ref(),
            self.stamp.tool.as_bytes(),
            self.stamp.agent.as_bytes(),
            self.id.as_str().as_bytes(),
        ];
        NAMES.iter().zip(values)
    }
}

// spec: SIG-5
fn derive_id(keyed: &BodyMac) -> SecretId {
    let mut mac = keyed.clone();
    mac.absorb(b"countersign secret id");
    let digits = hex(&mac.digest());
    format!("sec_{}", digits[..8].escape_ascii())
        .parse()
        .expect("a prefix and hex digits are visible ASCII")
}

/// Lowercase hex without an allocation; it is written for every call.
fn hex(digest: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0_u8; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0x0f)];
    }
    text
}
