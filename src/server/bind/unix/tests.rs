//! Socket files in a folder of their own, with real sockets: what is on disk, who gets through.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher as _};
use tempfile::TempDir;

use super::*;

fn mode_of(path: &Path) -> u32 {
    let file = fs::symlink_metadata(path).unwrap();
    assert!(file.file_type().is_socket());
    file.permissions().mode() & 0o7777
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    entries.map(name).collect()
}

fn mode(text: &str) -> SocketMode {
    text.parse().unwrap()
}

// spec: BIND-2
#[test]
fn a_socket_has_its_mode_and_takes_connections() {
    let folder = TempDir::new().unwrap();
    for text in ["0600", "0660", "0606", "0700"] {
        let path = folder.path().join("a.sock");
        let (socket, file) = SocketFile::bind(&path, mode(text)).unwrap();
        assert_eq!(mode_of(&path), mode(text).bits());
        assert_eq!(names(&folder), ["a.sock"]);

        let mut caller = UnixStream::connect(&path).unwrap();
        caller.write_all(b"hello").unwrap();
        drop(caller);
        let (mut taken, _) = socket.accept().unwrap();
        let mut said = String::new();
        taken.set_nonblocking(false).unwrap();
        taken.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");

        drop((socket, file));
        assert!(names(&folder).is_empty());
    }
}

/// The name that callers look for appears once everything else has happened, so there is no moment
/// at which it has another mode.
// spec: BIND-2
#[test]
fn the_name_is_the_last_thing_that_a_socket_gets() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let (tell, events) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(tell).unwrap();
    watcher
        .watch(folder.path(), RecursiveMode::NonRecursive)
        .unwrap();
    let (_socket, _file) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();

    let mut steps = Vec::new();
    while !matches!(steps.last(), Some((_, "named"))) {
        let event = events.recv_timeout(Duration::from_secs(60)).unwrap();
        let event = event.unwrap();
        let step = match event.kind {
            EventKind::Create(_) => "made",
            EventKind::Modify(ModifyKind::Metadata(_)) => "changed",
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => "renamed",
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => "named",
            EventKind::Access(_) => continue,
            EventKind::Any | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
                panic!("{event:?}")
            }
        };
        let is_private = event.paths[0] != path;
        steps.push((is_private, step));
    }
    assert_eq!(
        steps,
        [
            (true, "made"),
            (true, "changed"),
            (true, "renamed"),
            (false, "named")
        ]
    );
}

// spec: BIND-2
#[test]
fn what_a_dead_process_left_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    drop(UnixListener::bind(&path).unwrap());
    let (_socket, _file) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();
    UnixStream::connect(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(names(&folder), ["a.sock"]);
}

// spec: BIND-2
#[test]
fn a_living_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let (socket, _file) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();
    let in_use = |path| {
        let refused = SocketFile::bind(path, SocketMode::OWNER).unwrap_err();
        assert!(matches!(refused, BindError::InUse), "{refused}");
    };
    in_use(&path);
    // Nobody accepts, and there is no room to wait in: a call that blocks would stay for ever.
    let full = folder.path().join("full.sock");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&full).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let waiting: Vec<_> = std::iter::from_fn(|| {
        let caller = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        caller.set_nonblocking(true).unwrap();
        let waits = caller.connect(&SockAddr::unix(&full).unwrap()).is_ok();
        waits.then_some(caller)
    })
    .collect();
    assert!(!waiting.is_empty());
    in_use(&full);
    UnixStream::connect(&path).unwrap();
    drop(socket);
}

// spec: BIND-2
#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let inner = folder.path().join("folder");
    fs::create_dir(&inner).unwrap();
    let dead = folder.path().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    // A link is nobody's socket, whatever it leads to.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&dead, &link).unwrap();
    let before = names(&folder).len();
    for path in [&file, &inner, &link] {
        let refused = SocketFile::bind(path, SocketMode::OWNER).unwrap_err();
        assert!(matches!(refused, BindError::NoSocket), "{refused}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(inner.is_dir() && link.is_symlink() && dead.exists());
    assert_eq!(names(&folder).len(), before, "no private name is left");
}

// spec: BIND-2
#[test]
fn a_living_socket_of_another_kind_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let datagrams = UnixDatagram::bind(&path).unwrap();
    let refused = SocketFile::bind(&path, SocketMode::OWNER).unwrap_err();
    assert!(matches!(refused, BindError::Unclear(_)), "{refused}");
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"still there", &path).unwrap();
    drop(datagrams);
}

#[test]
fn a_folder_that_is_missing_or_none_is_an_error() {
    let folder = TempDir::new().unwrap();
    let refused = SocketFile::bind(&folder.path().join("no/a.sock"), SocketMode::OWNER);
    assert!(matches!(refused.unwrap_err(), BindError::NoFolder));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = SocketFile::bind(&file.join("a.sock"), SocketMode::OWNER);
    assert!(matches!(refused.unwrap_err(), BindError::Io(_)));
    assert_eq!(names(&folder), ["file"]);
}

// spec: BIND-2
#[test]
fn a_file_that_took_its_place_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let (socket, first) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();
    // The first one drains: it has stopped listening and still has its file.
    drop(socket);
    let (_socket, second) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();
    drop(first);
    UnixStream::connect(&path).unwrap();
    drop(second);
    assert!(names(&folder).is_empty());

    let (_socket, third) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "somebody else's").unwrap();
    drop(third);
    assert_eq!(names(&folder), ["a.sock"]);
}

// spec: BIND-2
#[test]
fn of_many_that_start_at_once_one_gets_the_path() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    for _ in 0..20 {
        drop(UnixListener::bind(&path).unwrap());
        let start = std::sync::Barrier::new(8);
        let bound: Vec<_> = thread::scope(|scope| {
            let bind = || {
                start.wait();
                SocketFile::bind(&path, SocketMode::OWNER)
            };
            let starters: Vec<_> = (0..8).map(|_| scope.spawn(bind)).collect();
            starters.into_iter().map(|s| s.join().unwrap()).collect()
        });
        assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 1);
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(names(&folder).is_empty());
    }
}

#[test]
fn the_longest_path_has_room_for_a_private_name() {
    let folder = TempDir::new().unwrap();
    // The file's name is as short as can be, so that hardly any room is left beside it.
    let room = MAX_PATH_BYTES - folder.path().as_os_str().len() - 2;
    for name in ["a", "ab", "agents.sock"] {
        let inner = folder.path().join("x".repeat(room - name.len()));
        fs::create_dir(&inner).unwrap();
        let path = inner.join(name);
        assert_eq!(path.as_os_str().len(), MAX_PATH_BYTES);
        let (_socket, _file) = SocketFile::bind(&path, SocketMode::OWNER).unwrap();
        UnixStream::connect(&path).unwrap();
    }
}
