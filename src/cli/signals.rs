//! The signals that end a process: the first asks, the second insists.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, from the moment this exists.
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Takes both signals over from the system's default, which would end the process.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of them; its number. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// Runs `work`, which gets a future that completes at the first signal, and ends the process at the
/// second.
// spec: LIFE-2
pub async fn until_signalled<F: Future>(
    mut signals: EndSignals,
    work: impl FnOnce(tokio::sync::oneshot::Receiver<i32>) -> F,
) -> F::Output {
    let (tell, told) = tokio::sync::oneshot::channel();
    let insist = async {
        let first = signals.next().await;
        // The work may have ended in this very moment.
        let _ = tell.send(first);
        signals.next().await
    };
    tokio::select! {
        output = work(told) => output,
        // Whoever asks twice does not want to wait for destructors either.
        number = insist => std::process::exit(128 + number),
    }
}
