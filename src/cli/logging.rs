//! Diagnostics on standard error: lines of JSON for machines, text for people.

use std::io::{self, IsTerminal as _};

use crate::cli::out::colour_is_wanted;
use crate::config::LogSettings;
use crate::telemetry::LogFormat;

/// Starts writing diagnostics. Called once, before anything is logged.
pub fn start(settings: &LogSettings) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(settings.level)
        .with_writer(io::stderr)
        // It would say on standard error that nothing can be said there, and panic.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal() && colour_is_wanted());
    match settings.format {
        LogFormat::Json => lines
            .json()
            .with_current_span(false)
            .with_span_list(false)
            .init(),
        LogFormat::Text => lines.with_target(false).init(),
    }
}
