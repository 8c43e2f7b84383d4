//! Files, variables and flags in; settings or the exact list of what is wrong out.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::*;
use crate::config::options::{Setting, TABLE};

/// Sources with a real file in a folder of their own.
struct World {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl World {
    fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        fs::write(&path, yaml).unwrap();
        let sources = Sources {
            config: Some(path),
            ..Sources::default()
        };
        Self { folder, sources }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.variables.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, name: &str, value: &str) -> Self {
        let has_name = |s: &&Setting| s.flag.is_some_and(|flag| flag.name == name);
        let setting = TABLE.iter().find(has_name).unwrap();
        self.sources.flags.push((setting, value.to_owned()));
        self
    }

    fn settings(&self) -> Settings {
        Settings::resolve(&self.sources).unwrap_or_else(|bad| panic!("{bad}"))
    }

    #[track_caller]
    fn refused(&self, expected: &[&str]) {
        let bad = Settings::resolve(&self.sources).unwrap_err();
        let folder = format!("{}/", self.folder.path().display());
        let lines: Vec<_> = bad.problems.iter().map(|p| p.to_string()).collect();
        let lines: Vec<_> = lines.iter().map(|line| line.replace(&folder, "")).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn without_any_source_the_defaults_hold() {
    let mut settings = Settings::resolve(&Sources::default()).unwrap();
    assert!(settings.workers.get() <= 1024);
    settings.workers = NonZeroUsize::MIN;
    // The values of the contract, written out.
    let expected = "Settings { \
        agents: AgentSettings { listen: Tcp(127.0.0.1:8787), socket_mode: SocketMode(0600), default_id: AgentId(agent), tokens: [], \
        allowed_origins: [], allowed_hosts: [], allow_unauthenticated: false, \
        max_connections: 4096 }, \
        admin: AdminSettings { listen: Tcp(127.0.0.1:8788), socket_mode: SocketMode(0600), token: None, token_file: None }, \
        registry: RegistrySettings { path: \"tools.yaml\", secrets_dir: \"secrets\", poll_interval: 5s }, \
        limits: LimitSettings { max_body_bytes: 10485760, max_buffered_bytes: 268435456, \
        head_timeout: 10s, body_timeout: 30s, max_head_bytes: 65536, max_result_bytes: 4194304 }, \
        upstream: UpstreamSettings { connect_timeout: 5s, pool_idle_timeout: 4s, allow_private: false, \
        ca_file: None }, \
        governed: GovernedSettings { namespace: \"local\" }, store: File(\"countersign.store\"), \
        on_store_error: Refuse, store_max_bytes: 268435456, \
        fleet: FleetSettings { address: None, own: File(\"countersign.store\"), \
        prefix: \"countersign\", timeout: 2s }, \
        log: LogSettings { level: Level(Info), format: Json }, \
        workers: 1, drain_timeout: 30s, drain_delay: 0ns }";
    assert_eq!(format!("{settings:?}"), expected);
}

#[test]
fn an_empty_file_and_empty_sections_say_nothing() {
    let shown = |yaml| {
        let world = World::new(yaml);
        let folder = format!("{}/", world.folder.path().display());
        format!("{:?}", world.settings()).replace(&folder, "")
    };
    let defaults = format!("{:?}", Settings::resolve(&Sources::default()).unwrap());
    for yaml in [
        "",
        "# nothing\n",
        "{}",
        "agents:\nlog:\n",
        "upstream: { ca_file: null }",
    ] {
        assert_eq!(shown(yaml), defaults, "{yaml}");
    }
}

#[test]
fn every_setting_of_the_file_arrives() {
    let settings = World::new(
        "agents:\n  listen: 0.0.0.0:1\n  socket_mode: \"0660\"\n  default_id: me\n  tokens: { one: \"${T:-0123456789abcdef}\" }\n  \
         allowed_origins: [https://App.example.com, 'http://localhost:6274']\n  \
         allowed_hosts: [Agents.Example]\n  max_connections: 7\n\
         admin: { listen: unix:/run/admin.sock, socket_mode: 0640, token: admin-token }\n\
         registry: { path: r/t.yaml, secrets_dir: keys, poll_interval_ms: 250 }\n\
         limits: { max_body_bytes: 1, max_buffered_bytes: 2, head_timeout_ms: 300, \
         body_timeout_ms: 400, max_head_bytes: 8192, max_result_bytes: 1024 }\n\
         upstream: { connect_timeout_ms: 500, pool_idle_timeout_ms: 600, \
         allow_private: true, ca_file: /ca.pem }\n\
         governed: { namespace: user_abc }\n\
         store: file:s/c.store\nstore_local: memory\nstore_prefix: ours\nstore_timeout_ms: 900\n\
         on_store_error: proceed\nstore_max_bytes: 1048576\n\
         log: { level: debug, format: text }\n\
         workers: 3\ndrain_timeout_ms: 700\ndrain_delay_ms: 800\n",
    );
    let folder = settings.folder.path().display().to_string();
    let got = format!("{:?}", settings.settings());
    let expected = "Settings { \
        agents: AgentSettings { listen: Tcp(0.0.0.0:1), socket_mode: SocketMode(0660), default_id: AgentId(me), \
        tokens: [AgentToken { agent: AgentId(one), token: Secret(***) }], \
        allowed_origins: [\"https://app.example.com\", \"http://localhost:6274\"], \
        allowed_hosts: [\"agents.example\"], allow_unauthenticated: false, \
        max_connections: 7 }, \
        admin: AdminSettings { listen: Unix(\"/run/admin.sock\"), socket_mode: SocketMode(0640), token: Some(Secret(***)), token_file: None }, \
        registry: RegistrySettings { path: \"FOLDER/r/t.yaml\", secrets_dir: \"keys\", poll_interval: 250ms }, \
        limits: LimitSettings { max_body_bytes: 1, max_buffered_bytes: 2, \
        head_timeout: 300ms, body_timeout: 400ms, max_head_bytes: 8192, max_result_bytes: 1024 }, \
        upstream: UpstreamSettings { connect_timeout: 500ms, pool_idle_timeout: 600ms, \
        allow_private: true, ca_file: Some(\"/ca.pem\") }, \
        governed: GovernedSettings { namespace: \"user_abc\" }, store: File(\"s/c.store\"), \
        on_store_error: Proceed, store_max_bytes: 1048576, \
        fleet: FleetSettings { address: None, own: Memory, prefix: \"ours\", timeout: 900ms }, \
        log: LogSettings { level: Level(Debug), format: Text }, \
        workers: 3, drain_timeout: 700ms, drain_delay: 800ms }";
    assert_eq!(got.replace(&folder, "FOLDER"), expected);
}

#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_file() {
    let file = World::new("workers: 2\n");
    assert_eq!(file.settings().workers.get(), 2);
    let variable = file.variable("COUNTERSIGN_WORKERS", "3");
    assert_eq!(variable.settings().workers.get(), 3);
    let flag = variable.flag("workers", "4");
    assert_eq!(flag.settings().workers.get(), 4);
}

#[test]
fn paths_of_the_file_begin_beside_it_and_others_where_the_process_runs() {
    let world = World::new("");
    let beside = world.folder.path().join("tools.yaml");
    assert_eq!(world.settings().registry.path, beside);
    let world = world.variable("COUNTERSIGN_REGISTRY_PATH", "v.yaml");
    assert_eq!(world.settings().registry.path, Path::new("v.yaml"));
    let world = world.flag("registry", "f.yaml");
    assert_eq!(world.settings().registry.path, Path::new("f.yaml"));
}

#[test]
fn the_environment_may_name_the_file() {
    let mut world = World::new("workers: 5");
    let path = world.sources.config.take().unwrap();
    let world = world.variable("COUNTERSIGN_CONFIG", path.to_str().unwrap());
    assert_eq!(world.settings().workers.get(), 5);
}

// spec: CONF-1
#[test]
fn the_admin_token_may_come_from_a_file() {
    let check = |content: &[u8], token: &str, expected: Result<&[u8], &str>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, content).unwrap();
        let world = World::new(&format!("admin: {{ token: '{token}' }}"))
            .variable("COUNTERSIGN_ADMIN_TOKEN_FILE", path.to_str().unwrap());
        let resolved = Settings::resolve(&world.sources);
        let read = resolved.as_ref().map(|settings| {
            let token = settings.admin.token.as_ref();
            token.expect("a file was named").expose()
        });
        assert_eq!(
            read.map_err(ToString::to_string),
            expected.map_err(String::from)
        );
    };
    let at = |message: &str| format!("COUNTERSIGN_ADMIN_TOKEN_FILE: admin.token_file: {message}");
    let rule =
        "the token must be at least 8 visible ASCII characters, since it travels in a header";
    check(b"from-a-file", "", Ok(b"from-a-file"));
    check(b"from-a-file\r\n", "", Ok(b"from-a-file"));
    check(b"from-a-file\n\n", "", Err(&at(rule)));
    check(b"short\n", "", Err(&at(rule)));
    check(b"", "", Err(&at(rule)));
    check(b"\xff\xff\xff\xff\xff\xff\xff\xff", "", Err(&at(rule)));
    check(
        &[b'a'; 70_000],
        "",
        Err(&at("the file is larger than 65536 bytes")),
    );
    let both = "and admin.token exclude each other; keep one of them";
    check(b"from-a-file", "from-the-settings", Err(&at(both)));
}

