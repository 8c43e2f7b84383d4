//! The files that a registry names, and one digest over all that was read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config::source;

/// Reads files beside a registry and remembers which.
pub(super) struct Files {
    folder: PathBuf,
    named: Vec<PathBuf>,
    known: HashSet<PathBuf>,
    unreadable: HashSet<PathBuf>,
    digest: Sha256,
}

impl Files {
    /// For the registry at `path`: relative names start at its folder.
    pub(super) fn beside(path: &Path) -> Self {
        Self {
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            named: Vec::new(),
            known: HashSet::new(),
            unreadable: HashSet::new(),
            digest: Sha256::new(),
        }
    }

    /// Reads a file of at most `max` bytes that the registry names.
    ///
    /// A file that cannot be read is remembered too: the reason becomes part of the digest, and
    /// its appearance is what a watcher waits for.
    // spec: REG-1
    pub(super) fn read(&mut self, name: &str, max: u64) -> Result<Zeroizing<Vec<u8>>, String> {
        let path = self.folder.join(name);
        let content = source::read_whole(&path, max);
        match &content {
            Ok(content) => self.note(&path, content),
            Err(reason) => {
                self.note(&path, reason.as_bytes());
                self.unreadable.insert(path);
            }
        }
        content
    }

    /// How many of the files that the registry names could not be read.
    // spec: OBS-1
    pub(super) fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// Takes what was found at `path` into account, the first time that it is looked at.
    pub(super) fn note(&mut self, path: &Path, found: &[u8]) {
        if !self.known.insert(path.to_owned()) {
            return;
        }
        self.named.push(path.to_owned());
        for part in [path.as_os_str().as_encoded_bytes(), found] {
            // The length keeps neighbouring parts apart.
            self.digest.update((part.len() as u64).to_be_bytes());
            self.digest.update(part);
        }
    }

    /// The files in the order of their first mention, each once, and the digest.
    pub(super) fn finish(self) -> (Vec<PathBuf>, [u8; 32]) {
        (self.named, self.digest.finalize().into())
    }
}
