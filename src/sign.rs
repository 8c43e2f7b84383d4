//! Signing: turns a captured body and a head into the only thing that an upstream can be sent.
//!
//! The invariant is in the types: [`Signed`] has no public constructor but [`Signer::sign`], and
//! `upstream` sends nothing else, so a request that could not be signed cannot leave. One file per
//! scheme; which headers a scheme writes is decided there.

mod hmac_sha256;
pub mod verify;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::body::{Absorb as _, Captured, ReplayBody};
use crate::clock::Timestamp;
use crate::headers::{EndToEnd, TRACEPARENT};
use crate::ids::SecretId;
use crate::secret::Secret;

pub use hmac_sha256::{BodyMac, Signature};

/// What all attempts of a call say alike.
#[derive(Debug)]
pub struct Head {
    /// The agent's method.
    pub method: Method,
    /// Path and query at the upstream.
    pub path: PathAndQuery,
    /// Of the agent's fields what goes on, and the tool's own.
    pub fields: EndToEnd,
}

/// The facts that every scheme states beside the signature.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The tool's name.
    pub tool: &'a HeaderValue,
    /// Who calls.
    pub agent: &'a HeaderValue,
    /// When this attempt is made.
    pub at: Timestamp,
}

/// A tool's key with its schedule computed, ready to sign.
#[derive(Clone, Debug)]
pub struct Signer {
    scheme: hmac_sha256::Scheme,
}

impl Signer {
    /// The name of the one scheme there is, as `auth.type` spells it.
    pub const HMAC_SHA256: &str = "hmac_sha256";

    /// A signer for the OnceOnly scheme.
    ///
    /// Without `secret_id`, the id is derived from the secret.
    // spec: SIG-5
    pub fn hmac_sha256(secret: &Secret, secret_id: Option<SecretId>) -> Self {
        Self {
            scheme: hmac_sha256::Scheme::new(secret, secret_id),
        }
    }

    /// The id that goes out with every signature.
    pub fn secret_id(&self) -> &SecretId {
        self.scheme.secret_id()
    }

    /// Starts the digest that [`Captured::read`] feeds while a body arrives.
    pub fn begin(&self) -> BodyMac {
        self.scheme.begin()
    }

    /// Signs one attempt, which is the span `traceparent` of its trace: visible ASCII.
    ///
    /// The scheme's fields stand beside those of the head, which can hold none of their names.
    // spec: SIG-1 SIG-2 SIG-3 SIG-4
    pub fn sign<'c>(
        &'c self,
        head: &'c Head,
        traceparent: &'c [u8],
        body: &'c Captured<Signature>,
        stamp: Stamp<'c>,
    ) -> Signed<'c> {
        Signed {
            head,
            traceparent,
            stamped: self.scheme.stamp(body.digest(), stamp),
            body,
        }
    }
}

/// The headers for a body that is at hand as a whole: for people who sign by hand.
pub fn sign_bytes(signer: &Signer, body: &[u8], stamp: Stamp<'_>) -> HeaderMap {
    let mut mac = signer.begin();
    mac.absorb(body);
    let signature = mac.finish();
    let stamped = signer.scheme.stamp(&signature, stamp);
    let fields = stamped.fields();
    fields
        .map(|(name, value)| (name.clone(), to_header(value)))
        .collect()
}

/// What was checked to be visible ASCII when it was made, as a header value.
fn to_header(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).expect("the scheme's values are visible ASCII")
}

/// A signed request: one attempt's worth of bytes that may be sent. It does not change on its way, so
/// one that a connection did not take can be sent over another, and it copies nothing of the call
/// that it is an attempt of.
#[derive(Debug)]
pub struct Signed<'c> {
    head: &'c Head,
    traceparent: &'c [u8],
    stamped: hmac_sha256::Stamped<'c>,
    body: &'c Captured<Signature>,
}

impl Signed<'_> {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Path and query.
    pub fn path(&self) -> &PathAndQuery {
        &self.head.path
    }

    /// Every field but those that say where the request goes and how long its body is: they are the
    /// connection's to write.
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> + Clone {
        let fields = self.head.fields.as_slice().iter();
        fields
            .map(|(name, value)| (name, value.as_bytes()))
            .chain(self.own())
    }

    /// The same fields as a map. What must not be compressed is still marked so.
    pub fn to_headers(&self) -> HeaderMap {
        let fields = self.head.fields.as_slice().iter().cloned();
        let own = self
            .own()
            .map(|(name, value)| (name.clone(), to_header(value)));
        let mut headers = HeaderMap::new();
        headers.extend(fields.chain(own).map(|(name, value)| (Some(name), value)));
        headers
    }

    /// What is this attempt's alone.
    fn own(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> + Clone {
        static SPAN: HeaderName = TRACEPARENT;
        [(&SPAN, self.traceparent)]
            .into_iter()
            .chain(self.stamped.fields())
    }

    /// The bytes that were signed.
    pub fn body(&self) -> &ReplayBody {
        self.body.replay()
    }
}
