//! A new entry's text, in the style of the entries that are there.

use granit_parser::ScalarStyle;

use super::block::column;
use super::outline::{Part, Shape};
use super::scalar::{Value, write};

/// How a file's author writes tools.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether a tool is written in braces.
    braced: bool,
    /// Whether `auth` is written in braces.
    auth_braced: bool,
    /// Whether braces have spaces inside.
    padded: bool,
    /// Whether keys are in double quotes.
    keys_quoted: bool,
    /// How texts are quoted.
    texts: ScalarStyle,
    /// Columns from a key to the keys below it.
    step: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            braced: false,
            auth_braced: false,
            padded: true,
            keys_quoted: false,
            texts: ScalarStyle::Plain,
            step: 2,
        }
    }
}

impl Style {
    /// The style of `tool`, which stands in `text`.
    pub fn of(text: &str, tool: &Part) -> Self {
        let mut style = Self {
            braced: tool.extent.braced,
            keys_quoted: tool.pairs().first().is_some_and(|pair| pair.quoted),
            ..Self::default()
        };
        if let Some(Shape::Scalar(quotes)) = tool.pair("url").map(|pair| &pair.value.shape) {
            style.texts = *quotes;
        }
        if let Some(auth) = tool.pair("auth").map(|pair| &pair.value) {
            style.auth_braced = auth.extent.braced;
            let outside = column(text, tool);
            let inside = column(text, auth);
            if !auth.extent.braced && !auth.pairs().is_empty() && inside > outside {
                style.step = inside - outside;
            }
            if auth.extent.braced {
                style.padded = text[auth.extent.start + 1..].starts_with([' ', '\n', '\r']);
            }
        }
        if tool.extent.braced {
            style.padded = text[tool.extent.start + 1..].starts_with([' ', '\n', '\r']);
        }
        style
    }

    /// For a file that is all braces and brackets.
    pub fn json() -> Self {
        Self {
            braced: true,
            keys_quoted: true,
            texts: ScalarStyle::DoubleQuoted,
            ..Self::default()
        }
    }

    /// A key as this style writes it.
    fn key(&self, name: &str) -> String {
        if self.keys_quoted {
            format!("\"{name}\"")
        } else {
            name.to_owned()
        }
    }

    fn pair(&self, name: &str, value: Value<'_>, braced: bool) -> String {
        format!("{}: {}", self.key(name), write(value, self.texts, braced))
    }

    fn enclose(&self, pairs: &[String]) -> String {
        let pairs = pairs.join(", ");
        if self.padded {
            format!("{{ {pairs} }}")
        } else {
            format!("{{{pairs}}}")
        }
    }
}

/// A pair for an existing mapping, whose keys are in double quotes or not.
pub fn pair(name: &str, value: Value<'_>, keys_quoted: bool, braced: bool) -> String {
    let style = if keys_quoted {
        Style::json()
    } else {
        Style::default()
    };
    style.pair(name, value, braced)
}

/// What a new tool or policy says: its fields, with `auth` at its place.
#[derive(Debug)]
pub struct Draft<'d> {
    /// Fields before `auth`.
    pub head: Vec<(&'static str, Value<'d>)>,
    /// Fields of `auth`; a policy has none.
    pub auth: Vec<(&'static str, Value<'d>)>,
    /// Fields after `auth`.
    pub tail: Vec<(&'static str, Value<'d>)>,
}

impl Draft<'_> {
    /// Its lines, without dash and margin. `enclosed` says whether the list has brackets, within
    /// which everything needs braces.
    pub fn lines(&self, style: &Style, enclosed: bool) -> Vec<String> {
        let braced = style.braced || enclosed;
        let write = |fields: &[(&'static str, Value<'_>)], braced: bool| -> Vec<String> {
            let pairs = fields.iter();
            pairs
                .map(|(name, value)| style.pair(name, *value, braced))
                .collect()
        };
        let mut lines = write(&self.head, braced);
        let auth = style.key("auth");
        if self.auth.is_empty() {
            // There is nothing that could stand under its name.
        } else if braced || style.auth_braced {
            lines.push(format!(
                "{auth}: {}",
                style.enclose(&write(&self.auth, true))
            ));
        } else {
            lines.push(format!("{auth}:"));
            let step = style.step;
            let inner = write(&self.auth, false);
            lines.extend(inner.iter().map(|pair| format!("{:step$}{pair}", "")));
        }
        lines.extend(write(&self.tail, braced));
        if braced {
            vec![style.enclose(&lines)]
        } else {
            lines
        }
    }
}
