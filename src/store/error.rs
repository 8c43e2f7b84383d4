//! What can go wrong with a store, in terms of whoever asked for something.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// Why a store did not do what it was asked for. One failure can answer many writes, so it can be
/// cloned.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// It holds as much as it may. Deleting goes on.
    #[error("the store is full: it may hold {max_bytes} bytes (store_max_bytes)")]
    Full {
        /// The limit.
        max_bytes: u64,
    },
    /// There are as many claims as there may be.
    #[error("there are as many claims as there may be ({max})")]
    TooManyClaims {
        /// The limit.
        max: usize,
    },
    /// More waits to be written than the disk takes.
    #[error("too much waits to be written to the store")]
    Busy,
    /// Another process has the store.
    #[error("another process uses {}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is not one of ours, or what is in it is damaged.
    #[error("{} is damaged or not a store: {what}", path.display())]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// What was found, never a value.
        what: Arc<str>,
    },
    /// Somebody else has made one where there was none.
    #[error("{} was removed or changed by somebody else; restart to go on with it", path.display())]
    Replaced {
        /// The folder.
        path: PathBuf,
    },
    /// The disk failed. Whether the changes will be there after a restart is not known.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The server that sidecars share did not answer in time. Whether it did what it was asked is not
    /// known.
    #[error("the shared store does not answer")]
    Unreachable,
    /// The server that sidecars share said no.
    #[error("the shared store refuses: {code}")]
    Refused {
        /// The word that begins its error, never the text behind it, which can repeat values.
        code: Arc<str>,
    },
    /// The thread that writes is gone.
    #[error("the store has stopped")]
    Closed,
}

/// Two errors are equal when they are told in the same words; what the system said is compared by its
/// kind.
#[cfg(test)]
impl PartialEq for StoreError {
    fn eq(&self, other: &Self) -> bool {
        let kind = |error: &Self| match error {
            Self::Io { source, .. } => Some(source.kind()),
            Self::Full { .. }
            | Self::TooManyClaims { .. }
            | Self::Busy
            | Self::Locked { .. }
            | Self::Corrupt { .. }
            | Self::Replaced { .. }
            | Self::Unreachable
            | Self::Refused { .. }
            | Self::Closed => None,
        };
        self.to_string() == other.to_string() && kind(self) == kind(other)
    }
}
