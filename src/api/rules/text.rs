//! Rules of texts: names, scopes, URLs, keys and words.

use serde_json::{Value, json};

use crate::api::fault::Broken;
use crate::api::rules::Rule;
use crate::ids::{AgentId, MAX_ID_LEN, ScopeId, ToolName};
use crate::registry::{Origin, limits};
use crate::secret::Secret;

/// Text of so many characters.
#[derive(Debug)]
pub struct Text {
    /// The fewest.
    pub min: usize,
    /// The most.
    pub max: usize,
}

impl Text {
    fn read<'v>(&self, value: &'v Value) -> Result<&'v str, Broken> {
        let text = value.as_str().ok_or(Broken::plain(
            "string_type",
            "Input should be a valid string",
        ))?;
        let length = text.chars().count();
        let (min, max) = (self.min, self.max);
        if length < min {
            return Err(Broken::with(
                "string_too_short",
                format!("String should have at least {min} characters"),
                json!({ "min_length": min }),
            ));
        }
        if length > max {
            return Err(Broken::with(
                "string_too_long",
                format!("String should have at most {max} characters"),
                json!({ "max_length": max }),
            ));
        }
        Ok(text)
    }
}

impl Rule for Text {
    type Value = String;

    fn parse(&self, value: &Value) -> Result<String, Broken> {
        self.read(value).map(str::to_owned)
    }

    fn schema(&self) -> Value {
        let mut schema = json!({ "type": "string", "maxLength": self.max });
        if self.min > 0 {
            schema["minLength"] = self.min.into();
        }
        schema
    }
}

fn mismatch(pattern: &str) -> Broken {
    let msg = format!("String should match pattern '{pattern}'");
    let ctx = json!({ "pattern": pattern });
    Broken::with("string_pattern_mismatch", msg, ctx)
}

/// A tool's name.
#[derive(Debug)]
pub struct Name;

impl Name {
    /// The hosted API's pattern; the length is a rule of its own, and so is what paths cannot say.
    const PATTERN: &str = "^[a-zA-Z0-9_.:-]+$";
    const LENGTH: Text = Text {
        min: 0,
        max: MAX_ID_LEN,
    };
}

impl Rule for Name {
    type Value = ToolName;

    fn parse(&self, value: &Value) -> Result<ToolName, Broken> {
        let text = Self::LENGTH.read(value)?;
        text.parse().map_err(|_| match text {
            "." | ".." => Broken::value("a tool's name is neither . nor .."),
            _ => mismatch(Self::PATTERN),
        })
    }

    fn schema(&self) -> Value {
        json!({
            "type": "string",
            "maxLength": MAX_ID_LEN,
            "pattern": Self::PATTERN,
            "not": { "enum": [".", ".."] },
        })
    }
}

/// An agent's id.
#[derive(Debug)]
pub struct Agent;

impl Agent {
    const PATTERN: &str = "^[!-~]{1,128}$";
    const ANY: Text = Text {
        min: 0,
        max: usize::MAX,
    };
}

impl Rule for Agent {
    type Value = AgentId;

    fn parse(&self, value: &Value) -> Result<AgentId, Broken> {
        let text = Self::ANY.read(value)?;
        text.parse().map_err(|_| mismatch(Self::PATTERN))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": Self::PATTERN })
    }
}

/// One scope.
#[derive(Debug)]
pub struct Scope;

impl Scope {
    const PATTERN: &str = "^(global|agent:[!-~]{1,128})$";
}

impl Rule for Scope {
    type Value = ScopeId;

    fn parse(&self, value: &Value) -> Result<ScopeId, Broken> {
        let text = Text {
            min: 0,
            max: usize::MAX,
        }
        .read(value)?;
        text.parse().map_err(|_| mismatch(Self::PATTERN))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": Self::PATTERN })
    }
}

/// One scope, or `all` of them, which reads as `None`.
#[derive(Debug)]
pub struct ScopeOrAll;

impl ScopeOrAll {
    const PATTERN: &str = "^(all|global|agent:[!-~]{1,128})$";
}

impl Rule for ScopeOrAll {
    type Value = Option<ScopeId>;

    fn parse(&self, value: &Value) -> Result<Option<ScopeId>, Broken> {
        if value == "all" {
            return Ok(None);
        }
        Scope
            .parse(value)
            .map(Some)
            .map_err(|_| mismatch(Self::PATTERN))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": Self::PATTERN })
    }
}

/// A tool's URL, together with where it leads. Whether a stranger may go there is decided by
/// whoever knows the settings.
#[derive(Debug)]
pub struct Url;

impl Url {
    /// For the description alone, and narrower than the rule: which addresses are public, which
    /// words are names of this machine and how long many labels are together, no pattern can say.
    const PATTERN: &str = concat!(
        "^[Hh][Tt][Tt][Pp][Ss]?://",
        "([A-Za-z0-9_]([A-Za-z0-9_-]{0,38}[A-Za-z0-9_])?[.]){0,5}",
        "[A-Za-z]([A-Za-z0-9_-]{0,38}[A-Za-z0-9_])?[.]?",
        "(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?",
        "([/?]([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?$",
    );
    const LENGTH: Text = Text {
        min: 0,
        max: limits::URL_BYTES,
    };
}

impl Rule for Url {
    type Value = (String, Origin);

    fn parse(&self, value: &Value) -> Result<(String, Origin), Broken> {
        let text = Self::LENGTH.read(value)?;
        let origin = Origin::of_url(text).map_err(Broken::url)?;
        Ok((text.to_owned(), origin))
    }

    fn schema(&self) -> Value {
        json!({
            "type": "string",
            "maxLength": limits::URL_BYTES,
            "pattern": Self::PATTERN,
        })
    }
}

/// Key material.
#[derive(Debug)]
pub struct Key;

impl Key {
    /// A key is hashed to 32 bytes before it is used; what is longer than this is a mistake.
    const LENGTH: Text = Text {
        min: Secret::MIN_LEN,
        max: 4096,
    };
}

impl Rule for Key {
    type Value = Secret;

    fn parse(&self, value: &Value) -> Result<Secret, Broken> {
        Self::LENGTH.read(value).map(Secret::new)
    }

    fn schema(&self) -> Value {
        let mut schema = Self::LENGTH.schema();
        schema["format"] = "password".into();
        schema["writeOnly"] = true.into();
        schema
    }
}

/// The one word that is allowed.
#[derive(Debug)]
pub struct Word(pub &'static str);

impl Rule for Word {
    type Value = ();

    fn parse(&self, value: &Value) -> Result<(), Broken> {
        if value == self.0 {
            return Ok(());
        }
        let expected = format!("'{}'", self.0);
        let msg = format!("Input should be {expected}");
        let ctx = json!({ "expected": expected });
        Err(Broken::with("literal_error", msg, ctx))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "const": self.0 })
    }
}
