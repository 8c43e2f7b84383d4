//! What is read, where it is, and what is refused.

use proptest::prelude::*;

use super::*;

/// A document on one line: kinds, text and the places of all nodes.
fn outline(node: &Node) -> String {
    let at = format!("{}:{}", node.at.line, node.at.column);
    match &node.kind {
        Kind::Null => format!("null@{at}"),
        Kind::Scalar { text, plain } => {
            let mark = if *plain { "" } else { "'" };
            format!("{mark}{}{mark}@{at}", text.escape_default())
        }
        Kind::Sequence(items) => {
            let items: Vec<_> = items.iter().map(outline).collect();
            format!("[{}]@{at}", items.join(" "))
        }
        Kind::Mapping(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    let at = format!("{}:{}", key.at.line, key.at.column);
                    format!("{}@{at}={}", *key.text, outline(value))
                })
                .collect();
            format!("{{{}}}@{at}", entries.join(" "))
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let read = parse(text, &Limits::SETTINGS).map(|node| outline(&node));
    assert_eq!(read.as_deref(), Ok(expected), "{text:?}");
}

#[test]
fn nodes_know_their_places() {
    check("", "null@1:1");
    check("a: b", "{a@1:1=b@1:4}@1:1");
    check(
        "# c\n\na:\n  - b\n  -  c\n",
        "{a@3:1=[b@4:5 c@5:6]@4:3}@3:1",
    );
    check("{a: [b, c]}", "{a@1:2=[b@1:6 c@1:9]@1:5}@1:1");
    check("a: b\r\nc: d\r\n", "{a@1:1=b@1:4 c@2:1=d@2:4}@1:1");
    check(
        "ключ: 🔑 # x\nb: c",
        "{ключ@1:1=\\u{1f511}@1:7 b@2:1=c@2:4}@1:1",
    );
}

#[test]
fn scalars_stay_as_they_are_written() {
    check("00123456", "00123456@1:1");
    check("'a''b'", "'a\\'b'@1:1");
    check("\"a\\tb\\u00e9\"", "'a\\tb\\u{e9}'@1:1");
    check("'true'", "'true'@1:1");
    check("- true\n- yes\n- 0x10\n", "[true@1:3 yes@2:3 0x10@3:3]@1:1");
    check(
        "a: |\n  x\n  y\nb: >-\n  x\n  y\n",
        "{a@1:1='x\\ny\\n'@2:3 b@4:1='x y'@5:3}@1:1",
    );
    check(
        "[~, null, Null, '~', 'null', nil]",
        "[null@1:2 null@1:5 null@1:11 '~'@1:17 'null'@1:22 nil@1:30]@1:1",
    );
    check("!!str 12", "'12'@1:7");
    check("! 12", "'12'@1:3");
    check("!!int 12", "12@1:7");
}

#[test]
fn an_alias_stands_for_what_it_names() {
    check("[&a x, *a]", "[x@1:5 x@1:5]@1:1");
    check(
        "a: &m {b: c}\nd: *m\n",
        "{a@1:1={b@1:8=c@1:11}@1:7 d@2:1={b@1:8=c@1:11}@1:7}@1:1",
    );
}

#[test]
fn a_name_is_found_through_merges() {
    let text = "a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\nc: {'<<': *a}\nd: {<<: [{z: 3}, *a]}\n";
    let root = parse(text, &Limits::SETTINGS).unwrap();
    let found = |outer, name| root.get(outer).unwrap().get(name).map(outline);
    assert_eq!(found("b", "x").as_deref(), Some("2@2:16"));
    assert_eq!(found("b", "y").as_deref(), Some("1@1:17"));
    assert_eq!(found("c", "x"), None);
    assert_eq!(found("d", "z").as_deref(), Some("3@4:14"));
    assert_eq!(found("d", "y").as_deref(), Some("1@1:17"));
}

/// Small enough to be met by a test's own text.
const SMALL: Limits = Limits {
    bytes: 0, // looked at before there is text
    depth: 4,
    nodes: 30,
    nodes_at_once: 20,
    scalar_bytes: 10,
    anchors: 2,
};

