//! The files in `config/prometheus/` are in order, ask for what there is, and fire when they should.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::test_support::FakeTool;
use countersign::test_support::process::Sidecar;
use tempfile::TempDir;

use crate::support::{BINARY, get};

/// What an operator can be woken by; docs/operations.md has a section for each.
pub const ALERTS: [&str; 10] = [
    "CountersignToolFailing",
    "CountersignRetriesStorming",
    "CountersignRetryBudgetEmpty",
    "CountersignCircuitOpen",
    "CountersignReloadFailed",
    "CountersignSecretFileMissing",
    "CountersignOverloaded",
    "CountersignNoTraffic",
    "CountersignStoreFailing",
    "CountersignDown",
];

/// A file of the repository.
pub fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(shipped(path)).unwrap()
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(shipped("config/prometheus"))
        .output()
        .expect("promtool is there");
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{said}");
}

// spec: ALERT-1
#[test]
#[ignore = "needs promtool"]
fn promtool_accepts_the_scrape_config_and_the_rules() {
    promtool(&["check", "config", "prometheus.yaml"]);
    promtool(&["check", "rules", "rules.yaml", "alerts.yaml"]);
}

// spec: ALERT-1
#[test]
#[ignore = "needs promtool"]
fn each_alert_fires_when_it_should_and_not_before() {
    promtool(&["test", "rules", "alerts_test.yaml"]);
}

/// The rest of the first line that begins like this, of each entry of a list.
fn values<'text>(entries: &[&'text str], field: &str) -> Vec<&'text str> {
    let of = |entry: &&'text str| {
        let found = entry
            .lines()
            .find_map(|line| line.trim().strip_prefix(field));
        found.unwrap_or_else(|| panic!("no {field} in {entry}"))
    };
    entries.iter().map(of).collect()
}

// spec: ALERT-1
#[test]
fn each_alert_says_what_it_is_and_what_to_do() {
    let text = read("config/prometheus/alerts.yaml");
    let entries: Vec<_> = text.split("- alert: ").skip(1).collect();
    let names: Vec<_> = entries.iter().filter_map(|e| e.lines().next()).collect();
    assert_eq!(names, ALERTS);
    for field in ["expr: ", "summary: ", "description: "] {
        values(&entries, field);
    }
    for severity in values(&entries, "labels: { severity: ") {
        assert!(["critical }", "warning }", "info }"].contains(&severity));
    }
    let runbooks = values(&entries, "runbook_url: ");
    let expected = ALERTS.map(|name| format!("docs/operations.md#{}", name.to_lowercase()));
    assert_eq!(runbooks, expected);
}

// spec: ALERT-1
#[test]
fn the_page_lists_each_alert_with_its_severity() {
    let text = read("config/prometheus/alerts.yaml");
    let entries: Vec<_> = text.split("- alert: ").skip(1).collect();
    let severities = values(&entries, "labels: { severity: ");
    let row = |(name, severity): (&str, &str)| {
        let place = format!("operations.md#{}", name.to_lowercase());
        let severity = severity.trim_end_matches(" }");
        format!("| [`{name}`]({place}) | {severity} | ")
    };
    let rows = ALERTS.into_iter().zip(severities).map(row);
    let page = read("docs/monitoring.md");
    let mut listed = page
        .lines()
        .filter(|line| line.starts_with("| [`Countersign"));
    for row in rows {
        let line = listed.next().unwrap_or_default();
        assert!(line.starts_with(&row), "{line} is not {row}…");
    }
    assert_eq!(listed.next(), None);
}

// spec: ALERT-1
#[test]
fn each_alert_is_tried_where_it_fires_and_where_it_does_not() {
    let text = read("config/prometheus/alerts_test.yaml");
    let checks: Vec<_> = text.split("- eval_time: ").skip(1).collect();
    for name in ALERTS {
        let of_this = format!("alertname: {name}\n");
        let (quiet, firing): (Vec<&str>, Vec<&str>) = checks
            .iter()
            .filter(|check| check.contains(&of_this))
            .partition(|check| check.contains("exp_alerts: []"));
        assert!(!quiet.is_empty() && !firing.is_empty(), "{name}");
    }
}

/// Every name of a metric in a text: ours, those of the process, and those that rules record.
fn metrics_of(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c| !is_part(c))
        .filter(|word| word.contains("countersign_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn names_of_metrics_are_found() {
    let text = r#"rate(countersign_calls_total{a="b"}[5m]) / tool:countersign_x:rate5m + process_open_fds"#;
    let expected = [
        "countersign_calls_total",
        "process_open_fds",
        "tool:countersign_x:rate5m",
    ];
    assert_eq!(metrics_of(text), expected.into());
}

// spec: ALERT-1
#[test]
fn rules_and_dashboard_ask_for_metrics_that_exist() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tools.yaml");
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let url = FakeTool::ok().listen();
    let text = format!("tools: [{{ name: t, url: 'http://{url}/', auth: {auth} }}]");
    std::fs::write(&path, text).unwrap();
    let sidecar = Sidecar::start(BINARY, &path);
    let exposition = get(sidecar.admin, "/metrics").text().to_owned();
    let mut known = BTreeSet::new();
    for line in exposition.lines() {
        let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        known.insert(name.to_owned());
        if kind == "histogram" {
            known.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    let rules = read("config/prometheus/rules.yaml");
    let recorded = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    known.extend(recorded.map(str::to_owned));
    for file in [
        "config/prometheus/rules.yaml",
        "config/prometheus/alerts.yaml",
        "config/grafana/countersign.json",
    ] {
        let text = read(file);
        let asked = metrics_of(&text);
        assert!(asked.len() > 5, "{file}: {asked:?}");
        let unknown: Vec<_> = asked
            .iter()
            .filter(|name| !known.contains(**name))
            .collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
}
