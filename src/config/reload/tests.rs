//! Real files, real events. A test changes a file and waits for what serves to follow.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::config::load;
use crate::ids::ScopeId;
use crate::registry::LoadedFrom;

/// So rarely that a test which passes was served by events.
const NO_POLL: Duration = Duration::from_secs(3600);
/// Fails a test that would wait for ever; far above what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    registry: Arc<Registry>,
    handle: ReloadHandle,
    events: Arc<Mutex<Vec<RegistryReload>>>,
    /// How many policies were put into service, each time.
    policies: Arc<Mutex<Vec<usize>>>,
    reloader: JoinHandle<Infallible>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.reloader.abort();
    }
}

impl World {
    fn start(path: &Path, poll_interval: Duration) -> Self {
        let path = path.to_owned();
        let load = move |previous: &Snapshot| load(&path, &|_| None, Some(previous));
        Self::start_with(load, poll_interval, no_hangups())
    }

    fn start_with(
        load: impl Fn(&Snapshot) -> Result<Loaded, Refused> + Send + Sync + 'static,
        poll_interval: Duration,
        hangups: Hangups,
    ) -> Self {
        let now = Timestamp::from_unix_millis(1_705_322_400_000);
        let first = load(&Snapshot::default()).unwrap();
        let account = LoadedFrom {
            source: None,
            loaded_at: now,
            last_errors: Vec::new(),
        };
        let registry = Arc::new(Registry::new(first.snapshot, account));
        let events: Arc<Mutex<Vec<RegistryReload>>> = Arc::default();
        let log = Arc::clone(&events);
        let policies: Arc<Mutex<Vec<usize>>> = Arc::default();
        let governed = Arc::clone(&policies);
        let (reloader, handle) = Reloader::new(
            Arc::clone(&registry),
            Arc::new(move |policies: Policies| governed.lock().unwrap().push(policies.len())),
            (first.files, first.digest),
            Arc::new(load),
            poll_interval,
            Arc::new(move |event, _| log.lock().unwrap().push(event)),
            Clock::anchored_at(now),
        );
        Self {
            registry,
            handle,
            events,
            policies,
            reloader: tokio::spawn(reloader.run_with(hangups)),
        }
    }

    /// Waits until the tools in service, by name and mask of the secret, are these.
    async fn serves(&self, expected: &[(&str, &str)]) {
        let own = |(name, mask): &(&str, &str)| ((*name).to_owned(), (*mask).to_owned());
        let expected: Vec<_> = expected.iter().map(own).collect();
        self.eventually(|| self.tools() == expected).await;
    }

    async fn eventually(&self, state: impl Fn() -> bool) {
        let reached = timeout(PATIENCE, async {
            while !state() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        let what = || format!("serves {:?}, events {:?}", self.tools(), self.events());
        reached.await.unwrap_or_else(|_| panic!("{}", what()));
    }

    fn tools(&self) -> Vec<(String, String)> {
        let snapshot = self.registry.current();
        let mut tools: Vec<_> = snapshot
            .tools()
            .map(|tool| (tool.name.to_string(), tool.secret_mask.to_string()))
            .collect();
        tools.sort();
        tools
    }

    fn events(&self) -> Vec<RegistryReload> {
        self.events.lock().unwrap().clone()
    }

    fn errors(&self) -> Vec<String> {
        self.registry.loaded_from().last_errors
    }
}

// spec: POLICY-7 RELOAD-2
#[tokio::test]
async fn policies_go_into_service_with_the_tools_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let with = |policies: &str| format!("{}policies: {policies}\n", one("a"));
    fs::write(&path, with("[]")).unwrap();
    let world = World::start(&path, NO_POLL);
    fs::write(&path, with("[{ agent_id: x }, { agent_id: y }]")).unwrap();
    assert_eq!(world.handle.reload().await, ReloadOutcome::Replaced);
    // Neither a bad policy nor a bad tool changes anything of the other.
    fs::write(&path, with("[{ agent_id: x, max_actions_per_hour: 0 }]")).unwrap();
    let outcome = world.handle.reload().await;
    assert!(matches!(outcome, ReloadOutcome::Refused(_)), "{outcome:?}");
    let bad_tool = with("[]").replace("https://tools.example/", "nowhere");
    fs::write(&path, bad_tool).unwrap();
    let outcome = world.handle.reload().await;
    assert!(matches!(outcome, ReloadOutcome::Refused(_)), "{outcome:?}");
    fs::write(&path, with("[{ agent_id: x }]")).unwrap();
    assert_eq!(world.handle.reload().await, ReloadOutcome::Replaced);
    assert_eq!(*world.policies.lock().unwrap(), [2, 1]);
}

/// The signal reaches every reloader of the process, and only one test is about it.
fn no_hangups() -> Hangups {
    Hangups(None)
}

/// A registry of one tool, whose secret's mask is `***one`.
fn one(name: &str) -> String {
    registry(name, "secret: long-enough-one")
}

fn registry(name: &str, secret: &str) -> String {
    format!(
        "tools:\n  - name: {name}\n    url: https://tools.example/\n    auth: {{ type: hmac_sha256, {secret} }}\n"
    )
}

/// Writes beside the file and renames over it, as editors and deployment tools do.
fn rename_over(path: &Path, text: &str) {
    let beside = path.with_extension("tmp");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

// spec: RELOAD-1
#[tokio::test]
async fn writes_in_place_and_renames_are_followed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    for round in 0..3 {
        let name = format!("written-{round}");
        fs::write(&path, one(&name)).unwrap();
        world.serves(&[(&name, "***one")]).await;
        let name = format!("renamed-{round}");
        rename_over(&path, &one(&name));
        world.serves(&[(&name, "***one")]).await;
    }
}

// spec: RELOAD-1
#[tokio::test]
async fn a_kubernetes_volume_is_followed_through_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    // The steps of kubelet's atomic writer: a new folder, a new link, a rename over the old link,
    // and the old folder goes.
    let publish = |round: usize| {
        let data = format!("..2026_11_21_{round}");
        fs::create_dir(volume.join(&data)).unwrap();
        let text = one(&format!("round-{round}"));
        fs::write(volume.join(&data).join("tools.yaml"), text).unwrap();
        symlink(&data, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        if round > 0 {
            let old = format!("..2026_11_21_{}", round - 1);
            fs::remove_dir_all(volume.join(old)).unwrap();
        }
    };
    publish(0);
    let path = volume.join("tools.yaml");
    symlink("..data/tools.yaml", &path).unwrap();
    let world = World::start(&path, NO_POLL);
    for round in 1..4 {
        publish(round);
        world.serves(&[(&format!("round-{round}"), "***one")]).await;
    }
}

// spec: RELOAD-1 RELOAD-2
#[tokio::test]
async fn a_deleted_file_changes_nothing_until_it_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    fs::remove_file(&path).unwrap();
    world.eventually(|| !world.errors().is_empty()).await;
    world.serves(&[("first", "***one")]).await;
    fs::write(&path, one("second")).unwrap();
    world.serves(&[("second", "***one")]).await;
}