// spec: CONF-1
#[test]
fn a_token_file_that_is_missing_is_a_problem_of_the_settings() {
    let world = World::new("admin:\n  token_file: nothing\n");
    let problems = Settings::resolve(&world.sources).unwrap_err().to_string();
    let expected = "s.yaml:2:15: admin.token_file: the file cannot be read: No such file";
    assert!(problems.contains(expected), "{problems}");
}

#[test]
fn secrets_come_from_the_environment() {
    let by_name = World::new("").variable("COUNTERSIGN_ADMIN_TOKEN", "from-a-variable");
    let token = by_name.settings().admin.token.unwrap();
    assert_eq!(token.expose(), b"from-a-variable");

    let yaml = "admin: { token: \"${MINE}\" }\nagents: { tokens: { a: \"${COUNTERSIGN_MINE}\" } }";
    let expanded = World::new(yaml)
        .variable("MINE", "admins-own-token")
        // Begins like a setting and is none, which is fine for a name that the file uses.
        .variable("COUNTERSIGN_MINE", "0123456789abcdef");
    let settings = expanded.settings();
    assert_eq!(settings.admin.token.unwrap().expose(), b"admins-own-token");
    assert_eq!(
        settings.agents.tokens[0].token.expose(),
        b"0123456789abcdef"
    );
}

