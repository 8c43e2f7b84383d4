//! Text from elsewhere, made fit for a terminal.

/// Text without anything that a terminal would obey: what a sidecar says may come from whoever
/// writes descriptions.
pub fn printable(text: &str) -> String {
    let replaced = |c| {
        if steers(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(replaced).collect()
}

/// The same for a JSON text, which keeps its meaning: such characters can stand in its strings alone,
/// where they may be written as escapes.
pub fn printable_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn steers(c: char) -> bool {
    // Marks that turn the direction of writing can make one name look like another. All of these are
    // below U+10000, so one escape of JSON is enough for each.
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            printable("a\x1b[31m\r\n\t\u{9b}\u{202e}é…"),
            "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}é…"
        );
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "a\u{1b}\u{9b}\u{202e}é\n\"\\";
        let json = printable_json(&serde_json::to_string(text).unwrap());
        assert!(!json.contains(steers), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
