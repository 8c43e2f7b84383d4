//! A walk over the table: what every row promises, whatever it is about.

use std::collections::HashSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;
use crate::config::settings::Sources;

fn as_flag(setting: &'static Setting, text: &str) -> Result<Settings, String> {
    let sources = Sources {
        flags: vec![(setting, text.to_owned())],
        ..Sources::default()
    };
    Settings::resolve(&sources).map_err(|bad| bad.to_string())
}

#[test]
fn every_number_refuses_what_lies_outside_of_its_bounds_and_names_them() {
    let mut numbers = 0;
    for setting in TABLE {
        let Kind::Integer { range, unit, .. } = &setting.kind else {
            continue;
        };
        numbers += 1;
        let (min, max) = (*range.start(), *range.end());
        let rule = format!("{}: must be between {min} and {max}{unit}", setting.path);
        for outside in [min - 1, max + 1, i64::MIN, i64::MAX] {
            let refusal = as_flag(setting, &outside.to_string()).unwrap_err();
            assert!(refusal.ends_with(&rule), "{outside}: {refusal}");
        }
        for no_number in ["", "many", "1e3", "1.5", "99999999999999999999"] {
            let refusal = as_flag(setting, no_number).unwrap_err();
            assert!(refusal.ends_with(&rule), "{no_number}: {refusal}");
        }
    }
    assert!(numbers > 10);
}

#[test]
fn every_number_takes_both_of_its_bounds() {
    for setting in TABLE {
        let Kind::Integer { range, .. } = &setting.kind else {
            continue;
        };
        for bound in [*range.start(), *range.end()] {
            let taken = as_flag(setting, &bound.to_string());
            // Two limits also have to fit each other, which is no fault of the bound.
            let refusal = taken.err().unwrap_or_default();
            assert!(!refusal.contains("must be between"), "{refusal}");
        }
    }
}

#[test]
fn names_are_unique() {
    let mut seen = HashSet::new();
    for setting in TABLE {
        assert!(seen.insert(setting.path.to_owned()), "{}", setting.path);
        if let Some(variable) = setting.variable() {
            assert!(seen.insert(variable), "{}", setting.path);
        }
        if let Some(flag) = setting.flag {
            assert!(seen.insert(format!("--{}", flag.name)), "{}", flag.name);
        }
    }
    // A section that is also a setting, or is torn in two, could not be written as YAML.
    let mut sections: Vec<_> = TABLE.iter().map(|s| s.section_and_name().0).collect();
    sections.dedup();
    let mut closed = HashSet::new();
    for section in sections.into_iter().flatten() {
        assert!(
            closed.insert(section) && !seen.contains(section),
            "{section}"
        );
    }
}

#[test]
fn the_flags_are_those_of_the_usage_text() {
    let flags: Vec<_> = TABLE
        .iter()
        .filter_map(|setting| setting.flag)
        .map(|flag| format!("--{} {}", flag.name, flag.value))
        .collect();
    assert_eq!(
        flags,
        [
            "--listen ADDR",
            "--admin-listen ADDR",
            "--registry FILE",
            "--log-level LEVEL",
            "--workers N",
        ]
    );
}

#[test]
fn every_reason_is_one_line_that_ends_like_a_sentence() {
    for setting in TABLE {
        assert!(setting.why.ends_with('.'), "{}", setting.path);
        assert!(!setting.why.contains(['\n', '|']), "{}", setting.path);
        assert!(
            !setting.kind.rule().contains(['\n', '|']),
            "{}",
            setting.path
        );
    }
}

/// The reference's table, in Markdown.
fn reference() -> String {
    let mut text = String::from(
        "| Setting | Default | Value | Environment variable | Flag | What it is for |\n\
         |---|---|---|---|---|---|\n",
    );
    for setting in TABLE {
        let Setting {
            path, default, why, ..
        } = setting;
        let rule = setting.kind.rule();
        let rule = rule.strip_prefix("must be ").unwrap_or(&rule);
        let variable = setting
            .variable()
            .map_or_else(|| "only in the file".to_owned(), |name| format!("`{name}`"));
        let flag = setting
            .flag
            .map(|flag| format!("`--{} {}`", flag.name, flag.value))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{path}` | `{default}` | {rule} | {variable} | {flag} | {why} |"
        );
    }
    text
}

/// Compares what is generated with what is committed. `UPDATE=1` writes it instead.
#[track_caller]
fn check(file: &str, expected: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let expected = expected(&committed);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert_eq!(
            committed, expected,
            "{file} is out of date: UPDATE=1 cargo test"
        );
    }
}

#[test]
fn the_example_file_is_what_the_table_says() {
    check("config/countersign.yaml", |_| example());
}

#[test]
fn the_reference_is_what_the_table_says() {
    const BEGIN: &str = "<!-- begin of the generated table -->\n";
    const END: &str = "<!-- end of the generated table -->\n";
    check("docs/configuration.md", |committed| {
        let (before, rest) = committed.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        format!("{before}{BEGIN}{}{END}{after}", reference())
    });
}
