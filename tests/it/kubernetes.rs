//! The files in `config/kubernetes`: they fit the API's schemas, agree with each other and with the
//! sidecar, and what they run works. No cluster is needed, and none is asked.

mod manifests;
mod scripts;
mod shape;

use std::fs;
use std::path::Path;

use countersign::test_support::FakeTool;
use countersign::test_support::process::Sidecar;
use tempfile::TempDir;

use crate::support::{BINARY, get};
use manifests::{FOLDER, Manifests, text};

/// `/etc/countersign` of the sidecar's container, as the volumes make it: settings, registry and secrets,
/// each behind the symbolic link that the kubelet swaps.
struct Mounts {
    dir: TempDir,
}

impl Mounts {
    /// The files of the folder, with these replacements in them.
    fn new(replacements: &[(&str, &str)]) -> Self {
        let mounts = Self {
            dir: TempDir::new().unwrap(),
        };
        let etc = mounts.dir.path().to_str().unwrap();
        let shown = |name: &str| {
            let text = text(name).replace("/etc/countersign", etc);
            let replaced = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
            replacements.iter().fold(text, replaced)
        };
        mounts.mount(
            "settings",
            &[("countersign.yaml", &shown("countersign.yaml"))],
        );
        mounts.mount("registry", &[("tools.yaml", &shown("tools.yaml"))]);
        let secrets = ["send_email", "create_ticket"];
        mounts.mount("secrets", &secrets.map(|name| (name, "a secret of a tool")));
        mounts
    }

    fn mount(&self, volume: &str, files: &[(&str, &str)]) {
        let folder = self.dir.path().join(volume);
        fs::create_dir_all(folder.join("..version")).unwrap();
        std::os::unix::fs::symlink("..version", folder.join("..data")).unwrap();
        for (name, text) in files {
            fs::write(folder.join("..version").join(name), text).unwrap();
            let link = Path::new("..data").join(name);
            std::os::unix::fs::symlink(link, folder.join(name)).unwrap();
        }
    }

    fn path(&self, below: &str) -> String {
        self.dir.path().join(below).to_str().unwrap().to_owned()
    }

    /// The real binary with these settings, on free ports.
    fn start(&self, environment: &[(&str, &str)]) -> Sidecar {
        let settings = self.path("settings/countersign.yaml");
        let registry = self.path("registry/tools.yaml");
        let arguments = ["--config", settings.as_str()];
        Sidecar::start_with(BINARY, Path::new(&registry), &arguments, environment)
    }
}

#[test]
fn every_file_is_looked_at_here() {
    let mut found: Vec<_> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut known = [
        &[
            "countersign.yaml",
            "tools.yaml",
            "kustomization.yaml",
            "podmonitor.yaml",
        ][..],
        &manifests::NATIVE,
        &manifests::PLAIN,
    ]
    .concat();
    known.sort_unstable();
    assert_eq!(found, known);
}

// spec: CLI-2
#[test]
fn settings_and_registry_pass_check_without_a_warning() {
    let mounts = Mounts::new(&[]);
    let mut check = std::process::Command::new(BINARY);
    check.args([
        "check",
        "--config",
        &mounts.path("settings/countersign.yaml"),
    ]);
    let (code, out, err) = countersign::test_support::process::run(&mut check);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!(out.clone() + &err).contains("warning"), "{out}{err}");
    assert!(out.contains("2 tools"), "{out}{err}");
}

// spec: LIFE-1
#[test]
fn the_probes_are_answered_as_they_expect() {
    let manifests = Manifests::read();
    let sidecar = Mounts::new(&[]).start(&[]);
    let mut paths = 0;
    for name in manifests::ALL {
        let container = manifests.sidecar(name);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let asked = &container[probe]["httpGet"];
            assert_eq!(asked["port"], "admin", "{name}: {probe}");
            let path = asked["path"].as_str().unwrap();
            assert_eq!(get(sidecar.admin, path).status, 200, "{name}: {probe}");
            paths += 1;
        }
    }
    assert_eq!(paths, 3 * manifests::ALL.len());
}

/// Where Prometheus looks, by annotation and by PodMonitor.
// spec: OBS-1
#[test]
fn what_is_scraped_is_there() {
    let manifests = Manifests::read();
    let sidecar = Mounts::new(&[("https://mail.example.com", "http://127.0.0.1:9")]).start(&[]);
    let monitor = manifests.document("podmonitor.yaml");
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    for name in [manifests::NATIVE[0], manifests::PLAIN[0]] {
        let template = manifests.template(name);
        let annotations = &template["metadata"]["annotations"];
        let port = &manifests.sidecar(name)["ports"][0];
        assert_eq!(annotations["prometheus.io/scrape"], "true");
        assert_eq!(
            annotations["prometheus.io/port"],
            port["containerPort"].to_string()
        );
        assert_eq!(annotations["prometheus.io/path"], endpoint["path"]);
        assert_eq!(endpoint["port"], port["name"]);
        let wanted = monitor["spec"]["selector"]["matchLabels"]
            .as_object()
            .unwrap();
        assert!(!wanted.is_empty());
        for (label, value) in wanted {
            assert_eq!(&template["metadata"]["labels"][label], value, "{name}");
        }
    }
    let scraped = get(sidecar.admin, endpoint["path"].as_str().unwrap());
    assert_eq!(scraped.status, 200);
    assert!(scraped.text().contains("\ncountersign_registry_tools 2\n"));
}

/// A tool of the registry in the place of both hosts that it names.
fn with_tool(tool: &FakeTool) -> Mounts {
    let here = format!("http://{}", tool.listen());
    let there = ["https://mail.example.com", "https://tickets.example.com"];
    Mounts::new(&there.map(|host| (host, here.as_str())))
}
