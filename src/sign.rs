//! Signing: turns a captured body and a head into the only thing that an upstream can be sent.
//!
//! The invariant is in the types: [`Signed`] has no public constructor but [`Signer::sign`], and
//! `upstream` sends nothing else, so a request that could not be signed cannot leave. One file per
//! scheme; which headers a scheme writes is decided there.

mod hmac_sha256;
pub mod verify;

use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use crate::body::{Absorb as _, Captured, ReplayBody};
use crate::clock::Timestamp;
use crate::ids::SecretId;
use crate::secret::Secret;

pub use hmac_sha256::BodyMac;

/// What a request says before it is signed: everything but the body and our headers.
#[derive(Clone, Debug)]
pub struct Head {
    /// The agent's method.
    pub method: Method,
    /// Path and query at the upstream.
    pub uri: Uri,
    /// End-to-end headers, already cleaned of everything an agent may not say.
    pub headers: HeaderMap,
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

    /// Signs one attempt.
    ///
    /// The headers are written last and replace whatever stood in their place.
    // spec: SIG-1 SIG-2 SIG-3 SIG-4
    pub fn sign(&self, head: Head, body: &Captured<BodyMac>, stamp: Stamp<'_>) -> Signed {
        let mut request = Request::new(body.replay());
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.headers_mut() = head.headers;
        self.scheme
            .write(request.headers_mut(), body.digest(), stamp);
        Signed { request }
    }
}

/// The headers for a body that is at hand as a whole: for people who sign by hand.
pub fn sign_bytes(signer: &Signer, body: &[u8], stamp: Stamp<'_>) -> HeaderMap {
    let mut mac = signer.begin();
    mac.absorb(body);
    let mut headers = HeaderMap::new();
    signer.scheme.write(&mut headers, &mac, stamp);
    headers
}

/// A signed request: one attempt's worth of bytes that may be sent.
#[derive(Debug)]
pub struct Signed {
    request: Request<ReplayBody>,
}

impl Signed {
    /// The request for the wire. Only `upstream` has a use for it.
    pub(crate) fn into_request(self) -> Request<ReplayBody> {
        self.request
    }
}
