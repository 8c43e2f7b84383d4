//! Transparent calls with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
//!
//! An answer that is kept is given when it is whole and kept, so that what an agent has read to its end
//! is also what a repetition gets. What does not stand for all repetitions is passed on as it comes.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::body::Captured;
use crate::call::collect::{Collected, collect};
use crate::call::governance::note_unkept;
use crate::call::relay::Stream;
use crate::call::supervised::in_doubt;
use crate::call::{Admitted, Call, Engine, Given, Overload, Refusal, kept};
use crate::headers::{self, IDEMPOTENCY_KEY};
use crate::once::{ClaimKey, Claimed, EXPLICIT_TTL, Lease, Stored, Terms};
use crate::registry::{OnceTerms, Tool};
use crate::sign::Signature;
use crate::telemetry::{CallOutcome, DEDUP, Decided};
use crate::upstream::Seen;

/// The longest key, in bytes.
const MAX_KEY_LEN: usize = 256;

/// A request's key, and what its tool says of calls that were cut off.
pub(super) struct Key {
    value: HeaderValue,
    once: OnceTerms,
}

impl Key {
    /// The key of a request that may change something; `None` where it has none, or its tool wants each
    /// call to be its own.
    ///
    /// # Errors
    /// When there is more than one, or it has a form that no key has.
    // spec: IDEM-1
    pub(super) fn of<B>(call: &Call<B>, tool: &Tool) -> Result<Option<Self>, Refusal> {
        let Some(once) = tool.once.filter(|_| !call.method.is_safe()) else {
            return Ok(None);
        };
        let name = IDEMPOTENCY_KEY;
        let mut keys = call.fields.get_all(&name);
        let Some(value) = keys.next() else {
            return Ok(None);
        };
        let fits = (1..=MAX_KEY_LEN).contains(&value.len());
        if keys.next().is_some() || !fits || !value.as_bytes().iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::BadRequest(
                "there is one Idempotency-Key, of 1 to 256 visible ASCII characters",
            ));
        }
        let value = value.clone();
        Ok(Some(Self { value, once }))
    }
}

/// What came of claiming a key.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it was asked for"
)]
pub(super) enum Claim {
    /// The call is to be made; without a lease where the store is not needed.
    Ours(Option<Lease>),
    /// It was made before.
    Answered(Given),
}

impl Engine {
    /// Claims the call.
    ///
    /// # Errors
    /// When it must not be made, or not now.
    // spec: IDEM-1
    pub(super) async fn claim(
        &self,
        call: &Admitted,
        key: &Key,
        body: &Captured<Signature>,
    ) -> Result<Claim, Refusal> {
        let terms = Terms {
            ttl: EXPLICIT_TTL,
            in_doubt: in_doubt(key.once),
            fingerprint: Some(fingerprint(call, body)),
        };
        let key = ClaimKey::of_header(call.template.agent(), &call.tool.name, key.value.as_bytes());
        match self.governance.once.claim(key, terms).await {
            Ok(Claimed::Ours(lease)) => Ok(Claim::Ours(Some(lease))),
            Ok(Claimed::Finished(stored)) => self.replay(stored).map(Claim::Answered),
            Ok(Claimed::Running(_)) => Err(Refusal::IdempotencyInFlight),
            Ok(Claimed::InDoubt(_)) => Err(Refusal::IdempotencyInDoubt),
            Ok(Claimed::Mismatch) => Err(Refusal::IdempotencyMismatch),
            Err(error) => {
                self.governance.without_claim(&error)?;
                Ok(Claim::Ours(None))
            }
        }
    }

    /// Gives the answer of an earlier call again, if there is room for it.
    fn replay(&self, stored: Stored) -> Result<Given, Refusal> {
        let no_room = Refusal::Overloaded(Overload::BufferedBytes);
        let answer = self.body_limits.hold(stored.answer).ok_or(no_room)?;
        // What cannot be read is as good as not there, and what is not there must not be made again.
        let response = kept::replay(answer).ok_or(Refusal::StoreUnavailable)?;
        let outcome = CallOutcome::Decided(Decided {
            status: response.status(),
            word: DEDUP,
            code: None,
        });
        Ok(Given::Whole(Box::new((response, outcome))))
    }

    /// Reads an answer to its end and keeps it, if it is one to keep.
    // spec: IDEM-1
    pub(super) async fn keep(&self, lease: Lease, stream: Box<Stream>) -> Result<Given, Refusal> {
        if !is_final(stream.answer.response.status()) {
            note_unkept(lease.fail(Bytes::new()).await);
            return Ok(Given::Stream(stream));
        }
        let Stream {
            mut answer, place, ..
        } = *stream;
        let (mut head, body) = answer.response.into_parts();
        let max = self.governance.max_result_bytes;
        match collect(body, max, answer.max_silence, &self.body_limits).await {
            Collected::Whole(whole) => {
                headers::remove_what_ends_here(&mut head.headers);
                match kept::keep(&head, &whole.bytes) {
                    Some(kept) => note_unkept(lease.complete(kept).await),
                    None => note_unkept(lease.fail(Bytes::new()).await),
                }
                let outcome = CallOutcome::Answered(head.status);
                let response = Response::from_parts(head, whole.room.hold(whole.bytes));
                Ok(Given::Whole(Box::new((response, outcome))))
            }
            Collected::TooLarge(large) => {
                note_unkept(lease.fail(Bytes::new()).await);
                answer.response = Response::from_parts(head, large.rest);
                let ahead = large.ahead;
                Ok(Given::Stream(Box::new(Stream {
                    answer,
                    ahead,
                    place,
                })))
            }
            Collected::Failed(kind) => {
                note_unkept(lease.fail(Bytes::new()).await);
                let seen = Seen::MaybeSeen;
                Err(Refusal::Upstream { kind, seen })
            }
        }
    }
}

/// Everything about a request that must not change under one key: method, URL and body.
fn fingerprint(call: &Admitted, body: &Captured<Signature>) -> [u8; 32] {
    let head = call.template.head();
    let mut digest = Sha256::new();
    for part in [head.method.as_str(), head.path.as_str()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    for block in body.replay().blocks() {
        digest.update(block);
    }
    digest.finalize().into()
}

/// Whether an answer stands for all repetitions of its call. The others say that it was not carried
/// out, or not now.
// spec: IDEM-1
fn is_final(status: StatusCode) -> bool {
    const NOT_NOW: [StatusCode; 4] = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::CONFLICT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    !status.is_server_error() && !NOT_NOW.contains(&status)
}
