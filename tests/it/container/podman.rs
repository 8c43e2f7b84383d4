//! Images and containers in a storage of their own, gone with the test that made them.
//!
//! Every command has a time-out: a container engine that hangs must not hang the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use countersign::test_support::process::{eventually, run};
use serde_json::Value;
use tempfile::TempDir;

/// How long a command of the engine may take, in seconds. Building begins with a release build.
const PATIENCE: &str = "60";
const PATIENCE_TO_BUILD: &str = "1800";

/// A storage of images and containers.
pub struct Storage {
    folder: TempDir,
}

impl Storage {
    /// An empty one.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let storage = Self { folder };
        // The simplest driver: it needs nothing of the file system beneath, and the image is small.
        let text = format!(
            "[storage]\ndriver = \"vfs\"\nrunroot = \"{0}/run\"\ngraphroot = \"{0}/graph\"\n",
            storage.folder.path().display()
        );
        std::fs::write(storage.settings(), text).unwrap();
        storage
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("storage.conf")
    }

    /// A command of at most so many seconds in this storage.
    pub fn command(&self, seconds: &str, program: &str) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", seconds, program])
            .env("CONTAINERS_STORAGE_CONF", self.settings())
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }

    /// podman with the runtime that needs least of the machine.
    pub fn podman(&self) -> Command {
        let mut command = self.command(PATIENCE, "podman");
        command.args(["--cgroup-manager", "cgroupfs", "--runtime", "runc"]);
        command.args(["--events-backend", "none"]);
        command
    }

    /// Builds the image as people do, and returns what the script said.
    pub fn build(&self, name: &str) -> String {
        // What it builds from is one file in the target folder.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/image");
        let mut command = self.command(PATIENCE_TO_BUILD, script.to_str().unwrap());
        said(command.arg(name))
    }

    /// What the engine knows about an image or a container.
    pub fn inspect(&self, kind: &str, name: &str) -> Value {
        let text = said(self.podman().args([kind, "inspect", name]));
        let mut found: Vec<Value> = serde_json::from_str(&text).unwrap();
        found.remove(0)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // Containers that a failed test has left would keep what is mounted for them.
        let _ = run(self
            .podman()
            .args(["rm", "--all", "--force", "--time", "0"]));
        let _ = run(self.podman().args(["rmi", "--all", "--force"]));
    }
}

/// Runs a command that has to succeed; its standard output.
pub fn said(command: &mut Command) -> String {
    let (code, out, err) = run(command);
    assert_eq!(code, 0, "{command:?}\n{out}{err}");
    out
}

/// A running container of the image, as a pod would have it: nothing can be written, nothing is allowed.
pub struct Container<'a> {
    storage: &'a Storage,
    name: &'static str,
}

impl<'a> Container<'a> {
    /// Starts one with these options of `podman run` and these arguments of the image.
    pub fn start(storage: &'a Storage, image: &str, options: &[&str], arguments: &[&str]) -> Self {
        let name = "sidecar";
        said(
            storage
                .podman()
                .args(["run", "--detach", "--name", name, "--network", "host"])
                .args([
                    "--read-only",
                    "--read-only-tmpfs=false",
                    "--cap-drop",
                    "all",
                ])
                .args(["--security-opt", "no-new-privileges"])
                .args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=256:256"])
                .args(options)
                .arg(image)
                .args(arguments),
        );
        Self { storage, name }
    }

    /// Everything that it has said on standard output and standard error.
    pub fn logs(&self) -> String {
        let (code, out, err) = run(self.storage.podman().args(["logs", self.name]));
        assert_eq!(code, 0, "{err}");
        out + &err
    }

    /// The field of its first line that says this, once it has.
    pub fn logged(&self, message: &str) -> Value {
        let line = || {
            let logs = self.logs();
            let lines = logs
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut fields = lines.map(|line| line["fields"].clone());
            fields.find(|fields| fields["message"] == message)
        };
        eventually(line).unwrap_or_else(|| panic!("never said {message}: {}", self.logs()))
    }

    /// Its process, as the kernel here numbers it.
    pub fn pid(&self) -> u64 {
        let state = self.storage.inspect("container", self.name);
        state["State"]["Pid"].as_u64().unwrap()
    }

    /// Runs a command of the image in it.
    pub fn exec(&self, command: &[&str]) -> (i32, String, String) {
        run(self
            .storage
            .podman()
            .args(["exec", self.name])
            .args(command))
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        said(
            self.storage
                .podman()
                .args(["kill", "--signal", name, self.name]),
        );
    }

    /// Waits for its end; the exit code.
    pub fn wait(&self) -> i32 {
        let code = said(self.storage.podman().args(["wait", self.name]));
        code.trim().parse().unwrap()
    }

    /// What differs from the image, as the engine tells it.
    pub fn changes(&self) -> Vec<String> {
        let text = said(self.storage.podman().args(["diff", self.name]));
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = run(self
            .storage
            .podman()
            .args(["rm", "--force", "--time", "0", self.name]));
    }
}
