//! The registry file on disk: one writer at a time, and every change whole or not at all.
//!
//! A reader sees the old file or the new one, whenever the machine stops. Processes exclude each
//! other by a lock on a file of its own beside the registry, because the registry itself is
//! replaced by every edit. People do not take that lock: the content is compared once more right
//! before it is replaced.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use zeroize::Zeroizing;

use super::EditError;
use super::steps::{Step, Steps};
use crate::config::problem::{Problem, Severity};
use crate::config::source;
use crate::config::yaml::Limits;

/// How long another writer is waited for: an edit takes milliseconds, and whoever asked for this
/// one waits too.
const LOCK_TRIES: u32 = 2_000;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A registry that nobody else edits while this exists.
pub struct Locked<'e> {
    path: &'e Path,
    steps: &'e Steps,
    /// The lock ends with it.
    _lock: File,
}

/// A registry's content as it was read.
pub struct Original {
    bytes: Zeroizing<Vec<u8>>,
    metadata: Metadata,
    /// Its text, without a byte-order mark.
    pub text: Zeroizing<String>,
}

/// What came of an attempt to replace the file.
pub enum Replaced {
    /// The new content is there to stay.
    Durably,
    /// The new content is there, and may be gone after a power cut.
    Unsynced(io::Error),
    /// Somebody else changed the file since it was read; nothing was done.
    Overtaken,
}

impl<'e> Locked<'e> {
    /// Waits until nobody else edits the registry at `path`.
    pub fn new(path: &'e Path, steps: &'e Steps) -> Result<Self, EditError> {
        check_kind(path)?;
        let lock = open_lock(&beside(path, ".lock"))?;
        for _ in 0..LOCK_TRIES {
            match lock.try_lock() {
                Ok(()) => {
                    let locked = Self {
                        path,
                        steps,
                        _lock: lock,
                    };
                    locked.sweep()?;
                    return Ok(locked);
                }
                Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => {
                    return Err(failed("the lock beside the registry", error));
                }
            }
        }
        Err(EditError::Busy)
    }

    /// The registry's content as it is now.
    pub fn read(&self) -> Result<Original, EditError> {
        let metadata = check_kind(self.path)?;
        let bytes = self
            .bytes()
            .map_err(|message| unreadable(self.path, message))?;
        let text = source::text_of(self.path, bytes.clone());
        let text = text.map_err(|problem| EditError::BrokenFile(problem.into()))?;
        Ok(Original {
            bytes,
            metadata,
            text,
        })
    }

    /// Puts `text` in the place of what was read.
    // spec: EDIT-1
    pub fn replace(&self, original: &Original, text: &str) -> Result<Replaced, EditError> {
        const WHAT: &str = "the registry's folder";
        let temporary = beside(self.path, &format!(".{:08x}.tmp", fastrand::u32(..)));
        let replaced = self.write(&temporary, original, text).and_then(|()| {
            self.steps.reach(Step::RegistryWritten)?;
            // As late as possible: from here to the next line nobody else should write.
            if self.bytes().is_ok_and(|now| *now == *original.bytes) {
                fs::rename(&temporary, self.path).map(|()| true)
            } else {
                Ok(false)
            }
        });
        match replaced {
            Ok(true) => {}
            Ok(false) => {
                fs::remove_file(&temporary).map_err(|error| failed(WHAT, error))?;
                return Ok(Replaced::Overtaken);
            }
            Err(error) => {
                // What is left behind is swept up before the next edit.
                let _ = fs::remove_file(&temporary);
                return Err(failed(WHAT, error));
            }
        }
        let synced = self
            .steps
            .reach(Step::RegistryReplaced)
            .and_then(|()| sync_folder(folder(self.path)));
        Ok(synced.map_or_else(Replaced::Unsynced, |()| Replaced::Durably))
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        source::read_whole(self.path, Limits::REGISTRY.bytes)
    }

    fn write(&self, temporary: &Path, original: &Original, text: &str) -> io::Result<()> {
        let mut file = create(temporary)?;
        self.steps.reach(Step::RegistryBegun)?;
        if original.bytes.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            file.write_all(BYTE_ORDER_MARK.as_bytes())?;
        }
        file.write_all(text.as_bytes())?;
        let Original { metadata, .. } = original;
        // Only root may give a file away, and only to its own groups may anybody else; a file that
        // stays ours is what every editor would leave.
        let _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
        file.set_permissions(fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
        file.sync_all()
    }

    /// Removes what writers left that were stopped half-way. Nobody else writes now.
    fn sweep(&self) -> Result<(), EditError> {
        const WHAT: &str = "the registry's folder";
        let prefix = beside(self.path, ".");
        let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
        let entries = fs::read_dir(folder(self.path)).map_err(|error| failed(WHAT, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(WHAT, error))?;
            let name = entry.file_name();
            let random = name
                .as_encoded_bytes()
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_suffix(b".tmp"));
            if random.is_some_and(is_random) {
                fs::remove_file(entry.path()).map_err(|error| failed(WHAT, error))?;
            }
        }
        Ok(())
    }
}

/// The folder that a file is in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// A hidden file beside the registry, whose name begins with the registry's.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    folder(path).join(name)
}

/// Whether these are the digits of a random name: eight, hexadecimal.
pub fn is_random(digits: &[u8]) -> bool {
    digits.len() == 8
        && digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// A new file that nobody but us can read.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes names that were made or removed in a folder survive a power cut.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What a failed operation on `what` means: something here is read-only, or is broken.
pub fn failed(what: &'static str, source: io::Error) -> EditError {
    // A mount point cannot be replaced (busy) and cannot be moved across (devices).
    let read_only = [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::ResourceBusy,
        io::ErrorKind::CrossesDevices,
    ];
    if read_only.contains(&source.kind()) {
        let reason = format!("{what} cannot be written: {source}");
        EditError::ReadOnly { reason }
    } else {
        EditError::Io { what, source }
    }
}

fn check_kind(path: &Path) -> Result<Metadata, EditError> {
    let refuse = |reason: &str| {
        Err(EditError::ReadOnly {
            reason: reason.to_owned(),
        })
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            refuse("the registry is a symbolic link; whatever manages the link must change it")
        }
        Ok(metadata) if metadata.mode() & 0o222 == 0 => {
            refuse("the registry's permissions allow nobody to write it")
        }
        Ok(metadata) => Ok(metadata),
        Err(error) => Err(unreadable(path, format!("cannot be read: {error}"))),
    }
}

fn unreadable(path: &Path, message: String) -> EditError {
    let problem = Problem {
        file: path.into(),
        at: None,
        field: String::new(),
        message,
        severity: Severity::Error,
    };
    EditError::BrokenFile(problem.into())
}

/// Somebody else's lock can be taken without being able to write into it.
fn open_lock(path: &Path) -> Result<File, EditError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path);
    let opened = opened.or_else(|error| File::open(path).map_err(|_| error));
    opened.map_err(|error| failed("the registry's folder", error))
}
