//! Edits of registry files: whatever the file looks like, a change changes one tool or policy, or
//! nothing.

use std::fs;
use std::path::PathBuf;

use crate::config::{self, Change, EditError, Editor, Loaded, Target, ToolWrite};
use crate::ids::{ScopeId, ToolName};
use crate::policy::{PolicySpec, PriceSpec};
use crate::registry::Tool;
use crate::secret::Secret;
use crate::test_support::fuzz::MARK;
use crate::test_support::fuzz::registry::{described, rules};

/// Files are written and read many times for each input.
const MOST_BYTES: usize = 8 * 1024;
/// How many tools and policies are changed in each way.
const MOST_CHANGED: usize = 3;

/// A registry file. A tool and a policy are put into it, then some policies are replaced, and then
/// some tools are switched and removed.
///
/// # Panics
/// When a change that was made is not the one that was asked for, or one that was refused left a
/// trace.
// spec: EDIT-1 EDIT-2 POLICY-8
pub fn registry_edit(data: &[u8]) {
    thread_local! {
        static FOLDER: Folder = Folder::new();
    }
    // The mark stands for the secret that comes with the change.
    let is_marked = data.windows(MARK.len()).any(|part| part == MARK.as_bytes());
    if data.len() > MOST_BYTES || is_marked {
        return;
    }
    FOLDER.with(|folder| {
        fs::write(folder.registry(), data).expect("the folder is ours");
        let added = ("fuzz.added".parse().expect("valid"), ScopeId::Global);
        folder.put(&added);
        folder.govern("fuzz.agent");
        let Some(loaded) = folder.load() else {
            return;
        };
        let mut agents: Vec<_> = loaded
            .policies
            .iter()
            .map(|p| p.agent().to_string())
            .collect();
        agents.sort();
        for agent in agents.iter().take(MOST_CHANGED) {
            folder.govern(agent);
        }
        let mut ids: Vec<_> = loaded.snapshot.tools().map(|tool| id(tool)).collect();
        ids.sort_by_key(|(name, scope)| (name.clone(), scope.to_string()));
        for id in ids.iter().take(MOST_CHANGED) {
            folder.switch(id);
        }
        for id in ids.iter().rev().take(MOST_CHANGED) {
            folder.delete(id);
        }
    });
}

type Id = (ToolName, ScopeId);

fn id(tool: &Tool) -> Id {
    (tool.name.clone(), tool.scope.clone())
}

/// A folder of this thread's own, with a registry in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!(
            "countersign-fuzz-{}-{:x}",
            std::process::id(),
            fastrand::u64(..)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("there is room for temporary files");
        Self(path)
    }

    fn registry(&self) -> PathBuf {
        self.0.join("tools.yaml")
    }

    fn load(&self) -> Option<Loaded> {
        config::load(&self.registry(), &|_| None, None).ok()
    }

    /// Gives an agent a policy with everything, and then one with little.
    fn govern(&self, agent_id: &str) {
        let little = PolicySpec {
            agent_id: agent_id.to_owned(),
            blocked_tools: vec!["a:b".to_owned(), "1".to_owned()],
            max_spend_usd_per_day: Some(0.25),
            ..PolicySpec::default()
        };
        let everything = PolicySpec {
            allowed_tools: vec!["yes".to_owned(), "fuzz.added".to_owned()],
            max_actions_per_hour: Some(7),
            max_calls_per_tool: vec![("-".to_owned(), 1), ("a".to_owned(), 2)],
            pricing_rules: vec![PriceSpec {
                tool: "null".to_owned(),
                price_usd: 0.000_001,
            }],
            ..little.clone()
        };
        for mut spec in [everything, little] {
            if !self.change(&Change::Govern(spec.clone())) {
                return;
            }
            let loaded = self.load().expect("checked by `change`");
            let agent = agent_id.parse().expect("an agent of a valid file");
            let policy = loaded.policies.get(&agent).expect("it was put");
            // Shown by name.
            spec.max_calls_per_tool.sort();
            assert_eq!(policy.spec(), spec);
        }
    }

    fn put(&self, id: &Id) {
        let write = ToolWrite {
            name: id.0.clone(),
            scope: id.1.clone(),
            url: "https://api.example.com/added?a=b".to_owned(),
            secret: Some(Secret::new(MARK)),
            timeout_ms: 4321,
            max_retries: 7,
            enabled: false,
            description: Some("on one line: # 'not' a \"comment\"".to_owned()),
        };
        if !self.change(&Change::Put(write)) {
            return;
        }
        let snapshot = self.load().expect("checked by `change`").snapshot;
        let tool = snapshot.get(&id.1, id.0.as_str()).expect("it was put");
        assert_eq!(tool.url(), "https://api.example.com/added?a=b");
        assert_eq!((tool.timeout.as_millis(), tool.max_retries), (4321, 7));
        assert!(!tool.enabled);
        let described = Some("on one line: # 'not' a \"comment\"");
        assert_eq!(tool.description.as_deref(), described);
        assert!(!self.text().contains(MARK), "the secret is in the file");
    }

    fn switch(&self, id: &Id) {
        let switched = |enabled| Change::SetEnabled {
            name: id.0.clone(),
            scope: id.1.clone(),
            enabled,
        };
        if !self.change(&switched(false)) {
            return;
        }
        let first = self.text();
        assert!(self.change(&switched(true)), "it could be edited before");
        let snapshot = self.load().expect("checked by `change`").snapshot;
        let tool = snapshot.get(&id.1, id.0.as_str()).expect("it is there");
        assert!(tool.enabled);
        assert!(self.change(&switched(false)), "it could be edited before");
        if first.contains("enabled") {
            assert_eq!(self.text(), first, "back and forth is not where it was");
        }
    }

    fn delete(&self, id: &Id) {
        let (name, scope) = id.clone();
        if self.change(&Change::Delete { name, scope }) {
            let snapshot = self.load().expect("checked by `change`").snapshot;
            assert!(snapshot.get(&id.1, id.0.as_str()).is_none());
        }
    }

    /// Whether the change was made. Either way every other tool and policy is what it was.
    fn change(&self, change: &Change) -> bool {
        let before = self.load();
        let bytes = fs::read(self.registry()).expect("the folder is ours");
        let editor = Editor::new(self.registry(), PathBuf::from("secrets"));
        match editor.apply(change, &|_| None) {
            Ok(_) => {
                let before = before.expect("an invalid file is not edited");
                let after = self.load().expect("an edited file is valid");
                assert_eq!(others(&after, change), others(&before, change));
                true
            }
            Err(EditError::Io { what, source }) => panic!("{what}: {source}"),
            Err(refused) => {
                let now = fs::read(self.registry()).expect("the folder is ours");
                assert_eq!(now, bytes, "refused, and changed all the same: {refused}");
                assert!(before.is_some() || matches!(refused, EditError::BrokenFile(_)));
                false
            }
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.registry()).expect("a valid registry is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the place for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every tool and every policy but the one that is to change.
fn others(loaded: &Loaded, change: &Change) -> Vec<String> {
    let target = change.target();
    let tools = loaded.snapshot.tools().filter(|tool| match target {
        Target::Tool(name, scope) => (&tool.name, &tool.scope) != (name, scope),
        Target::Policy(_) => true,
    });
    let mut others = described(tools.map(|tool| &**tool));
    let policies = loaded.policies.iter().filter(|policy| match target {
        Target::Tool(..) => true,
        Target::Policy(agent) => policy.agent().as_str() != agent,
    });
    others.extend(rules(policies));
    others
}
