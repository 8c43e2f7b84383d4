//! Writing a value into YAML so that every reader, ours and others, takes it for what it is.
//!
//! Text is escaped against `${…}` too, since the registry's reader would expand it. A text stays
//! unquoted only where no YAML version could take it for anything else.

use std::fmt::Write as _;

use granit_parser::ScalarStyle;

use crate::policy::{PriceSpec, Usd};

/// A value that the API can set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    /// Text.
    Text(&'v str),
    /// A whole number.
    Number(i64),
    /// True or false.
    Boolean(bool),
    /// Dollars.
    Amount(Usd),
    /// A list of names.
    Names(&'v [String]),
    /// Numbers by name.
    Counts(&'v [(String, i64)]),
    /// Prices by tool.
    Prices(&'v [PriceSpec]),
}

/// Words that some YAML version takes for a boolean or for nothing.
const WORDS: &[&str] = &[
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf",
];

/// The value as it is written, in the style `wanted` where that can hold it; `braced` says whether
/// it stands within braces or brackets.
pub fn write(value: Value<'_>, wanted: ScalarStyle, braced: bool) -> String {
    let text = match value {
        Value::Number(number) => return number.to_string(),
        Value::Boolean(boolean) => return boolean.to_string(),
        Value::Amount(amount) => return amount.to_string(),
        Value::Names(names) => return list(names.iter().map(|name| inner(name, wanted))),
        Value::Counts(counts) => {
            let pair = |(name, count): &(String, i64)| format!("{}: {count}", inner(name, wanted));
            return format!("{{ {} }}", joined(counts.iter().map(pair)));
        }
        Value::Prices(prices) => return list(prices.iter().map(|rule| price(rule, wanted))),
        // spec: REG-1
        Value::Text(text) => text.replace("${", "$${"),
    };
    match wanted {
        ScalarStyle::SingleQuoted if !text.chars().any(needs_escape) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        ScalarStyle::Plain if is_plain(&text, braced) => text,
        ScalarStyle::Plain
        | ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => double_quoted(&text),
    }
}

/// Text within braces or brackets.
fn inner(text: &str, wanted: ScalarStyle) -> String {
    write(Value::Text(text), wanted, true)
}

fn price(rule: &PriceSpec, wanted: ScalarStyle) -> String {
    let [tool, price_usd] = ["tool", "price_usd"].map(|key| inner(key, wanted));
    let price = Usd::nearest(rule.price_usd);
    format!(
        "{{ {tool}: {}, {price_usd}: {price} }}",
        inner(&rule.tool, wanted)
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", joined(items))
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn is_plain(text: &str, braced: bool) -> bool {
    let mut characters = text.chars().peekable();
    if !characters
        .peek()
        .is_some_and(|first| first.is_alphabetic() || *first == '/')
    {
        return false;
    }
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let fits = match character {
            ' ' => previous != ' ' && characters.peek().is_some(),
            ':' => characters
                .peek()
                .is_some_and(|next| next.is_ascii_alphanumeric() || *next == '/'),
            ',' => !braced,
            '_' | '-' | '.' | '/' | '?' | '=' | '&' | '%' | '+' | '~' | '@' | '(' | ')' | ';' => {
                true
            }
            other => other.is_alphanumeric(),
        };
        if !fits {
            return false;
        }
        previous = character;
    }
    !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other if needs_escape(other) => {
                let code = u32::from(other);
                let written = if code > 0xffff {
                    write!(quoted, "\\U{code:08x}")
                } else {
                    write!(quoted, "\\u{code:04x}")
                };
                written.expect("a string takes any text");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, line breaks, and what editors do not show or YAML does not allow.
fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0x2028 | 0x2029 | 0xfeff | 0x200b..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069
                | 0xfff0..=0xffff
        )
        || u32::from(character) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::expand::expand;
    use crate::config::yaml::{Kind, Limits, Node, parse};

    #[test]
    fn text_is_quoted_where_a_reader_could_err() {
        for (text, block, braced) in [
            (
                "https://h:80/a?b=c&d=%20",
                "https://h:80/a?b=c&d=%20",
                "https://h:80/a?b=c&d=%20",
            ),
            ("Send, then wait", "Send, then wait", "\"Send, then wait\""),
            ("a: b", "\"a: b\"", "\"a: b\""),
            ("a #b", "\"a #b\"", "\"a #b\""),
            ("Yes", "\"Yes\"", "\"Yes\""),
            ("1.5", "\"1.5\"", "\"1.5\""),
            ("", "\"\"", "\"\""),
            (" a", "\" a\"", "\" a\""),
            ("- a", "\"- a\"", "\"- a\""),
            ("ends:", "\"ends:\"", "\"ends:\""),
            ("${A}", "\"$${A}\"", "\"$${A}\""),
            ("почта", "почта", "почта"),
            (
                "a\u{7}\n\"\\",
                "\"a\\u0007\\n\\\"\\\\\"",
                "\"a\\u0007\\n\\\"\\\\\"",
            ),
        ] {
            let plain = ScalarStyle::Plain;
            assert_eq!(write(Value::Text(text), plain, false), block);
            assert_eq!(write(Value::Text(text), plain, true), braced);
        }
        assert_eq!(
            write(Value::Text("it's"), ScalarStyle::SingleQuoted, false),
            "'it''s'"
        );
        assert_eq!(
            write(Value::Number(-5), ScalarStyle::DoubleQuoted, false),
            "-5"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "\\PC{0,20}|[ -~\\n\\r\\t]{0,20}|\\$?\\$\\{.{0,4}|.{0,8}", style in 0..3_u8) {
            let style = [ScalarStyle::Plain, ScalarStyle::SingleQuoted, ScalarStyle::DoubleQuoted][usize::from(style)];
            for (document, braced) in [("a: @\nb: c\n", false), ("{a: @, b: c}", true), ("[[@]]", true)] {
                let document = document.replace('@', &write(Value::Text(&text), style, braced));
                let node = parse(&document, &Limits::REGISTRY).unwrap();
                let item = |node: &Node| match &node.kind {
                    Kind::Sequence(items) => Some(items[0].clone()),
                    Kind::Null | Kind::Scalar { .. } | Kind::Mapping(_) => None,
                };
                let in_list = item(&node).and_then(|inner| item(&inner));
                let value = in_list.unwrap_or_else(|| node.get("a").unwrap().clone());
                let Kind::Scalar { text: read, .. } = &value.kind else {
                    panic!("{document:?} holds no text")
                };
                prop_assert_eq!(&expand(read, &|_| None).unwrap(), &text);
            }
        }
    }
}