#[test]
fn a_store_is_memory_or_a_file() {
    let place = |text: &str| {
        World::new("")
            .variable("COUNTERSIGN_STORE", text)
            .settings()
            .store
    };
    assert_eq!(format!("{:?}", place("memory")), "Memory");
    assert_eq!(
        format!("{:?}", place("file:/var/lib/c.store")),
        "File(\"/var/lib/c.store\")"
    );
    for bad in ["file:", "Memory", "/var/lib/c.store", "redb:/c"] {
        World::new("").variable("COUNTERSIGN_STORE_LOCAL", bad).refused(&[
            "COUNTERSIGN_STORE_LOCAL: store_local: must be memory, or file: and the path of a folder",
        ]);
    }
}

#[test]
fn lists_are_separated_by_commas_in_a_variable() {
    let world = World::new("agents: { allowed_hosts: [from.file] }")
        .variable("COUNTERSIGN_AGENTS_ALLOWED_HOSTS", "a.example, B.example,")
        .variable("COUNTERSIGN_AGENTS_ALLOW_UNAUTHENTICATED", "true");
    let agents = world.settings().agents;
    assert_eq!(
        agents.allowed_hosts,
        ["a.example", "b.example"].map(Box::<str>::from)
    );
    assert!(agents.allow_unauthenticated);
}

