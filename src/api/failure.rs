//! The one table from what went wrong with a request to its answer.
//!
//! Shapes that the hosted API has are kept; what it does not know has a machine word and a
//! sentence.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tracing::warn;

use crate::api::body;
use crate::api::books::Unwritten;
use crate::api::fault::{Broken, Fault};
use crate::api::reply;
use crate::config::EditError;
use crate::ids::AgentId;
use crate::store::StoreError;

/// Why a request was not done.
#[derive(Debug)]
pub enum Failure {
    /// No tool has this name in this scope.
    UnknownTool {
        /// The name that was asked for, valid or not.
        name: String,
        /// The scope that was asked for.
        scope: String,
    },
    /// The agent has no policy.
    UnknownPolicy {
        /// The agent.
        agent: AgentId,
    },
    /// These fields are wrong.
    Invalid(Vec<Fault>),
    /// The body is larger than [`body::MAX_BYTES`].
    TooLarge,
    /// The body took longer than [`body::TIMEOUT`].
    TooSlow,
    /// The body ended before its end.
    Broken,
    /// The body is not UTF-8.
    NotText,
    /// The registry was not changed, for a reason of its own.
    Edit(EditError),
    /// There is no file to change.
    NoFile,
    /// The lease is not the asker's, or not any more.
    LeaseLost {
        /// Of what.
        key: String,
    },
    /// There is nothing that makes calls.
    NoCalls,
    /// As many locks or leases as there may be are held.
    TooManyKeys,
    /// What has to be durable could not be made so, or not be read.
    Store(StoreError),
}

impl From<Unwritten> for Failure {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::TooMany => Self::TooManyKeys,
            Unwritten::Store(error) => Self::Store(error),
        }
    }
}

impl Failure {
    /// The answer.
    // spec: API-2
    pub fn into_response(self) -> Response<Full<Bytes>> {
        match self {
            Self::UnknownTool { name, scope } => {
                let code = "tool_not_found";
                let detail = json!({ "error": code, "name": name, "scope_id": scope });
                reply::coded(StatusCode::NOT_FOUND, code, &detail)
            }
            Self::UnknownPolicy { agent } => {
                let code = "policy_not_found";
                let detail = json!({ "error": code, "agent_id": agent.as_str() });
                reply::coded(StatusCode::NOT_FOUND, code, &detail)
            }
            Self::Invalid(faults) => reply::detail(StatusCode::UNPROCESSABLE_ENTITY, faults),
            Self::TooLarge => {
                let message = format!("the body is larger than {} bytes", body::MAX_BYTES);
                said(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message)
            }
            Self::TooSlow => {
                let seconds = body::TIMEOUT.as_secs();
                let message = format!("the body did not arrive within {seconds} s");
                said(StatusCode::REQUEST_TIMEOUT, "request_timeout", &message)
            }
            Self::Broken => {
                let message = "the body could not be read to its end";
                said(StatusCode::BAD_REQUEST, "bad_request", message)
            }
            Self::NotText => reply::detail(
                StatusCode::BAD_REQUEST,
                "There was an error parsing the body",
            ),
            Self::Edit(error) => refused(error),
            Self::NoCalls => reply::detail(StatusCode::NOT_FOUND, "Not Found"),
            Self::NoFile => read_only("this registry was built in memory and has no file"),
            Self::LeaseLost { key } => {
                let code = "lease_lost";
                let message = "the key is not held under this lease, or has ended otherwise: ask \
                               for its status before doing the work again";
                let detail = json!({ "error": code, "message": message, "key": key });
                reply::coded(StatusCode::CONFLICT, code, &detail)
            }
            Self::TooManyKeys => {
                let message = "as many keys are held as there may be: let some of them lapse";
                said(StatusCode::SERVICE_UNAVAILABLE, "too_many_keys", message)
            }
            Self::Store(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "store cannot be used"
                );
                let message = "what has to be durable cannot be kept now: look into the \
                               sidecar's log and at countersign_store_working, and try again";
                said(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_unavailable",
                    message,
                )
            }
        }
    }
}

fn refused(error: EditError) -> Response<Full<Bytes>> {
    match error {
        // Whoever knows which tool was meant has said so before; see `tools`.
        EditError::NotFound => reply::detail(StatusCode::NOT_FOUND, "Not Found"),
        EditError::Invalid(violations) => {
            let faults: Vec<_> = violations.iter().map(Fault::of_violation).collect();
            reply::detail(StatusCode::UNPROCESSABLE_ENTITY, faults)
        }
        EditError::ReadOnly { reason } => read_only(&reason),
        EditError::NotEditable { line, reason } => {
            let code = "registry_not_editable";
            let message = format!(
                "the registry file cannot be edited without touching more than this entry: {reason}"
            );
            let detail =
                json!({ "error": code, "message": message, "line": line, "reason": reason });
            reply::coded(StatusCode::CONFLICT, code, &detail)
        }
        EditError::BrokenFile(problems) => {
            let code = "registry_invalid";
            let message = "the registry file has errors and was left as it is: mend it first";
            let problems: Vec<_> = problems.lines().collect();
            let detail = json!({ "error": code, "message": message, "problems": problems });
            reply::coded(StatusCode::CONFLICT, code, &detail)
        }
        EditError::Busy => {
            let message = "others are writing the registry file: try again";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut response = said(status, "registry_busy", message);
            // Writing takes milliseconds; a second is the least that the header can say.
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, soon);
            response
        }
        EditError::Io { what, source } => {
            warn!(what, error = %source, "registry could not be written");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let message = format!("{what} cannot be written: {source}");
            said(status, "registry_write_failed", &message)
        }
    }
}

fn read_only(reason: &str) -> Response<Full<Bytes>> {
    said(StatusCode::CONFLICT, "registry_read_only", reason)
}

fn said(status: StatusCode, code: &'static str, message: &str) -> Response<Full<Bytes>> {
    reply::coded(status, code, &json!({ "error": code, "message": message }))
}

/// Reads something, or says everything that is wrong with it.
pub fn read<T>(reading: impl FnOnce(&mut Vec<Fault>) -> Option<T>) -> Result<T, Failure> {
    let mut faults = Vec::new();
    match reading(&mut faults) {
        Some(read) if faults.is_empty() => Ok(read),
        Some(_) | None => Err(Failure::Invalid(faults)),
    }
}

/// A new tool without a secret, as the registry finds it.
pub fn secret_is_missing() -> Failure {
    let loc = vec!["body".into(), "auth".into(), "secret".into()];
    Failure::Invalid(vec![Broken::MISSING.at(loc, &json!({}))])
}