// spec: RELOAD-1
#[tokio::test]
async fn a_secret_file_is_watched_from_the_moment_that_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("key");
    fs::write(&path, one("tool")).unwrap();
    let world = World::start(&path, NO_POLL);

    fs::write(&secret, "the-first-secret-aaa").unwrap();
    let named = format!("secret_file: {}", secret.display());
    rename_over(&path, &registry("tool", &named));
    world.serves(&[("tool", "***aaa")]).await;
    fs::write(&secret, "the-second-secret-bbb").unwrap();
    world.serves(&[("tool", "***bbb")]).await;
    rename_over(&secret, "the-third-secret-ccc");
    world.serves(&[("tool", "***ccc")]).await;
}

// spec: RELOAD-1
#[tokio::test]
async fn a_folder_that_is_removed_and_made_again_is_found_again() {
    // With events alone, and with a poll that has to catch what they miss.
    for poll_interval in [NO_POLL, Duration::from_millis(20)] {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let path = inner.join("tools.yaml");
        fs::create_dir(&inner).unwrap();
        fs::write(&path, one("first")).unwrap();
        let world = World::start(&path, poll_interval);
        fs::remove_dir_all(&inner).unwrap();
        world.eventually(|| !world.errors().is_empty()).await;
        fs::create_dir(&inner).unwrap();
        fs::write(&path, one("second")).unwrap();
        world.serves(&[("second", "***one")]).await;
        fs::write(&path, one("third")).unwrap();
        world.serves(&[("third", "***one")]).await;
    }
}

// spec: RELOAD-1
#[tokio::test]
async fn of_many_changes_at_once_the_last_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    for round in 0..200 {
        rename_over(&path, &one(&format!("tool-{round}")));
    }
    world.serves(&[("tool-199", "***one")]).await;
    // Two hundred renames take far less than two hundred times the quiet that a reload waits for.
    assert!(world.registry.current().generation() < 100);
}

// spec: RELOAD-2
#[tokio::test]
async fn a_bad_file_changes_nothing_and_a_good_one_repairs_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    fs::write(&path, "tools:\n  - name: a b\n    timeout_ms: 1\n").unwrap();
    world.eventually(|| !world.errors().is_empty()).await;
    // The name, the URL, the secret and the timeout: all of them are told.
    assert!(world.errors().len() >= 4, "{:?}", world.errors());
    world.serves(&[("first", "***one")]).await;

    rename_over(&path, &one("second"));
    world.serves(&[("second", "***one")]).await;
    assert_eq!(world.errors(), Vec::<String>::new());
    let replaced = RegistryReload::Replaced { tools: 1 };
    let refused = RegistryReload::Refused {
        unreadable_files: 0,
    };
    let expected = [replaced, refused, replaced];
    assert_eq!(world.events(), expected);
}

