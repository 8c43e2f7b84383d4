//! A socket file: made with its mode, taken over from the dead only, and removed while it is ours.
//!
//! At no moment can somebody connect whom the mode keeps out: the socket gets its mode under a
//! private name, before it listens and before anybody could look for it. A file that is no socket,
//! and the socket of a process that lives, are left as they are.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tracing::warn;

use super::{BACKLOG, BindError};
use crate::server::SocketMode;
use crate::server::address::MAX_PATH_BYTES;

/// How often a private name is made up. One is enough unless the path is so long that hardly any
/// room is left for it.
const NAME_TRIES: usize = 16;

/// How often, and with which pause, a folder is asked for that somebody else holds. Another sidecar
/// holds it for less than a millisecond.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The file of a socket that is ours. Removed when this is dropped, unless somebody has put
/// another file in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: FileId,
}

/// Device, inode and the time of its making: the number of an inode is used again when it is free.
type FileId = (u64, u64, i64, i64);

fn id_of(file: &Metadata) -> FileId {
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}

impl SocketFile {
    /// Makes the socket and puts it at `path`, where it replaces what a dead process has left.
    /// Blocks for a second at most.
    ///
    /// # Errors
    /// When the path is taken, its folder is missing, or the system refuses one of the steps.
    // spec: BIND-2
    pub(super) fn bind(path: &Path, mode: SocketMode) -> Result<(UnixListener, Self), BindError> {
        let folder = folder_of(path);
        match fs::metadata(folder) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BindError::NoFolder);
            }
            Err(error) => return Err(error.into()),
        }
        let _turn = wait_for_turn(folder);
        check_free(path)?;
        let (socket, private) = bind_privately(path, folder)?;
        match place(&socket, &private, path, mode) {
            Ok(id) => {
                let path = path.to_owned();
                Ok((socket.into(), Self { path, id }))
            }
            Err(error) => {
                // Nobody else has ever heard of this name.
                let _ = fs::remove_file(&private);
                Err(error.into())
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _turn = wait_for_turn(folder_of(&self.path));
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|file| id_of(&file) == self.id);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            warn!(%error, "socket file not removed");
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Holds a folder while a socket in it is looked at and replaced or removed: of two sidecars that
/// start at the same moment, each would find the path free and the second would take it from the
/// first. It is advice among sidecars; whoever holds the folder for long has other reasons.
fn wait_for_turn(folder: &Path) -> Option<File> {
    // The folder may be one that can be written and not read.
    let folder = File::open(folder).ok()?;
    for _ in 0..LOCK_TRIES {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            // Not every file system has locks.
            Err(TryLockError::Error(_)) => return None,
        }
    }
    warn!("another process keeps the folder of the socket locked");
    None
}

/// Whether nothing is at `path`, or nothing but the socket of a process that has ended.
fn check_free(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => return Err(BindError::NoSocket),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let caller = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener whose queue is full would let us wait.
    caller.set_nonblocking(true)?;
    let Err(error) = caller.connect(&SockAddr::unix(path)?) else {
        return Err(BindError::InUse);
    };
    if error.kind() == io::ErrorKind::WouldBlock {
        return Err(BindError::InUse);
    }
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Ok(());
    }
    Err(BindError::Unclear(error))
}

/// A socket that does not listen yet, and its file of a name that nobody asks for.
fn bind_privately(path: &Path, folder: &Path) -> io::Result<(Socket, PathBuf)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let mut tries = NAME_TRIES;
    loop {
        let private = folder.join(private_name(path));
        tries -= 1;
        match socket.bind(&SockAddr::unix(&private)?) {
            Ok(()) => return Ok((socket, private)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// A random name that fits wherever the name of `path` fits.
fn private_name(path: &Path) -> String {
    let name_bytes = path.file_name().map_or(0, |name| name.len());
    let room = MAX_PATH_BYTES - (path.as_os_str().len() - name_bytes);
    let random: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(12)
        .collect();
    let name = format!(".countersign-{random}");
    // What makes it unique is at the end.
    name[name.len().saturating_sub(room)..].to_owned()
}

/// Gives the socket its mode, its queue and then its name. Whoever finds it there is answered.
fn place(socket: &Socket, private: &Path, path: &Path, mode: SocketMode) -> io::Result<FileId> {
    fs::set_permissions(private, Permissions::from_mode(mode.bits()))?;
    socket.listen(BACKLOG)?;
    let id = id_of(&fs::symlink_metadata(private)?);
    fs::rename(private, path)?;
    Ok(id)
}

#[cfg(test)]
mod tests;
