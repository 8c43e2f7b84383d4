//! The dashboard shows something: a real Prometheus scrapes a real sidecar with calls of every kind, and
//! every expression that is shipped gives data there.

mod played;
mod prometheus;

use countersign::test_support::process::eventually;
use serde_json::Value;

use crate::alerts::{ALERTS, shipped};
use played::Played;
use prometheus::Prometheus;

/// What an expression of the dashboard asks for, with the variables filled in as Grafana does for
/// "All" and a short time range.
fn filled(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "1m")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        .replace("$tool", ".*")
}

/// Every expression of the dashboard by the title of its panel.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let expression = filled(target["expr"].as_str().unwrap());
            assert!(!expression.contains('$'), "{title}: {expression}");
            found.push((title.to_owned(), expression));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let name = annotation["name"].as_str().unwrap();
        found.push((
            name.to_owned(),
            filled(annotation["expr"].as_str().unwrap()),
        ));
    }
    found
}

/// A quantile of nothing is a series too, and shows nothing.
fn is_number(series: &Value) -> bool {
    series["value"][1]
        .as_str()
        .is_some_and(|value| value.parse::<f64>().is_ok_and(f64::is_finite))
}

fn dashboard() -> Value {
    let text = std::fs::read_to_string(shipped("config/grafana/countersign.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

// spec: ALERT-1
#[test]
fn the_dashboard_has_a_row_for_each_subject_and_no_panel_twice() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|panel| panel["title"].as_str().unwrap())
        .collect();
    let expected = [
        "Traffic",
        "Latency",
        "Errors and retries",
        "Circuits, budgets and limits",
        "Registry and reloads",
        "Governed calls and the store",
        "Process",
    ];
    assert_eq!(rows, expected);
    let mut places: Vec<_> = panels
        .iter()
        .map(|panel| panel["gridPos"].to_string())
        .collect();
    let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    places.sort();
    places.dedup();
    ids.sort();
    ids.dedup();
    assert_eq!((places.len(), ids.len()), (panels.len(), panels.len()));
}

// spec: ALERT-1
#[test]
#[ignore = "needs prometheus and redis-server"]
fn every_expression_gives_data_of_a_real_run() {
    let played = Played::start();
    let prometheus = Prometheus::start(played.sidecar.admin);
    // Counters that begin grow only from the second look at them on.
    played.play();
    prometheus.has_scraped_again();
    let dashboard = dashboard();
    let mut expected = expressions(&dashboard);
    assert!(expected.len() > 40, "{expected:?}");
    let empty = || {
        played.play();
        expected.retain(|(_, expression)| !prometheus.ask(expression).iter().any(is_number));
        expected.is_empty().then_some(())
    };
    let done = eventually(empty);
    assert_eq!(done, Some(()), "these stay without data: {expected:#?}");
}

// spec: ALERT-1
#[test]
#[ignore = "needs prometheus and redis-server"]
fn every_rule_can_be_evaluated_and_those_that_should_be_pending_are() {
    let mut played = Played::start();
    let prometheus = Prometheus::start(played.sidecar.admin);
    played.play();
    prometheus.has_scraped_again();
    played.play();
    played.break_the_registry();
    played.lose_the_shared_store();
    // Alerts that need no more than a look at the metrics as they are.
    let expected = [
        "CountersignRetryBudgetEmpty",
        "CountersignCircuitOpen",
        "CountersignReloadFailed",
        "CountersignSecretFileMissing",
        "CountersignStoreFailing",
    ];
    let noticed = || {
        let rules = prometheus.rules();
        let active = |name: &str| {
            let rule = rules.iter().find(|rule| rule["name"] == name);
            rule.is_some_and(|rule| rule["state"] != "inactive")
        };
        expected.into_iter().all(active).then_some(rules)
    };
    let rules = eventually(noticed).unwrap_or_else(|| panic!("{:#?}", prometheus.rules()));
    let alerts: Vec<_> = rules
        .iter()
        .filter(|rule| rule["type"] == "alerting")
        .collect();
    let names: Vec<_> = alerts
        .iter()
        .map(|rule| rule["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ALERTS);
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        // An expression without a result is in order too; one that cannot be read is not.
        prometheus.ask(rule["query"].as_str().unwrap());
    }
    let down = alerts.iter().find(|rule| rule["name"] == "CountersignDown");
    assert_eq!(down.unwrap()["state"], "inactive");
}
