//! What a setting may be: from a value as it was given to the field that it sets.
//!
//! A message states the rule and never the value, which may be a misplaced secret.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use url::Url;

use crate::config::problem::Position;
use crate::config::settings::{AgentToken, Settings, StorePlace};
use crate::ids::AgentId;
use crate::rule::Rule;
use crate::secret::Secret;
use crate::server::{ListenAddress, SocketMode};
use crate::store::fleet::FleetAddress;

/// The shortest token of an agent, in bytes: 128 bits where every byte is random.
const AGENT_TOKEN_BYTES: usize = 16;

/// What a setting may be, with the function that puts it into [`Settings`].
pub enum Kind {
    /// A whole number.
    Integer {
        /// The allowed values.
        range: RangeInclusive<i64>,
        /// What it counts.
        unit: Unit,
        /// Where it goes; never negative.
        set: fn(&mut Settings, u64),
    },
    /// `true` or `false`.
    Boolean(fn(&mut Settings, bool)),
    /// One of a few words.
    Word {
        /// The words.
        words: &'static [&'static str],
        /// Where it goes; one of `words`.
        set: fn(&mut Settings, &str),
    },
    /// An IP address with a port, or a socket file.
    Address(fn(&mut Settings, ListenAddress)),
    /// The permissions of a socket file.
    SocketMode(fn(&mut Settings, SocketMode)),
    /// The name of an agent.
    AgentId(fn(&mut Settings, AgentId)),
    /// The path of a file.
    Path(fn(&mut Settings, PathBuf)),
    /// The path of a folder, which starts at the registry's own and is taken as it is written.
    Folder(fn(&mut Settings, PathBuf)),
    /// The path of a file, or nothing.
    OptionalPath(fn(&mut Settings, Option<PathBuf>)),
    /// A word of visible ASCII.
    Label(fn(&mut Settings, Box<str>)),
    /// Where something is kept.
    Store(fn(&mut Settings, StorePlace)),
    /// Where something is kept, by this sidecar or by all of a fleet.
    AnyStore {
        /// Where a place of this sidecar's own goes.
        own: fn(&mut Settings, StorePlace),
        /// Where a fleet's goes.
        shared: fn(&mut Settings, FleetAddress),
    },
    /// A bearer token; empty text is none.
    Token(fn(&mut Settings, Option<Secret>)),
    /// Agents with the token of each.
    Tokens(fn(&mut Settings, Vec<AgentToken>)),
    /// Origins of web pages.
    Origins(fn(&mut Settings, Vec<Box<str>>)),
    /// Host names.
    Hosts(fn(&mut Settings, Vec<Box<str>>)),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Thousandths of a second.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Things.
    Count,
}

/// A value as it was given, of the type that its setting asks for.
#[derive(Debug)]
pub enum Value {
    /// For [`Kind::Integer`].
    Integer(i64),
    /// For [`Kind::Boolean`].
    Boolean(bool),
    /// For every kind of single text. It may be secret.
    Text(Secret),
    /// For lists of texts.
    List(Vec<Item>),
    /// For [`Kind::Tokens`].
    Tokens(Vec<(Item, Secret)>),
}

/// One of several texts within a value.
#[derive(Debug)]
pub struct Item {
    /// Where it stands, if it is in a file.
    pub at: Option<Position>,
    /// The text; of a token, the agent's name.
    pub text: String,
}

/// Why a value cannot be taken.
#[derive(Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which part of the value, where it has parts with a place.
    pub at: Option<Position>,
    /// The rule.
    pub message: String,
}

impl Fault {
    fn whole(message: impl Into<String>) -> Vec<Self> {
        let message = message.into();
        vec![Self { at: None, message }]
    }
}

impl Kind {
    /// Whether only the file can hold it.
    pub fn is_file_only(&self) -> bool {
        matches!(self, Self::Tokens(_))
    }

    /// Checks a value and puts it into `settings`. Relative paths are taken from `base`.
    ///
    /// # Errors
    /// Every rule that the value breaks; `settings` are then as before.
    pub fn accept(
        &self,
        value: Value,
        base: &Path,
        settings: &mut Settings,
    ) -> Result<(), Vec<Fault>> {
        match (self, value) {
            (Self::Integer { range, set, .. }, Value::Integer(value)) => {
                match u64::try_from(value) {
                    Ok(natural) if range.contains(&value) => set(settings, natural),
                    Ok(_) | Err(_) => return Err(Fault::whole(self.rule())),
                }
            }
            (Self::Boolean(set), Value::Boolean(value)) => set(settings, value),
            (Self::Tokens(set), Value::Tokens(value)) => set(settings, tokens(value)?),
            (Self::Origins(set), Value::List(items)) => {
                set(settings, self.each(items, origin)?);
            }
            (Self::Hosts(set), Value::List(items)) => {
                set(settings, self.each(items, host)?);
            }
            (kind, Value::Text(text)) => {
                let text = str::from_utf8(text.expose()).ok();
                text.and_then(|text| kind.text(text, base, settings))
                    .ok_or_else(|| Fault::whole(kind.rule()))?;
            }
            (kind, _) => return Err(Fault::whole(kind.rule())),
        }
        Ok(())
    }

