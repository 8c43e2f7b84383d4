//! Chromium without a window. It is killed with all its processes, and its profile removed, when it is
//! dropped.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What the program is called by those who package it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A running browser.
pub struct Chromium {
    child: Child,
    _profile: TempDir,
}

impl Chromium {
    /// Opens a page. `*.test` is this machine and no other name exists, so that nothing leaves it.
    ///
    /// # Panics
    /// When there is no Chromium.
    pub fn open(url: &str) -> Self {
        let profile = TempDir::new().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let start = |name: &&str| {
            let mut command = Command::new(name);
            command.args(FLAGS).arg(&data).arg(url);
            let quiet = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            quiet.process_group(0).spawn().ok()
        };
        let child = NAMES.iter().find_map(start);
        let child = child.unwrap_or_else(|| {
            panic!("none of {NAMES:?} can be started; on Debian: apt-get install chromium")
        });
        Self {
            child,
            _profile: profile,
        }
    }
}

const FLAGS: &[&str] = &[
    "--headless=new",
    // Its own sandbox needs rights that a container's root may lack; it runs this page alone.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    // What else a browser may do for its user must not hide what the sidecar does.
    "--disable-popup-blocking",
    "--disable-features=HttpsUpgrades,LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
];

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its renderers are in its group and would go on writing to the profile. This fails only when
        // all have ended already.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}
