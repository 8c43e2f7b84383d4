//! One shell for all the examples of a page, so that each finds what those before it have set and
//! started, and so that what they start has a parent that notices its end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::support::BINARY;

/// A bash in a folder of its own, with the binary on its path. Any command that fails ends it. Whatever
/// its examples leave running is killed with it.
#[derive(Debug)]
pub struct Shell {
    folder: TempDir,
    bash: Child,
    stdin: ChildStdin,
    done: BufReader<ChildStdout>,
}

impl Shell {
    /// Starts it.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let programs = Path::new(BINARY).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut bash = Command::new("bash")
            .args(["--noprofile", "--norc", "-euo", "pipefail"])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("NO_PROXY", "*")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash starts");
        let stdin = bash.stdin.take().unwrap();
        let done = BufReader::new(bash.stdout.take().unwrap());
        Self {
            folder,
            bash,
            stdin,
            done,
        }
    }

    /// Where it runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs an example and gives all that it says.
    ///
    /// # Panics
    /// When one of its commands fails.
    #[track_caller]
    pub fn run(&mut self, name: &str, example: &str) -> String {
        let file = |ending: &str| self.folder().join(format!(".{name}.{ending}"));
        let (script, said) = (file("sh"), file("said"));
        std::fs::write(&script, example).unwrap();
        let line = format!(
            ". '{}' >'{}' 2>&1 </dev/null\n",
            script.display(),
            said.display()
        );
        let mut answer = String::new();
        let is_done = self
            .stdin
            .write_all((line + "echo done\n").as_bytes())
            .and_then(|()| self.done.read_line(&mut answer));
        let said = std::fs::read_to_string(said).unwrap_or_default();
        assert!(
            is_done.is_ok() && answer == "done\n",
            "{name} failed:\n{example}\n{said}"
        );
        said
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // What the page started last may have ended by itself, and its number be somebody else's.
        let pid = std::fs::read_to_string(self.folder().join("countersign.pid"));
        let pid = pid.unwrap_or_default();
        let is_ours = |cwd: PathBuf| cwd.canonicalize().ok() == self.folder().canonicalize().ok();
        if std::fs::read_link(format!("/proc/{}/cwd", pid.trim())).is_ok_and(is_ours) {
            let _ = Command::new("kill")
                .args(["-s", "KILL", pid.trim()])
                .status();
        }
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}
