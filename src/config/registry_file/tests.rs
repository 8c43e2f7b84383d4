//! The files in `config/`, and registries made up here.

mod policies;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::ids::{AgentId, ScopeId};
use crate::registry::Tool;

fn nothing_is_set(_: &str) -> Option<String> {
    None
}

/// Loads a registry that is written to an otherwise empty folder.
fn load_text(text: &str) -> Result<Loaded, Refused> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, text).unwrap();
    load(&path, &nothing_is_set, None)
}

fn tool<'s>(loaded: &'s Loaded, name: &str) -> &'s Tool {
    loaded.snapshot.get(&ScopeId::Global, name).unwrap()
}

// spec: REG-2
#[test]
fn every_broken_example_says_what_is_wrong() {
    // The messages name the files as they were asked for, so they are asked for from the
    // package's folder, which is where cargo runs tests.
    let mut seen = 0;
    for entry in fs::read_dir("config/broken").unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
            let refused = load(&path, &nothing_is_set, None).unwrap_err();
            assert_eq!(format!("{refused}\n"), expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 13, "only {seen} examples were found");
}

#[test]
fn the_example_registry_is_in_order_without_any_environment() {
    let path = Path::new("config/tools.yaml");
    let loaded = load(path, &nothing_is_set, None).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.files, [path]);
    let origins = ["send_email", "fail_test", "create_ticket"].map(|name| {
        let tool = tool(&loaded, name);
        format!("{}{}", tool.origin.authority().to_str().unwrap(), tool.path)
    });
    assert_eq!(
        origins,
        [
            "127.0.0.1:8000/tools/send-email",
            "127.0.0.1:8000/tools/fail-test",
            "127.0.0.1:8000/tools/create-ticket"
        ]
    );
    assert_eq!(loaded.snapshot.tool_count(), 3);
}

const AUTH: &str = "auth: { type: hmac_sha256, secret: supersecret }";

#[test]
fn every_field_reaches_the_tool() {
    let loaded = load_text(
        "defaults: { max_retries: 7, idempotent: false }
tools:
  - name: all
    scope_id: agent:billing
    url: https://h.example:8443/p?q=1
    auth: { type: hmac_sha256, secret: 00123456789, secret_id: k-1 }
    timeout_ms: 250
    deadline_ms: 9000
    enabled: false
    description: |
      two
      lines
    forward_path: true
    retry_on: [not_sent, 503]
    headers: { X-Api-Key: 'k', X-Empty: '' }
    tls: { server_name: inner.example }
",
    )
    .unwrap();
    let scope = ScopeId::Agent("billing".parse::<AgentId>().unwrap());
    let tool = loaded.snapshot.get(&scope, "all").unwrap();
    assert_eq!(tool.origin.authority(), "h.example:8443");
    assert_eq!(tool.path_and_query.as_str(), "/p?q=1");
    assert_eq!(tool.signer.secret_id().as_str(), "k-1");
    // Not 123456789: a secret is text, however much it looks like a number.
    assert_eq!(&*tool.secret_mask, "***");
    assert_eq!(tool.timeout.as_millis(), 250);
    assert_eq!(tool.deadline.unwrap().as_millis(), 9000);
    assert_eq!((tool.max_retries, tool.idempotent), (7, false));
    assert_eq!((tool.enabled, tool.forward_path), (false, true));
    assert_eq!(tool.description.as_deref(), Some("two\nlines\n"));
    assert!(tool.retry_on.not_sent() && !tool.retry_on.maybe_seen());
    let headers: Vec<_> = tool.headers.iter().map(|(n, v)| (n.as_str(), v)).collect();
    assert_eq!(headers[0].0, "x-api-key");
    assert_eq!(headers[0].1, "k");
    assert_eq!(headers[1].1, "");
    assert!(tool.origin.trust().unwrap().server_name.is_some());
}

/// What a tool's limits are, as a table says them; `-` for none.
fn limits(tool: &Tool) -> String {
    let protection = &tool.protection;
    let places = protection.concurrency.as_ref().map_or("-".to_owned(), |c| {
        format!("{} {}", c.places.max(), c.patience.as_millis())
    });
    let rate = protection.rate.as_ref().map_or("-".to_owned(), |rate| {
        format!("{} {}", rate.rate().per_second, rate.rate().burst)
    });
    let circuit = protection.circuit.as_ref().map_or("-".to_owned(), |c| {
        let breaker = c.breaker();
        let open = breaker.open.as_millis();
        format!("{} {} {open}", breaker.failure_ratio, breaker.min_calls)
    });
    format!("{places} | {rate} | {circuit}")
}

