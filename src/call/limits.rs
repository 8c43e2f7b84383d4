//! A tool's limits, as calls meet them: its deadline, its circuit and rate before anything is spent on a
//! call, and its places before the first attempt.
//!
//! What the limits are and how they count is `registry`'s.

use tokio::time::Instant;

use crate::call::breaker;
use crate::call::{Overload, Refusal};
use crate::registry::{Place, Tool};
use crate::telemetry::CallRecord;

/// The end of all attempts and waits, from now on.
pub(super) fn deadline(tool: &Tool) -> Option<Instant> {
    tool.deadline.map(|deadline| Instant::now() + deadline)
}

/// Refuses what the tool's circuit or rate would refuse, while that costs nothing yet.
// spec: LIMIT-2 LIMIT-3
pub(super) fn admit(tool: &Tool, record: &mut CallRecord) -> Result<(), Refusal> {
    // In this order: a call that is not going to be made must not use up a token.
    breaker::admit(tool, record)?;
    let Some(rate) = &tool.protection.rate else {
        return Ok(());
    };
    rate.take().map_err(|retry_after| {
        record.rate_limited();
        Refusal::RateLimited { retry_after }
    })
}

/// Takes one of the tool's places, where it has a number of them.
///
/// Dropping the future leaves the queue.
// spec: LIMIT-1
pub(super) async fn place(
    tool: &Tool,
    deadline: Option<Instant>,
    record: &mut CallRecord,
) -> Result<Option<Place>, Refusal> {
    let Some(concurrency) = &tool.protection.concurrency else {
        return Ok(None);
    };
    if let Some(place) = concurrency.places.try_take() {
        record.not_queued();
        return Ok(Some(place));
    }
    record.queue_joined();
    let waited = concurrency.places.take(concurrency.patience, deadline);
    let place = waited.await;
    record.queue_left();
    place
        .map(Some)
        .map_err(|_| Refusal::Overloaded(Overload::Concurrency))
}
