//! The real binary as a child process, with everything it says.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a state may take on a busy machine before a test gives up. No test is about speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that a stream has said so far.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// A copy of all lines.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("no reader panics").clone()
    }

    fn follow(&self, stream: impl Read + Send + 'static) {
        let lines = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                lines.0.lock().expect("no reader panics").push(line);
            }
        });
    }
}

/// Where a sidecar can be told to listen.
pub trait Place: Sized {
    /// Reads an address as the sidecar writes it.
    fn read(text: &str) -> Option<Self>;
}

impl Place for SocketAddr {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A socket file.
impl Place for PathBuf {
    fn read(text: &str) -> Option<Self> {
        text.strip_prefix("unix:").map(Self::from)
    }
}

/// `countersign serve`, on free ports unless it was started on socket files. Killed on drop.
#[derive(Debug)]
pub struct Sidecar<A = SocketAddr> {
    child: Child,
    /// Where agents call.
    pub agents: A,
    /// Where operators look.
    pub admin: A,
    /// The access log.
    pub stdout: Lines,
    /// The diagnostics.
    pub stderr: Lines,
}

impl Sidecar {
    /// Starts the binary with a registry file and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(binary: &str, registry: &Path) -> Self {
        Self::start_with(binary, registry, &[], &[])
    }

    /// The same with more arguments and environment variables.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(
        binary: &str,
        registry: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_as(Command::new(binary), registry, arguments, environment)
    }

    /// The same by a command that becomes the binary, such as one that gives up privileges first.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_as(
        command: Command,
        registry: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let places = ["127.0.0.1:0", "127.0.0.1:0"];
        Self::start_at(places, command, registry, arguments, environment)
    }
}

impl Sidecar<PathBuf> {
    /// The same at `agents.sock` and `admin.sock` in `folder`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_on_sockets(
        command: Command,
        folder: &Path,
        registry: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let place = |name| format!("unix:{}", folder.join(name).display());
        let (agents, admin) = (place("agents.sock"), place("admin.sock"));
        let places = [agents.as_str(), &admin];
        Self::start_at(places, command, registry, arguments, environment)
    }
}

impl<A: Place> Sidecar<A> {
    fn start_at(
        [agents, admin]: [&str; 2],
        mut command: Command,
        registry: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut child = command
            .args(["serve", "--listen", agents, "--admin-listen", admin])
            .args([OsStr::new("--registry"), registry.as_os_str()])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (stdout, stderr) = (Lines::default(), Lines::default());
        stdout.follow(child.stdout.take().expect("a pipe was asked for"));
        stderr.follow(child.stderr.take().expect("a pipe was asked for"));
        let listening = eventually(|| {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the sidecar ended: {:#?}", stderr.all());
            stderr.all().iter().find_map(|line| addresses(line))
        });
        let (agents, admin) =
            listening.unwrap_or_else(|| panic!("no listener: {:#?}", stderr.all()));
        Self {
            child,
            agents,
            admin,
            stdout,
            stderr,
        }
    }
}

impl<A> Sidecar<A> {
    /// Sends a signal by its name, such as `TERM`.
    ///
    /// # Panics
    /// When there is no `kill`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill exists");
        assert!(status.success(), "the sidecar is gone already");
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    /// When it does not end.
    pub fn exit(&mut self) -> ExitStatus {
        let ended = eventually(|| self.child.try_wait().expect("a child can be asked"));
        ended.unwrap_or_else(|| panic!("the sidecar did not end: {:#?}", self.stderr.all()))
    }

    /// What the process list shows.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn command_line(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.child.id());
        std::fs::read_to_string(path)
            .expect("the process lives")
            .replace('\0', " ")
    }

    /// A field of `/proc/{pid}/status` in KiB, such as `VmRSS` or `VmHWM`.
    ///
    /// # Panics
    /// When the process or the field is gone.
    pub fn memory_kib(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process lives");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .expect("the field");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }
}

/// What the kernel says that the process has.
impl<A> Sidecar<A> {
    /// How many file descriptors it holds.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).expect("the process lives").count()
    }

    /// The processor time that it has used, to a hundredth of a second.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn processor_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("the process lives");
        // The name before the last parenthesis may hold anything; `utime` and `stime` are the 14th
        // and 15th field, in the 100th parts of a second that Linux shows to programs.
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

impl<A> Drop for Sidecar<A> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the line that says where the sidecar listens.
fn addresses<A: Place>(line: &str) -> Option<(A, A)> {
    let json: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = json.get("fields").unwrap_or(&json);
    let address = |name: &str| A::read(fields.get(name)?.as_str()?);
    Some((address("agents")?, address("admin")?))
}

/// Asks again and again until there is something, for at most [`PATIENCE`].
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if let Some(found) = ask() {
            return Some(found);
        }
        thread::sleep(PAUSE);
    }
    None
}

/// Runs a command to its end and returns its exit code with what it said.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}
