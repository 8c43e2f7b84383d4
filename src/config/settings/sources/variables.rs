//! Settings from the environment.
//!
//! The prefix belongs to the settings, so that a misspelt name is an error and not a setting that
//! silently keeps its default. A name with the prefix may also be a variable that the file refers
//! to, or one that Kubernetes makes for a service called `countersign`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Place, Resolution, Sources};
use crate::config::options::{TABLE, VARIABLE_PREFIX};
use crate::config::problem::{Problem, Severity};

/// Names the settings file.
const CONFIG: &str = "COUNTERSIGN_CONFIG";

pub(super) struct Variables<'s> {
    /// Those with a name that can be looked up. Empty ones are kept for `${NAME}`.
    all: BTreeMap<&'s str, &'s OsStr>,
    /// What the file asked for.
    referenced: RefCell<BTreeSet<String>>,
}

impl<'s> Variables<'s> {
    pub(super) fn of(sources: &'s Sources) -> Self {
        let named = |(name, value): &'s (_, _)| {
            let (name, value): (&OsStr, &OsStr) = (AsRef::as_ref(name), AsRef::as_ref(value));
            Some((name.to_str()?, value))
        };
        Self {
            all: sources.variables.iter().filter_map(named).collect(),
            referenced: RefCell::default(),
        }
    }

    pub(super) fn config(&self) -> Option<PathBuf> {
        let path = self.all.get(CONFIG).filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    }

    /// For `${NAME}` in the file. What is not UTF-8 counts as unset, which is then reported.
    pub(super) fn lookup(&self, name: &str) -> Option<String> {
        self.referenced.borrow_mut().insert(name.to_owned());
        self.all.get(name)?.to_str().map(str::to_owned)
    }

    /// Takes every variable that is a setting. An empty one counts as unset, as compose files and
    /// charts write it for values that nobody filled in.
    pub(super) fn settings(&self, resolution: &mut Resolution) {
        for (name, value) in &self.all {
            if !name.starts_with(VARIABLE_PREFIX) || value.is_empty() {
                continue;
            }
            let setting = TABLE
                .iter()
                .find(|setting| setting.variable().as_deref() == Some(*name));
            match (setting, value.to_str()) {
                (Some(setting), Some(text)) => {
                    resolution.text(setting, text, Place::Variable((*name).to_owned()));
                }
                (Some(setting), None) => {
                    let place = Place::Variable((*name).to_owned());
                    resolution.fault(setting, &place, "is not UTF-8 text");
                }
                (None, _) if self.is_somebody_elses(name, value) => {}
                (None, _) => resolution.problems.push(unknown(name)),
            }
        }
    }

    fn is_somebody_elses(&self, name: &str, value: &OsStr) -> bool {
        name == CONFIG
            || self.referenced.borrow().contains(name)
            || is_service_link(name, &value.to_string_lossy())
    }
}

/// Whether Kubernetes made this variable for a service of the same namespace: `*_SERVICE_HOST`,
/// `*_SERVICE_PORT…`, and Docker's `*_PORT=tcp://…` and `*_PORT_80_TCP…`.
fn is_service_link(name: &str, value: &str) -> bool {
    const PROTOCOLS: [(&str, &str); 3] =
        [("tcp://", "_TCP"), ("udp://", "_UDP"), ("sctp://", "_SCTP")];
    let is_address = || PROTOCOLS.iter().any(|(url, _)| value.starts_with(url));
    let is_part = || PROTOCOLS.iter().any(|(_, part)| name.contains(part));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_address())
        || (name.contains("_PORT_") && is_part())
}

fn unknown(name: &str) -> Problem {
    let message = if name == "COUNTERSIGN_AGENTS_TOKENS" {
        "tokens are set in the settings file, where each of them may be ${NAME}".to_owned()
    } else {
        let section = name[VARIABLE_PREFIX.len()..].split('_').next();
        let own = format!("{VARIABLE_PREFIX}{}_", section.unwrap_or_default());
        let all: Vec<_> = TABLE
            .iter()
            .filter_map(|setting| setting.variable())
            .collect();
        let mut near: Vec<_> = all.iter().filter(|name| name.starts_with(&own)).collect();
        if near.is_empty() {
            near.extend(&all);
        }
        let near: Vec<_> = near.into_iter().map(String::as_str).collect();
        format!(
            "unknown setting; {VARIABLE_PREFIX} is reserved for {}",
            near.join(", ")
        )
    };
    Problem {
        file: Arc::from(Path::new(name)),
        at: None,
        field: String::new(),
        message,
        severity: Severity::Error,
    }
}
