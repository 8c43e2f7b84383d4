//! What edits make of files that people wrote in many ways.

mod disk;
mod policies;
mod property;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};

use super::steps::Step;
use super::*;
use crate::config::registry_file::load;
use crate::registry::Reach;
use crate::sign::Signer;

/// The one variable that the registries here may use.
fn environment(name: &str) -> Option<String> {
    (name == "KEY").then(|| "from-the-environment".to_owned())
}

/// A folder with a registry.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(desk.path(), text).unwrap();
        desk
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tools.yaml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn editor(&self) -> Editor {
        Editor::new(self.path(), "secrets".into())
    }

    fn apply(&self, change: &Change) -> Result<Applied, EditError> {
        self.editor().apply(change, &environment)
    }

    /// The files for secrets, hidden ones included.
    fn secret_files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("secrets")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// A tool's key, by its mark.
    fn signs_with(&self, name: &str, secret: &str) -> bool {
        let loaded = load(&self.path(), &environment, None).unwrap();
        let tool = loaded.snapshot.get(&ScopeId::Global, name).unwrap();
        let expected = Signer::hmac_sha256(&Secret::new(secret), None);
        tool.signer.secret_id() == expected.secret_id()
    }
}

fn enabled(name: &str, enabled: bool) -> Change {
    Change::SetEnabled {
        name: name.parse().unwrap(),
        scope: ScopeId::Global,
        enabled,
    }
}

fn delete(name: &str) -> Change {
    Change::Delete {
        name: name.parse().unwrap(),
        scope: ScopeId::Global,
    }
}

fn write(name: &str) -> ToolWrite {
    ToolWrite {
        name: name.parse().unwrap(),
        scope: ScopeId::Global,
        url: "https://new.example/x".to_owned(),
        secret: None,
        timeout_ms: 5000,
        max_retries: 1,
        enabled: true,
        description: None,
    }
}

fn new(name: &str) -> Change {
    Change::Put(ToolWrite {
        secret: Some(Secret::new("a brand new secret")),
        ..write(name)
    })
}

/// Makes a change and compares the file. The random part of a secret's file reads `#`.
#[track_caller]
fn check(before: &str, change: &Change, expected: &str) {
    let desk = Desk::new(before);
    let applied = desk.apply(change);
    let applied = applied.unwrap_or_else(|error| panic!("{error:?}\n{before}"));
    assert!(applied.changed);
    let mut text = desk.text();
    for file in desk.secret_files() {
        let (label, _) = file.split_once('.').unwrap();
        text = text.replace(&file, &format!("{label}.#"));
    }
    assert_eq!(text, expected, "edited:\n{text}");
}

#[track_caller]
fn check_refused(before: &str, change: &Change, line: Option<u32>, words: &str) {
    let desk = Desk::new(before);
    match desk.apply(change) {
        Err(EditError::NotEditable { line: at, reason }) => {
            assert!(reason.contains(words), "{reason}");
            assert_eq!(at, line);
        }
        other => panic!("{other:?}\n{}", desk.text()),
    }
    assert_eq!(desk.text(), before);
    assert_eq!(desk.secret_files(), [""; 0]);
}

/// `a` and `b`, with comments at every place.
const COMMENTED: &str = "# head

defaults: { max_retries: 3 } # all

