//! The programs under test: started on one core, asked what they cost, and ended.

use std::fs;
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::time::Instant;

/// How long a program may take to accept connections: one under valgrind on a busy machine is slow.
const START: Duration = Duration::from_secs(20);

/// A running program, killed on drop.
pub struct Program {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Program {
    /// Starts `command` and waits until `address` accepts. What it says goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not accept connections in time; with what it said.
    pub fn start(mut command: Command, address: SocketAddr, log: &Path) -> io::Result<Self> {
        let log_file = fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .spawn()?;
        let mut program = Self { child, address };
        let given_up = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            let has_ended = program.child.try_wait()?.is_some();
            if has_ended || Instant::now() > given_up {
                let mut said = String::new();
                fs::File::open(log)?.read_to_string(&mut said)?;
                let what = if has_ended { "ended" } else { "did not listen" };
                return Err(io::Error::other(format!("the program {what}: {said}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(program)
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn end(&mut self) -> io::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status()?;
        self.child.wait().map(drop)
    }

    /// CPU time of all its threads so far, in nanoseconds, as the scheduler accounts it; 0 when it
    /// has ended.
    pub fn cpu_ns(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let Ok(entries) = fs::read_dir(tasks) else {
            return 0;
        };
        let of_thread = |path: &Path| -> Option<u64> {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        entries
            .filter_map(|entry| of_thread(&entry.ok()?.path()))
            .sum()
    }

    /// A field of its memory in MiB: `VmRSS` now, `VmHWM` at its highest; `NaN` when it has ended.
    pub fn memory_mib(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let kib = status.ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        });
        kib.map_or(f64::NAN, |kib| kib / 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already where these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds what is shipped, without the features of tests and with the profile of a release: cargo
/// has built what it runs benchmarks with otherwise. `binary` is where cargo puts it.
///
/// # Errors
/// When the build fails.
pub fn build_shipped(binary: &str) -> io::Result<PathBuf> {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--bin", "countersign"]);
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    if status.success() {
        Ok(binary.into())
    } else {
        Err(io::Error::other("the release build failed"))
    }
}

/// Runs asynchronous work on this thread.
///
/// # Errors
/// Those of the work, or when there is no runtime to be had.
pub fn run_local<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?
        .block_on(work)
}

/// An address of this host whose port was free a moment ago.
///
/// # Errors
/// When no port is left.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A command that runs on one core, where the machine has more and `taskset` exists.
pub fn on_core(core: usize, program: &Path) -> Command {
    if cores() > core && find("taskset").is_some() {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// How many cores the machine has, whether or not this process may use them all; 1 where nobody says.
pub fn cores() -> usize {
    let list = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = list.lines().filter(|line| line.starts_with("processor"));
    cores.count().max(1)
}

/// Where a program is, on the path or where servers are installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin".into(), "/sbin".into()];
    std::env::split_paths(&path)
        .chain(servers)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
