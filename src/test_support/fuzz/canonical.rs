//! Arguments in canonical form: they mean what they meant, in one spelling, or have none for a reason
//! that a second reading sees too.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::once::{ArgsError, canonical_args};

/// As deep as the second reading goes.
const DEPTH: usize = 126;

/// Arguments, or what should be some.
///
/// # Panics
/// When the canonical form means something else, is not the only spelling, or is refused for no
/// reason.
// spec: ONCE-2
pub fn canonical_arguments(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else {
        return;
    };
    let depth = depth(text);
    let canonical = canonical_args(raw);
    if let Err(ArgsError::TooDeep) = canonical {
        assert!(depth > DEPTH, "{depth} levels are not too deep");
        return;
    }
    let reading = serde_json::from_str::<Reading>(text);
    match (reading, canonical) {
        (Ok(reading), Ok(args)) => {
            assert!(!reading.has_a_name_twice(), "one of two values was taken");
            let key = reading.member("idempotency_key").and_then(Reading::text);
            assert_eq!(args.idempotency_key(), key.filter(|key| !key.is_empty()));
            let written = std::str::from_utf8(args.as_bytes()).expect("JSON is UTF-8");
            assert_form(reading.without("run_id").in_order(), written);
        }
        (Ok(Reading::Object(members)), Err(error)) => {
            assert_eq!(error, ArgsError::DuplicateName);
            assert!(Reading::Object(members).has_a_name_twice());
        }
        (Ok(_), Err(error)) => assert_eq!(error, ArgsError::NotAnObject),
        // No characters, no numbers, or too deep for it.
        (Err(_), canonical) => assert!(canonical.is_err() || depth > DEPTH),
    }
}

/// `written` is the one spelling of what `expected` means.
fn assert_form(expected: Reading, written: &str) {
    let found: Reading = serde_json::from_str(written).expect("the form is JSON");
    assert_eq!(found, expected, "it means something else");
    // How numbers are written is the RFC's own vectors' business.
    let mut spelling = String::new();
    expected.spell(&mut spelling);
    assert_eq!(without_numbers(written), spelling);
    let raw: Box<RawValue> = serde_json::from_str(written).expect("the form is JSON");
    let again = canonical_args(&raw).expect("the form has a form");
    assert_eq!(again.as_bytes(), written.as_bytes(), "there is another one");
}

/// What serde_json reads, with every member there is.
#[derive(Debug)]
enum Reading {
    /// `true`, `false` or `null`.
    Word(&'static str),
    Number(f64),
    Text(String),
    List(Vec<Reading>),
    Object(Vec<(String, Reading)>),
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Word(one), Self::Word(other)) => one == other,
            // Two readers may differ in the last bits of a number with many digits.
            (Self::Number(one), Self::Number(other)) => {
                (one - other).abs() <= one.abs() * 4.0 * f64::EPSILON + f64::MIN_POSITIVE
            }
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Object(one), Self::Object(other)) => one == other,
            (
                Self::Word(_) | Self::Number(_) | Self::Text(_) | Self::List(_) | Self::Object(_),
                _,
            ) => false,
        }
    }
}

impl Reading {
    fn inner(&self) -> Vec<&Self> {
        match self {
            Self::Word(_) | Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::List(items) => items.iter().collect(),
            Self::Object(members) => members.iter().map(|(_, value)| value).collect(),
        }
    }

    fn has_a_name_twice(&self) -> bool {
        let own = if let Self::Object(members) = self {
            let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
            names.sort();
            names.windows(2).any(|two| two[0] == two[1])
        } else {
            false
        };
        own || self.inner().into_iter().any(Self::has_a_name_twice)
    }

    fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value)
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    fn without(mut self, name: &str) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|(found, _)| found != name);
        }
        self
    }

    /// With all names in the order of their UTF-16 code units.
    fn in_order(mut self) -> Self {
        match &mut self {
            Self::Word(_) | Self::Number(_) | Self::Text(_) => {}
            Self::List(items) => {
                *items = std::mem::take(items)
                    .into_iter()
                    .map(Self::in_order)
                    .collect();
            }
            Self::Object(members) => {
                let inner = std::mem::take(members).into_iter();
                *members = inner
                    .map(|(name, value)| (name, value.in_order()))
                    .collect();
                members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            }
        }
        self
    }

    /// As serde_json spells it, with `0` for every number.
    fn spell(&self, to: &mut String) {
        let quoted = |text: &str| serde_json::to_string(text).expect("text is JSON");
        match self {
            Self::Word(word) => to.push_str(word),
            Self::Number(_) => to.push('0'),
            Self::Text(text) => to.push_str(&quoted(text)),
            Self::List(items) => {
                to.push('[');
                for (index, item) in items.iter().enumerate() {
                    to.push_str(if index > 0 { "," } else { "" });
                    item.spell(to);
                }
                to.push(']');
            }
            Self::Object(members) => {
                to.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    to.push_str(if index > 0 { "," } else { "" });
                    to.push_str(&quoted(name));
                    to.push(':');
                    value.spell(to);
                }
                to.push('}');
            }
        }
    }
}

/// The characters of JSON, each with whether it stands within a string.
fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut inside, mut escaped) = (false, false);
    text.chars().map(move |character| {
        let was_inside = inside;
        if escaped {
            escaped = false;
        } else if inside && character == '\\' {
            escaped = true;
        } else if character == '"' {
            inside = !inside;
        }
        (character, was_inside || inside)
    })
}

fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for (character, inside) in characters(text) {
        match character {
            '{' | '[' if !inside => open += 1,
            '}' | ']' if !inside => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    let mut in_number = false;
    for (character, inside) in characters(text) {
        let begins = character.is_ascii_digit() || character == '-';
        let goes_on = in_number && matches!(character, '.' | '+' | 'e');
        let is_number = !inside && (begins || goes_on);
        if !is_number {
            kept.push(character);
        } else if !in_number {
            kept.push('0');
        }
        in_number = is_number;
    }
    kept
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Reading;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Reading, E> {
        Ok(Reading::Word("null"))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Reading, E> {
        Ok(Reading::Word(if value { "true" } else { "false" }))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Reading, E> {
        Ok(Reading::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Reading, E> {
        Ok(Reading::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Reading, E> {
        Ok(Reading::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Reading, E> {
        Ok(Reading::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Reading, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Reading::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Reading, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Reading::Object(members))
    }
}