#[test]
fn every_source_tells_all_that_is_wrong_with_it() {
    World::new(
        "agents:\n  listen: localhost\n  max_connectoins: 5\n  tokens: { a: short, b: 0123456789abcdef, \
         c: 0123456789abcdef }\n  allowed_origins: [https://a.example/path]\n\
         admin: { token: \"${UNSET}\" }\nworkers: \"many\"\nlog: { level: loud }\nx: 1\n",
    )
    .variable("COUNTERSIGN_LIMITS_MAX_HEAD_BYTES", "100")
    .variable("COUNTERSIGN_LOG_LEVL", "info")
    .flag("admin-listen", "8788")
    .refused(&[
        "s.yaml:2:11: agents.listen: must be an IP address with a port, such as 127.0.0.1:8787 or [::1]:8787, \
         or unix: and an absolute path of at most 107 bytes, such as unix:/run/countersign/agents.sock",
        "s.yaml:3:3: agents.max_connectoins: unknown field, did you mean max_connections? (allowed here: listen, \
         socket_mode, default_id, tokens, allowed_origins, allowed_hosts, allow_unauthenticated, max_connections)",
        "s.yaml:4:16: agents.tokens: must be at least 16 visible ASCII characters, since it travels in a header",
        "s.yaml:4:47: agents.tokens: this token is another agent's already",
        "s.yaml:5:21: agents.allowed_origins: must be an origin without a path, such as https://app.example.com",
        "s.yaml:6:17: admin.token: the environment variable UNSET is not set; set it or write ${UNSET:-default}",
        "s.yaml:7:10: workers: expected a whole number, found text",
        "s.yaml:8:15: log.level: must be one of error, warn, info, debug, trace",
        "s.yaml:9:1: x: unknown field (allowed here: agents, admin, registry, limits, upstream, governed, store, \
         store_local, store_prefix, store_timeout_ms, on_store_error, store_max_bytes, log, workers, drain_timeout_ms, drain_delay_ms)",
        "COUNTERSIGN_LIMITS_MAX_HEAD_BYTES: limits.max_head_bytes: must be between 8192 and 1048576 bytes",
        "COUNTERSIGN_LOG_LEVL: unknown setting; COUNTERSIGN_ is reserved for COUNTERSIGN_LOG_LEVEL, \
         COUNTERSIGN_LOG_FORMAT",
        "--admin-listen: admin.listen: must be an IP address with a port, such as 127.0.0.1:8787 or [::1]:8787, \
         or unix: and an absolute path of at most 107 bytes, such as unix:/run/countersign/agents.sock",
    ]);
}

#[test]
fn a_value_that_is_overruled_is_checked_all_the_same() {
    World::new("workers: 1000")
        .flag("workers", "2")
        .refused(&["s.yaml:1:10: workers: must be between 0 and 256"]);
}

#[test]
fn values_never_show_in_messages() {
    let secret = "hunter2-hunter2";
    let yaml = TABLE.iter().map(|setting| setting.section_and_name());
    let mut text = String::new();
    let mut current = None;
    for (section, name) in yaml {
        if section != current {
            text.extend(section.map(|section| format!("{section}:\n")));
            current = section;
        }
        let indent = if section.is_some() { "  " } else { "" };
        text.push_str(&format!(
            "{indent}{name}: [{{ x: {secret} }}, \"{secret} \"]\n"
        ));
    }
    let world = World::new(&text).variable("COUNTERSIGN_ADMIN_TOKEN", "hunter2");
    let bad = Settings::resolve(&world.sources).unwrap_err();
    assert!(bad.problems.len() >= TABLE.len(), "{bad}");
    assert!(!format!("{bad} {bad:?}").contains("hunter2"), "{bad}");
}

