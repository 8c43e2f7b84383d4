//! The rule of `docs/architecture.md`: a module looks only at rows below its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::rust_files;

/// Rows from the bottom up. Modules of one row do not look at each other.
const ROWS: &[&[&str]] = &[
    &[
        "alarm", "ids", "rule", "secret", "clock", "body", "headers", "http1", "scratch", "turn",
    ],
    &["sign", "telemetry", "lifecycle", "store"],
    &["registry", "policy", "once", "audit"],
    &["server", "upstream"],
    &["call"],
    &["config"],
    &["proxy", "api"],
    &["governed"],
    &["app"],
    &["cli"],
];

/// Looks at whatever a test needs.
const OUTSIDE: &[&str] = &["test_support"];

/// Within the lowest rows a few modules build on each other; each pair is named with its reason.
const NEIGHBOURS: &[(&str, &str)] = &[
    // A request id carries the time it was minted.
    ("ids", "clock"),
];

fn rows() -> BTreeMap<&'static str, usize> {
    let numbered = ROWS.iter().enumerate();
    numbered
        .flat_map(|(row, names)| names.iter().map(move |name| (*name, row)))
        .collect()
}

/// The names right behind every `crate::`, also those in braces.
fn looks_at(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in text.split("crate::").skip(1) {
        let list = match part.strip_prefix('{') {
            Some(braced) => braced.split('}').next().unwrap_or_default(),
            None => part
                .split([';', ',', ')', '}', '>', ' ', '\n'])
                .next()
                .unwrap_or_default(),
        };
        for item in list.split(',') {
            let name: String = item
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            names.push(name);
        }
    }
    names
}

#[test]
fn modules_look_only_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rows = rows();
    let mut checked = 0;
    for file in rust_files(&src) {
        let below = file.strip_prefix(&src).unwrap();
        let first = below
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs");
        // Unit tests in files of their own may use the shared harness, which sees everything.
        let is_test = below.components().any(|part| {
            let part = part.as_os_str();
            part == "tests" || part == "tests.rs"
        });
        if is_test || matches!(module, "lib" | "main") || OUTSIDE.contains(&module) {
            continue;
        }
        let own = rows
            .get(module)
            .unwrap_or_else(|| panic!("{module} is in no row"));
        let text = fs::read_to_string(&file).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for name in looks_at(shipped) {
            let Some(other) = rows.get(name.as_str()) else {
                panic!("{}: crate::{name} is in no row", below.display());
            };
            let allowed =
                name == module || other < own || NEIGHBOURS.contains(&(module, name.as_str()));
            assert!(
                allowed,
                "{}: {module} must not look at {name}",
                below.display()
            );
            checked += 1;
        }
    }
    assert!(
        checked > 50,
        "the scan found only {checked} imports: is it still looking?"
    );
}

#[test]
fn the_scan_sees_every_spelling() {
    let text = "use crate::ids::X; fn f(a: crate::body::B) {} use crate::{sign, call::Call};";
    assert_eq!(looks_at(text), ["ids", "body", "sign", "call"]);
}
