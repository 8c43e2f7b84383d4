//! What the manifests say, and whether it goes together.

use std::collections::BTreeSet;
use std::process::Command;

use countersign::test_support::process;
use countersign::test_support::python;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::manifests::{ALL, FOLDER, Manifests, NATIVE, PLAIN, text, validated};

/// The first version in which native sidecars need no feature gate, and the latest that is known.
const NATIVE_VERSIONS: [&str; 2] = ["1.29", "1.37"];

/// The oldest version whose schemas are at hand, and the latest.
const PLAIN_VERSIONS: [&str; 2] = ["1.25", "1.37"];

#[test]
fn the_api_server_knows_every_field() {
    validated(&NATIVE_VERSIONS, &NATIVE);
    validated(&PLAIN_VERSIONS, &PLAIN);
}

#[test]
fn a_field_that_it_does_not_know_would_be_noticed() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("job.yaml");
    let check = |from: &str, to: &str, version: &str, said: &str| {
        let whole = text("job.yaml");
        assert!(whole.contains(from));
        std::fs::write(&file, whole.replace(from, to)).unwrap();
        let (code, _, err) = process::run(python::kubernetes(&[version]).arg(&file));
        assert_eq!(code, 1, "{to}");
        assert!(err.contains(said), "{err}");
    };
    check(
        "startupProbe:",
        "startProbe:",
        "1.37",
        "('startProbe' was unexpected)",
    );
    check(
        "periodSeconds: 5",
        "periodSeconds: soon",
        "1.37",
        "'soon' is not",
    );
    // As it stands, for a version in which a container that comes first has to end.
    check(
        "Always",
        "Always",
        "1.27",
        "('restartPolicy' was unexpected)",
    );
}