    /// `None` when the text breaks the rule.
    fn text(&self, text: &str, base: &Path, settings: &mut Settings) -> Option<()> {
        match self {
            Self::Word { words, set } => set(settings, words.iter().find(|word| **word == text)?),
            Self::Address(set) => set(settings, text.parse().ok()?),
            Self::SocketMode(set) => set(settings, text.parse().ok()?),
            Self::AgentId(set) => set(settings, text.parse().ok()?),
            Self::Path(set) => set(settings, path(text, base)?),
            Self::Folder(set) => set(settings, path(text, Path::new(""))?),
            Self::OptionalPath(set) => set(settings, Some(path(text, base)?)),
            Self::Label(set) => set(settings, label(text)?),
            Self::Store(set) => set(settings, store(text)?),
            Self::AnyStore { shared, .. } if FleetAddress::is_meant_by(text) => {
                shared(settings, FleetAddress::parse(text)?);
            }
            Self::AnyStore { own, .. } => own(settings, store(text)?),
            Self::Token(set) if text.is_empty() => set(settings, None),
            Self::Token(set) => set(settings, Some(token(text, Secret::MIN_LEN)?)),
            Self::Integer { .. }
            | Self::Boolean(_)
            | Self::Tokens(_)
            | Self::Origins(_)
            | Self::Hosts(_) => return None,
        }
        Some(())
    }

    fn each(
        &self,
        items: Vec<Item>,
        check: fn(&str) -> Option<Box<str>>,
    ) -> Result<Vec<Box<str>>, Vec<Fault>> {
        let mut good = Vec::with_capacity(items.len());
        let mut faults = Vec::new();
        for Item { at, text } in items {
            match check(&text) {
                Some(item) => good.push(item),
                None => faults.push(Fault {
                    at,
                    message: self.rule(),
                }),
            }
        }
        if faults.is_empty() {
            Ok(good)
        } else {
            Err(faults)
        }
    }

    /// What a value must be, as the end of a sentence about it.
    pub fn rule(&self) -> String {
        match self {
            Self::Integer { range, unit, .. } => {
                let (min, max) = (*range.start(), *range.end());
                format!("{}{unit}", Rule::Range { min, max })
            }
            Self::Boolean(_) => "must be true or false".into(),
            Self::Word { words, .. } => Rule::OneOf(words).to_string(),
            Self::Address(_) => ListenAddress::RULE.into(),
            Self::SocketMode(_) => SocketMode::RULE.into(),
            Self::AgentId(_) => "must be 1 to 128 visible ASCII characters".into(),
            Self::Path(_) | Self::OptionalPath(_) => "must be the path of a file".into(),
            Self::Folder(_) => "must be the path of a folder".into(),
            Self::Label(_) => "must be 1 to 128 visible ASCII characters".into(),
            Self::Store(_) => "must be memory, or file: and the path of a folder".into(),
            Self::AnyStore { .. } => format!(
                "must be memory, file: and the path of a folder, or {}",
                FleetAddress::FORM
            ),
            Self::Token(_) => token_rule(Secret::MIN_LEN),
            Self::Tokens(_) => token_rule(AGENT_TOKEN_BYTES),
            Self::Origins(_) => {
                "must be an origin without a path, such as https://app.example.com".into()
            }
            Self::Hosts(_) => "must be a host name without a port, such as agents.example".into(),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule())
    }
}

/// As it follows a range.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => " milliseconds",
            Self::Bytes => " bytes",
            Self::Count => "",
        })
    }
}

fn path(text: &str, base: &Path) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| base.join(text))
}

fn label(text: &str) -> Option<Box<str>> {
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.into())
}

fn store(text: &str) -> Option<StorePlace> {
    if text == "memory" {
        return Some(StorePlace::Memory);
    }
    let file = path(text.strip_prefix("file:")?, Path::new(""))?;
    Some(StorePlace::File(file))
}

/// A token travels in a header, where other characters would never arrive as they were written.
fn token(text: &str, min: usize) -> Option<Secret> {
    let fits = text.len() >= min && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Secret::new(text))
}

/// The admin token that a file holds, without the line break at its end.
///
/// # Errors
/// The rule that it breaks.
pub fn admin_token(content: &[u8]) -> Result<Secret, String> {
    let text = content.strip_suffix(b"\n").unwrap_or(content);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = str::from_utf8(text).ok();
    text.and_then(|text| token(text, Secret::MIN_LEN))
        .ok_or_else(|| token_rule(Secret::MIN_LEN))
}

fn token_rule(min: usize) -> String {
    format!("must be at least {min} visible ASCII characters, since it travels in a header")
}

// spec: CALL-2
fn tokens(entries: Vec<(Item, Secret)>) -> Result<Vec<AgentToken>, Vec<Fault>> {
    let mut good: Vec<AgentToken> = Vec::with_capacity(entries.len());
    let mut faults = Vec::new();
    for (Item { at, text }, secret) in entries {
        let mut fault = |message: String| faults.push(Fault { at, message });
        let Ok(agent) = text.parse::<AgentId>() else {
            fault("an agent's name must be 1 to 128 visible ASCII characters".into());
            continue;
        };
        let text = str::from_utf8(secret.expose()).ok();
        let Some(token) = text.and_then(|text| token(text, AGENT_TOKEN_BYTES)) else {
            fault(token_rule(AGENT_TOKEN_BYTES));
            continue;
        };
        // The token decides who calls, so it must not name two.
        if good
            .iter()
            .any(|other| other.token.expose() == token.expose())
        {
            fault("this token is another agent's already".into());
            continue;
        }
        good.push(AgentToken { agent, token });
    }
    if faults.is_empty() {
        Ok(good)
    } else {
        Err(faults)
    }
}

/// An origin as browsers write it: scheme, host and a port that is not the scheme's own.
fn origin(text: &str) -> Option<Box<str>> {
    let url = Url::parse(text).ok()?;
    let written = url.origin().ascii_serialization();
    let is_web = matches!(url.scheme(), "http" | "https");
    (is_web && written == text.to_ascii_lowercase()).then(|| written.into())
}

/// A host name as it is compared: in lower case.
fn host(text: &str) -> Option<Box<str>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let fits = (1..=253).contains(&text.len()) && text.bytes().all(allowed);
    fits.then(|| text.to_ascii_lowercase().into())
}
