//! What the service manager that started this process is told: that it serves, reloads, ends, lives.
//!
//! The protocol is that of `sd_notify(3)`: lines in one datagram to the socket that `NOTIFY_SOCKET`
//! names. Without that variable nothing is said. Nothing here decides when something is said, and
//! nobody is held up for longer than [`PATIENCE`] by a manager that does not listen.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::timeout;
use tracing::warn;

/// How long a message may wait for room in the manager's socket.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who started this process and watches it, as systemd does; or nobody. Clones tell the same one.
#[derive(Clone, Debug, Default)]
pub struct Supervisor(Option<Arc<Told>>);

#[derive(Debug)]
struct Told {
    address: SocketAddr,
    watchdog: Option<Duration>,
    /// Whether it knows of the end. What serves by then is no news any more.
    stopping: AtomicBool,
}

impl Supervisor {
    /// Nobody.
    pub fn none() -> Self {
        Self::default()
    }

    /// The one that `variable` tells of, which gives the value of a variable of the environment.
    // spec: NOTIFY-1
    pub fn found(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let Some(socket) = variable("NOTIFY_SOCKET") else {
            return Self::none();
        };
        let address = match address(&socket) {
            Ok(address) => address,
            Err(error) => {
                warn!(%error, "the service manager's socket cannot be used");
                return Self::none();
            }
        };
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let ours = variable("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(std::process::id().into());
        let watchdog = number("WATCHDOG_USEC").filter(|&micros| micros > 0 && ours);
        Self(Some(Arc::new(Told {
            address,
            watchdog: watchdog.map(Duration::from_micros),
            stopping: AtomicBool::new(false),
        })))
    }

    /// How long it waits for a sign of life before it ends this process, if it does.
    pub fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?.watchdog
    }

    /// The listeners are bound and a registry is in service, for the first time or after a reload.
    // spec: NOTIFY-1
    pub async fn ready(&self, status: &str) {
        self.news(&format!("READY=1\nSTATUS={status}\n")).await;
    }

    /// It was asked for a reload, and [`ready`](Self::ready) says when that is done.
    // spec: NOTIFY-1
    pub async fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.news(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"))
            .await;
    }

    /// What a person reads beside the state.
    pub async fn status(&self, status: &str) {
        self.news(&format!("STATUS={status}\n")).await;
    }

    /// The end has begun.
    // spec: NOTIFY-1
    pub async fn stopping(&self) {
        self.news("STOPPING=1\nSTATUS=draining\n").await;
        if let Some(told) = &self.0 {
            told.stopping.store(true, Ordering::Relaxed);
        }
    }

    /// Everything that has to be alive is.
    // spec: NOTIFY-1
    pub async fn alive(&self) {
        self.tell("WATCHDOG=1\n").await;
    }

    /// Tells how this process stands, unless it is known that it ends.
    async fn news(&self, message: &str) {
        let stopping = |told: &Arc<Told>| told.stopping.load(Ordering::Relaxed);
        if !self.0.as_ref().is_some_and(stopping) {
            self.tell(message).await;
        }
    }

    /// Sends a message, or leaves it.
    async fn tell(&self, message: &str) {
        let Some(told) = &self.0 else { return };
        let sent = timeout(PATIENCE, send(&told.address, message.as_bytes())).await;
        if let Err(error) = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            warn!(%error, "the service manager was not told");
        }
    }
}

/// `@name` is an abstract name, which only Linux has.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(socket),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A socket for each message, because a manager that was started anew has another one at its address.
async fn send(address: &SocketAddr, message: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(address)?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixDatagram::from_std(socket)?;
    socket.send(message).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Supervisor {
        Supervisor::found(|name| {
            let mut named = variables.iter().filter(|(other, _)| *other == name);
            named.next().map(|(_, value)| value.into())
        })
    }

    // spec: NOTIFY-1
    #[test]
    fn a_watchdog_is_ours_unless_it_names_another_process() {
        let own = std::process::id().to_string();
        let socket = ("NOTIFY_SOCKET", "/run/notify");
        let two_seconds = ("WATCHDOG_USEC", "2000000");
        let check = |variables: &[(&str, &str)], expected: Option<u64>| {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(found(variables).watchdog(), expected, "{variables:?}");
        };
        check(&[socket, two_seconds], Some(2));
        check(&[socket, two_seconds, ("WATCHDOG_PID", &own)], Some(2));
        check(&[socket, two_seconds, ("WATCHDOG_PID", "1")], None);
        check(&[socket, two_seconds, ("WATCHDOG_PID", "me")], None);
        check(&[socket, ("WATCHDOG_USEC", "0")], None);
        check(&[socket, ("WATCHDOG_USEC", "soon")], None);
        check(&[socket], None);
        check(&[two_seconds], None);
    }

    // spec: NOTIFY-1
    #[test]
    fn a_socket_is_a_path_or_an_abstract_name() {
        for (socket, usable) in [
            ("/run/systemd/notify", true),
            ("@/org/freedesktop/notify", cfg!(target_os = "linux")),
            ("run/notify", false),
            ("vsock:2:1234", false),
            ("", false),
        ] {
            assert_eq!(address(OsStr::new(socket)).is_ok(), usable, "{socket}");
        }
    }

    // spec: NOTIFY-1
    #[tokio::test]
    async fn after_the_end_has_begun_only_signs_of_life_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = found(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        supervisor.ready("serving 2 tools").await;
        supervisor.stopping().await;
        let clone = supervisor.clone();
        clone.reloading().await;
        clone.ready("serving 3 tools").await;
        clone.status("serving 3 tools").await;
        supervisor.alive().await;
        socket.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        let mut room = [0; 256];
        while let Ok(length) = socket.recv(&mut room) {
            heard.push(String::from_utf8(room[..length].to_vec()).unwrap());
        }
        let expected = [
            "READY=1\nSTATUS=serving 2 tools\n",
            "STOPPING=1\nSTATUS=draining\n",
            "WATCHDOG=1\n",
        ];
        assert_eq!(heard, expected);
    }

    /// A sidecar serves whether anybody listens to it or not.
    #[tokio::test]
    async fn a_manager_that_is_gone_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nobody");
        let supervisor = found(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        supervisor.ready("serving 2 tools").await;
    }
}