// spec: REG-2 LIMIT-1 LIMIT-2 LIMIT-3
#[test]
fn limits_of_tools_and_defaults() {
    #[track_caller]
    fn check(defaults: &str, fields: &str, expected: &str) {
        let text = format!(
            "defaults: {{ {defaults} }}\ntools:\n- {{ name: t, url: 'http://localhost', {AUTH}{fields} }}"
        );
        let loaded = load_text(&text).unwrap();
        assert_eq!(limits(tool(&loaded, "t")), expected, "{text}");
    }
    check("", "", "- | - | -");
    check("", ", max_concurrency: 1", "1 1000 | - | -");
    let most = ", max_concurrency: 65535, queue_timeout_ms: 60000";
    check("", most, "65535 60000 | - | -");
    check("", ", rate_limit: { per_second: 0.001 }", "- | 0.001 1 | -");
    check("", ", rate_limit: { per_second: 2.5 }", "- | 2.5 3 | -");
    let most = ", rate_limit: { per_second: 1000000, burst: 1000000 }";
    check("", most, "- | 1000000 1000000 | -");
    check("", ", circuit_breaker: {}", "- | - | 0.5 20 10000");
    let all = ", circuit_breaker: { failure_ratio: 1, min_calls: 1, open_ms: 100 }";
    check("", all, "- | - | 1 1 100");
    // A queue's default is nothing to tools without places.
    check("queue_timeout_ms: 7", "", "- | - | -");
    check("queue_timeout_ms: 7", ", max_concurrency: 2", "2 7 | - | -");
    let all = "max_concurrency: 3, queue_timeout_ms: 0, rate_limit: { per_second: 9, burst: 1 }, \
               circuit_breaker: { open_ms: 200 }";
    check(all, "", "3 0 | 9 1 | 0.5 20 200");
    let own = ", max_concurrency: 4, rate_limit: { per_second: 8 }, circuit_breaker: {}";
    check(all, own, "4 0 | 8 8 | 0.5 20 10000");
}

// spec: REG-2 ONCE-3 ONCE-4
#[test]
fn how_tools_remember_calls() {
    #[track_caller]
    fn check(defaults: &str, fields: &str, expected: &str) {
        let text = format!(
            "defaults: {{ {defaults} }}\ntools:\n- {{ name: t, url: 'http://localhost', {AUTH}{fields} }}"
        );
        let loaded = load_text(&text).unwrap();
        let found = tool(&loaded, "t").once.map_or("-".to_owned(), |once| {
            format!("{} {:?}", once.ttl.as_millis(), once.in_doubt)
        });
        assert_eq!(found, expected, "{text}");
    }
    check("", "", "60000 Retry");
    check("", ", once: {}", "60000 Retry");
    check("", ", once: off", "-");
    check("", ", once: 'off'", "-");
    check("", ", once: { ttl_ms: 1000 }", "1000 Retry");
    check(
        "",
        ", once: { ttl_ms: 2592000000, in_doubt: refuse }",
        "2592000000 Refuse",
    );
    check("", ", once: { in_doubt: retry }", "60000 Retry");
    check("once: off", "", "-");
    // A tool's own replaces the default as a whole.
    check("once: off", ", once: {}", "60000 Retry");
    check(
        "once: { ttl_ms: 5000, in_doubt: refuse }",
        "",
        "5000 Refuse",
    );
    check(
        "once: { ttl_ms: 5000, in_doubt: refuse }",
        ", once: { ttl_ms: 7000 }",
        "7000 Retry",
    );
    check("once: { ttl_ms: 5000 }", ", once: off", "-");
}

#[test]
fn a_rate_or_a_ratio_is_a_decimal() {
    for number in [
        ".5", "5.", "1e3", "inf", ".inf", "nan", "+", "0x10", "1_000", "'5'",
    ] {
        let text = format!(
            "tools:\n- {{ name: t, url: 'http://localhost', {AUTH}, rate_limit: {{ per_second: {number} }} }}"
        );
        let refused = load_text(&text).unwrap_err().to_string();
        assert!(refused.contains("expected a number"), "{number}: {refused}");
    }
}

