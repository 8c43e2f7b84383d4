//! This test binary as a child process with one role, which a test above it drives.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The variable that names the file to the child; without it, a role is a test that does nothing.
const FILE: &str = "COUNTERSIGN_TEST_STORE";

/// What a child's lines begin with; the test harness has lines of its own.
const SAYS: &str = "store: ";

/// The file that this process was started for, if it is such a child.
pub(super) fn file() -> Option<PathBuf> {
    std::env::var_os(FILE).map(PathBuf::from)
}

/// Says something to the parent.
pub(super) fn say(what: impl std::fmt::Display) {
    println!("{SAYS}{what}");
}

/// A child; killed on drop.
pub(super) struct Role {
    pub(super) child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Role {
    /// Starts `role`, a test in `module`, by a shell that runs `before` first.
    pub(super) fn start(before: &str, module: &str, role: &str, path: &Path) -> Self {
        let (_, module) = module.split_once("::").unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{before}\nexec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "--ignored",
                &format!("{module}::{role}"),
            ])
            .env(FILE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What the child says next; `None` when it has ended.
    pub(super) fn next(&mut self) -> Option<String> {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        // The harness may be in the middle of a line of its own.
        lines.find_map(|line| Some(line.split_once(SAYS)?.1.to_owned()))
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
