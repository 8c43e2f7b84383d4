//! What calls are governed by: what agents may do, what they have done, and where that is written
//! down.
//!
//! All threads share one.

use tracing::warn;

use crate::audit::Audit;
use crate::call::Refusal;
use crate::once::Once;
use crate::policy::Desk;
use crate::store::StoreError;

/// What agents may do and have done.
pub struct Governance {
    /// Claims and answers.
    pub once: Once,
    /// Policies, kill switches and counters.
    pub desk: Desk,
    /// The log of decisions.
    pub audit: Audit,
    /// What becomes of a call that cannot be remembered.
    pub on_store_error: OnStoreError,
    /// The largest answer that is kept, and the largest result of a governed call, in bytes.
    pub max_result_bytes: usize,
    /// The `ns` of every envelope.
    pub namespace: Box<str>,
}

/// What becomes of a call that needs the store while it cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnStoreError {
    /// It is not made.
    Refuse,
    /// It is made as if nothing were remembered.
    Proceed,
}

impl Governance {
    /// Decides about a call whose claim could not be made.
    ///
    /// # Errors
    /// When it must not be made without.
    // spec: GOV-5
    pub(super) fn without_claim(&self, error: &StoreError) -> Result<(), Refusal> {
        warn!(
            error = error as &dyn std::error::Error,
            "claim could not be stored"
        );
        match self.on_store_error {
            OnStoreError::Refuse => Err(Refusal::StoreUnavailable),
            OnStoreError::Proceed => Ok(()),
        }
    }
}

/// Notes that the end of a claim is not durable. Its call has an answer all the same: to whoever asks
/// after a restart the claim is in doubt, which is what it says.
pub(super) fn note_unkept(ended: Result<(), StoreError>) {
    if let Err(error) = ended {
        warn!(
            error = &error as &dyn std::error::Error,
            "end of a claim could not be stored"
        );
    }
}
