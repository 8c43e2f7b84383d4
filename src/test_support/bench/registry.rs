//! Registries of any size: read, in service, and edited on disk.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, Change, Editor};
use crate::ids::{AgentId, ScopeId};
use crate::registry::{LoadedFrom, Registry, Snapshot, Tool};
use crate::test_support::world::START;

/// How many tools one agent uses. All of them are looked up in turn, so that the figure is about the
/// look-up: going through 100,000 tools would measure how many of them fit into the CPU's caches.
const USED: usize = 10;

/// A registry file's text.
pub struct RegistryText(String);

impl RegistryText {
    /// This many tools with a few fields each, on a hundred hosts.
    pub fn of(tools: usize) -> Self {
        let mut text = String::from("tools:\n");
        for number in 0..tools {
            write!(
                text,
                "  - name: tool_{number}\n    url: https://api{host}.example.com/v1/tool-{number}\n    \
                 auth: {{ type: hmac_sha256, secret: secret-of-tool-{number} }}\n    \
                 description: What the tool is for\n    max_retries: 3\n",
                host = number % 100,
            )
            .expect("a String takes everything");
        }
        Self(text)
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// From text to a snapshot that can go into service.
    ///
    /// # Panics
    /// Never: the text is valid.
    pub fn load(&self) -> Snapshot {
        let nowhere = Path::new("/nonexistent/tools.yaml");
        config::read(nowhere, &self.0, &|_| None, None, &mut |_| {})
            .expect("the text is valid")
            .snapshot
    }
}

/// A registry in service and an agent that calls a few of its tools.
pub struct InService {
    registry: Registry,
    agent: AgentId,
    names: Vec<String>,
    next: Cell<usize>,
}

impl InService {
    /// With this many tools.
    pub fn of(tools: usize) -> Self {
        let account = LoadedFrom {
            source: None,
            loaded_at: START,
            last_errors: Vec::new(),
        };
        let name = |place: usize| format!("tool_{}", place * tools / USED);
        Self {
            registry: Registry::new(RegistryText::of(tools).load(), account),
            agent: "agent".parse().expect("a valid agent"),
            names: (0..USED).map(name).collect(),
            next: Cell::new(0),
        }
    }

    /// Looks up the next tool, as a call does.
    ///
    /// # Panics
    /// Never: it is there.
    pub fn resolve(&self) -> Arc<Tool> {
        let turn = self.next.get();
        self.next.set((turn + 1) % USED);
        let found = self.registry.resolve(&self.agent, &self.names[turn]);
        found.expect("the tool is there")
    }

    /// Puts another snapshot into service and lets go of the one before.
    pub fn replace(&self, next: Snapshot) {
        self.registry.replace(next, START);
    }
}

/// A registry file with an editor for it.
pub struct OnDisk {
    editor: Editor,
    registry: PathBuf,
    enable: Cell<bool>,
}

impl OnDisk {
    /// Writes a registry of this many tools into `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn of(tools: usize, folder: &Path) -> io::Result<Self> {
        let registry = folder.join("tools.yaml");
        fs::write(&registry, RegistryText::of(tools).0)?;
        Ok(Self {
            editor: Editor::new(registry.clone(), PathBuf::from("secrets")),
            registry,
            enable: Cell::new(false),
        })
    }

    /// Switches the first tool off, or on again: read, splice, read again, compare, write durably.
    ///
    /// # Panics
    /// When the edit is refused or changes nothing.
    pub fn switch_one_tool(&self) {
        let enabled = self.enable.get();
        let change = Change::SetEnabled {
            name: "tool_0".parse().expect("a valid name"),
            scope: ScopeId::Global,
            enabled,
        };
        let applied = self.editor.apply(&change, &|_| None);
        let applied = applied.expect("the file is ours and valid");
        assert!(
            applied.changed,
            "{} did not change",
            self.registry.display()
        );
        self.enable.set(!enabled);
    }
}
