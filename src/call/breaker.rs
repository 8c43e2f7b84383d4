//! A tool's circuit breaker, as calls see it: asked before each attempt, told after it, and heard in
//! the account of the call.
//!
//! For a tool without one, everything here is a look at a `None`.

use std::time::Duration;

use tracing::{info, warn};

use crate::call::Refusal;
use crate::call::verdict::Verdict;
use crate::registry::{Circuit, IsOpen, Tool, Trial, Turn};
use crate::telemetry::{CallRecord, CircuitVerdict, NoRetry};

/// Whether a call may begin: nothing of its body has been read yet.
///
/// # Errors
/// When its first attempt could not be made now.
// spec: LIMIT-3
pub(super) fn admit(tool: &Tool, record: &mut CallRecord) -> Result<(), Refusal> {
    let Some(circuit) = circuit(tool) else {
        return Ok(());
    };
    let open = circuit.check(Duration::ZERO);
    open.map_err(|open| refuse(open, record))
}

/// Begins a call's first attempt.
///
/// # Errors
/// When the circuit has opened since the call was admitted.
// spec: LIMIT-3
pub(super) fn enter<'t>(
    tool: &'t Tool,
    record: &mut CallRecord,
) -> Result<Option<Trial<'t>>, Refusal> {
    let Some(circuit) = circuit(tool) else {
        return Ok(None);
    };
    let trial = circuit.enter().map_err(|open| refuse(open, record))?;
    Ok(Some(note_probe(trial, record)))
}

/// Begins another attempt. `None` when it must not be made.
// spec: LIMIT-3
pub(super) fn enter_again<'t>(
    tool: &'t Tool,
    record: &mut CallRecord,
) -> Option<Option<Trial<'t>>> {
    let Some(circuit) = circuit(tool) else {
        return Some(None);
    };
    let Ok(trial) = circuit.enter() else {
        record.no_retry(NoRetry::Circuit);
        return None;
    };
    Some(Some(note_probe(trial, record)))
}

/// Whether it makes sense to wait this long for another attempt.
// spec: LIMIT-3
pub(super) fn allows_retry(tool: &Tool, wait: Duration, record: &mut CallRecord) -> bool {
    let allowed = circuit(tool).is_none_or(|circuit| circuit.check(wait).is_ok());
    if !allowed {
        record.no_retry(NoRetry::Circuit);
    }
    allowed
}

/// Tells what an attempt came to.
// spec: LIMIT-3
pub(super) fn ended(
    tool: &Tool,
    trial: Option<Trial<'_>>,
    verdict: &Verdict,
    record: &mut CallRecord,
) {
    let Some(trial) = trial else { return };
    let tool = tool.name.as_str();
    match trial.ended(is_failure(verdict)) {
        Turn::Unchanged => {}
        Turn::Opened => {
            record.circuit_opened();
            warn!(tool, "circuit opened");
        }
        Turn::Closed => info!(tool, "circuit closed"),
    }
}

/// What says that the upstream is unwell. That it refuses this one call, or wants fewer of them,
/// does not.
fn is_failure(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Answered(answer) => answer.status().is_server_error(),
        Verdict::Failed(_) => true,
    }
}

fn circuit(tool: &Tool) -> Option<&Circuit> {
    tool.protection.circuit.as_deref()
}

fn refuse(IsOpen(retry_after): IsOpen, record: &mut CallRecord) -> Refusal {
    record.circuit(CircuitVerdict::Refused);
    Refusal::CircuitOpen { retry_after }
}

fn note_probe<'t>(trial: Trial<'t>, record: &mut CallRecord) -> Trial<'t> {
    if trial.is_probe() {
        record.circuit(CircuitVerdict::Probe);
    }
    trial
}
