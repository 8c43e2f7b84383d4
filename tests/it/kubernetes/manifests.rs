//! The manifests as JSON, and the parts of them that tests ask for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use countersign::test_support::python;
use serde_json::Value;

/// Where they are.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/kubernetes");

/// With a native sidecar: the pod that stays, and the Job.
pub const NATIVE: [&str; 2] = ["deployment.yaml", "job.yaml"];

/// The same for older clusters.
pub const PLAIN: [&str; 2] = [
    "deployment-without-native-sidecars.yaml",
    "job-without-native-sidecars.yaml",
];

/// All four.
pub const ALL: [&str; 4] = [NATIVE[0], NATIVE[1], PLAIN[0], PLAIN[1]];

/// The text of a file in the folder.
pub fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

/// The documents of every file of the folder, by the file's name.
pub struct Manifests(BTreeMap<String, Value>);

impl Manifests {
    /// Reads them, without judging.
    pub fn read() -> &'static Self {
        static READ: OnceLock<Manifests> = OnceLock::new();
        READ.get_or_init(|| {
            let more = [
                "podmonitor.yaml",
                "kustomization.yaml",
                "countersign.yaml",
                "tools.yaml",
            ];
            let files: Vec<_> = ALL.into_iter().chain(more).collect();
            Self(validated(&[], &files))
        })
    }

    /// The one document of a file.
    pub fn document(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// What pods are made of.
    pub fn template(&self, name: &str) -> &Value {
        &self.document(name)["spec"]["template"]
    }

    /// The template's specification of the pod.
    pub fn pod(&self, name: &str) -> &Value {
        &self.template(name)["spec"]
    }

    /// Every container of a pod, those that come first included.
    pub fn containers(&self, name: &str) -> Vec<&Value> {
        let pod = self.pod(name);
        let lists = [&pod["initContainers"], &pod["containers"]].into_iter();
        lists.filter_map(Value::as_array).flatten().collect()
    }

    /// The container with this name.
    pub fn container(&self, name: &str, container: &str) -> &Value {
        let containers = self.containers(name);
        let named = containers.into_iter().find(|c| c["name"] == container);
        named.unwrap_or_else(|| panic!("{name} has no container {container}"))
    }

    /// The sidecar's container.
    pub fn sidecar(&self, name: &str) -> &Value {
        self.container(name, "countersign")
    }
}

/// The documents of these files of the folder, held against these versions of Kubernetes.
///
/// # Panics
/// When one does not fit, or is not one document.
pub fn validated(versions: &[&str], files: &[&str]) -> BTreeMap<String, Value> {
    let mut command = python::kubernetes(versions);
    command.args(files.iter().map(|name| Path::new(FOLDER).join(name)));
    let read: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(&python::run(&mut command)).unwrap();
    let named = |(path, mut documents): (String, Vec<Value>)| {
        assert_eq!(documents.len(), 1, "{path}");
        let name = Path::new(&path)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        (name, documents.remove(0))
    };
    read.into_iter().map(named).collect()
}
