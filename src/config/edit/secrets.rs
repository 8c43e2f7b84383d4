//! The folder for secrets that came through the API.
//!
//! A secret is never changed in place: each write makes a file of a new name, so that the registry,
//! old or new, always names a file with the secret that it means. Files that nobody names any more
//! are removed once the registry that stopped naming them is durable; only files of our own naming
//! are touched, since people keep theirs in the same folder.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::EditError;
use super::disk::{create, failed, folder, is_random, sync_folder};
use super::steps::{Step, Steps};
use crate::ids::{ScopeId, ToolName};
use crate::secret::Secret;

const WHAT: &str = "the folder for secrets";

/// The longest part of a tool's name in a file's name.
const LABEL_BYTES: usize = 64;

/// The folder, as one registry uses it.
pub struct Secrets {
    /// Where it is.
    folder: PathBuf,
    /// How the registry names it.
    named: String,
    /// Tells the files of this registry from those of another that uses the same folder.
    tag: String,
}

/// A secret's new file.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    /// How the registry names it.
    pub name: String,
}

impl Secrets {
    /// The folder `dir`, relative to the folder of `registry` unless absolute.
    pub fn new(registry: &Path, dir: &Path) -> Result<Self, EditError> {
        let named = dir.to_str().ok_or_else(|| EditError::Io {
            what: WHAT,
            source: io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"),
        })?;
        // A relative folder moves along with its registry, an absolute one may have several.
        let identity = if dir.is_absolute() {
            fs::canonicalize(registry).unwrap_or_else(|_| registry.to_owned())
        } else {
            registry.file_name().unwrap_or_default().into()
        };
        let digest = Sha256::digest(identity.as_os_str().as_encoded_bytes());
        let tag = digest[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            folder: folder(registry).join(dir),
            named: named.to_owned(),
            tag,
        })
    }

    /// Writes a secret to a file of its own, durably.
    // spec: EDIT-2
    pub fn store(
        &self,
        (name, scope): (&ToolName, &ScopeId),
        secret: &Secret,
        steps: &Steps,
    ) -> Result<Stored, EditError> {
        self.make_folder().map_err(|error| failed(WHAT, error))?;
        let label = label((name, scope));
        let file = loop {
            let file = format!("{label}.{}-{:08x}", self.tag, fastrand::u32(..));
            // Not even by chance may a file that is in use be replaced; nobody else writes now.
            if !self.folder.join(&file).exists() {
                break file;
            }
        };
        let stored = Stored {
            path: self.folder.join(&file),
            name: format!("{}/{file}", self.named.trim_end_matches('/')),
        };
        let temporary = self.folder.join(format!(".{file}.tmp"));
        let written = write(&temporary, secret, steps).and_then(|()| {
            fs::rename(&temporary, &stored.path)?;
            sync_folder(&self.folder)?;
            steps.reach(Step::SecretWritten)
        });
        match written {
            Ok(()) => Ok(stored),
            Err(error) => {
                // What is left behind is swept up after the next edit.
                let _ = fs::remove_file(&temporary);
                stored.discard();
                Err(failed(WHAT, error))
            }
        }
    }

    fn make_folder(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        sync_folder(folder(&self.folder))
    }

    /// Removes the files of this registry that it does not name: secrets that were replaced, and
    /// what writers left that were stopped half-way.
    pub fn sweep(&self, named: &[PathBuf]) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let file = entry.file_name();
            let Some(text) = file.to_str() else { continue };
            let temporary = text
                .strip_prefix('.')
                .and_then(|text| text.strip_suffix(".tmp"));
            let ours = self.is_ours(temporary.unwrap_or(text));
            // By its last part alone, so that another spelling of the path counts as well.
            if ours && !named.iter().any(|path| path.file_name() == Some(&file)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        let Some((label, rest)) = name.split_once('.') else {
            return false;
        };
        let random = rest
            .strip_prefix(self.tag.as_str())
            .and_then(|rest| rest.strip_prefix('-'));
        label.len() <= LABEL_BYTES
            && label.bytes().all(is_safe)
            && random.is_some_and(|random| is_random(random.as_bytes()))
    }
}

impl Stored {
    /// Removes the file again, if no registry came to name it.
    pub fn discard(self) {
        // What is left behind is swept up after the next edit.
        let _ = fs::remove_file(self.path);
    }
}

/// A part of a file's name that tells people whose secret it holds.
fn label((name, scope): (&ToolName, &ScopeId)) -> String {
    let whole = match scope {
        ScopeId::Global => name.as_str().to_owned(),
        ScopeId::Agent(agent) => format!("{}_{}", name.as_str(), agent.as_str()),
    };
    let safe = whole
        .bytes()
        .map(|byte| if is_safe(byte) { char::from(byte) } else { '_' });
    safe.take(LABEL_BYTES).collect()
}

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn write(path: &Path, secret: &Secret, steps: &Steps) -> io::Result<()> {
    let mut file = create(path)?;
    steps.reach(Step::SecretBegun)?;
    file.write_all(secret.expose())?;
    if secret.expose().ends_with(b"\n") {
        // A reader drops one line break at the end.
        file.write_all(b"\n")?;
    }
    file.sync_all()
}
