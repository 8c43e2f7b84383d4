//! The rules of `docs/spec.md` and the code agree on what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::rust_files;

const SPEC: &str = include_str!("../../docs/spec.md");

/// The ids that head a rule: `### SIG-1: …`.
fn rules() -> BTreeSet<String> {
    let heading = |line: &str| Some(line.strip_prefix("### ")?.split_once(':')?.0.to_owned());
    SPEC.lines().filter_map(heading).collect()
}

/// The ids behind every `// spec:` of a folder.
fn cited(folder: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
        let text = fs::read_to_string(file).unwrap();
        let citations = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("// spec: "));
        ids.extend(citations.flat_map(str::split_whitespace).map(str::to_owned));
    }
    ids
}

#[test]
fn every_cited_rule_exists() {
    let rules = rules();
    for folder in ["src", "tests/it"] {
        let unknown: Vec<_> = cited(folder).difference(&rules).cloned().collect();
        assert!(
            unknown.is_empty(),
            "{folder} cites {unknown:?}, which docs/spec.md does not have"
        );
    }
}

#[test]
fn every_rule_is_cited_where_it_is_kept() {
    let both: BTreeSet<_> = cited("src").union(&cited("tests/it")).cloned().collect();
    let forgotten: Vec<_> = rules().difference(&both).cloned().collect();
    assert!(
        forgotten.is_empty(),
        "nothing says that it keeps {forgotten:?}"
    );
}
