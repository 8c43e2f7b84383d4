//! Edits of policies in files that people wrote in many ways.

use super::{Desk, check, check_refused, enabled};
use crate::config::edit::{Applied, Change, EditError};
use crate::config::registry_file::load;
use crate::policy::{PolicySpec, PriceSpec};

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A change that gives `bot` this policy.
fn govern(change: impl FnOnce(&mut PolicySpec)) -> Change {
    let mut spec = PolicySpec {
        agent_id: "bot".to_owned(),
        ..PolicySpec::default()
    };
    change(&mut spec);
    Change::Govern(spec)
}

fn everything(spec: &mut PolicySpec) {
    spec.allowed_tools = named(&["a", "5", "b:c"]);
    spec.blocked_tools = named(&["yes"]);
    spec.max_actions_per_hour = Some(50);
    spec.max_calls_per_tool = vec![("a".to_owned(), 1), ("null".to_owned(), 2)];
    spec.max_spend_usd_per_day = Some(2.5);
    spec.pricing_rules = vec![PriceSpec {
        tool: "a".to_owned(),
        price_usd: 0.000_25,
    }];
}

const COMMENTED: &str = "# Ours.
tools: []   # none yet

policies:   # who may do what
  # About x.
  - agent_id: x
    max_actions_per_hour: 5   # few

  # About the bot.
  - agent_id: bot             # the bot
    allowed_tools: # these
      - a   # first
      - b
    blocked_tools: [c, d] # not these
    max_actions_per_hour: 10 # or so
    max_calls_per_tool:
      a: 1 # one
    # Money.
    max_spend_usd_per_day: 2.50 # two and a half
  # About y.
  - { agent_id: y, allowed_tools: [a] }
# The end.
";

// spec: POLICY-8 EDIT-1
#[test]
fn only_what_changes_is_written_anew() {
    let same = |spec: &mut PolicySpec| {
        spec.allowed_tools = named(&["a", "b"]);
        spec.blocked_tools = named(&["c", "d"]);
        spec.max_actions_per_hour = Some(10);
        spec.max_calls_per_tool = vec![("a".to_owned(), 1)];
        spec.max_spend_usd_per_day = Some(2.5);
    };
    let desk = Desk::new(COMMENTED);
    let nothing = Applied {
        created: false,
        changed: false,
    };
    assert_eq!(desk.apply(&govern(same)).unwrap(), nothing);
    assert_eq!(desk.text(), COMMENTED);

    let change = govern(|spec| {
        same(spec);
        spec.max_actions_per_hour = Some(11);
    });
    check(
        COMMENTED,
        &change,
        &COMMENTED.replace("10 # or so", "11 # or so"),
    );

    let change = govern(|spec| {
        same(spec);
        spec.allowed_tools = named(&["a", "z"]);
        spec.blocked_tools = named(&["c"]);
        spec.max_calls_per_tool.push(("b.c".to_owned(), 7));
        spec.max_spend_usd_per_day = Some(0.1 + 0.2);
    });
    let expected = COMMENTED
        .replace(
            "allowed_tools: # these\n      - a   # first\n      - b\n",
            "allowed_tools: [a, z] # these\n",
        )
        .replace("[c, d] # not", "[c] # not")
        .replace(
            "max_calls_per_tool:\n      a: 1 # one\n",
            "max_calls_per_tool: { a: 1, b.c: 7 } # one\n",
        )
        .replace("2.50 # two", "0.3 # two");
    check(COMMENTED, &change, &expected);
}

// spec: POLICY-8 EDIT-1
#[test]
fn what_a_policy_says_no_longer_goes_with_its_lines() {
    let expected = COMMENTED.replace(
        "    allowed_tools: # these
      - a   # first
      - b
    blocked_tools: [c, d] # not these
    max_actions_per_hour: 10 # or so
    max_calls_per_tool:
      a: 1 # one
    # Money.
    max_spend_usd_per_day: 2.50 # two and a half
",
        "    # Money.
    pricing_rules: [{ tool: a, price_usd: 1 }]
",
    );
    let change = govern(|spec| {
        spec.pricing_rules = vec![PriceSpec {
            tool: "a".to_owned(),
            price_usd: 1.0,
        }];
    });
    check(COMMENTED, &change, &expected);
}

