//! The registry file: from a path to tools and policies that can go into service.
//!
//! Nothing here changes what serves: a load gives all of them or every problem there is, and
//! in both cases which files it looked at, so that mending any of them can be noticed. Tools are
//! read, compiled and let go one by one, which keeps a file of 100,000 of them in small memory.
//! When to load, and the swap, are left to the caller.

mod defaults;
mod entry;
mod files;
mod pass;
mod policy;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::expand::Environment;
use crate::config::problem::Problems;
use crate::config::source;
use crate::config::yaml::{Limits, Node};
use crate::policy::{Policies, PolicySpec};
use crate::registry::{Snapshot, ToolSpec};

use files::Files;
use pass::{Order, Pass, Reached};

/// A registry file that is in order.
#[derive(Debug)]
pub struct Loaded {
    /// Its tools, compiled.
    pub snapshot: Snapshot,
    /// Its policies, compiled.
    pub policies: Policies,
    /// What is allowed but should be looked at.
    pub warnings: Problems,
    /// Every file that was read: the registry first, then secrets and certificates.
    pub files: Vec<PathBuf>,
    /// SHA-256 over what was in them. Equal digests mean that nothing changed.
    pub digest: [u8; 32],
}

/// A registry file that cannot be used.
#[derive(Debug)]
pub struct Refused {
    /// Everything that is wrong.
    pub problems: Problems,
    /// Every file that was looked at, whether it could be read or not.
    pub files: Vec<PathBuf>,
    /// How many of those that the registry names could not be read.
    pub unreadable_files: usize,
    /// SHA-256 over what was in them. Equal digests mean that nothing changed.
    pub digest: [u8; 32],
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.fmt(f)
    }
}

impl std::error::Error for Refused {}

/// Reads, validates and compiles the registry at `path` and the files that it names.
///
/// Compiling a tool is the dry run of signing with it: the key's schedule is computed there and,
/// where no `secret_id` is given, a first message is authenticated with it. Tools that `previous`
/// has too keep what outlives a reload. Blocks on the file system.
///
/// # Errors
/// Every problem of the file, and never a part of its tools and policies.
// spec: RELOAD-1 RELOAD-2
pub fn load(
    path: &Path,
    environment: &Environment<'_>,
    previous: Option<&Snapshot>,
) -> Result<Loaded, Refused> {
    let text = match source::read_text(path, Limits::REGISTRY.bytes) {
        Ok(text) => text,
        Err(problem) => {
            let mut files = Files::beside(path);
            files.note(path, problem.message.as_bytes());
            return Err(refused(problem.into(), files));
        }
    };
    read(path, &text, environment, previous, &mut |_| {})
}

/// What somebody who watches a reading is shown.
#[derive(Debug)]
pub enum Seen<'n> {
    /// The reading begins, perhaps once more: what was shown before does not count.
    Start,
    /// The next entry of `tools:`, with the defaults filled in.
    Tool(&'n Node, &'n ToolSpec),
    /// The next entry of `policies:`.
    Policy(&'n Node, &'n PolicySpec),
}

/// Like [`load`], for `text` in the place of what is in the file, and with a look at every entry
/// on the way.
///
/// # Errors
/// Every problem of the text, and never a part of its tools and policies.
pub fn read(
    path: &Path,
    text: &str,
    environment: &Environment<'_>,
    previous: Option<&Snapshot>,
    seen: &mut dyn FnMut(Seen<'_>),
) -> Result<Loaded, Refused> {
    let mut first = Pass::new(path, text, environment, previous);
    match first.run(text, Order::Unknown, seen) {
        Reached::End => first.finish(),
        Reached::LateDefaults(defaults) => {
            // The tools that came before their defaults were compiled without them: once more.
            drop(first);
            let mut second = Pass::new(path, text, environment, previous);
            second.run(text, Order::Known(defaults), seen);
            second.finish()
        }
    }
}

/// The digest that a load gives as long as exactly these files are in order and hold what they hold
/// now. It costs no more than reading them. Blocks on the file system.
pub fn digest_of(files: &[PathBuf]) -> [u8; 32] {
    let mut noted = Files::beside(Path::new(""));
    for path in files {
        match source::read_whole(path, Limits::REGISTRY.bytes) {
            Ok(content) => noted.note(path, &content),
            Err(reason) => noted.note(path, reason.as_bytes()),
        }
    }
    noted.finish().1
}

fn refused(problems: Problems, files: Files) -> Refused {
    let unreadable_files = files.unreadable();
    let (files, digest) = files.finish();
    Refused {
        problems,
        files,
        unreadable_files,
        digest,
    }
}

#[cfg(test)]
mod tests;
