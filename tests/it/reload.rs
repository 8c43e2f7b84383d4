//! Reloads with real files under constant load: no call fails, and each is signed with the secret
//! before the change or the one after it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::{FakeTool, sign_body};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{BINARY, get, metric, post};

const BODY: &str = r#"{"to":"user@example.com"}"#;

/// The ways in which people and machines replace a file.
#[derive(Clone, Copy, Debug)]
enum Way {
    InPlace,
    Rename,
    /// Kubernetes swaps the `..data` symlink of a mounted ConfigMap.
    DataSwap,
    DeleteAndCreate,
    /// The registry stays and the secret's own file is rotated by renaming.
    SecretFile,
}

/// A folder with a registry file that can be rewritten.
struct Files {
    dir: TempDir,
    way: Way,
    upstream: String,
}

impl Files {
    fn new(way: Way, upstream: String) -> Self {
        let files = Self {
            dir: TempDir::new().unwrap(),
            way,
            upstream,
        };
        match way {
            Way::DataSwap => {
                files.swap_data(0, &files.registry("secret: \"secret-number-0\""));
                symlink("..data/tools.yaml", files.path()).unwrap();
            }
            Way::SecretFile => {
                fs::write(files.dir.path().join("secret"), "secret-number-0\n").unwrap();
                fs::write(files.path(), files.registry("secret_file: secret")).unwrap();
            }
            Way::InPlace | Way::Rename | Way::DeleteAndCreate => {
                fs::write(files.path(), files.registry("secret: \"secret-number-0\"")).unwrap();
            }
        }
        files
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tools.yaml")
    }

    fn registry(&self, auth: &str) -> String {
        let url = &self.upstream;
        format!("tools:\n  - name: t\n    url: {url}\n    auth: {{ type: hmac_sha256, {auth} }}\n")
    }

    /// Change `n` brings `secret-number-n` into service, or is one that must be refused.
    fn change(&self, n: usize, good: bool) {
        if let Way::SecretFile = self.way {
            // Seven bytes are one too few.
            let text = if good {
                format!("secret-number-{n}\n")
            } else {
                format!("x{n:06}")
            };
            return replace(&self.dir.path().join("secret"), &text);
        }
        let mut text = self.registry(&format!("secret: \"secret-number-{n}\""));
        if !good {
            text.push_str(&format!("    timeout_ms: soon # {n}\n"));
        }
        match self.way {
            Way::InPlace => fs::write(self.path(), text).unwrap(),
            Way::Rename => replace(&self.path(), &text),
            Way::DataSwap => self.swap_data(n, &text),
            Way::DeleteAndCreate => {
                fs::remove_file(self.path()).unwrap();
                fs::write(self.path(), text).unwrap();
            }
            Way::SecretFile => unreachable!("handled above"),
        }
    }

    fn swap_data(&self, n: usize, text: &str) {
        let dir = self.dir.path();
        let version = format!("..version-{n}");
        fs::create_dir(dir.join(&version)).unwrap();
        fs::write(dir.join(&version).join("tools.yaml"), text).unwrap();
        symlink(&version, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
        if n > 0 {
            for old in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
                let name = old.file_name().into_string().unwrap();
                if name.starts_with("..version-") && name != version {
                    fs::remove_dir_all(old.path()).unwrap();
                }
            }
        }
    }
}

fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Makes one call after the other until it is told to stop; returns every status.
fn constant_load(sidecar: &Sidecar) -> (Arc<AtomicBool>, thread::JoinHandle<Vec<u16>>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (agents, stopped) = (sidecar.agents, Arc::clone(&stop));
    let calls = thread::spawn(move || {
        let mut statuses = Vec::new();
        while !stopped.load(Ordering::Relaxed) {
            statuses.push(post(agents, "/tools/t", BODY).status.as_u16());
        }
        statuses
    });
    (stop, calls)
}

