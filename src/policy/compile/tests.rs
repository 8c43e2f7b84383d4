//! What policies may say, what broken rules are told, and what a policy then means.

use super::*;
use crate::policy::template::Template;

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn price(tool: &str, price_usd: f64) -> PriceSpec {
    PriceSpec {
        tool: tool.to_owned(),
        price_usd,
    }
}

fn of_bot() -> PolicySpec {
    PolicySpec {
        agent_id: "bot".to_owned(),
        ..PolicySpec::default()
    }
}

// spec: POLICY-5
#[test]
fn every_broken_rule_is_told_at_its_field() {
    let check = |spec: PolicySpec, expected: &[(&str, &str)]| {
        let told = Policy::compile(spec.clone()).err().unwrap_or_default();
        let told: Vec<_> = told
            .iter()
            .map(|violation| (&*violation.field, violation.rule.to_string()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(field, rule)| (*field, (*rule).to_owned()))
            .collect();
        assert_eq!(told, expected, "{spec:?}");
    };
    const PATTERN: &str = "must match ^[A-Za-z0-9_.:-]{1,128}$";
    const REQUIRED: &str = "this field is required";
    check(of_bot(), &[]);
    check(PolicySpec::default(), &[("agent_id", REQUIRED)]);
    let agent_id = "two words".to_owned();
    check(
        PolicySpec {
            agent_id,
            ..PolicySpec::default()
        },
        &[(
            "agent_id",
            "an agent id is 1 to 128 visible ASCII characters",
        )],
    );
    check(
        PolicySpec {
            allowed_tools: named(&["a", "", "b c"]),
            blocked_tools: named(&["..", "a"]),
            max_actions_per_hour: Some(0),
            max_calls_per_tool: vec![("a".to_owned(), -1), ("é".to_owned(), 1)],
            max_spend_usd_per_day: Some(-0.01),
            pricing_rules: vec![price("a", 1.0), price("", f64::NAN)],
            ..of_bot()
        },
        &[
            ("allowed_tools[1]", REQUIRED),
            ("allowed_tools[2]", PATTERN),
            ("blocked_tools[0]", PATTERN),
            ("max_actions_per_hour", "must be between 1 and 100000000"),
            ("max_calls_per_tool[0]", "must be between 1 and 1000000000"),
            ("max_calls_per_tool[1]", PATTERN),
            ("max_spend_usd_per_day", "must be between 0 and 1000000000"),
            ("pricing_rules[1].tool", REQUIRED),
            (
                "pricing_rules[1].price_usd",
                "must be between 0 and 1000000",
            ),
        ],
    );
    check(
        PolicySpec {
            max_actions_per_hour: Some(100_000_000),
            max_calls_per_tool: vec![("a".to_owned(), 1_000_000_000)],
            max_spend_usd_per_day: Some(0.0),
            pricing_rules: vec![price("a", 1_000_000.0), price("b", 0.0)],
            ..of_bot()
        },
        &[],
    );
    let many: Vec<_> = (0..1_001).map(|number| format!("t{number}")).collect();
    check(
        PolicySpec {
            allowed_tools: many.clone(),
            pricing_rules: many.iter().map(|tool| price(tool, 1.0)).collect(),
            ..of_bot()
        },
        &[
            ("allowed_tools", "must have at most 1000 entries"),
            ("pricing_rules", "must have at most 1000 entries"),
        ],
    );
}

// spec: POLICY-1
#[test]
fn blocked_wins_over_allowed_and_an_empty_list_restricts_nothing() {
    let check = |allowed: &[&str], blocked: &[&str], tool: &str, expected: Option<&str>| {
        let policy = Policy::compile(PolicySpec {
            allowed_tools: named(allowed),
            blocked_tools: named(blocked),
            ..of_bot()
        });
        let verdict = policy.unwrap().permits(&tool.parse().unwrap());
        let told = verdict.err().map(Reason::as_str);
        assert_eq!(told, expected, "{allowed:?} {blocked:?} {tool}");
    };
    const NOT_ALLOWED: Option<&str> = Some("tool_not_in_allowed_list");
    const BLOCKED: Option<&str> = Some("tool_explicitly_blocked");
    check(&[], &[], "a", None);
    check(&["a"], &[], "a", None);
    check(&["c", "a", "b"], &[], "b", None);
    check(&["a"], &[], "b", NOT_ALLOWED);
    check(&["a"], &[], "A", NOT_ALLOWED);
    check(&[], &["a"], "a", BLOCKED);
    check(&[], &["a"], "b", None);
    check(&["a"], &["a"], "a", BLOCKED);
    check(&["a"], &["b"], "b", BLOCKED);
    check(&["a"], &["b"], "c", NOT_ALLOWED);
}

// spec: POLICY-4
#[test]
fn an_agent_cannot_make_a_tool_cheaper() {
    let policy = Policy::compile(PolicySpec {
        // Of two prices the higher one counts.
        pricing_rules: vec![
            price("a", 0.2),
            price("a", 0.5),
            price("a", 0.1),
            price("free", 0.0),
        ],
        ..of_bot()
    });
    let policy = policy.unwrap();
    for (tool, claimed, expected) in [
        ("a", 0.0, 0.5),
        ("a", 0.4, 0.5),
        ("a", 0.6, 0.6),
        ("free", 0.0, 0.0),
        ("free", 0.1, 0.1),
        ("b", 0.0, 0.0),
        ("b", 0.3, 0.3),
    ] {
        let claimed = Usd::from_dollars(claimed).unwrap();
        let price = policy.price(&tool.parse().unwrap(), claimed).dollars();
        assert_eq!(price, expected, "{tool} {claimed}");
    }
}

// The numbers of the hosted API's dashboard.
#[test]
fn templates_are_valid_policies() {
    let caps = Template::ALL.map(|template| {
        let spec = template.policy("bot");
        let caps = (spec.max_actions_per_hour, spec.max_spend_usd_per_day);
        assert_eq!(Policy::compile(spec.clone()).unwrap().spec(), spec);
        (template.as_str(), caps)
    });
    assert_eq!(
        caps,
        [
            ("strict", (Some(50), Some(2.0))),
            ("moderate", (Some(200), Some(10.0))),
            ("permissive", (Some(1_000), Some(50.0))),
            ("read_only", (Some(200), Some(0.0))),
            ("support_bot", (Some(500), Some(10.0))),
        ]
    );
}

#[test]
fn a_policy_is_shown_as_it_was_written() {
    let spec = PolicySpec {
        allowed_tools: named(&["b", "a", "b"]),
        blocked_tools: named(&["z", "y"]),
        max_actions_per_hour: Some(7),
        max_calls_per_tool: vec![("a.b".to_owned(), 1), ("c".to_owned(), 2)],
        max_spend_usd_per_day: Some(0.29),
        pricing_rules: vec![price("d", 0.1), price("c", 1e-6)],
        ..of_bot()
    };
    assert_eq!(Policy::compile(spec.clone()).unwrap().spec(), spec);
}
