//! The operator's side: the admin door, and reloads on whoever's behalf.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::api::{AdminApi, AdminDoor, Books, Edit, Process, Quit};
use crate::app::parts::Parts;
use crate::config::{
    self, EditError, Editor, Loaded, Refused, RegistrySettings, ReloadHandle, ReloadOutcome,
    Reloader,
};
use crate::lifecycle::{Readiness, Supervisor};
use crate::registry::Snapshot;
use crate::server::guard::Guard;

/// What the registry in service was read from.
pub(super) struct Watched {
    pub(super) files: Vec<PathBuf>,
    pub(super) digest: [u8; 32],
}

/// Reads the registry with the process's environment.
pub(super) fn load(path: &Path, previous: Option<&Snapshot>) -> Result<Loaded, Refused> {
    config::load(path, &|name| std::env::var(name).ok(), previous)
}

/// Keeps the registry in service equal to its files from now on.
pub(super) fn start_reloads(
    parts: &Arc<Parts>,
    watched: Watched,
    supervisor: Supervisor,
) -> ReloadHandle {
    let metrics = Arc::clone(&parts.metrics);
    let shared = Arc::clone(parts);
    let governance = Arc::clone(&parts.governance);
    let (reloader, handle) = Reloader::new(
        Arc::clone(&parts.registry),
        Arc::new(move |policies| governance.desk.replace(policies)),
        (watched.files, watched.digest),
        Arc::new(move |previous: &Snapshot| {
            let _files = shared.files();
            load(&shared.settings.registry.path, Some(previous))
        }),
        parts.settings.registry.poll_interval,
        Arc::new(move |event, at| metrics.registry_read(event, at)),
        parts.clock,
    );
    tokio::task::spawn_local(reloader.announcing(supervisor).run());
    handle
}

/// Puts the admin door together.
pub(super) fn admin_door(
    parts: &Arc<Parts>,
    readiness: Readiness,
    reloads: Option<ReloadHandle>,
    books: Books,
    quit: Quit,
) -> AdminDoor {
    let governed = parts.governed(&parts.engine());
    let edits = reloads.clone().map(|reloads| edits(parts, reloads));
    let api = AdminApi::new(
        parts.settings.admin.token.as_ref(),
        Arc::clone(&parts.metrics),
        Arc::clone(&parts.registry),
        parts.body_limits(),
        Process {
            readiness: Box::new(move || readiness.check()),
            reload: Box::new(move || Box::pin(reload(reloads.clone()))),
            quit,
        },
        (Arc::clone(&parts.governance), books),
    )
    .running(Box::new(move |headers, body| {
        let governed = Rc::clone(&governed);
        Box::pin(async move { governed.answer_operator(headers, body).await })
    }));
    AdminDoor {
        api: match edits {
            Some(edit) => api.editable(edit, parts.settings.upstream.allow_private),
            None => api,
        },
        guard: Guard::of_operators(parts.settings.agents.allowed_hosts.clone()),
    }
}

/// Changes the registry file and puts it into service before it says that it did.
// spec: API-3
fn edits(parts: &Arc<Parts>, reloads: ReloadHandle) -> Edit {
    let RegistrySettings {
        path, secrets_dir, ..
    } = &parts.settings.registry;
    let editor = Arc::new(Editor::new(path.clone(), secrets_dir.clone()));
    let parts = Arc::clone(parts);
    Box::new(move |change| {
        let (editor, parts) = (Arc::clone(&editor), Arc::clone(&parts));
        let reloads = reloads.clone();
        Box::pin(async move {
            let apply = move || {
                let _files = parts.files();
                editor.apply(&change, &|name| std::env::var(name).ok())
            };
            let applied = tokio::task::spawn_blocking(apply).await;
            applied.unwrap_or_else(|panic| Err(internal(panic)))?;
            match reloads.reload().await {
                ReloadOutcome::Replaced | ReloadOutcome::Unchanged => Ok(()),
                // Somebody broke the file right after us: the change is in it and not in service.
                ReloadOutcome::Refused(_) | ReloadOutcome::Stopped => Err(EditError::Busy),
            }
        })
    })
}

/// A bug in the editor is an answer too, not the end of a sidecar that serves well.
fn internal(panic: tokio::task::JoinError) -> EditError {
    EditError::Io {
        what: "the registry",
        source: std::io::Error::other(panic),
    }
}

async fn reload(reloads: Option<ReloadHandle>) -> Result<(), Vec<String>> {
    let Some(reloads) = reloads else {
        return Err(vec![
            "this registry was built in memory and has no file".to_owned(),
        ]);
    };
    match reloads.reload().await {
        ReloadOutcome::Replaced | ReloadOutcome::Unchanged => Ok(()),
        ReloadOutcome::Refused(problems) => Err(problems),
        ReloadOutcome::Stopped => Err(vec!["the process is about to end".to_owned()]),
    }
}