/// The id that a secret's bytes lead to, which tells what was read without showing it.
fn secret_id(loaded: &Loaded, name: &str) -> String {
    tool(loaded, name).signer.secret_id().as_str().to_owned()
}

#[test]
fn a_secret_is_kept_as_written() {
    // Derived with: printf 'countersign secret id' | openssl dgst -sha256 -hmac 00123456
    let text = "tools: [{ name: t, url: 'http://localhost/', auth: { type: hmac_sha256, \
                secret: 00123456 } }]";
    assert_eq!(secret_id(&load_text(text).unwrap(), "t"), "sec_f158b1bd");
}

// spec: REG-1
#[test]
fn values_of_tools_and_defaults_come_from_the_environment() {
    let environment = |name: &str| {
        let value = match name {
            "SECRET" => "key: with # yaml",
            "TIMEOUT" => "3000",
            "FLAG" => "false",
            "HOST" => "h.example",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let text = "defaults: { timeout_ms: \"${TIMEOUT}\" }
tools:
  - name: t
    url: https://${HOST}/x
    auth: { type: '${T:-hmac_sha256}', secret: '${SECRET}' }
    enabled: ${FLAG}
    headers: { X-Key: '${SECRET}' }
";
    fs::write(&path, text).unwrap();
    let loaded = load(&path, &environment, None).unwrap();
    let tool = tool(&loaded, "t");
    assert_eq!(tool.timeout.as_millis(), 3000);
    assert!(!tool.enabled);
    assert_eq!(tool.origin.authority(), "h.example");
    assert_eq!(tool.headers[0].1, "key: with # yaml");
    // Derived with: … | openssl dgst -sha256 -hmac 'key: with # yaml'
    assert_eq!(tool.signer.secret_id().as_str(), "sec_4ccdc030");
}

// spec: REG-1
#[test]
fn a_secret_file_is_beside_the_registry_and_loses_one_line_break() {
    for (content, expected) in [
        ("supersecret", Some("sec_c7f58bd3")),
        ("supersecret\n", Some("sec_c7f58bd3")),
        ("supersecret\r\n", Some("sec_c7f58bd3")),
        ("supersecret\n\n", Some("sec_528e8133")),
        ("short\n", None),
        ("", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tools.yaml");
        fs::create_dir(folder.path().join("secrets")).unwrap();
        fs::write(folder.path().join("secrets/t"), content).unwrap();
        let text = "tools: [{ name: t, url: 'http://localhost/', auth: { type: hmac_sha256, \
                    secret_file: secrets/t } }]";
        fs::write(&path, text).unwrap();
        match (load(&path, &nothing_is_set, None), expected) {
            (Ok(loaded), Some(id)) => {
                assert_eq!(secret_id(&loaded, "t"), id, "{content:?}");
                let secret = folder.path().join("secrets/t");
                assert_eq!(loaded.files, [path, secret]);
            }
            (Err(refused), None) => {
                let field = "tools[0].auth.secret_file: must be at least 8 bytes long";
                assert!(refused.to_string().ends_with(field), "{refused}");
                assert_eq!(refused.files.len(), 2);
            }
            (Ok(_), None) => panic!("{content:?} was taken"),
            (Err(refused), Some(_)) => panic!("{refused}"),
        }
    }
}

// spec: RELOAD-1
#[test]
fn the_digest_changes_with_any_of_the_files_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let secret = folder.path().join("s");
    let digest = || match load(&path, &nothing_is_set, None) {
        Ok(loaded) => loaded.digest,
        Err(refused) => refused.digest,
    };
    let mut seen = vec![digest()]; // there is no registry yet
    let text = "tools: [{ name: t, url: 'http://localhost/', auth: { type: hmac_sha256, \
                secret_file: s } }]";
    fs::write(&path, text).unwrap();
    seen.push(digest()); // the secret is missing
    fs::write(&secret, "supersecret").unwrap();
    seen.push(digest());
    fs::write(&secret, "supersecret2").unwrap();
    seen.push(digest());
    fs::write(&path, format!("{text} # a comment")).unwrap();
    seen.push(digest());
    fs::write(&path, "tools: [").unwrap();
    seen.push(digest());
    let last = *seen.last().unwrap();
    assert_eq!(digest(), last);
    let distinct: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len());
}

#[test]
fn the_digest_can_be_had_without_a_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let entry = |name: &str| {
        format!(
            "  - {{ name: {name}, url: http://localhost/, auth: {{ type: hmac_sha256, secret_file: key }} }}\n"
        )
    };
    // Two tools that share a secret file, which is read for each of them.
    let text = format!("tools:\n{}{}", entry("a"), entry("b"));
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("key"), "supersecret").unwrap();
    let loaded = load(&path, &nothing_is_set, None).unwrap();
    assert_eq!(digest_of(&loaded.files), loaded.digest);
    fs::write(folder.path().join("key"), "another secret").unwrap();
    assert_ne!(digest_of(&loaded.files), loaded.digest);
}