const EVERYTHING: &str = "allowed_tools: [a, \"5\", b:c]
    blocked_tools: [\"yes\"]
    max_actions_per_hour: 50
    max_calls_per_tool: { a: 1, \"null\": 2 }
    max_spend_usd_per_day: 2.5
    pricing_rules: [{ tool: a, price_usd: 0.00025 }]
";

// spec: POLICY-8 EDIT-1
#[test]
fn a_new_policy_is_the_last_of_the_list() {
    let before = COMMENTED.replace("bot", "other");
    let everything = &govern(everything);
    // The last policy is written in braces, so the new one is.
    let new = format!(
        "  - {{ agent_id: bot, {} }}\n# The end.\n",
        EVERYTHING.trim_end().replace("\n    ", ", ")
    );
    check(&before, everything, &before.replace("# The end.\n", &new));

    let before = before.replace("  - { agent_id: y, allowed_tools: [a] }\n", "");
    let new = format!("  # About y.\n\n  - agent_id: bot\n    {EVERYTHING}# The end.\n");
    let expected = before.replace("  # About y.\n# The end.\n", &new);
    let expected = expected.replace("two and a half\n  # About y.\n\n", "two and a half\n\n");
    let expected = expected.replace("0.00025 }]\n", "0.00025 }]\n  # About y.\n");
    check(&before, everything, &expected);

    for before in ["tools: []\npolicies: []\n", "policies: []\ntools: []\n"] {
        let new = "policies:\n  - agent_id: bot\n    max_actions_per_hour: 5\n";
        let change = govern(|spec| spec.max_actions_per_hour = Some(5));
        check(before, &change, &before.replace("policies: []\n", new));
    }
}

// spec: POLICY-8 EDIT-1
#[test]
fn a_file_without_policies_gets_them_at_its_end() {
    let five = &govern(|spec| spec.max_actions_per_hour = Some(5));
    let new = "\npolicies:\n  - agent_id: bot\n    max_actions_per_hour: 5\n";
    let tool = "tools:
- name: t
  url: http://localhost/
  auth: { type: hmac_sha256, secret: supersecret }
";
    for before in [
        "tools: []\n",
        tool,
        "tools: []\n\n# The end.\n",
        "---\n# Ours.\ndefaults: { timeout_ms: 700 }\ntools: []\n",
        &format!("{tool}#  - name: not yet\n"),
        &format!("{tool}  description: |\n    Some\n    text\n"),
    ] {
        check(before, five, &format!("{before}{new}"));
    }
    // A line break that is missing at the end stays missing; CRLF stays CRLF.
    check("tools: []", five, &format!("tools: []\n{}", new.trim_end()));
    let crlf = |text: &str| text.replace('\n', "\r\n");
    check(&crlf(tool), five, &crlf(&format!("{tool}{new}")));
    // Behind the document there is nothing.
    let ended = format!("{tool}{new}...\n");
    check(&format!("{tool}...\n"), five, &ended);
    let indented = "  defaults: {}\n  tools: []\n";
    let new = new.replace("\np", "\n  p").replace("\n  - ", "\n    - ");
    let new = new.replace("\n    max", "\n      max");
    check(indented, five, &format!("{indented}{new}"));
}

// spec: POLICY-8 EDIT-1
#[test]
fn a_file_in_braces_stays_in_braces() {
    let five = &govern(|spec| spec.max_actions_per_hour = Some(5));
    check(
        "{ \"tools\": [] }\n",
        five,
        "{ \"tools\": [], \"policies\": [{ \"agent_id\": \"bot\", \"max_actions_per_hour\": 5 }] }\n",
    );
    check(
        "{\n  \"tools\": []\n}\n",
        five,
        "{\n  \"tools\": [],\n  \"policies\": [{ \"agent_id\": \"bot\", \"max_actions_per_hour\": 5 }]\n}\n",
    );
    let before =
        "{\"policies\": [{\"agent_id\": \"bot\", \"allowed_tools\": [\"x\"]}], \"tools\": []}\n";
    let after = "{\"policies\": [{\"agent_id\": \"bot\", \"allowed_tools\": [\"a\", \"5\", \"b:c\"], \
                 \"blocked_tools\": [\"yes\"], \"max_actions_per_hour\": 50, \
                 \"max_calls_per_tool\": { \"a\": 1, \"null\": 2 }, \"max_spend_usd_per_day\": 2.5, \
                 \"pricing_rules\": [{ \"tool\": \"a\", \"price_usd\": 0.00025 }]}], \"tools\": []}\n";
    check(before, &govern(everything), after);
    let text: serde_json::Value = serde_json::from_str(after).unwrap();
    assert_eq!(text["policies"][0]["max_calls_per_tool"]["null"], 2);
}

// spec: POLICY-8 EDIT-1
#[test]
fn what_is_shared_is_not_edited() {
    let five = &govern(|spec| spec.max_actions_per_hour = Some(5));
    let shared = "tools: []
policies:
- &base { agent_id: x, max_actions_per_hour: 7 }
- { <<: *base, agent_id: bot }
";
    check_refused(shared, five, Some(4), "<<");
    let alias = "tools: []
policies:
- agent_id: x
  allowed_tools: &list
  - a
- agent_id: bot
  allowed_tools: *list
";
    // The alias is one policy's own, and what it stands for is not.
    let other = &govern(|spec| spec.allowed_tools = named(&["b"]));
    check(alias, other, &alias.replace("*list", "[b]"));
    let Change::Govern(mut spec) = other.clone() else {
        unreachable!("it is a policy");
    };
    spec.agent_id = "x".to_owned();
    check_refused(alias, &Change::Govern(spec), Some(3), "used elsewhere");
}

// spec: POLICY-5
#[test]
fn a_policy_that_breaks_a_rule_is_not_written() {
    let desk = Desk::new(COMMENTED);
    let refused = desk.apply(&govern(|spec| spec.max_actions_per_hour = Some(0)));
    let Err(EditError::Invalid(violations)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(violations[0].field, "max_actions_per_hour");
    assert_eq!(desk.text(), COMMENTED);
}

/// An edit of a tool keeps the policies, and the other way round.
#[test]
fn tools_and_policies_do_not_touch_each_other() {
    let before = "policies:
- agent_id: bot
tools:
- name: a
  url: http://localhost/
  auth: { type: hmac_sha256, secret: supersecret }
";
    let desk = Desk::new(before);
    desk.apply(&enabled("a", false)).unwrap();
    desk.apply(&govern(everything)).unwrap();
    let loaded = load(&desk.path(), &|_| None, None).unwrap();
    assert!(!loaded.snapshot.tools().next().unwrap().enabled);
    let policy = loaded.policies.get(&"bot".parse().unwrap()).unwrap();
    let Change::Govern(expected) = govern(everything) else {
        unreachable!("it is a policy");
    };
    assert_eq!(policy.spec(), expected);
}