// spec: BIND-1
#[test]
fn an_open_address_needs_tokens_or_the_operators_word() {
    const REFUSAL: &str = "agents.listen: without agents.tokens, whoever reaches this address could \
        have calls signed; listen on a loopback address such as 127.0.0.1, set agents.tokens, \
        or say agents.allow_unauthenticated: true";
    for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
        World::new(&format!("agents: {{ listen: '{open}' }}"))
            .refused(&[&format!("s.yaml:1:19: {REFUSAL}")]);
        World::new("")
            .flag("listen", open)
            .refused(&[&format!("--listen: {REFUSAL}")]);
        World::new(&format!(
            "agents: {{ listen: '{open}', tokens: {{ a: 0123456789abcdef }} }}"
        ))
        .settings();
        World::new("agents: { allow_unauthenticated: true }")
            .variable("COUNTERSIGN_AGENTS_LISTEN", open)
            .settings();
        // The token that is too short is the news; the address would be right with a longer one.
        let bad_token = format!("agents: {{ tokens: {{ a: short }}, listen: '{open}' }}");
        World::new(&bad_token).refused(&[
            "s.yaml:1:24: agents.tokens: must be at least 16 visible ASCII characters, since it \
             travels in a header",
        ]);
    }
    for loopback in [
        "127.0.0.1:1",
        "127.8.8.8:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        World::new("").flag("listen", loopback).settings();
    }
}

// spec: BIND-1
#[test]
fn a_socket_file_for_everybody_needs_tokens_or_the_operators_word() {
    const REFUSAL: &str = "agents.socket_mode: without agents.tokens, every user of this host could \
        have calls signed; end the mode in 0, set agents.tokens, \
        or say agents.allow_unauthenticated: true";
    let world = |mode: &str, more: &str| {
        let yaml = format!("agents: {{ socket_mode: {mode}, listen: unix:/a.sock{more} }}");
        World::new(&yaml)
    };
    for open in ["0666", "0662", "\"0664\"", "602"] {
        world(open, "").refused(&[&format!("s.yaml:1:24: {REFUSAL}")]);
        world(open, ", tokens: { a: 0123456789abcdef }").settings();
        world(open, ", allow_unauthenticated: true").settings();
        // Nobody connects to the mode of a port.
        world(open, "").flag("listen", "127.0.0.1:1").settings();
    }
    for closed in ["0600", "0660", "0770", "\"0640\"", "0000"] {
        world(closed, "").settings();
    }
    World::new("")
        .variable("COUNTERSIGN_AGENTS_SOCKET_MODE", "0666")
        .flag("listen", "unix:/a.sock")
        .refused(&[&format!("COUNTERSIGN_AGENTS_SOCKET_MODE: {REFUSAL}")]);
    // The Tools API has a token of its own, and metrics and health have none on a port either.
    World::new("admin: { listen: unix:/a.sock, socket_mode: 0666 }").settings();
}