tools: # list
  # all of them

  # about a
  - name: a # trailing a
    url:   'https://a.example/x'   # spaces stay

    # between
    auth: {type: hmac_sha256, secret: \"${KEY}\"} # auth
    enabled: true # switch
    description: |- # head of a block
      two
      lines
    # below a

  # about b
  - \"name\": \"b\"
    \"url\": \"https://b.example/x\"
    \"auth\":
        \"type\": hmac_sha256
        \"secret\": supersecret # s
  # foot of the list

# foot
";

// spec: EDIT-1
#[test]
fn a_toggle_replaces_one_word() {
    let expected = COMMENTED.replace("enabled: true #", "enabled: false #");
    check(COMMENTED, &enabled("a", false), &expected);
}

// spec: EDIT-1
#[test]
fn a_toggle_adds_one_line_where_there_was_none() {
    let line = "        \"secret\": supersecret # s\n";
    let expected = COMMENTED.replace(line, &format!("{line}    \"enabled\": false\n"));
    check(COMMENTED, &enabled("b", false), &expected);
}

// spec: EDIT-1
#[test]
fn a_toggle_to_what_is_there_writes_nothing() {
    let desk = Desk::new(COMMENTED);
    let nothing = Applied {
        created: false,
        changed: false,
    };
    for name in ["a", "b"] {
        assert_eq!(desk.apply(&enabled(name, true)).unwrap(), nothing);
    }
    assert_eq!(desk.text(), COMMENTED);
}

// spec: EDIT-1
#[test]
fn a_deleted_tool_takes_its_own_comments_along() {
    let from = COMMENTED.find("  # about a").unwrap();
    let to = COMMENTED.find("\n  # about b").unwrap();
    let expected = [&COMMENTED[..from], &COMMENTED[to..]].concat();
    check(COMMENTED, &delete("a"), &expected);

    let from = COMMENTED.find("  # about b").unwrap();
    let to = COMMENTED.find("  # foot of the list").unwrap();
    let expected = [&COMMENTED[..from], &COMMENTED[to..]].concat();
    check(COMMENTED, &delete("b"), &expected);
}

// spec: EDIT-1
#[test]
fn a_replacement_changes_the_fields_that_differ() {
    let change = Change::Put(ToolWrite {
        max_retries: 3,
        ..write("a")
    });
    let from = COMMENTED.find("    description").unwrap();
    let to = COMMENTED.find("    # below a").unwrap();
    let expected = [&COMMENTED[..from], &COMMENTED[to..]].concat();
    let expected = expected
        .replace("'https://a.example/x'", "'https://new.example/x'")
        .replace(
            "# switch\n",
            // The default of the file is written out, since the caller said it.
            "# switch\n    timeout_ms: 5000\n    max_retries: 3\n    source: api\n",
        );
    check(COMMENTED, &change, &expected);
}

// spec: API-1 EDIT-1
#[test]
fn limits_that_the_api_does_not_know_stay() {
    let limits = "max_concurrency: 16 # at once
    queue_timeout_ms: 5
    rate_limit: { per_second: 0.5, burst: 3 }
    circuit_breaker:
      failure_ratio: 0.25 # a quarter
    once: off # it only reads";
    let before = format!(
        "defaults: {{ circuit_breaker: {{ min_calls: 3 }}, rate_limit: {{ per_second: 9 }}, once: {{ ttl_ms: 1000 }} }}
tools:
  - name: a
    url: https://a.example/x
    {AUTH}
    {limits}
    timeout_ms: 5000
    max_retries: 1
    enabled: true
    source: api
"
    );
    let replaced = before.replace("a.example", "new.example");
    check(&before, &Change::Put(write("a")), &replaced);
    // A new tool gets what the file says of all tools.
    let appended = "  - name: c
    url: https://new.example/x
    auth: {type: hmac_sha256, secret_file: secrets/c.#}
    timeout_ms: 5000
    max_retries: 1
    enabled: true
    source: api
";
    check(&before, &new("c"), &(before.clone() + appended));
}

#[test]
fn a_block_scalar_is_replaced_and_its_comment_stays() {
    let change = Change::Put(ToolWrite {
        url: "https://a.example/x".to_owned(),
        description: Some("what: it does".to_owned()),
        ..write("a")
    });
    let expected = COMMENTED.replace(
        "|- # head of a block\n      two\n      lines\n",
        "\"what: it does\" # head of a block\n    timeout_ms: 5000\n    max_retries: 1\n    \
         source: api\n",
    );
    check(COMMENTED, &change, &expected);
}

// spec: EDIT-2
#[test]
fn a_new_tool_follows_the_style_of_the_last() {
    let line = "        \"secret\": supersecret # s\n";
    let expected = COMMENTED.replace(
        line,
        &format!(
            "{line}
  - \"name\": \"c\"
    \"url\": \"https://new.example/x\"
    \"auth\":
        \"type\": \"hmac_sha256\"
        \"secret_file\": \"secrets/c.#\"
    \"timeout_ms\": 5000
    \"max_retries\": 1
    \"enabled\": true
    \"source\": \"api\"
"
        ),
    );
    check(COMMENTED, &new("c"), &expected);
}

// spec: EDIT-2
#[test]
fn a_new_secret_replaces_the_place_of_the_old_one() {
    for (old, new_text) in [
        (
            "auth: {type: hmac_sha256, secret: \"${KEY}\"}",
            "auth: {type: hmac_sha256, secret_file: \"secrets/a.#\"}",
        ),
        (
            "auth:\n    type: hmac_sha256\n    'secret': supersecret # c\n    secret_id: k",
            "auth:\n    type: hmac_sha256\n    'secret_file': secrets/a.# # c\n    secret_id: k",
        ),
        (
            "auth:\n    secret: |-\n      supersecret\n    type: hmac_sha256",
            "auth:\n    secret_file: secrets/a.#\n    type: hmac_sha256",
        ),
    ] {
        let before = format!(
            "tools:\n- name: a\n  url: https://new.example/x\n  {old}\n  timeout_ms: 5000\n  max_retries: 1\n  enabled: true\n  source: api\n"
        );
        check(&before, &new("a"), &before.replace(old, new_text));
    }
}

const AUTH: &str = "auth: {type: hmac_sha256, secret: supersecret}";

// spec: EDIT-1
#[test]
fn every_way_to_write_a_list_can_be_edited() {
    let block = "name: c\n    url: https://new.example/x\n    auth:\n      type: hmac_sha256\n      secret_file: secrets/c.#\n    timeout_ms: 5000\n    max_retries: 1\n    enabled: true\n    source: api";
    let flow = "name: c, url: https://new.example/x, auth: {type: hmac_sha256, secret_file: secrets/c.#}, timeout_ms: 5000, max_retries: 1, enabled: true, source: api";
    let a = format!("{{name: a, url: https://a.example, {AUTH}}}");
    let b = a.replace("name: a", "name: b").replace("//a.", "//b.");
    let off = |tool: &str| tool.replace("}}", "}, enabled: false}");
    // Nothing there yet.
    check("tools: []", &new("c"), &format!("tools:\n  - {block}"));
    check(
        "tools: [] # none\nx: &d\n".split("x:").next().unwrap(),
        &new("c"),
        &format!("tools: # none\n  - {block}\n"),
    );
    check(
        "defaults:\r\ntools: [ ]\r\n",
        &new("c"),
        &format!(
            "defaults:\r\ntools:\r\n  - {}\r\n",
            block.replace('\n', "\r\n")
        ),
    );
    // One line.
    let line = format!("tools: [{a}, {b}] # c\n");
    check(
        &line,
        &enabled("a", false),
        &format!("tools: [{}, {b}] # c\n", off(&a)),
    );
    check(&line, &delete("a"), &format!("tools: [{b}] # c\n"));
    check(&line, &delete("b"), &format!("tools: [{a}] # c\n"));
    check(
        &line,
        &new("c"),
        &format!("tools: [{a}, {b}, {{{flow}}}] # c\n"),
    );
    check(&format!("tools: [{a}]\n"), &delete("a"), "tools: []\n");
    check(
        &format!("tools: [{a},]\n"),
        &new("c"),
        &format!("tools: [{a}, {{{flow}}},]\n"),
    );
    // One line each.
    let lines =
        format!("tools: [ # open\n  # about a\n  {a}, # a\n  # about b\n  {b} # b\n  # end\n]\n");
    check(&lines, &enabled("b", false), &lines.replace(&b, &off(&b)));
    check(
        &lines,
        &delete("a"),
        &lines.replace(&format!("  {a}, # a\n"), ""),
    );
    check(
        &lines,
        &delete("b"),
        &lines.replace(&format!("  {b} # b\n"), ""),
    );
    check(
        &lines,
        &new("c"),
        &lines.replace(&format!("{b} # b"), &format!("{b}, # b\n  {{{flow}}}")),
    );
    let comma = lines.replace(" # b\n", ", # b\n");
    check(
        &comma,
        &new("c"),
        &comma.replace(", # b\n", &format!(", # b\n  {{{flow}}},\n")),
    );
    // Dashes before braces.
    let dashes = format!("tools:\n- {a} # a\n- {b}\n");
    check(&dashes, &enabled("a", false), &dashes.replace(&a, &off(&a)));
    check(&dashes, &delete("a"), &format!("tools:\n- {b}\n"));
    check(&dashes, &new("c"), &format!("{dashes}- {{{flow}}}\n"));
    // JSON.
    check(
        "{\"tools\": []}",
        &new("c"),
        "{\"tools\": [{ \"name\": \"c\", \"url\": \"https://new.example/x\", \"auth\": { \"type\": \"hmac_sha256\", \"secret_file\": \"secrets/c.#\" }, \"timeout_ms\": 5000, \"max_retries\": 1, \"enabled\": true, \"source\": \"api\" }]}",
    );
}

// spec: EDIT-1
#[test]
fn what_surrounds_an_edit_stays() {
    for (before, after) in [
        // A byte-order mark, line breaks of Windows, no line break at the end.
        (
            "\u{feff}tools:\r\n- name: a\r\n  url: https://a\r\n  @",
            "\u{feff}tools:\r\n- name: a\r\n  url: https://a\r\n  @\r\n  enabled: false",
        ),
        // Document markers and directives.
        (
            "%YAML 1.2\n---\ntools:\n- name: a\n  url: https://a\n  @\n...\n",
            "%YAML 1.2\n---\ntools:\n- name: a\n  url: https://a\n  @\n  enabled: false\n...\n",
        ),
        // A dash on a line of its own, an anchor, an explicit key, tags.
        (
            "tools: !!seq\n-\n  name: a\n  url: https://a\n  @\n",
            "tools: !!seq\n-\n  name: a\n  url: https://a\n  @\n  enabled: false\n",
        ),
        (
            "tools:\n  -   &x\n      name: a\n      url: https://a\n      @\n",
            "tools:\n  -   &x\n      name: a\n      url: https://a\n      @\n      enabled: false\n",
        ),
        (
            "tools:\n- ? name\n  : a\n  ? url\n  : https://a\n  @\n",
            "tools:\n- ? name\n  : a\n  ? url\n  : https://a\n  @\n  enabled: false\n",
        ),
        (
            "? tools\n: - name: a\n    url: https://a\n    @\n",
            "? tools\n: - name: a\n    url: https://a\n    @\n    enabled: false\n",
        ),
        // Values of every kind.
        (
            "tools:\n- enabled:\n    !!bool true # c\n  name: a\n  url: https://a\n  @\n",
            "tools:\n- enabled:\n    !!bool false # c\n  name: a\n  url: https://a\n  @\n",
        ),
        (
            "tools:\n- enabled: \"${ON:-true}\"\n  name: a\n  url: https://a\n  @\n",
            "tools:\n- enabled: false\n  name: a\n  url: https://a\n  @\n",
        ),
        // A block text at the end of the file, which a line behind it would change.
        (
            "tools:\n- name: a\n  url: https://a\n  @\n  description: |\n    text",
            "tools:\n- name: a\n  url: https://a\n  @\n  enabled: false\n  description: |\n    text",
        ),
        (
            "tools:\n- name: a\n  url: https://a\n  @\n  description: |+\n    text\n\n\n# end\n",
            "tools:\n- name: a\n  url: https://a\n  @\n  description: |+\n    text\n\n\n  enabled: false\n# end\n",
        ),
        // An alias in the place of the value.
        (
            "tools:\n- &x {name: b, url: https://b, @, enabled: &on true}\n- name: a\n  url: https://a\n  @\n  enabled: *on\n",
            "tools:\n- &x {name: b, url: https://b, @, enabled: &on true}\n- name: a\n  url: https://a\n  @\n  enabled: false\n",
        ),
        (
            "tools:\n- name: a\n  url: https://a\n  @\ndefaults: {timeout_ms: 300}\n",
            "tools:\n- name: a\n  url: https://a\n  @\n  enabled: false\ndefaults: {timeout_ms: 300}\n",
        ),
    ] {
        let full = |text: &str| text.replace('@', AUTH);
        check(&full(before), &enabled("a", false), &full(after));
    }
}

// spec: EDIT-1
#[test]
fn a_tool_can_be_taken_out_wherever_it_is() {
    for (before, after) in [
        ("tools:\n- name: a\n  url: https://a\n  @\n", "tools: []\n"),
        (
            "tools: # c\n  # d\n  - name: a\n    url: https://a\n    @",
            "tools: [] # c\n  # d",
        ),
        (
            "tools: !!seq # c\n- name: a\n  url: https://a\n  @\nx",
            "tools: !!seq [] # c\nx",
        ),
        (
            "tools:\n- name: b\n  url: https://b\n  @\n- name: a\n  url: https://a\n  @",
            "tools:\n- name: b\n  url: https://b\n  @",
        ),
        (
            "tools:\n- name: b\n  url: https://b\n  @\n  description: |+\n    b\n\n# a\n- name: a\n  url: https://a\n  @\n\n\n# end\n",
            "tools:\n- name: b\n  url: https://b\n  @\n  description: |+\n    b\n\n# end\n",
        ),
        (
            "tools:\n- name: a\n  url: https://a\n  @\n  description: >+\n    a\n\n- name: b\n  url: https://b\n  @\n",
            "tools:\n- name: b\n  url: https://b\n  @\n",
        ),
        (
            "tools:\n- name: a\n  url: https://a\n  @\n  # deep\n# flat\n- name: b\n  url: https://b\n  @\n",
            "tools:\n# flat\n- name: b\n  url: https://b\n  @\n",
        ),
    ] {
        let full = |text: &str| text.replace('@', AUTH).replace("\nx", "\ndefaults:\n");
        check(&full(before), &delete("a"), &full(after));
    }
}

#[test]
fn a_description_can_be_taken_out_wherever_it_is() {
    let keep =
        "url: https://new.example/x, timeout_ms: 5000, max_retries: 1, enabled: true, source: api";
    let lines = keep.replace(", ", "\n  ");
    for (before, after) in [
        (
            format!("tools:\n- description: x\n  name: a\n  {AUTH}\n  {lines}\n"),
            format!("tools:\n- name: a\n  {AUTH}\n  {lines}\n"),
        ),
        (
            format!("tools:\n- description: x # c\n  # d\n  name: a\n  {AUTH}\n  {lines}\n"),
            format!("tools:\n-  # c\n  # d\n  name: a\n  {AUTH}\n  {lines}\n"),
        ),
        (
            format!("tools:\n- name: a\n  {AUTH}\n  {lines}\n  description: >\n   x\n\n   y"),
            format!("tools:\n- name: a\n  {AUTH}\n  {lines}"),
        ),
        (
            format!("tools: [{{description: x, name: a, {AUTH}, {keep}}}]\n"),
            format!("tools: [{{name: a, {AUTH}, {keep}}}]\n"),
        ),
        (
            format!("tools: [{{name: a, {AUTH}, {keep}, description: x}}]\n"),
            format!("tools: [{{name: a, {AUTH}, {keep}}}]\n"),
        ),
        (
            format!("tools: [{{name: a, {AUTH}, {keep},\n  description: 'x' # c\n  }}]\n"),
            format!("tools: [{{name: a, {AUTH}, {keep},\n  }}]\n"),
        ),
    ] {
        check(&before, &Change::Put(write("a")), &after);
    }
}

// spec: EDIT-1
#[test]
fn what_cannot_be_edited_safely_is_left_alone() {
    let full = |text: &str| text.replace('@', AUTH);
    let merged =
        full("tools:\n- &b {name: b, url: https://b, @, enabled: false}\n- <<: *b\n  name: a\n");
    check_refused(&merged, &enabled("a", true), Some(3), "merge key");
    check_refused(&merged, &enabled("b", true), Some(2), "other entries");
    check_refused(&merged, &delete("b"), Some(2), "not be valid");
    check_refused(&merged, &new("a"), Some(3), "merge key");
    let shared = full(
        "tools:\n- {name: b, url: https://b, auth: &k {type: hmac_sha256, secret: supersecret}}\n- name: a\n  url: &u https://a\n  auth: *k\n- {name: c, url: *u, @}\n",
    );
    check_refused(&shared, &new("a"), Some(3), "alias");
    check_refused(&shared, &Change::Put(write("a")), Some(3), "other entries");
    let open = full("tools:\n- name: a\n  url: https://a\n  @\n  description: |\n    text");
    check_refused(&open, &new("b"), Some(2), "line break");
    let inline = full("? tools\n: - name: a\n    url: https://a\n    @\n");
    check_refused(&inline, &delete("a"), Some(2), "line of its own");
}

#[test]
fn a_change_must_keep_the_rules() {
    let desk = Desk::new(COMMENTED);
    let bad = Change::Put(ToolWrite {
        url: "ftp://x".to_owned(),
        timeout_ms: 1,
        ..write("new")
    });
    let Err(EditError::Invalid(violations)) = desk.apply(&bad) else {
        panic!("it was taken");
    };
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| &*violation.field)
        .collect();
    assert_eq!(fields, ["url", "auth.secret", "timeout_ms"]);
    for change in [delete("new"), enabled("new", true)] {
        assert!(matches!(desk.apply(&change), Err(EditError::NotFound)));
    }
    let elsewhere = Change::Delete {
        name: "a".parse().unwrap(),
        scope: "agent:a".parse().unwrap(),
    };
    assert!(matches!(desk.apply(&elsewhere), Err(EditError::NotFound)));
    assert_eq!(desk.text(), COMMENTED);
    let broken = Desk::new(COMMENTED.replace("enabled: true", "source: elsewhere"));
    assert!(matches!(
        broken.apply(&delete("a")),
        Err(EditError::BrokenFile(_))
    ));
}

// spec: SSRF-1
#[test]
fn a_tool_that_was_put_is_known_as_such_and_a_toggled_one_is_not() {
    let desk = Desk::new(COMMENTED);
    desk.apply(&enabled("a", false)).unwrap();
    desk.apply(&Change::Put(write("b"))).unwrap();
    let scoped = Change::Put(ToolWrite {
        scope: "agent:x${Y}".parse().unwrap(),
        description: Some("costs ${5}, \"all\" in".to_owned()),
        secret: Some(Secret::new("a brand new secret")),
        ..write("b")
    });
    assert!(desk.apply(&scoped).unwrap().created);
    let snapshot = load(&desk.path(), &environment, None).unwrap().snapshot;
    let of = |scope: &str, name| snapshot.get(&scope.parse().unwrap(), name).unwrap().clone();
    assert!(of("global", "a").origin.reach() == Reach::Lenient);
    assert!(of("global", "b").origin.reach() == Reach::PublicOnly);
    let scoped = of("agent:x${Y}", "b");
    assert!(scoped.origin.reach() == Reach::PublicOnly);
    assert_eq!(
        scoped.description.as_deref(),
        Some("costs ${5}, \"all\" in")
    );
}

#[test]
fn a_registry_of_thousands_of_tools_is_edited_like_a_small_one() {
    let tool = |id: usize| format!("- name: t{id}\n  url: https://t.example/{id}\n  {AUTH}\n");
    let text: String = std::iter::once("tools:\n".to_owned())
        .chain((0..3_000).map(tool))
        .collect();
    let desk = Desk::new(&text);
    desk.apply(&enabled("t1500", false)).unwrap();
    desk.apply(&delete("t2999")).unwrap();
    desk.apply(&delete("t0")).unwrap();
    let expected = text.replace(&tool(1500), &format!("{}  enabled: false\n", tool(1500)));
    let expected = expected.replace(&tool(2999), "").replace(&tool(0), "");
    assert!(desk.text() == expected, "other lines changed");
}
