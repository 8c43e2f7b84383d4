//! Where the run took place: without it, figures say nothing.

use std::fmt;
use std::fs;
use std::process::Command;

use countersign::test_support::load::cores;
use serde_json::{Value, json};

/// The facts of a machine that decide what a call costs.
pub struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    sha_extensions: bool,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
        };
        let flags = field("flags").or_else(|| field("Features"));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
        Self {
            cpu: field("model name").unwrap_or_else(unknown),
            cores: cores(),
            kernel: kernel.map_or_else(|_| unknown(), |text| text.trim().to_owned()),
            // Linux calls them `sha_ni` on x86 and `sha2` on ARM.
            sha_extensions: flags
                .unwrap_or_default()
                .split(' ')
                .any(|flag| matches!(flag, "sha_ni" | "sha2")),
        }
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "kernel": self.kernel,
            "sha_extensions": self.sha_extensions,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha = if self.sha_extensions {
            "with"
        } else {
            "without"
        };
        write!(
            f,
            "{} cores of {} {sha} SHA extensions, Linux {}",
            self.cores, self.cpu, self.kernel
        )
    }
}

/// The first line that a program says about its version, on either output.
pub fn version(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return unknown();
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(unknown, str::to_owned)
}

fn unknown() -> String {
    "unknown".to_owned()
}
