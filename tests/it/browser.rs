//! A real browser with hostile pages in it, against both listeners.
//!
//! The pages are opened under four origins: another port of the same host, another site, none at all
//! (a sandboxed frame), and a name that was rebound to the sidecar, so that its pages are of the
//! sidecar's own origin. A [`Tap`] before each listener hands every byte on and keeps a copy: it
//! shows that the browser really made each request, and how it was answered.

mod chromium;
mod tap;

use std::collections::BTreeMap;

use countersign::test_support::FakeTool;
use countersign::test_support::process::{Sidecar, eventually};
use serde_json::json;
use tempfile::TempDir;
use url::form_urlencoded;

use crate::support::{BINARY, get, metric};
use chromium::Chromium;
use tap::{Answered, Tap};

/// What `page.html` does, with the method that the listener sees when the page is of another origin
/// and when it is of the listener's own, and whether the browser then says `Origin`.
const ATTACKS: [(&str, &str, &str, bool); 15] = [
    ("simple", "POST", "POST", true),
    ("no_cors", "POST", "POST", true),
    ("read", "GET", "GET", false),
    ("preflighted", "OPTIONS", "POST", true),
    ("delete", "OPTIONS", "DELETE", true),
    ("beacon", "POST", "POST", true),
    ("form", "POST", "POST", true),
    ("form_blank", "POST", "POST", true),
    ("image", "GET", "GET", false),
    ("script", "GET", "GET", false),
    ("style", "GET", "GET", false),
    ("prefetch", "GET", "GET", false),
    ("frame", "GET", "GET", false),
    ("websocket", "GET", "GET", true),
    ("event_source", "GET", "GET", false),
];

/// Where the pages aim.
const TOOLS: &str = "/tools/a";
const API: &str = "/v1/tools";

/// The answers of one listener by the request's `via`.
type Expected = BTreeMap<String, (String, u16)>;

/// Pages of another origin say so in `Origin` or `Sec-Fetch-Site`.
fn foreign(pages: &[&str]) -> Expected {
    let mut expected = Expected::new();
    for page in pages {
        for (attack, method, _, _) in ATTACKS {
            expected.insert(format!("{page}.{attack}"), (method.to_owned(), 403));
        }
    }
    expected
}

/// A page behind a rebound name is of the same origin as the listener. Only `Host` gives it away
/// where no `Origin` does; the admin listener, which serves pages of its own, looks at `Host` first.
fn rebound(origin_first: bool) -> Expected {
    let expected = ATTACKS.map(|(attack, _, method, says_origin)| {
        let status = if origin_first && says_origin {
            403
        } else {
            421
        };
        (format!("rebound.{attack}"), (method.to_owned(), status))
    });
    expected.into()
}

/// Waits until the tap has seen these requests answered, and nothing else.
fn check(tap: &Tap, expected: &Expected) {
    let seen = || -> Expected {
        let entry = |answered: Answered| (answered.via, (answered.method, answered.status));
        tap.answered().into_iter().map(entry).collect()
    };
    eventually(|| (seen().len() >= expected.len()).then_some(()));
    assert_eq!(&seen(), expected);
}

/// `http://host:port/page?…`: one page that attacks these targets and opens these frames.
fn page(
    origin: &str,
    from: &str,
    targets: &serde_json::Value,
    frames: &serde_json::Value,
) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("from", from)
        .append_pair("targets", &targets.to_string())
        .append_pair("frames", &frames.to_string())
        .finish();
    format!("{origin}/page?{query}")
}

struct Scene {
    tool: FakeTool,
    sidecar: Sidecar,
    _dir: TempDir,
}

impl Scene {
    fn open(environment: &[(&str, &str)]) -> Self {
        let tool = FakeTool::ok();
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("tools.yaml");
        let registry = format!(
            "tools:\n  - name: a\n    url: http://{}/\n    auth: {{ type: hmac_sha256, secret: supersecret }}\n",
            tool.listen()
        );
        std::fs::write(&path, registry).unwrap();
        let sidecar = Sidecar::start_with(BINARY, &path, &[], environment);
        Self {
            tool,
            sidecar,
            _dir: dir,
        }
    }
}