#[track_caller]
fn refuse(text: &str, line: u32, column: u32, part_of_message: &str) {
    let fault = parse(text, &SMALL).unwrap_err();
    assert_eq!(fault.at, Position { line, column }, "{text:?}: {fault:?}");
    assert!(
        fault.message.contains(part_of_message),
        "{text:?}: {fault:?}"
    );
}

#[test]
fn limits_are_kept() {
    parse("[[[[a]]]]", &SMALL).unwrap();
    refuse("[[[[[a]]]]]", 1, 5, "nested");
    parse("a:\n b:\n  c:\n   d: e\n", &SMALL).unwrap();
    refuse("a:\n b:\n  c:\n   d:\n    e: f\n", 5, 5, "nested");
    refuse("a: &a [[[x]]]\nb: [[*a]]\n", 2, 6, "nested");
    parse("- 1234567890", &SMALL).unwrap();
    refuse("- 12345678901", 1, 3, "10 bytes");
    refuse("- &a 1\n- &b 2\n- &c 3\n", 3, 6, "anchors");
    parse("- x\n".repeat(19).as_str(), &SMALL).unwrap();
    refuse("- x\n".repeat(20).as_str(), 20, 3, "20 values");
    refuse(
        "- &a [x, x, x, x, x]\n- [*a, *a]\n- *a\n",
        3,
        3,
        "20 values",
    );
}

#[test]
fn what_is_not_one_yaml_document_is_refused() {
    refuse("a: b\n---\nc: d\n", 2, 1, "second document");
    refuse("a: b\n---\n", 2, 1, "second document");
    refuse("a: b\0c", 1, 5, "null character");
    refuse("a: *b", 1, 4, "anchor");
    refuse("&a [*a]", 1, 5, "part of");
    refuse("a: !env FOO", 1, 4, "tag");
    refuse("a: !!binary FOO", 1, 4, "tag");
    refuse("a: !!map FOO", 1, 4, "tag");
    refuse("!!seq {a: b}", 1, 1, "tag");
    refuse("? [a]\n: b\n", 1, 3, "key must be text");
    refuse("a: 'b", 1, 4, "quoted");
    refuse("a: [b\nc: d\n", 2, 2, "second `key: value`");
    refuse("a: {b: [c}\n", 1, 8, "other kind");
    refuse("a: b]\nc: ]\n", 2, 4, "closes nothing");
    refuse("a: [b", 1, 4, "not closed");
    refuse("a:\n\tb: c\n", 2, 2, "tab");
    refuse("a: b: c\n", 1, 5, "second `key: value`");
    refuse("a: @b\n", 1, 4, "quotes");
}

#[test]
fn bombs_are_refused_while_they_are_small() {
    let refuse = |text: &str| {
        let fault = parse(text, &Limits::REGISTRY).unwrap_err();
        assert!(fault.message.len() < 200, "{fault:?}");
    };
    // A billion laughs: ten lines, each nine times the one before.
    let mut laughs = String::from("a0: &a0 x\n");
    for level in 1..=10 {
        let one = format!("*a{}, ", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", one.repeat(9)));
    }
    refuse(&laughs);
    for opened in ["[", "{a: ", "- ", "? ", "[{"] {
        refuse(&opened.repeat(50_000));
    }
    refuse(&"&a ".repeat(50_000));
    refuse(
        &(0..50_000)
            .map(|n| format!("- &a{n} x\n"))
            .collect::<String>(),
    );
}

proptest! {
    /// Whatever is read, nothing panics and positions lie within the text.
    #[test]
    fn any_text_is_read_or_refused(text in "[-a:{}\\[\\],&*!'\"\\\\|>#?~ \t\r\n<%@0ä\u{feff}\0]{0,60}") {
        let lines = text.lines().count().max(text.matches('\r').count() + text.matches('\n').count() + 1);
        let at = match parse(&text, &SMALL) {
            Ok(node) => node.at,
            Err(fault) => fault.at,
        };
        prop_assert!(at.line >= 1 && at.line as usize <= lines + 1, "{:?}", at);
        prop_assert!(at.column >= 1 && at.column as usize <= text.chars().count() + 2, "{:?}", at);
    }
}
