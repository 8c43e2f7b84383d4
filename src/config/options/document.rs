//! The example file, which is also what the defaults are read from.

use std::fmt::Write as _;

use super::{Setting, TABLE};

/// The settings file with every setting at its default.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of Countersign, each with its default. Read once, at start.\n\
         # Values may hold ${NAME} or ${NAME:-default}, filled from the environment.\n",
    );
    let mut current = None;
    for setting in TABLE {
        let (section, name) = setting.section_and_name();
        if section != current || section.is_none() {
            text.push('\n');
        }
        if let Some(section) = section.filter(|_| section != current) {
            let _ = writeln!(text, "{section}:");
        }
        current = section;
        let indent = if section.is_some() { "  " } else { "" };
        let Setting { default, why, .. } = setting;
        let _ = writeln!(text, "{indent}# {why}\n{indent}{name}: {default}");
    }
    text
}