fn reload_under_load(way: Way, changes: usize) {
    let upstream = FakeTool::ok();
    let files = Files::new(way, format!("http://{}/", upstream.listen()));
    let sidecar = Sidecar::start(BINARY, &files.path());
    let (stop, calls) = constant_load(&sidecar);
    let outcomes = || {
        let text = get(sidecar.admin, "/metrics").text().to_owned();
        let count = |result| {
            metric(
                &text,
                &format!("countersign_registry_reloads_total{{result=\"{result}\"}}"),
            )
        };
        (count("replaced"), count("refused"))
    };

    let mut last_good = 0;
    let before = outcomes();
    let (mut good_ones, mut bad_ones) = (0, 0);
    let mut slowest = Duration::ZERO;
    for n in 1..=changes {
        let good = n % 3 != 0;
        files.change(n, good);
        let changed = Instant::now();
        if good {
            (last_good, good_ones) = (n, good_ones + 1);
        } else {
            bad_ones += 1;
        }
        // A change made of two steps may be seen after the first, as a refusal of its own.
        let seen = eventually(|| {
            let now = outcomes();
            let enough = if good {
                now.0 - before.0 >= f64::from(good_ones)
            } else {
                now.1 - before.1 >= f64::from(bad_ones)
            };
            enough.then_some(())
        });
        assert!(
            seen.is_some(),
            "{way:?}: change {n} was never seen: {:#?}",
            sidecar.stderr.all()
        );
        slowest = slowest.max(changed.elapsed());
        if !good {
            bad_ones = (outcomes().1 - before.1) as i32;
        }
    }
    // For whoever runs this with --nocapture; a time is nothing to assert on a shared machine.
    #[expect(clippy::print_stdout, reason = "a figure for a person")]
    {
        println!("{way:?}: the slowest of {changes} changes was seen after {slowest:?}");
    }
    let last_secret = format!("secret-number-{last_good}");
    let current = sign_body(last_secret.as_bytes(), BODY.as_bytes());
    let in_service = eventually(|| {
        let received = upstream.received();
        let last = received.last()?.head.one("x-onceonly-signature").to_owned();
        (last == current).then_some(())
    });
    assert!(
        in_service.is_some(),
        "{way:?}: the last good secret is not in service"
    );
    stop.store(true, Ordering::Relaxed);
    let statuses = calls.join().unwrap();
    assert!(
        statuses.len() > changes,
        "{way:?}: only {} calls were made",
        statuses.len()
    );
    assert!(
        statuses.iter().all(|status| *status == 200),
        "{way:?}: a call failed"
    );

    // The secrets in service only ever move on.
    let known: Vec<String> = (0..=changes)
        .map(|n| sign_body(format!("secret-number-{n}").as_bytes(), BODY.as_bytes()))
        .collect();
    let mut newest = 0;
    for request in upstream.received() {
        let signature = request.head.one("x-onceonly-signature");
        let behind = known[newest..].iter().position(|known| known == signature);
        newest +=
            behind.unwrap_or_else(|| panic!("{way:?}: signed with an unknown or an old secret"));
        assert!(
            newest % 3 != 0 || newest == 0,
            "{way:?}: a refused change was in service"
        );
    }
    assert_eq!(newest, last_good);
}

// spec: RELOAD-1 RELOAD-2
#[test]
fn a_thousand_reloads_lose_no_call() {
    let ways = [
        Way::InPlace,
        Way::Rename,
        Way::DataSwap,
        Way::DeleteAndCreate,
        Way::SecretFile,
    ];
    thread::scope(|scope| {
        for way in ways {
            scope.spawn(move || reload_under_load(way, 200));
        }
    });
}

// spec: RELOAD-1
#[test]
fn a_hangup_signal_reloads_what_the_watcher_cannot_see() {
    let upstream = FakeTool::ok();
    let files = Files::new(Way::InPlace, format!("http://{}/", upstream.listen()));
    let sidecar = Sidecar::start(BINARY, &files.path());
    files.change(1, true);
    sidecar.signal("HUP");
    // A look in the middle of the change may have put half of it into service before.
    let signature = sign_body(b"secret-number-1", BODY.as_bytes());
    let reloaded = eventually(|| {
        post(sidecar.agents, "/tools/t", BODY).expect_answer(200);
        let received = upstream.received();
        let latest = received.last().expect("it was called just now");
        (latest.head.one("x-onceonly-signature") == signature).then_some(())
    });
    assert!(reloaded.is_some());
    let text = get(sidecar.admin, "/metrics").text().to_owned();
    let replaced = "countersign_registry_reloads_total{result=\"replaced\"}";
    assert!(metric(&text, replaced) >= 2.0, "{text}");
}

// spec: RELOAD-2
#[test]
fn readiness_survives_a_bad_file() {
    let upstream = FakeTool::ok();
    let files = Files::new(Way::Rename, format!("http://{}/", upstream.listen()));
    let sidecar = Sidecar::start(BINARY, &files.path());
    files.change(3, false);
    let refused = eventually(|| {
        let text = get(sidecar.admin, "/metrics").text().to_owned();
        (metric(&text, "countersign_registry_last_reload_successful") == 0.0).then_some(())
    });
    assert!(refused.is_some());
    assert_eq!(get(sidecar.admin, "/readyz").status, 200);
    post(sidecar.agents, "/tools/t", BODY).expect_answer(200);
    let said = sidecar.stderr.all().join("\n");
    assert!(
        said.contains("tools.yaml:5:17: tools[0].timeout_ms: "),
        "{said}"
    );
}
