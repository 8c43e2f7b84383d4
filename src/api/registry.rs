//! The state of the registry, as the API tells it.

mod limited;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::api::reply;
use crate::body::BodyLimits;
use crate::registry::Registry;
use crate::telemetry::Rfc3339;
use limited::LimitedTool;

// spec: API-4
#[derive(Serialize)]
struct Status<'a> {
    generation: u64,
    tools: usize,
    source: Option<String>,
    loaded_at: Rfc3339,
    last_reload_successful: bool,
    errors: &'a [String],
    limits: Limits,
    limited_tools: Vec<LimitedTool<'a>>,
}

/// Limits of the process, and how far they are used.
#[derive(Serialize)]
struct Limits {
    buffered_body_bytes: usize,
    max_buffered_bytes: usize,
    max_body_bytes: usize,
}

/// What serves, how the last reload went, and how far limits are used.
// spec: RELOAD-2
pub fn status(registry: &Registry, bodies: &BodyLimits) -> Response<Full<Bytes>> {
    let snapshot = registry.current();
    let account = registry.loaded_from();
    let status = Status {
        generation: snapshot.generation(),
        tools: snapshot.tool_count(),
        source: account.source.map(|path| path.display().to_string()),
        loaded_at: Rfc3339(account.loaded_at),
        last_reload_successful: account.last_errors.is_empty(),
        errors: &account.last_errors,
        limits: Limits {
            buffered_body_bytes: bodies.buffered.used(),
            max_buffered_bytes: bodies.buffered.max(),
            max_body_bytes: bodies.max_bytes,
        },
        limited_tools: limited::tools(&snapshot),
    };
    reply::json(StatusCode::OK, &status)
}

/// A reload that was asked for and refused: every error, in the form of a failed validation.
pub fn refused(errors: &[String]) -> Response<Full<Bytes>> {
    #[derive(Serialize)]
    struct Fault<'a> {
        r#type: &'static str,
        loc: [&'static str; 1],
        msg: &'a str,
    }
    let faults: Vec<_> = errors
        .iter()
        .map(|msg| Fault {
            r#type: "registry_error",
            loc: ["registry"],
            msg,
        })
        .collect();
    reply::detail(StatusCode::UNPROCESSABLE_ENTITY, faults)
}
