//! What every thread of a sidecar shares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::body::BufferedBytes;
use crate::clock::Clock;
use crate::config::Settings;
use crate::registry::Registry;
use crate::server::{ConnectionSlots, HttpLimits};
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::TlsClients;

/// Made once by the composition root; read or counted by everybody, changed by nobody.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) registry: Arc<Registry>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access_log: AccessLog,
    pub(super) buffered: BufferedBytes,
    pub(super) slots: ConnectionSlots,
    pub(super) tls: Arc<TlsClients>,
    pub(super) clock: Clock,
    /// Held while the registry's files are read or edited. An edit deletes secret files that its
    /// new text no longer names, and a load that had read the old text would miss them.
    pub(super) files: Mutex<()>,
}

impl Parts {
    /// Waits until nobody else reads or edits the registry's files. Blocks.
    pub(super) fn files(&self) -> MutexGuard<'_, ()> {
        // It guards files, which a panicking thread leaves as whole as any other.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for both listeners.
    pub(super) fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            head_timeout: self.settings.limits.head_timeout,
            max_head_bytes: self.settings.limits.max_head_bytes,
            body_timeout: self.settings.limits.body_timeout,
        }
    }
}
