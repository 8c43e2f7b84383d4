//! Real Python at the other end of the wire: virtualenvs of the tests' own and the example backend.
//!
//! A virtualenv is made once per target folder and again when its requirements change, whichever
//! test needs it first and however many run at once. Everything here blocks the calling thread and
//! panics with what went wrong, as a test's preparation should. What the scripts do is written in
//! `tests/python/`.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The oldest Python that the example backend's libraries and our scripts are written for.
const OLDEST: (u32, u32) = (3, 11);

/// The folder of the virtualenv for our own scripts, made on first use.
///
/// # Panics
/// If there is no `python3` of 3.11 or later, or if `venv` or `pip` fails.
pub fn venv() -> PathBuf {
    static VENV: OnceLock<PathBuf> = OnceLock::new();
    VENV.get_or_init(|| make_venv(&target_dir().join("python-venv"), "requirements.txt"))
        .clone()
}

/// The virtualenv's interpreter, deaf to the Python settings of the environment.
pub fn python() -> Command {
    program(&venv(), "python")
}

/// The command line of schemathesis, which lives in a virtualenv of its own: most runs of the tests
/// do without it and its dependencies.
///
/// # Panics
/// As [`venv`] does.
pub fn schemathesis() -> Command {
    let folder = target_dir().join("schemathesis-venv");
    program(
        &make_venv(&folder, "requirements-schemathesis.txt"),
        "schemathesis",
    )
}

/// An interpreter whose virtualenv has what reads Compose files.
///
/// # Panics
/// As [`venv`] does.
pub fn python_with_compose() -> Command {
    let folder = target_dir().join("compose-venv");
    program(&make_venv(&folder, "requirements-compose.txt"), "python")
}

/// The command line of pytest, in the folder of the published SDK's source distribution, which brings
/// the SDK's own tests. Both are in a virtualenv of their own.
///
/// # Panics
/// As [`venv`] does, or if the distribution cannot be had.
pub fn sdk_tests() -> Command {
    const SDK: &str = "onceonly-sdk==3.0.5";
    const UNPACKED: &str = "onceonly_sdk-3.0.5";
    let venv = make_venv(
        &target_dir().join("sdk-tests-venv"),
        "requirements-sdk-tests.txt",
    );
    let sources = venv.join("sources");
    if !sources.join(UNPACKED).is_dir() {
        run(program(&venv, "python")
            .args(["-m", "pip", "download", "--quiet", "--no-deps"])
            .args(["--no-binary", ":all:", "--dest"])
            .arg(&sources)
            .arg(SDK));
        let archive = sources.join(format!("{UNPACKED}.tar.gz"));
        run(Command::new("tar")
            .arg("-xzf")
            .arg(archive)
            .arg("-C")
            .arg(&sources));
    }
    let mut command = program(&venv, "pytest");
    command.current_dir(sources.join(UNPACKED));
    command
}

/// Reads YAML files and holds them against the schemas of these versions of Kubernetes, in a virtualenv of
/// its own: the schemas are large. The command prints an object of all documents of each file.
///
/// # Panics
/// As [`venv`] does.
pub fn kubernetes(versions: &[&str]) -> Command {
    let folder = target_dir().join("kubernetes-venv");
    let venv = make_venv(&folder, "requirements-kubernetes.txt");
    let mut command = program(&venv, "python");
    command
        .arg("tests/python/kubernetes.py")
        .arg(versions.join(","));
    command
}

fn program(venv: &Path, name: &str) -> Command {
    let mut command = Command::new(venv.join("bin").join(name));
    command
        .current_dir(ROOT)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns its standard output.
///
/// # Panics
/// With both outputs if the command cannot be started or does not succeed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}\n{stderr}",
        output.status
    );
    stdout.into_owned()
}

/// The folder that this build writes to: the marked one above the running test.
fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a path");
    exe.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| Path::new(ROOT).join("target"), Path::to_owned)
}

