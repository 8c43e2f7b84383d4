//! `policies:`.

use std::path::Path;

use super::{AUTH, load_text, nothing_is_set};
use crate::config::registry_file::load;
use crate::policy::{Policy, PolicySpec, PriceSpec};

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn price(tool: &str, price_usd: f64) -> PriceSpec {
    PriceSpec {
        tool: tool.to_owned(),
        price_usd,
    }
}

/// What policies say, by agent.
fn specs<'p>(policies: impl Iterator<Item = &'p std::sync::Arc<Policy>>) -> Vec<PolicySpec> {
    let mut specs: Vec<_> = policies.map(|policy| policy.spec()).collect();
    specs.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
    specs
}

// spec: POLICY-5 POLICY-7
#[test]
fn the_example_policies_mean_what_their_comments_say() {
    let path = Path::new("config/policies.yaml");
    let loaded = load(path, &nothing_is_set, None).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let of = |agent_id: &str| PolicySpec {
        agent_id: agent_id.to_owned(),
        ..PolicySpec::default()
    };
    assert_eq!(
        specs(loaded.policies.iter()),
        [
            PolicySpec {
                max_actions_per_hour: Some(50),
                max_spend_usd_per_day: Some(10.0),
                pricing_rules: vec![price("stripe.charge", 0.5), price("send_email", 0.001)],
                ..of("billing_agent")
            },
            PolicySpec {
                max_spend_usd_per_day: Some(0.0),
                pricing_rules: vec![price("stripe.charge", 0.5)],
                ..of("intern")
            },
            PolicySpec {
                allowed_tools: named(&["send_email", "create_ticket"]),
                blocked_tools: named(&["stripe.charge"]),
                max_actions_per_hour: Some(500),
                max_calls_per_tool: vec![
                    ("create_ticket".to_owned(), 50),
                    ("send_email".to_owned(), 200),
                ],
                ..of("support_bot")
            },
        ]
    );
}

#[test]
fn the_policy_in_the_documentation_is_valid() {
    let page = include_str!("../../../../docs/governed-calls.md");
    let (_, section) = page.split_once("\n## Policies\n").unwrap();
    let (_, example) = section.split_once("```yaml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let loaded = load_text(&format!("tools: []\n{example}")).unwrap();
    assert_eq!(loaded.policies.len(), 1);
}

// spec: POLICY-5
#[test]
fn a_tool_that_an_agent_does_not_have_is_a_warning() {
    let tool = |name: &str, scope: &str| {
        format!("- {{ name: {name}, scope_id: '{scope}', url: 'http://localhost', {AUTH} }}\n")
    };
    let tools = format!(
        "tools:\n{}{}",
        tool("everyones", "global"),
        tool("its.own", "agent:bot")
    );
    let policies = "policies:
- agent_id: bot
  allowed_tools: [everyones, its.own, typo]
  blocked_tools:
  - typo
  max_calls_per_tool: { everyones: 1, typo: 1 }
  pricing_rules: [{ tool: typo, price_usd: 1 }]
- { agent_id: other, allowed_tools: [its.own] }
";
    let expected = |line: u32| {
        let line = |offset: u32| line + offset;
        format!(
            "tools.yaml:{}:39: warning: policies[0].allowed_tools[2]: @
tools.yaml:{}:5: warning: policies[0].blocked_tools[0]: @
tools.yaml:{}:45: warning: policies[0].max_calls_per_tool: @
tools.yaml:{}:27: warning: policies[0].pricing_rules[0].tool: @
tools.yaml:{}:38: warning: policies[1].allowed_tools[0]: @",
            line(2),
            line(4),
            line(5),
            line(6),
            line(7)
        )
        .replace('@', "this agent has no tool of this name")
    };
    for (text, line) in [
        (format!("{tools}{policies}"), 4),
        (format!("{policies}{tools}"), 1),
    ] {
        let warnings = load_text(&text).unwrap().warnings;
        let lines: Vec<_> = warnings.lines().collect();
        let told = lines.iter().map(|line| {
            let (_, told) = line.rsplit_once('/').unwrap();
            told.to_owned()
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told.join("\n"), expected(line), "{text}");
    }
}

// spec: POLICY-7
#[test]
fn policies_may_be_left_out_and_stand_anywhere() {
    let policy = "policies: [{ agent_id: bot }]\n";
    let defaults = "defaults: { timeout_ms: 700 }\n";
    let tools = format!("tools: [{{ name: t, url: 'http://localhost', {AUTH} }}]\n");
    for (text, expected) in [
        (tools.clone(), 0),
        (format!("{tools}policies: []\n"), 0),
        (format!("{tools}{policy}"), 1),
        // Defaults behind the tools are read in a second pass.
        (format!("{policy}{tools}{defaults}"), 1),
        (format!("{tools}{defaults}{policy}"), 1),
    ] {
        assert_eq!(load_text(&text).unwrap().policies.len(), expected, "{text}");
    }
    for (wrong, message) in [
        ("policies: {}", "expected a list, found a mapping"),
        ("policies: all", "expected a list written here, found text"),
        ("policies:", "write `policies: []` where there are none"),
        ("policies: []\npolicies: []", "this field is there already"),
    ] {
        let refused = load_text(&format!("{tools}{wrong}\n")).unwrap_err();
        assert!(refused.to_string().contains(message), "{wrong}: {refused}");
        assert_eq!(refused.problems.len(), 1, "{wrong}");
    }
}

// spec: REG-1 POLICY-7
#[test]
fn values_of_policies_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let text = "tools: []\npolicies: [{ agent_id: '${AGENT}', max_actions_per_hour: '${CAP}' }]\n";
    std::fs::write(&path, text).unwrap();
    let environment = |name: &str| match name {
        "AGENT" => Some("bot".to_owned()),
        "CAP" => Some("7".to_owned()),
        _ => None,
    };
    let loaded = load(&path, &environment, None).unwrap();
    let policy = loaded.policies.get(&"bot".parse().unwrap()).unwrap();
    assert_eq!(policy.spec().max_actions_per_hour, Some(7));
}
