//! What an operator sees: metrics, one access-log line per call, trace context.
//!
//! Label values come from closed sets, and neither bodies, queries nor secrets ever get here.
//! Whoever starts a call makes its [`CallRecord`]; the record reports itself once, when it is
//! finished or dropped. Diagnostics (`tracing`) and the admin door are set up elsewhere.

mod access_log;
mod metrics;
mod outcome;
mod record;
mod rfc3339;
mod trace;
mod words;

pub use access_log::{AccessLog, Entry, LogFormat, Tried};
pub use metrics::{Metrics, RegistryReload, StoreState, ToolMetrics};
pub use outcome::{AttemptOutcome, BLOCKED, CallOutcome, DEDUP, Decided, Door, FAILED};
pub use record::{CallRecord, Telemetry};
pub use rfc3339::Rfc3339;
pub use trace::TraceContext;
pub(crate) use words::words;
pub use words::{CircuitVerdict, Ending, Limit, NoRetry, Unanswered};