/// The tool goes on with the secret that it has; only the metric and the log tell that it is gone.
// spec: RELOAD-2 OBS-1
#[tokio::test]
async fn files_that_are_missing_are_counted_until_they_are_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    let tool = |name: &str, file: &str| {
        let auth = format!("{{ type: hmac_sha256, secret_file: {file} }}");
        format!("  - {{ name: {name}, url: 'http://127.0.0.1:1/', auth: {auth} }}\n")
    };
    let secrets = [tool("a", "one"), tool("b", "two"), tool("c", "one")];
    fs::write(folder.path().join("one"), "supersecret-one").unwrap();
    fs::write(folder.path().join("two"), "supersecret-two").unwrap();
    fs::write(&path, format!("tools:\n{}", secrets.concat())).unwrap();
    let world = World::start(&path, NO_POLL);
    let last = || world.events().last().copied();
    let missing = |unreadable_files| Some(RegistryReload::Refused { unreadable_files });
    fs::remove_file(folder.path().join("one")).unwrap();
    // Named twice, missing once.
    world.eventually(|| last() == missing(1)).await;
    fs::remove_file(folder.path().join("two")).unwrap();
    world.eventually(|| last() == missing(2)).await;
    assert_eq!(world.tools().len(), 3);
    rename_over(&folder.path().join("one"), "supersecret-one");
    world.eventually(|| last() == missing(1)).await;
    rename_over(&folder.path().join("two"), "supersecret-two");
    world
        .eventually(|| last() == Some(RegistryReload::Unchanged))
        .await;
}

// spec: RELOAD-2
#[tokio::test]
async fn the_old_content_repairs_a_bad_file_without_a_new_generation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    rename_over(&path, "tools:");
    world.eventually(|| !world.errors().is_empty()).await;
    rename_over(&path, &one("first"));
    world.eventually(|| world.errors().is_empty()).await;
    assert_eq!(world.registry.current().generation(), 1);
    let replaced = RegistryReload::Replaced { tools: 1 };
    let refused = RegistryReload::Refused {
        unreadable_files: 0,
    };
    let expected = [replaced, refused, RegistryReload::Unchanged];
    world.eventually(|| world.events() == expected).await;
}

// spec: RELOAD-1
#[tokio::test]
async fn a_request_is_answered_by_a_reload_that_begins_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    assert_eq!(world.handle.reload().await, ReloadOutcome::Unchanged);
    for round in 0..5 {
        let name = format!("round-{round}");
        fs::write(&path, one(&name)).unwrap();
        let (one, other) = tokio::join!(world.handle.reload(), world.handle.reload());
        // An event may have been faster than the request; then there is nothing left to do.
        let answers = [one, other];
        let good = [ReloadOutcome::Replaced, ReloadOutcome::Unchanged];
        assert!(
            answers.iter().all(|answer| good.contains(answer)),
            "{answers:?}"
        );
        assert_eq!(world.tools(), [(name, "***one".to_owned())]);
    }
    fs::write(&path, "tools: 7").unwrap();
    let ReloadOutcome::Refused(problems) = world.handle.reload().await else {
        panic!("a bad file was taken");
    };
    assert_eq!(problems, world.errors());
}

#[tokio::test]
async fn a_hangup_of_the_process_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let load = move |previous: &Snapshot| load(&path, &|_| None, Some(previous));
    let world = World::start_with(load, NO_POLL, Hangups::listen());
    let before = world.events().len();
    let own = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-HUP", &own])
        .status();
    assert!(sent.unwrap().success());
    world.eventually(|| world.events().len() > before).await;
    assert_eq!(world.events().last(), Some(&RegistryReload::Unchanged));
}

#[tokio::test]
async fn a_loader_that_panics_is_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let file = path.clone();
    let bomb = move |previous: &Snapshot| {
        assert!(previous.get(&ScopeId::Global, "first").is_none(), "boom");
        load(&file, &|_| None, Some(previous))
    };
    let world = World::start_with(bomb, NO_POLL, no_hangups());
    // What serves already is not loaded again.
    fs::write(&path, one("second")).unwrap();
    let outcome = world.handle.reload().await;
    assert!(matches!(outcome, ReloadOutcome::Refused(_)), "{outcome:?}");
    world.serves(&[("first", "***one")]).await;
    // The next one is not lost with it.
    assert_eq!(world.handle.reload().await, outcome);
}

#[tokio::test]
async fn a_request_after_the_end_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    fs::write(&path, one("first")).unwrap();
    let world = World::start(&path, NO_POLL);
    world.reloader.abort();
    let answer = timeout(PATIENCE, world.handle.reload()).await;
    assert_eq!(answer.unwrap(), ReloadOutcome::Stopped);
}
