//! `${NAME}` in values: what a file leaves to the environment.
//!
//! Expansion works on one scalar's text after parsing, so that a variable's value can never become
//! structure. It is done once: what a variable holds is not expanded again.

use std::borrow::Cow;
use std::fmt;

/// Where variables come from: the process's environment, or a table in tests. `None` means unset.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Why a text cannot be expanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unexpandable {
    /// The variable has no value and the text no default for it.
    Unset(String),
    /// Something begins like `${NAME}` and does not go on like it. Says nothing of the text.
    Malformed,
}

impl fmt::Display for Unexpandable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(name) => write!(
                f,
                "the environment variable {name} is not set; set it or write ${{{name}:-default}}"
            ),
            Self::Malformed => {
                f.write_str("has a malformed ${; write ${NAME}, ${NAME:-default}, or $${ for ${")
            }
        }
    }
}

/// Replaces `${NAME}` by the variable, `${NAME:-default}` by the variable or, where it is unset or
/// empty, by the default, and `$${` by `${`.
///
/// A default ends at the first `}` and cannot hold another `${`. A dollar sign that is followed by
/// anything else stays as it is.
///
/// # Errors
/// When a variable without a default is unset or a `${` is not closed or names no variable.
// spec: REG-1
pub fn expand<'t>(text: &'t str, environment: &Environment) -> Result<Cow<'t, str>, Unexpandable> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        rest = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            continue;
        }
        expanded.push_str(before);
        let (inside, after) = rest.split_once('}').ok_or(Unexpandable::Malformed)?;
        expanded.push_str(&variable(inside, environment)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

fn variable<'t>(inside: &'t str, environment: &Environment) -> Result<Cow<'t, str>, Unexpandable> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let malformed = default.is_some_and(|default| default.contains("${"));
    if !is_name(name) || malformed {
        return Err(Unexpandable::Malformed);
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(Cow::Owned(value)),
        (Some(value), Some(_)) if !value.is_empty() => Ok(Cow::Owned(value)),
        (_, Some(default)) => Ok(Cow::Borrowed(default)),
        (None, None) => Err(Unexpandable::Unset(name.to_owned())),
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "KEY" => "value",
            "_K2" => "second",
            "EMPTY" => "",
            "NESTED" => "${KEY} $${ }",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &Unexpandable>) {
        let expanded = expand(text, &environment);
        assert_eq!(expanded.as_deref(), expected, "{text}");
    }

    // spec: REG-1
    #[test]
    fn variables_become_their_values() {
        for (text, expected) in [
            ("", ""),
            (
                "plain $ text $KEY $$ {KEY} }",
                "plain $ text $KEY $$ {KEY} }",
            ),
            ("${KEY}", "value"),
            ("${_K2}", "second"),
            ("a${KEY}b${_K2}c", "avaluebsecondc"),
            ("${KEY:-default}", "value"),
            ("${NO:-default}", "default"),
            ("${NO:-}", ""),
            ("${NO:-http://h:80/a:-b}", "http://h:80/a:-b"),
            ("${EMPTY}", ""),
            ("${EMPTY:-default}", "default"),
            ("$${KEY}", "${KEY}"),
            ("$$${KEY}", "$${KEY}"),
            ("$${", "${"),
            ("${KEY}$${KEY}${KEY}", "value${KEY}value"),
            ("${NESTED}", "${KEY} $${ }"),
            ("ключ ${KEY} 🔑", "ключ value 🔑"),
        ] {
            check(text, Ok(expected));
        }
    }

    // spec: REG-1
    #[test]
    fn what_cannot_be_expanded_is_an_error_and_never_an_empty_text() {
        check("${NO}", Err(&Unexpandable::Unset("NO".to_owned())));
        check(
            "${KEY}${NO_2}",
            Err(&Unexpandable::Unset("NO_2".to_owned())),
        );
        for text in [
            "${",
            "${KEY",
            "${}",
            "${:-default}",
            "${2KEY}",
            "${KEY-default}",
            "${KEY:default}",
            "${ KEY }",
            "${KLÜSSEL}",
            "${NO:-${KEY}}",
            "${KEY:-${KEY}}",
        ] {
            check(text, Err(&Unexpandable::Malformed));
        }
    }
}
