//! Types, names and duplicates.

use std::path::Path;

use super::*;
use crate::config::problem::Problems;
use crate::config::yaml::{Limits, parse};

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "NUMBER" => "12",
        "YES" => "true",
        "NOTHING" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Reads `text` with `read` and gives its value and the lines of what was reported.
fn run<T>(text: &str, read: impl FnOnce(&mut Reading<'_>, Field<'_>) -> T) -> (T, Vec<String>) {
    let root = parse(text, &Limits::SETTINGS).unwrap();
    let mut reading = Reading::new(Report::new(Path::new("f")), &environment);
    let value = read(&mut reading, Field::root(&root));
    let problems: Problems = reading.report.finish().err().unwrap_or_default();
    (value, problems.lines().collect())
}

/// Reads the field `v`.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    text: &str,
    read: impl FnOnce(&mut Reading<'_>, Option<Field<'_>>) -> Option<T>,
    expected: Result<T, &str>,
) {
    let (value, problems) = run(text, |reading, root| {
        let fields = reading.fields(root, &["v"]).unwrap();
        read(reading, fields.get("v"))
    });
    match expected {
        Ok(expected) => assert_eq!((value, problems), (Some(expected), vec![]), "{text}"),
        Err(message) => {
            let line = format!("f:1:4: v: {message}");
            assert_eq!((value, problems), (None, vec![line]), "{text}");
        }
    }
}

#[test]
fn whole_numbers_are_plain_decimals() {
    const NO: &str = "expected a whole number, found text";
    for (text, expected) in [
        ("v: 0", Ok(0)),
        ("v: 15000", Ok(15_000)),
        ("v: -3", Ok(-3)),
        ("v: +3", Ok(3)),
        ("v: 010", Ok(10)),
        ("v: ${NUMBER}", Ok(12)),
        ("v: \"${NUMBER}\"", Ok(12)),
        ("v: ${NONE:-7}0", Ok(70)),
        ("v: 99999999999999999999", Ok(i64::MAX)),
        ("v: -99999999999999999999", Ok(i64::MIN)),
        ("v: '5'", Err(NO)),
        ("v: 5.0", Err(NO)),
        ("v: 15e3", Err(NO)),
        ("v: 0x10", Err(NO)),
        ("v: 1_000", Err(NO)),
        ("v: +", Err(NO)),
        ("v: five", Err(NO)),
        ("v: true", Err(NO)),
        ("v: ٣", Err(NO)),
        ("v: ${NOTHING}", Err(NO)),
        ("v: ~", Err("expected a whole number, found nothing")),
        ("v: [1]", Err("expected a whole number, found a list")),
        ("v: {a: 1}", Err("expected a whole number, found a mapping")),
    ] {
        check(text, |reading, field| reading.integer(field), expected);
    }
}

#[test]
fn booleans_are_plain_true_and_false() {
    const NO: &str = "expected true or false, found text";
    for (text, expected) in [
        ("v: true", Ok(true)),
        ("v: false", Ok(false)),
        ("v: \"${YES}\"", Ok(true)),
        ("v: 'true'", Err(NO)),
        ("v: True", Err(NO)),
        ("v: yes", Err(NO)),
        ("v: on", Err(NO)),
        ("v: 1", Err(NO)),
        ("v: null", Err("expected true or false, found nothing")),
    ] {
        check(text, |reading, field| reading.boolean(field), expected);
    }
}

#[test]
fn text_is_any_scalar_but_null() {
    for (text, expected) in [
        ("v: 00123456", Ok("00123456")),
        ("v: true", Ok("true")),
        ("v: ''", Ok("")),
        ("v: '~'", Ok("~")),
        ("v: ${NOTHING}", Ok("")),
        ("v: ${NUMBER} $${NUMBER}", Ok("12 ${NUMBER}")),
        ("v: ~", Err("expected text, found nothing")),
        ("v: []", Err("expected text, found a list")),
    ] {
        let expected = expected.map(str::to_owned);
        check(text, |reading, field| reading.text(field), expected);
    }
}

#[test]
fn a_list_of_texts_names_the_item_that_is_none() {
    let read = |text: &str| {
        run(text, |reading, root| {
            let fields = reading.fields(root, &["v"]).unwrap();
            reading.texts(fields.get("v"))
        })
    };
    let texts = vec!["a".to_owned(), "503".to_owned(), "12".to_owned()];
    assert_eq!(read("v: [a, 503, '${NUMBER}']"), (Some(texts), vec![]));
    let (value, problems) = read("v: [a, ~, [b]]");
    assert_eq!(value, None);
    assert_eq!(
        problems,
        [
            "f:1:8: v[1]: expected text, found nothing",
            "f:1:11: v[2]: expected text, found a list"
        ]
    );
}

#[test]
fn an_absent_field_is_no_problem_and_null_can_be_told_apart() {
    let (_, problems) = run("n: ~", |reading, root| {
        let fields = reading.fields(root, &["v", "n"]).unwrap();
        assert_eq!(reading.integer(fields.get("v")), None);
        assert!(fields.get("n").unwrap().is_null());
        assert!(fields.given("n").is_none());
    });
    assert!(problems.is_empty());
}

fn names(text: &str) -> Vec<String> {
    let (_, problems) = run(text, |reading, root| {
        reading.fields(root, &["level", "listen"]).map(|_| ())
    });
    problems
}

#[test]
fn unknown_and_repeated_names_are_reported_at_the_name() {
    assert_eq!(
        names("level: a\nlistn: b\nlevel: c\nlevel: d\nother: e\n"),
        [
            "f:2:1: listn: unknown field, did you mean listen? (allowed here: level, listen)",
            "f:3:1: level: this field is there already, in line 1",
            "f:4:1: level: this field is there already, in line 1",
            "f:5:1: other: unknown field (allowed here: level, listen)"
        ]
    );
    assert_eq!(
        names("[level]"),
        ["f:1:1: expected a mapping, found a list"]
    );
    assert_eq!(
        names("{<<: 5, <<: [5]}"),
        [
            "f:1:2: << must be followed by the alias of a mapping",
            "f:1:9: << must be followed by aliases of mappings only"
        ]
    );
}

// spec: REG-2
#[test]
fn a_name_that_may_be_a_secret_is_not_repeated() {
    for text in [
        "{hunter2hunter2}",
        "{secret:hunter}",
        "{hunter}",
        "HUNTER: a",
        "hunter-x: a",
        "hunterhunterhunterhunterhunterhunter: a",
    ] {
        let problems = names(text);
        assert_eq!(problems.len(), 1);
        assert!(
            !problems[0].to_lowercase().contains("hunter"),
            "{problems:?}"
        );
    }
}

#[test]
fn a_fault_covers_what_lies_within() {
    let (_, problems) = run("a: b", |reading, root| {
        let path = FieldPath::Name(&root.path, "auth");
        reading.error(root.node.at, path, "no");
        for (path, expected) in [
            ("auth", true),
            ("auth.secret", true),
            ("auth[1]", true),
            ("authority", false),
            ("tools", false),
        ] {
            assert_eq!(reading.is_faulty(path), expected, "{path}");
        }
        reading.forget();
        assert!(!reading.is_faulty("auth"));
    });
    assert_eq!(problems.len(), 1);
}
