//! Names that the outside world chooses, checked once where they enter.
//!
//! A value of one of these types is valid by construction: it can go into a header, a label or a
//! log line as it is. Nothing here knows what the names refer to.

mod minted;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
pub use minted::{LeaseId, RequestId};

/// The longest name, agent id or request id we accept, in bytes.
pub const MAX_ID_LEN: usize = 128;

/// A name that does not have the form its type asks for.
///
/// It carries the rule and never the text, because the text may be a misplaced secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub &'static str);

/// A tool's name: `^[A-Za-z0-9_.:-]{1,128}$`, neither `.` nor `..`.
// spec: CALL-1
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ToolName(Box<str>);

impl ToolName {
    /// The pattern, for messages and schemas.
    pub const PATTERN: &str = "^[A-Za-z0-9_.:-]{1,128}$";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a header value; every character of the pattern is allowed in one.
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("the name's pattern is a subset of visible ASCII")
    }

    /// Whether `text` is a valid name, without keeping it.
    pub fn is_valid(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
        (1..=MAX_ID_LEN).contains(&text.len())
            && text.bytes().all(allowed)
            && text != "."
            && text != ".."
    }
}

impl FromStr for ToolName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if Self::is_valid(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId(
                "a tool name is 1 to 128 characters of A-Z a-z 0-9 _ . : - and neither . nor ..",
            ))
        }
    }
}

impl Borrow<str> for ToolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text of 1 to 128 visible ASCII characters, kept as a header value so that passing it on is a
/// reference count.
#[derive(Clone, Eq, Hash, PartialEq)]
struct VisibleAscii(HeaderValue);

impl VisibleAscii {
    fn parse(value: HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let fits = (1..=MAX_ID_LEN).contains(&bytes.len());
        (fits && bytes.iter().all(u8::is_ascii_graphic)).then_some(Self(value))
    }

    fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).expect("checked to be visible ASCII when it was made")
    }
}

/// Who is calling: 1 to 128 visible ASCII characters.
// spec: CALL-2
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct AgentId(VisibleAscii);

impl AgentId {
    /// Takes a header's value as an agent id.
    ///
    /// # Errors
    /// When it is empty, longer than 128 bytes, or holds anything but visible ASCII.
    pub fn from_header(value: HeaderValue) -> Result<Self, InvalidId> {
        VisibleAscii::parse(value).map(Self).ok_or(InvalidId(
            "an agent id is 1 to 128 visible ASCII characters",
        ))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as a header value.
    pub fn as_header(&self) -> &HeaderValue {
        &self.0.0
    }
}

impl FromStr for AgentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        HeaderValue::from_str(text)
            .map_err(|_| InvalidId("an agent id is 1 to 128 visible ASCII characters"))
            .and_then(Self::from_header)
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentId({})", self.as_str())
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a tool is visible: to every agent or to one.
// spec: CALL-3
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum ScopeId {
    /// Every agent.
    #[default]
    Global,
    /// One agent; wins over a global tool of the same name.
    Agent(AgentId),
}

impl ScopeId {
    /// Whether `text` is how this scope is written.
    pub fn is_written(&self, text: &str) -> bool {
        match self {
            Self::Global => text == "global",
            Self::Agent(agent) => text.strip_prefix("agent:") == Some(agent.as_str()),
        }
    }
}

impl FromStr for ScopeId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const FORM: InvalidId = InvalidId("a scope is `global` or `agent:<agent_id>`");
        if text == "global" {
            return Ok(Self::Global);
        }
        let agent = text.strip_prefix("agent:").ok_or(FORM)?;
        agent.parse().map(Self::Agent).map_err(|_| FORM)
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
        }
    }
}

/// Names the key a signature was made with, so that a backend can hold several.
// spec: SIG-5
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct SecretId(VisibleAscii);

impl SecretId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for SecretId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        HeaderValue::from_str(text)
            .ok()
            .and_then(VisibleAscii::parse)
            .map(Self)
            .ok_or(InvalidId(
                "a secret id is 1 to 128 visible ASCII characters",
            ))
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretId({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tool_names_follow_their_pattern() {
        let longest = "x".repeat(128);
        for good in [
            "a",
            "send_email",
            "stripe.charge",
            "ns:tool-1",
            "...",
            &longest,
        ] {
            assert_eq!(good.parse::<ToolName>().unwrap().as_str(), good);
        }
        let too_long = "x".repeat(129);
        for bad in ["", ".", "..", "a b", "a/b", "é", "a\n", &too_long] {
            bad.parse::<ToolName>().unwrap_err();
        }
    }

    #[test]
    fn scopes_are_global_or_one_agent() {
        assert_eq!("global".parse(), Ok(ScopeId::Global));
        let agent: ScopeId = "agent:support_bot".parse().unwrap();
        assert_eq!(agent.to_string(), "agent:support_bot");
        assert!(agent.is_written("agent:support_bot") && ScopeId::Global.is_written("global"));
        assert!(!agent.is_written("agent:support") && !ScopeId::Global.is_written("agent:global"));
        for bad in ["", "all", "agent:", "agent: x", "Global", "agents:x"] {
            bad.parse::<ScopeId>().unwrap_err();
        }
    }
}