// spec: CONF-1
#[test]
fn a_mode_that_is_none_is_refused() {
    const RULE: &str = "must be three octal digits with or without a 0 before them, such as \
        \"0600\" or \"0660\", the last one without the execute bit";
    World::new("agents: { socket_mode: 0o660 }\nadmin: { socket_mode: 384 }").refused(&[
        &format!("s.yaml:1:24: agents.socket_mode: {RULE}"),
        &format!("s.yaml:2:23: admin.socket_mode: {RULE}"),
    ]);
    World::new("")
        .variable("COUNTERSIGN_ADMIN_SOCKET_MODE", "0777")
        .refused(&[&format!(
            "COUNTERSIGN_ADMIN_SOCKET_MODE: admin.socket_mode: {RULE}"
        )]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    World::new("agents: { listen: 127.0.0.1:8788 }").refused(&[
        "s.yaml:1:19: admin.listen: must differ from agents.listen, since each needs an address \
         of its own",
    ]);
    World::new("agents: { listen: unix:/run/a.sock }")
        .flag("admin-listen", "unix:/run//a.sock")
        .refused(&[
            "--admin-listen: admin.listen: must differ from agents.listen, since each needs an \
             address of its own",
        ]);
    let any_port = World::new("").flag("listen", "127.0.0.1:0");
    any_port.flag("admin-listen", "127.0.0.1:0").settings();
    World::new("limits: { max_body_bytes: 1073741824 }").refused(&[
        "s.yaml:1:27: limits.max_buffered_bytes: must be at least limits.max_body_bytes, or the \
         largest body never fits",
    ]);
}

#[test]
fn variables_with_the_prefix_that_are_no_settings_are_told_apart() {
    // What Kubernetes sets for services called `countersign` and `countersign-admin`.
    let world = World::new("")
        .variable("COUNTERSIGN_SERVICE_HOST", "10.0.0.1")
        .variable("COUNTERSIGN_SERVICE_PORT", "8787")
        .variable("COUNTERSIGN_SERVICE_PORT_HTTP", "8787")
        .variable("COUNTERSIGN_PORT", "tcp://10.0.0.1:8787")
        .variable("COUNTERSIGN_PORT_8787_TCP", "tcp://10.0.0.1:8787")
        .variable("COUNTERSIGN_PORT_8787_TCP_ADDR", "10.0.0.1")
        .variable("COUNTERSIGN_ADMIN_PORT_8788_TCP_PROTO", "tcp");
    world.settings();
    // What nobody filled in.
    let world = world.variable("COUNTERSIGN_AGENTS_LISTEN", "");
    world.settings();
    let world = world.variable("COUNTERSIGN_AGENTS_TOKENS", "a=0123456789abcdef");
    world.refused(&[
        "COUNTERSIGN_AGENTS_TOKENS: tokens are set in the settings file, where each \
         of them may be ${NAME}",
    ]);
    let mut world = World::new("");
    let no_text = OsString::from_vec(b"\xff".to_vec());
    world
        .sources
        .variables
        .push(("COUNTERSIGN_LOG_LEVEL".into(), no_text));
    world.refused(&["COUNTERSIGN_LOG_LEVEL: log.level: is not UTF-8 text"]);
}

#[test]
fn a_file_that_is_no_settings_file_is_refused_with_its_place() {
    World::new("- a\n").refused(&["s.yaml:1:1: expected a mapping, found a list"]);
    // It may have held the tokens that this address needs.
    let world = World::new("").flag("listen", "0.0.0.0:1");
    fs::remove_file(world.folder.path().join("s.yaml")).unwrap();
    world.refused(&["s.yaml: cannot be read: No such file or directory (os error 2)"]);
}

// spec: FLEET-6
#[test]
fn a_shared_store_is_a_url() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/fleet.yaml");
    let sources = Sources {
        config: Some(example),
        variables: vec![("REDIS_PASSWORD".into(), "hunter2-hunter2".into())],
        ..Sources::default()
    };
    let fleet = Settings::resolve(&sources).unwrap().fleet;
    assert!(fleet.address.is_some());
    assert_eq!(&*fleet.prefix, "countersign");
    assert_eq!(fleet.timeout, Duration::from_secs(2));
    assert!(matches!(fleet.own, StorePlace::File(path) if path == Path::new("countersign.store")));
    assert!(!format!("{:?}", fleet.address).contains("hunter2"));

    World::new("store: rediss://hunter2-hunter2@127.0.0.1/#insecure").refused(&[
        "s.yaml:1:8: store: must be memory, file: and the path of a folder, or \
         redis://[user:password@]host[:port][/database], rediss:// for TLS, or redis+unix:///path",
    ]);
}