/// What the sidecar says of its refusals: at least those, and of nothing else.
fn check_account(sidecar: &Sidecar, expected: &Expected) {
    let text = get(sidecar.admin, "/metrics").text().to_owned();
    let mut total = 0.0;
    for (status, code) in [(403, "origin_not_allowed"), (421, "host_not_allowed")] {
        let least = expected.values().filter(|(_, s)| *s == status).count();
        let series = format!(
            "countersign_calls_total{{tool=\"_unknown\",door=\"proxy\",outcome=\"{code}\"}}"
        );
        let counted = metric(&text, &series);
        assert!(counted >= least as f64, "{text}");
        total += counted;
        let field = format!("\"code\":\"{code}\"");
        let logged = || {
            let lines = sidecar.stdout.all();
            let count = lines.iter().filter(|line| line.contains(&field)).count();
            (count >= least).then_some(())
        };
        assert_eq!(eventually(logged), Some(()), "{code} is not in the log");
    }
    let calls = text.lines().filter_map(|line| {
        let (_, count) = line
            .strip_prefix("countersign_calls_total{")?
            .split_once("} ")?;
        count.parse::<f64>().ok()
    });
    assert_eq!(calls.sum::<f64>(), total, "{text}");
}

// spec: ORIGIN-1
#[test]
#[ignore = "needs chromium"]
fn no_page_can_make_a_call() {
    let pages = Tap::of_pages();
    let near = pages.origin("127.0.0.1");
    let scene = Scene::open(&[("COUNTERSIGN_ADMIN_TOKEN", "an-operators-token")]);
    let agents = Tap::before(scene.sidecar.agents);
    let admin = Tap::before(scene.sidecar.admin);
    // The same sidecar but for one allowed origin shows that the requests could do harm.
    let control = Scene::open(&[("COUNTERSIGN_AGENTS_ALLOWED_ORIGINS", &near)]);
    let open = Tap::before(control.sidecar.agents);

    let all = json!([
        { "url": agents.origin("127.0.0.1") + TOOLS },
        { "url": admin.origin("127.0.0.1") + API },
        { "url": open.origin("127.0.0.1") + TOOLS, "only": ["simple", "image"] },
    ]);
    let none = json!([]);
    let rebound_page = |tap: &Tap, path: &str| {
        let origin = tap.origin("rebind.test");
        let own = json!([{ "url": origin.clone() + path }]);
        page(&origin, "rebound", &own, &none)
    };
    let allow = "allow-scripts allow-forms allow-popups";
    let frames = json!([
        { "src": page(&pages.origin("evil.test"), "cross", &all, &none) },
        { "src": page(&near, "opaque", &all, &none), "sandbox": allow },
        { "src": rebound_page(&agents, TOOLS) },
        { "src": rebound_page(&admin, API) },
    ]);
    let _browser = Chromium::open(&page(&near, "near", &all, &frames));

    let from_elsewhere = foreign(&["near", "cross", "opaque"]);
    let mut expected = from_elsewhere.clone();
    expected.extend(rebound(false));
    check(&admin, &expected);
    let mut expected = from_elsewhere.clone();
    expected.extend(rebound(true));
    check(&agents, &expected);
    check_account(&scene.sidecar, &expected);
    assert_eq!(scene.tool.connections(), 0);

    let mut expected = from_elsewhere;
    expected.retain(|via, _| via.ends_with(".simple") || via.ends_with(".image"));
    expected.insert("near.simple".to_owned(), ("POST".to_owned(), 200));
    check(&open, &expected);
    let received = control.tool.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        received[0].head.start_line,
        "POST /?via=near.simple HTTP/1.1"
    );
}