#[test]
fn defaults_may_stand_behind_the_tools() {
    for text in [
        format!(
            "defaults: {{ timeout_ms: 700 }}\ntools:\n- {{ name: t, url: 'http://localhost', {AUTH} }}"
        ),
        format!(
            "tools:\n- {{ name: t, url: 'http://localhost', {AUTH} }}\ndefaults: {{ timeout_ms: 700 }}"
        ),
    ] {
        let loaded = load_text(&text).unwrap();
        assert_eq!(tool(&loaded, "t").timeout.as_millis(), 700, "{text}");
        assert_eq!(loaded.files.len(), 1);
    }
    let faulty = format!("tools:\n- {{ name: t, {AUTH} }}\ndefaults: {{ timeout_ms: 7 }}");
    assert_eq!(load_text(&faulty).unwrap_err().problems.len(), 2);
}

#[test]
fn fields_can_be_shared_by_anchor_and_overridden() {
    let loaded = load_text(
        "tools:
  - &base
    name: a
    url: http://localhost/a
    auth: &auth { type: hmac_sha256, secret: supersecret }
    timeout_ms: 1000
    max_retries: 1
  - <<: *base
    name: b
    timeout_ms: 2000
  - <<: [{ max_retries: 9 }, *base]
    name: c
  - { name: d, url: 'http://localhost/d', auth: *auth }
",
    )
    .unwrap();
    let seen = ["a", "b", "c", "d"].map(|name| {
        let tool = tool(&loaded, name);
        (tool.timeout.as_millis(), tool.max_retries)
    });
    assert_eq!(seen, [(1000, 1), (2000, 1), (1000, 9), (15_000, 2)]);
}

// spec: REG-2
#[test]
fn plain_http_to_another_host_is_a_warning() {
    let text = format!("tools:\n- {{ name: t, url: 'http://h.example/', {AUTH} }}\n");
    let warnings = load_text(&text).unwrap().warnings.to_string();
    assert!(
        warnings.contains("tools.yaml:2:19: warning: tools[0].url: plain http"),
        "{warnings}"
    );
}

// spec: REG-2
#[test]
fn only_a_written_empty_list_is_an_empty_registry() {
    for text in [
        "tools: []",
        "tools: [ ]\ndefaults:\n",
        "---\ntools: []\n...\n",
    ] {
        assert!(
            load_text(text).unwrap().snapshot.tools().next().is_none(),
            "{text}"
        );
    }
    for text in [
        "",
        "# only a comment\n",
        "---\n",
        "~",
        "tools:",
        "tools: ~",
        "tools: {}",
        "[]",
    ] {
        let refused = load_text(text).unwrap_err().to_string();
        assert!(refused.contains("tools"), "{text}: {refused}");
    }
}

#[test]
fn a_large_registry_is_read_and_every_tool_is_there() {
    let mut text = String::from("tools:\n");
    for number in 0..100_000 {
        text.push_str(&format!(
            "- name: tool_{number}\n  url: https://h{}.example/t/{number}\n  {AUTH}\n",
            number % 100
        ));
    }
    let loaded = load_text(&text).unwrap();
    assert_eq!(loaded.snapshot.tool_count(), 100_000);
    let agent = "a".parse().unwrap();
    let last = loaded.snapshot.resolve(&agent, "tool_99999").unwrap();
    assert_eq!(&*last.path, "/t/99999");
}

#[test]
fn a_large_broken_registry_is_answered_in_a_hundred_lines() {
    let text = format!("tools:\n{}", "- { url: 5 }\n".repeat(20_000));
    let refused = load_text(&text).unwrap_err();
    // Of each tool: no name, no authentication and a URL that is none.
    assert_eq!(refused.problems.len(), 60_000);
    assert_eq!(refused.problems.lines().count(), 101);
}