/// Makes the virtualenv unless a finished one of the same making is there.
fn make_venv(folder: &Path, requirements: &str) -> PathBuf {
    let requirements = Path::new(ROOT).join("tests/python").join(requirements);
    let stamp = folder.join("made-from");
    let wanted = making(folder, &requirements);
    // Tests of several processes may get here together; the lock goes when the file is closed.
    let lock = File::create(folder.with_extension("lock")).expect("the target folder is writable");
    lock.lock().expect("the target folder's file system locks");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return folder.to_owned();
    }
    // The stamp is written last, so an interrupted making is begun again from nothing.
    if folder.exists() {
        fs::remove_dir_all(folder).expect("our own folder can be removed");
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(folder));
    run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(requirements));
    fs::write(&stamp, wanted).expect("a folder that pip wrote to is writable");
    folder.to_owned()
}

/// All that the virtualenv depends on: its place, the interpreter and the requirements, in full.
fn making(folder: &Path, requirements: &Path) -> String {
    let (major, minor) = python3_version();
    let requirements = fs::read_to_string(requirements).expect("the requirements are in the tree");
    format!(
        "{}\npython {major}.{minor}\n{requirements}",
        folder.display()
    )
}

/// The version of `python3` on the path, which must be one that we support.
fn python3_version() -> (u32, u32) {
    let script = "import sys; print(*sys.version_info[:2])";
    let output = Command::new("python3").args(["-c", script]).output();
    let found = output
        .ok()
        .and_then(|output| parse_version(&String::from_utf8_lossy(&output.stdout)));
    match found {
        Some(version) if version >= OLDEST => version,
        Some((major, minor)) => panic!(
            "these tests need python3 of {}.{} or later on the path; it is {major}.{minor}",
            OLDEST.0, OLDEST.1
        ),
        None => panic!(
            "these tests need python3 of {}.{} or later on the path; there is none",
            OLDEST.0, OLDEST.1
        ),
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A tool backend in Python, served by uvicorn on a port of its own until this is dropped.
#[derive(Debug)]
pub struct Backend {
    child: Child,
    address: SocketAddr,
}

impl Backend {
    /// Starts `examples/backend` with this secret and returns once it answers.
    ///
    /// # Panics
    /// If it does not start; its own words are on standard error.
    pub fn start(secret: &str) -> Self {
        Self::serve("examples/backend", "app:app", secret)
    }

    /// The same with an app of another folder, which answers `GET /health` as well.
    ///
    /// # Panics
    /// If it does not start; its own words are on standard error.
    pub fn serve(folder: &str, app: &str, secret: &str) -> Self {
        let mut child = python()
            .args(["tests/python/serve.py", folder, app])
            .env("TOOL_SECRET", secret)
            // Kept open as long as the child is wanted: the child ends when it closes, even if
            // this process dies without dropping anything.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the virtualenv has an interpreter");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        // A child that dies closes the pipe, so this ends in either case.
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a port is ASCII");
        let port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("the backend ended before it listened: {:?}", child.wait()));
        let backend = Self {
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        };
        backend.wait_until_healthy();
        backend
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The listener is open already, so one request waits in its queue until the app is loaded.
    fn wait_until_healthy(&self) {
        let answer = self.get_health().unwrap_or_else(|error| {
            panic!("the backend at {} does not answer: {error}", self.address)
        });
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    fn get_health(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        // Importing the app takes a second or two; a loaded machine gets a minute.
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Either fails only when the child is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_numbers() {
        assert_eq!(parse_version("3 11\n"), Some((3, 11)));
        for text in ["", "3", "3.11", "3 x"] {
            assert_eq!(parse_version(text), None);
        }
    }

    #[test]
    fn a_backend_answers_as_long_as_it_is_held() {
        let backend = Backend::start("another secret");
        let address = backend.address();
        assert_eq!(backend.url("/health"), format!("http://{address}/health"));
        let process = Path::new("/proc").join(backend.child.id().to_string());
        assert!(process.exists());
        drop(backend);
        assert!(!process.exists());
    }
}
