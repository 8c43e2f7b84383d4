//! The access log: one line per call, written by a thread of its own.
//!
//! A worker appends to a buffer that is its alone and never waits for the output: a line that does
//! not fit is dropped and counted. What a line says is decided by the call's record.

mod json;
mod line;
mod read;
mod writer;

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use metrics::Counter;

use writer::{Buffer, Shared, Writer, lock};

pub use line::{Attempts, Line, LogFormat};
pub use read::{Entry, Tried};

/// What one worker may have waiting, in bytes: some two thousand lines, which is about twice what it
/// logs at full load while lines gather, and all that a stuck output can cost in memory.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The access log of a process. Dropping it has the rest written in the background; call
/// [`flush`](Self::flush) first where the process is about to end.
pub struct AccessLog(Option<Active>);

struct Active {
    shared: Arc<Shared>,
    writer: Thread,
    format: LogFormat,
}

impl AccessLog {
    /// No access log: lines are not even put together.
    pub fn off() -> Self {
        Self(None)
    }

    /// Lines go to standard output; `dropped` counts those that are lost.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn to_stdout(format: LogFormat, dropped: Counter) -> io::Result<Self> {
        Self::to(Box::new(io::stdout()), format, dropped)
    }

    /// Lines go to `sink`, which may block or fail; `dropped` counts those that are lost.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn to(
        sink: Box<dyn Write + Send>,
        format: LogFormat,
        dropped: Counter,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(dropped));
        let writer = Writer::new(Arc::clone(&shared), sink);
        let thread = thread::Builder::new().name("access-log".to_owned());
        let writer = thread.spawn(|| writer.run())?.thread().clone();
        Ok(Self(Some(Active {
            shared,
            writer,
            format,
        })))
    }

    /// A worker's end of the log, with a buffer of its own.
    pub fn handle(&self) -> LogHandle {
        LogHandle(self.0.as_ref().map(|log| {
            let buffer = Arc::new(Buffer::default());
            lock(&log.shared.buffers).push(Arc::clone(&buffer));
            Appender {
                buffer,
                shared: Arc::clone(&log.shared),
                writer: log.writer.clone(),
                format: log.format,
            }
        }))
    }

    /// Has every line written that was logged before, and waits for it for at most `within`, since
    /// the output may be stuck. It blocks the calling thread. False when time ran out.
    pub fn flush(&self, within: Duration) -> bool {
        self.0
            .as_ref()
            .is_none_or(|log| log.shared.flush(&log.writer, within))
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.shared.stop(&log.writer);
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.0.as_ref().map(|log| log.format);
        f.debug_tuple("AccessLog").field(&format).finish()
    }
}

/// A worker's end of the access log.
pub struct LogHandle(Option<Appender>);

struct Appender {
    buffer: Arc<Buffer>,
    shared: Arc<Shared>,
    writer: Thread,
    format: LogFormat,
}

impl LogHandle {
    /// Logs what `line` gives, which is not asked when there is no log. Never blocks on the output.
    pub fn write<'a>(&self, line: impl FnOnce() -> Line<'a>) {
        let Some(log) = &self.0 else { return };
        let mut buffer = lock(&log.buffer);
        let before = buffer.len();
        line().write(log.format, &mut buffer);
        if buffer.len() > BUFFER_BYTES {
            buffer.truncate(before);
            log.shared.dropped.increment(1);
            return;
        }
        drop(buffer);
        // The writer takes a buffer whole, so it needs to hear of the first line only.
        if before == 0 {
            log.shared.ring(&log.writer);
        }
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.0.as_ref().map(|log| log.format);
        f.debug_tuple("LogHandle").field(&format).finish()
    }
}

#[cfg(test)]
pub(in crate::telemetry) mod tests;
