//! The page for whoever is on call: each of its commands is run, in the page's order, against a sidecar
//! that its own commands started, in the situation that it is for.

mod site;
mod situations;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use countersign::test_support::process::run;

use crate::alerts::ALERTS;
use crate::support::code_blocks;
use site::Site;

const PAGE: &str = include_str!("../../docs/operations.md");

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let mut site = Site::open();
    let blocks = code_blocks(PAGE, "sh test=");
    assert_eq!(
        blocks.len(),
        PAGE.matches("\n```sh").count(),
        "a block has no name"
    );
    for block in blocks {
        site.before(block.name);
        let example = block.text.replace("127.0.0.1", &site.host);
        let said = site.shell.run(block.name, &example);
        site.after(block.name, &said);
    }
}

// spec: ALERT-1
#[test]
fn every_alert_has_a_runbook_with_its_four_parts() {
    let (_, runbooks) = PAGE.split_once("\n## Runbooks\n").unwrap();
    let sections: Vec<_> = runbooks.split("\n### ").skip(1).collect();
    let headings = sections
        .iter()
        .map(|section| section.lines().next().unwrap());
    assert_eq!(headings.collect::<Vec<_>>(), ALERTS);
    for section in sections {
        for part in ["**Means**: ", "**Look**", "**Do**", "**Ends** "] {
            assert!(section.contains(part), "no {part} in {section}");
        }
    }
}

#[test]
fn every_link_of_the_page_leads_somewhere() {
    let heading = |line: &str| {
        let kept = |c: char| c.is_alphanumeric() || c == ' ' || c == '-';
        let text: String = line
            .trim_start_matches('#')
            .trim()
            .chars()
            .filter(|c| kept(*c))
            .collect();
        text.to_lowercase().replace(' ', "-")
    };
    let headings = |page: &str| -> BTreeSet<String> {
        page.lines()
            .filter(|line| line.starts_with('#'))
            .map(heading)
            .collect()
    };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let links = PAGE
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap());
    let links: Vec<_> = links.collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let page = match file {
            "" => PAGE.to_owned(),
            file => std::fs::read_to_string(docs.join(file)).unwrap(),
        };
        assert!(
            anchor.is_empty() || headings(&page).contains(anchor),
            "{link}"
        );
    }
}

/// Names of metrics in an expression, without what Prometheus adds to those of histograms.
fn metrics_in(expression: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(move |c| !is_word(c));
    let metrics = words.filter(|word| word.starts_with("countersign_"));
    metrics.map(|name| {
        let plain = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        plain.unwrap_or(name)
    })
}

#[test]
fn every_expression_asks_for_metrics_that_there_are() {
    let table = include_str!("../../src/telemetry/metrics/table.rs");
    let blocks = code_blocks(PAGE, "promql");
    assert!(blocks.len() > 2);
    for block in blocks {
        let mut names = metrics_in(block.text).peekable();
        assert!(names.peek().is_some(), "{}", block.text);
        for name in names {
            assert!(table.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}

#[test]
#[ignore = "needs promtool"]
fn promtool_can_read_every_expression() {
    let blocks = code_blocks(PAGE, "promql");
    let rules = blocks.iter().enumerate().map(|(number, block)| {
        serde_json::json!({ "record": format!("page:{number}"), "expr": block.text })
    });
    let rules: Vec<_> = rules.collect();
    let groups = serde_json::json!({ "groups": [{ "name": "page", "rules": rules }] });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), groups.to_string()).unwrap();
    let mut promtool = Command::new("promtool");
    let (code, out, err) = run(promtool.args(["check", "rules"]).arg(file.path()));
    assert_eq!(code, 0, "{out}{err}");
}
