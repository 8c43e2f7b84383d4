//! Signing: turns a captured body and a head into the only thing that an upstream can be sent.
//!
//! The invariant is in the types: [`Signed`] has no public constructor but [`Signer::sign`], and
//! `upstream` sends nothing else, so a request that could not be signed cannot leave. One file per
//! scheme; which headers a scheme writes is decided there.

mod hmac_sha256;
pub mod verify;

use std::rc::Rc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::body::{Absorb as _, Captured, ReplayBody};
use crate::clock::Timestamp;
use crate::headers::{EndToEnd, Field, TRACEPARENT};
use crate::ids::SecretId;
use crate::secret::Secret;

pub use hmac_sha256::BodyMac;

/// What all attempts of a call say alike. They share it, so that another attempt copies nothing.
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

    /// Signs one attempt, which is the span `traceparent` of its trace.
    ///
    /// The scheme's fields stand beside those of the head, which can hold none of their names.
    // spec: SIG-1 SIG-2 SIG-3 SIG-4
    pub fn sign(
        &self,
        head: Rc<Head>,
        traceparent: HeaderValue,
        body: &Captured<BodyMac>,
        stamp: Stamp<'_>,
    ) -> Signed {
        let scheme = self.scheme.fields(body.digest(), stamp);
        let mut own = Vec::with_capacity(1 + scheme.len());
        own.push((TRACEPARENT, traceparent));
        own.extend(scheme);
        let body = body.replay();
        Signed { head, own, body }
    }
}

/// The headers for a body that is at hand as a whole: for people who sign by hand.
pub fn sign_bytes(signer: &Signer, body: &[u8], stamp: Stamp<'_>) -> HeaderMap {
    let mut mac = signer.begin();
    mac.absorb(body);
    signer.scheme.fields(&mac, stamp).into_iter().collect()
}

/// A signed request: one attempt's worth of bytes that may be sent. It does not change on its way, so
/// one that a connection did not take can be sent over another.
#[derive(Debug)]
pub struct Signed {
    head: Rc<Head>,
    /// What is this attempt's alone.
    own: Vec<Field>,
    body: ReplayBody,
}

impl Signed {
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
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> + Clone {
        let fields = self.head.fields.as_slice().iter().chain(&self.own);
        fields.map(|(name, value)| (name, value))
    }

    /// The bytes that were signed.
    pub fn body(&self) -> &ReplayBody {
        &self.body
    }
}
