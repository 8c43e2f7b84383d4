//! Where values come from, and the order in which they overrule each other.
//!
//! Each source is read as a whole and written over what the sources before it said, the defaults
//! being the first. So a value that is overruled is checked like any other, and a settings file is
//! good or bad whatever the environment is.

mod document;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::options::{Fault, Item, Kind, Setting, Value, admin_token};
use crate::config::problem::{Position, Problem, Severity};
use crate::config::settings::{BadSettings, Settings};
use crate::config::source::read_whole;
use crate::secret::Secret;
use crate::server::ListenAddress;

/// A file of a token that is larger than this is a wrong file.
const TOKEN_FILE_BYTES: u64 = 64 * 1024;

/// What [`Settings::resolve`] reads. The default is nothing but the defaults.
#[derive(Default)]
pub struct Sources {
    /// The settings file, if `--config` names one; else `COUNTERSIGN_CONFIG` may.
    pub config: Option<PathBuf>,
    /// The process's environment.
    pub variables: Vec<(OsString, OsString)>,
    /// Settings that were given as flags.
    pub flags: Vec<(&'static Setting, String)>,
}

/// Shows names only: most secrets of a deployment are in its environment.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags.iter().map(|(setting, _)| setting.path);
        f.debug_struct("Sources")
            .field("config", &self.config)
            .field("flags", &flags.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Where a setting's value was given.
#[derive(Clone, Debug)]
enum Place {
    Default,
    File(Arc<Path>, Position),
    Variable(String),
    Flag(&'static str),
}

/// Settings in the making.
#[derive(Debug)]
pub(super) struct Resolution {
    settings: Settings,
    places: BTreeMap<&'static str, Place>,
    /// Paths with a problem: rules over several settings are silent about them.
    faulty: BTreeSet<&'static str>,
    problems: Vec<Problem>,
    /// Whether the file could not be read at all: what it would have said is not known.
    file_is_lost: bool,
}

impl Resolution {
    pub(super) fn of(sources: &Sources) -> Self {
        let mut this = Self {
            settings: Settings::unset(),
            places: BTreeMap::new(),
            faulty: BTreeSet::new(),
            problems: Vec::new(),
            file_is_lost: false,
        };
        let variables = variables::Variables::of(sources);
        let config = sources.config.clone().or_else(|| variables.config());
        // A path in a file means what it means beside that file, wherever the process starts; so
        // does a default, since writing a default down must change nothing.
        let base = config.as_deref().and_then(Path::parent);
        let base = base.unwrap_or_else(|| Path::new(""));
        this.defaults(base);
        if let Some(config) = &config {
            this.file(config, base, &|name| variables.lookup(name));
        }
        variables.settings(&mut this);
        for (setting, text) in &sources.flags {
            let name = setting.flag.map_or(setting.path, |flag| flag.name);
            this.text(setting, text, Place::Flag(name));
        }
        this
    }

    /// Takes a value that is one text, as variables and flags are.
    fn text(&mut self, setting: &'static Setting, text: &str, place: Place) {
        let value = value_of(&setting.kind, text);
        let taken = setting
            .kind
            .accept(value, Path::new(""), &mut self.settings);
        self.places.insert(setting.path, place.clone());
        for Fault { message, .. } in taken.err().unwrap_or_default() {
            self.fault(setting, &place, message);
        }
    }

    fn fault(&mut self, setting: &'static Setting, place: &Place, message: impl Into<String>) {
        self.faulty.insert(setting.path);
        self.problems.push(place.problem(setting.path, message));
    }

    /// The rules over several settings.
    pub(super) fn judge_together(&mut self) {
        if self.file_is_lost {
            return;
        }
        self.judge_reach();
        self.read_admin_token();
        let (agents, admin) = (&self.settings.agents, &self.settings.admin);
        if agents.listen.collides_with(&admin.listen) {
            self.contradiction(
                &["admin.listen", "agents.listen"],
                "must differ from agents.listen, since each needs an address of its own",
            );
        }
        let limits = &self.settings.limits;
        if limits.max_buffered_bytes < limits.max_body_bytes {
            self.contradiction(
                &["limits.max_buffered_bytes", "limits.max_body_bytes"],
                "must be at least limits.max_body_bytes, or the largest body never fits",
            );
        }
    }

    /// Takes the admin token from the file that holds it.
    // spec: CONF-1
    fn read_admin_token(&mut self) {
        let admin = &self.settings.admin;
        let Some(path) = &admin.token_file else {
            return;
        };
        if admin.token.is_some() {
            let message = "and admin.token exclude each other; keep one of them";
            self.contradiction(&["admin.token_file", "admin.token"], message);
            return;
        }
        let read = read_whole(path, TOKEN_FILE_BYTES)
            .map_err(|reason| format!("the file {reason}"))
            .and_then(|content| admin_token(&content).map_err(|rule| format!("the token {rule}")));
        match read {
            Ok(token) => self.settings.admin.token = Some(token),
            Err(message) => self.contradiction(&["admin.token_file"], &message),
        }
    }

    /// Whether somebody besides this user could have calls signed without a token.
    // spec: BIND-1
    fn judge_reach(&mut self) {
        let agents = &self.settings.agents;
        if !agents.tokens.is_empty() || agents.allow_unauthenticated {
            return;
        }
        match &agents.listen {
            ListenAddress::Tcp(address) if !address.ip().to_canonical().is_loopback() => self
                .contradiction(
                    &[
                        "agents.listen",
                        "agents.tokens",
                        "agents.allow_unauthenticated",
                    ],
                    "without agents.tokens, whoever reaches this address could have calls signed; \
                     listen on a loopback address such as 127.0.0.1, set agents.tokens, \
                     or say agents.allow_unauthenticated: true",
                ),
            ListenAddress::Unix(_) if agents.socket_mode.admits_others() => self.contradiction(
                &[
                    "agents.socket_mode",
                    "agents.listen",
                    "agents.tokens",
                    "agents.allow_unauthenticated",
                ],
                "without agents.tokens, every user of this host could have calls signed; \
                 end the mode in 0, set agents.tokens, \
                 or say agents.allow_unauthenticated: true",
            ),
            ListenAddress::Tcp(_) | ListenAddress::Unix(_) => {}
        }
    }

    /// Notes that settings do not go together, where the first of them that somebody gave is.
    fn contradiction(&mut self, paths: &[&'static str], message: &str) {
        if paths.iter().any(|path| self.faulty.contains(path)) {
            return;
        }
        let given = paths.iter().find_map(|path| match self.places.get(path) {
            None | Some(Place::Default) => None,
            Some(place) => Some(place),
        });
        let place = given.unwrap_or(&Place::Default);
        self.problems.push(place.problem(paths[0], message));
    }

    pub(super) fn finish(self) -> Result<Settings, BadSettings> {
        let problems = self.problems;
        if problems.is_empty() {
            Ok(self.settings)
        } else {
            Err(BadSettings { problems })
        }
    }
}

impl Place {
    fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        let (file, at): (Arc<Path>, _) = match self {
            Self::Default => (Path::new("defaults").into(), None),
            Self::File(file, at) => (Arc::clone(file), Some(*at)),
            Self::Variable(name) => (Path::new(name).into(), None),
            Self::Flag(name) => (PathBuf::from(format!("--{name}")).into(), None),
        };
        Problem {
            file,
            at,
            field: field.to_owned(),
            message: message.into(),
            severity: Severity::Error,
        }
    }
}

/// One text as the value that `kind` asks for; it stays text where it is none, and is refused so.
fn value_of(kind: &Kind, text: &str) -> Value {
    let as_text = || Value::Text(Secret::new(text));
    match kind {
        Kind::Integer { .. } => text
            .trim()
            .parse()
            .map_or_else(|_| as_text(), Value::Integer),
        Kind::Boolean(_) => text
            .trim()
            .parse()
            .map_or_else(|_| as_text(), Value::Boolean),
        Kind::Origins(_) | Kind::Hosts(_) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            let item = |text: &str| Item {
                at: None,
                text: text.to_owned(),
            };
            Value::List(items.map(item).collect())
        }
        Kind::Word { .. }
        | Kind::Address(_)
        | Kind::SocketMode(_)
        | Kind::AgentId(_)
        | Kind::Path(_)
        | Kind::Folder(_)
        | Kind::OptionalPath(_)
        | Kind::Label(_)
        | Kind::Store(_)
        | Kind::AnyStore { .. }
        | Kind::Token(_)
        | Kind::Tokens(_) => as_text(),
    }
}