/// A registry with `@` before every value.
const VALUES: &str =
    "defaults: { timeout_ms: @700, max_retries: @1, retry_on: @[503], max_concurrency: @5 }
tools:
  - name: @t
    scope_id: @global
    url: @https://h.example/
    auth: { type: @hmac_sha256, secret: @supersecret, secret_id: @k }
    timeout_ms: @1000
    max_retries: @1
    deadline_ms: @5000
    enabled: @true
    description: @d
    idempotent: @true
    forward_path: @false
    retry_on: [ @not_sent, @408 ]
    max_concurrency: @5
    queue_timeout_ms: @5
    rate_limit: @{ per_second: @5, burst: @5 }
    circuit_breaker: @{ failure_ratio: @0.5, min_calls: @5, open_ms: @500 }
    once: @{ ttl_ms: @1000, in_doubt: @retry }
    headers: { X-A: @a, X-B: @b }
    tls: { server_name: @inner.example }
  - name: @u
    url: @https://h.example/
    auth: @{ type: @hmac_sha256, secret_file: @s }
    once: @off
    tls: @{ ca_file: @c, client_cert_file: @d, client_key_file: @e }
policies:
  - agent_id: @bot
    allowed_tools: @[ @t, @u ]
    blocked_tools: [ @v ]
    max_actions_per_hour: @5
    max_calls_per_tool: @{ t: @5, u: @6 }
    max_spend_usd_per_day: @0.5
    pricing_rules: [ @{ tool: @t, price_usd: @0.5 }, @{ tool: @u, price_usd: @1 } ]
";

fn outcome(text: &str) -> String {
    match load_text(text) {
        Ok(loaded) => loaded.warnings.to_string(),
        Err(refused) => refused.to_string(),
    }
}

// spec: REG-2
#[test]
fn a_secret_in_the_wrong_place_is_never_repeated() {
    const MARKER: &str = "hunter2-Hunter2";
    let places = VALUES.matches('@').count();
    let forms = [
        "MARKER",
        "'MARKER'",
        "[MARKER]",
        "{MARKER}",
        "{k: MARKER}",
        "{MARKER: k}",
        "[[MARKER, ~]]",
        "'${MARKER}'",
        "'${MARKER'",
        "'${X:-MARKER'",
        "!MARKER x",
        "!!MARKER x",
        "*MARKER",
        "&MARKER x",
        "'MARKER",
        "\"MARKER\\q\"",
        "MARKER: MARKER",
        "%MARKER",
        "@MARKER",
        "'https://MARKER@h/'",
        "'https://h/#MARKER'",
        "'agent:MARKER MARKER'",
    ];
    let mut refused = 0;
    for place in 0..places {
        for form in forms {
            let mut index = 0;
            let text: String = VALUES.split('@').fold(String::new(), |text, part| {
                index += 1;
                if index == 1 {
                    return part.to_owned();
                }
                let (value, rest) = part.split_at(part.find([',', ' ', '\n']).unwrap());
                let value = if index == place + 2 { form } else { value };
                format!("{text}{value}{rest}")
            });
            let outcome = outcome(&text.replace("MARKER", MARKER));
            refused += usize::from(!outcome.is_empty());
            assert!(!outcome.contains("unter2"), "{text}\n{outcome}");
        }
    }
    // The files of the second tool are missing, so every variant is refused.
    assert_eq!(refused, places * forms.len());
}

proptest! {
    /// Whatever happens to a registry, loading it neither panics nor repeats a marked value.
    #[test]
    fn any_registry_is_loaded_or_refused(
        edits in prop::collection::vec((0_usize..900, 0_usize..3, 0_usize..22), 1..6)
    ) {
        // Not ASCII, so that it is not taken for a header's name, which may be shown.
        const MARKER: &str = "hünter2";
        const PIECES: [&str; 22] = [
            MARKER, "'", "\"", ": ", "- ", "{", "}", "[", "]", "\n", "\r\n", "${", "*a", "&a ",
            "!!str ", "| ", "  ", "~", "#", "<<: ", "tools:", "\u{feff}",
        ];
        let mut text: Vec<char> = VALUES.replace('@', "").chars().collect();
        for (at, removed, piece) in edits {
            let at = at.min(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, MARKER.chars().chain(PIECES[piece].chars()));
        }
        let text: String = text.into_iter().collect();
        prop_assert!(!outcome(&text).contains("nter2"), "{}", text);
    }
}