/// What the Prometheus Operator's reference names of the fields that a PodMonitor may have.
#[test]
fn the_pod_monitor_has_fields_of_its_kind_alone() {
    let monitor = Manifests::read().document("podmonitor.yaml");
    assert_eq!(monitor["apiVersion"], "monitoring.coreos.com/v1");
    assert_eq!(monitor["kind"], "PodMonitor");
    let check = |value: &Value, allowed: &[&str]| {
        for name in value.as_object().unwrap().keys() {
            assert!(allowed.contains(&name.as_str()), "{name}");
        }
    };
    check(monitor, &["apiVersion", "kind", "metadata", "spec"]);
    let spec = &monitor["spec"];
    check(
        spec,
        &[
            "selector",
            "podMetricsEndpoints",
            "namespaceSelector",
            "jobLabel",
            "podTargetLabels",
        ],
    );
    check(&spec["selector"], &["matchLabels", "matchExpressions"]);
    let endpoints = spec["podMetricsEndpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 1);
    check(
        &endpoints[0],
        &[
            "port",
            "path",
            "interval",
            "scrapeTimeout",
            "scheme",
            "honorLabels",
        ],
    );
}

#[test]
fn the_kustomization_makes_what_the_pods_mount() {
    let manifests = Manifests::read();
    let kustomization = manifests.document("kustomization.yaml");
    assert_eq!(kustomization["resources"], json!(["deployment.yaml"]));
    let made: BTreeSet<_> = kustomization["configMapGenerator"]
        .as_array()
        .unwrap()
        .iter()
        .map(|map| {
            (
                map["name"].as_str().unwrap(),
                map["files"][0].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("countersign-registry", "tools.yaml"),
        ("countersign-settings", "countersign.yaml"),
    ];
    assert_eq!(made, expected.into());
    // The kubelet changes a mounted ConfigMap only under the name that it was mounted by.
    let of_registry = &kustomization["configMapGenerator"][1];
    assert_eq!(of_registry["name"], "countersign-registry");
    assert_eq!(of_registry["options"]["disableNameSuffixHash"], true);
    assert!(kustomization["configMapGenerator"][0]["options"].is_null());
    for name in ALL {
        let volumes = manifests.pod(name)["volumes"].as_array().unwrap();
        let mounted: BTreeSet<_> = volumes
            .iter()
            .filter_map(|volume| volume["configMap"]["name"].as_str())
            .collect();
        assert_eq!(
            mounted,
            made.iter().map(|(name, _)| *name).collect(),
            "{name}"
        );
        let secrets = volumes
            .iter()
            .filter_map(|v| v["secret"]["secretName"].as_str());
        let mut expected = vec!["countersign-secrets"];
        // Only what asks for the end needs the admin token.
        if name == PLAIN[1] {
            expected.push("countersign-admin");
        }
        assert_eq!(secrets.collect::<Vec<_>>(), expected, "{name}");
    }
    // The one command that a person has to type first names every key that the registry reads.
    let tools = manifests.document("tools.yaml");
    for tool in tools["tools"].as_array().unwrap() {
        let file = tool["auth"]["secret_file"].as_str().unwrap();
        let key = file.strip_prefix("../secrets/").unwrap();
        assert!(text("kustomization.yaml").contains(&format!("--from-file={key}=")));
    }
}

/// kustomize itself makes of the folder what fits the schemas.
#[test]
#[ignore = "needs kubectl"]
fn kubectl_renders_the_kustomization() {
    let (code, rendered, err) = process::run(Command::new("kubectl").args(["kustomize", FOLDER]));
    assert_eq!(code, 0, "{err}");
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("rendered.yaml");
    std::fs::write(&file, rendered).unwrap();
    let printed = python::run(python::kubernetes(&NATIVE_VERSIONS).arg(&file));
    let documents: Value = serde_json::from_str(&printed).unwrap();
    let documents = documents[file.to_str().unwrap()].as_array().unwrap();
    let kinds: Vec<_> = documents
        .iter()
        .map(|d| d["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["ConfigMap", "ConfigMap", "Deployment"]);
    let volumes = &documents[2]["spec"]["template"]["spec"]["volumes"];
    let mounted = [&volumes[0], &volumes[1]].map(|volume| &volume["configMap"]["name"]);
    for (name, prefix) in mounted
        .into_iter()
        .zip(["countersign-settings-", "countersign-registry"])
    {
        assert!(name.as_str().unwrap().starts_with(prefix), "{name}");
        assert!(
            documents[..2]
                .iter()
                .any(|map| &map["metadata"]["name"] == name),
            "{name}"
        );
    }
}

/// A sidecar is described four times; the descriptions differ where they have to and nowhere else.
#[test]
fn the_sidecar_is_the_same_in_every_pod() {
    let manifests = Manifests::read();
    let without = |name: &str, known: &[&str]| {
        let mut container = manifests.sidecar(name).clone();
        for field in known {
            let removed = container.as_object_mut().unwrap().remove(*field);
            assert!(removed.is_some(), "{name} has no {field}");
        }
        container
    };
    let common = without(NATIVE[0], &["restartPolicy"]);
    assert_eq!(without(NATIVE[1], &["restartPolicy"]), common);
    assert_eq!(without(PLAIN[0], &["env"]), common);
    let mut with_token = without(PLAIN[1], &["env"]);
    let mounts = with_token["volumeMounts"].as_array_mut().unwrap();
    assert_eq!(mounts.pop().unwrap()["name"], "admin");
    assert_eq!(with_token, common);
    for name in NATIVE {
        assert_eq!(manifests.sidecar(name)["restartPolicy"], "Always");
        let first = &manifests.pod(name)["initContainers"][0];
        assert_eq!(first["name"], "countersign", "{name}");
    }
}

#[test]
fn no_container_has_more_rights_than_it_needs() {
    let manifests = Manifests::read();
    for name in ALL {
        let pod = manifests.pod(name);
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let all = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        assert_eq!(pod["securityContext"], all, "{name}");
        let mut users = BTreeSet::new();
        for container in manifests.containers(name) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(
                context["capabilities"],
                json!({ "drop": ["ALL"] }),
                "{name}"
            );
            let user = context["runAsUser"].as_u64().unwrap();
            assert!(
                user > 0 && users.insert(user),
                "{name}: {user} has two containers"
            );
            for kind in ["requests", "limits"] {
                assert!(container["resources"][kind]["memory"].is_string(), "{name}");
            }
        }
        // The agent gets neither a secret of a tool nor the admin token.
        let agent = manifests.container(name, "agent").to_string();
        assert!(
            !agent.contains("ecret") && !agent.contains("TOKEN") && !agent.contains("admin"),
            "{agent}"
        );
    }
}

/// Numbers that stand in several files.
// spec: LIFE-2
#[test]
fn ports_times_and_memory_agree_with_the_settings() {
    let manifests = Manifests::read();
    let settings = manifests.document("countersign.yaml");
    let port = |listen: &Value| -> u64 {
        let (_, port) = listen.as_str().unwrap().rsplit_once(':').unwrap();
        port.parse().unwrap()
    };
    let agents = port(&settings["agents"]["listen"]);
    let number = |value: &Value| value.as_u64().unwrap();
    for name in ALL {
        let sidecar = manifests.sidecar(name);
        let admin =
            json!([{ "name": "admin", "containerPort": port(&settings["admin"]["listen"]) }]);
        assert_eq!(sidecar["ports"], admin, "{name}");
        let url = &manifests.container(name, "agent")["env"][0]["value"];
        assert_eq!(url, &json!(format!("http://127.0.0.1:{agents}")), "{name}");

        let delay = sidecar["env"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|variable| variable["name"] == "COUNTERSIGN_DRAIN_DELAY_MS")
            .map_or(0, |variable| {
                variable["value"].as_str().unwrap().parse().unwrap()
            });
        // After the drain there may be 1 s for the admin listener and 2 s each for output and disk; as long
        // again is left for an agent that stops slowly.
        let needed = delay + number(&settings["drain_timeout_ms"]) + 2 * 5_000;
        let granted = 1000 * number(&manifests.pod(name)["terminationGracePeriodSeconds"]);
        assert!(granted >= needed, "{name}: {granted} ms for {needed} ms");

        let memory = sidecar["resources"]["limits"]["memory"].as_str().unwrap();
        let memory: u64 = memory.strip_suffix("Mi").unwrap().parse().unwrap();
        let bodies = number(&settings["limits"]["max_buffered_bytes"]);
        let kept = number(&settings["store_max_bytes"]) + bodies;
        assert!(memory << 20 >= kept + (32 << 20), "{name}: {memory} Mi");
    }
    assert_eq!(
        manifests.sidecar(PLAIN[0])["env"][0]["name"],
        "COUNTERSIGN_DRAIN_DELAY_MS"
    );
}

/// The files that the container is told to read are those that the volumes bring.
#[test]
fn what_the_sidecar_reads_is_mounted_where_it_looks() {
    let manifests = Manifests::read();
    let mounts: Vec<_> = manifests.sidecar(ALL[0])["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| {
            (
                &mount["name"],
                mount["mountPath"].as_str().unwrap(),
                mount["readOnly"] == true,
            )
        })
        .collect();
    let places = ["settings", "registry", "secrets"].map(|name| format!("/etc/countersign/{name}"));
    assert_eq!(mounts.len(), places.len());
    for ((name, path, read_only), place) in mounts.into_iter().zip(&places) {
        assert!(read_only && path == place, "{path}");
        assert_eq!(name, &json!(path.rsplit_once('/').unwrap().1));
    }
    let arguments = json!([
        "serve",
        "--config",
        format!("{}/countersign.yaml", places[0])
    ]);
    assert_eq!(manifests.sidecar(ALL[0])["args"], arguments);
    let registry = &manifests.document("countersign.yaml")["registry"]["path"];
    assert_eq!(registry, &json!(format!("{}/tools.yaml", places[1])));
}
