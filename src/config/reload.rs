//! Keeps the tools and the policies in service equal to their files.
//!
//! One [`Reloader`] makes all reloads, one after the other: after a change of the files, on SIGHUP
//! and on request. Either the whole of what was read replaces what serves, or nothing changes and
//! everybody who looks is told why. How the files become a snapshot is the loader's business, and
//! which files there are is its answer.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, Timestamp};
use crate::config::registry_file::digest_of;
use crate::config::watch::Watch;
use crate::config::{Loaded, Refused};
use crate::lifecycle::Supervisor;
use crate::policy::Policies;
use crate::registry::{Registry, Snapshot};
use crate::telemetry::RegistryReload;

/// SHA-256 over everything that a registry was read from.
type Digest = [u8; 32];

/// Requests that may wait for a reload. Each is answered by the next one, so a longer queue only
/// means that more callers sleep in it than before it.
const WAITING_REQUESTS: usize = 64;

/// Reads the registry's files. It gets what is in service, whose tools lend their state to the
/// tools that replace them. May block.
pub type Load = dyn Fn(&Snapshot) -> Result<Loaded, Refused> + Send + Sync;

/// What a reload came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReloadOutcome {
    /// A new snapshot is in service.
    Replaced,
    /// The files say what is in service already.
    Unchanged,
    /// The files are bad and nothing changed: one line for each problem.
    Refused(Vec<String>),
    /// Nobody reloads any more, because the process is about to end.
    Stopped,
}

/// Counts reloads; a closure, so that a test can listen. The snapshot that a [`Reloader`] starts with
/// counts as a first `Replaced`.
pub type Count = dyn Fn(RegistryReload, Timestamp) + Send + Sync;

/// Puts policies into service.
pub type Govern = dyn Fn(Policies) + Send + Sync;

/// Asks for reloads.
#[derive(Clone, Debug)]
pub struct ReloadHandle {
    requests: mpsc::Sender<oneshot::Sender<ReloadOutcome>>,
}

impl ReloadHandle {
    /// Reloads, and returns when that is done. Everything that was on disk before the call is read.
    ///
    /// Dropping the future forgets the answer; the reload may happen all the same.
    // spec: RELOAD-1 API-3
    pub async fn reload(&self) -> ReloadOutcome {
        let (answer, outcome) = oneshot::channel();
        if self.requests.send(answer).await.is_err() {
            return ReloadOutcome::Stopped;
        }
        outcome.await.unwrap_or(ReloadOutcome::Stopped)
    }
}

/// What one look at the files gave.
enum Read {
    /// The hint was about files that are settled: none was read.
    Nothing,
    /// They hold what is in service.
    Same,
    /// They hold something else.
    New(Box<Result<Loaded, Refused>>),
}

/// The one owner of reloads.
pub struct Reloader {
    registry: Arc<Registry>,
    govern: Arc<Govern>,
    load: Arc<Load>,
    count: Arc<Count>,
    clock: Clock,
    watch: Arc<Watch>,
    requests: mpsc::Receiver<oneshot::Sender<ReloadOutcome>>,
    /// What the snapshot in service was read from.
    files: Arc<[PathBuf]>,
    in_service: Digest,
    /// What was refused last, while nothing good has been seen since.
    refused: Option<(Digest, Vec<String>)>,
    supervisor: Supervisor,
    /// What the supervisor was told last.
    status: String,
}

/// What a person is told of a sidecar that serves so many tools.
pub fn serving(tools: usize) -> String {
    format!("serving {tools} tools")
}

impl Reloader {
    /// Takes over a registry that was read from `files`, whose contents have this digest. Its
    /// policies are in service, too.
    pub fn new(
        registry: Arc<Registry>,
        govern: Arc<Govern>,
        (files, in_service): (Vec<PathBuf>, Digest),
        load: Arc<Load>,
        poll_interval: Duration,
        count: Arc<Count>,
        clock: Clock,
    ) -> (Self, ReloadHandle) {
        let (sender, requests) = mpsc::channel(WAITING_REQUESTS);
        let tools = registry.current().tool_count();
        count(
            RegistryReload::Replaced { tools },
            registry.loaded_from().loaded_at,
        );
        let reloader = Self {
            registry,
            govern,
            load,
            count,
            clock,
            watch: Arc::new(Watch::new(poll_interval)),
            requests,
            files: files.into(),
            in_service,
            refused: None,
            supervisor: Supervisor::none(),
            status: serving(tools),
        };
        (reloader, ReloadHandle { requests: sender })
    }

    /// Tells `supervisor` of reloads that a signal asked for, and of what serves after any other.
    pub fn announcing(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }

    /// Reloads whenever there is a reason to, for as long as the future is polled.
    ///
    /// Dropping it ends the reloads between two snapshots; requests then get
    /// [`ReloadOutcome::Stopped`].
    // spec: RELOAD-1
    pub async fn run(self) -> Infallible {
        self.run_with(Hangups::listen()).await
    }

    async fn run_with(mut self, mut hangups: Hangups) -> Infallible {
        self.watch_first_files().await;
        loop {
            let mut waiting = Vec::new();
            let mut asked = true;
            let mut signalled = false;
            tokio::select! {
                // Its hint is forgotten when another branch wins, which reads the files anyway.
                () = self.watch.changed() => asked = false,
                () = hangups.next() => signalled = true,
                Some(request) = self.requests.recv() => waiting.push(request),
            }
            // Whoever asks after this point may have changed a file that is read by then.
            while let Ok(request) = self.requests.try_recv() {
                waiting.push(request);
            }
            if signalled {
                self.supervisor.reloading().await;
            }
            let outcome = self.reload(asked || !waiting.is_empty()).await;
            self.announce(signalled).await;
            for request in waiting {
                // A caller that went away needs no answer.
                let _ = request.send(outcome.clone());
            }
        }
    }

    /// Says how a reload left things, if it was announced or left something else.
    // spec: NOTIFY-1
    async fn announce(&mut self, signalled: bool) {
        let mut status = serving(self.registry.current().tool_count());
        if self.refused.is_some() {
            status.push_str(" of the last good registry, what is in the files was refused");
        }
        if signalled {
            self.supervisor.ready(&status).await;
        } else if status != self.status {
            self.supervisor.status(&status).await;
        }
        self.status = status;
    }

    /// Watching begins after the first read, so it asks for a second one at once.
    async fn watch_first_files(&mut self) {
        let watch = Arc::clone(&self.watch);
        let files = Arc::clone(&self.files);
        let begin = tokio::task::spawn_blocking(move || watch.reading().finish(&files));
        if let Err(error) = begin.await {
            tracing::error!(%error, "watching the registry failed");
        }
    }

    /// Reads the files on a thread that may block, since a large registry takes seconds and the
    /// thread that asks also answers health checks.
    async fn reload(&mut self, asked: bool) -> ReloadOutcome {
        let load = Arc::clone(&self.load);
        let watch = Arc::clone(&self.watch);
        let previous = self.registry.current();
        let (files, in_service) = (Arc::clone(&self.files), self.in_service);
        let work = tokio::task::spawn_blocking(move || {
            if !asked && watch.is_settled() {
                return Read::Nothing;
            }
            let reading = watch.reading();
            // Most hints are about nothing, and hashing is far cheaper than compiling.
            if digest_of(&files) == in_service {
                reading.finish(&files);
                return Read::Same;
            }
            let result = load(&previous);
            reading.finish(match &result {
                Ok(loaded) => &loaded.files,
                Err(refused) => &refused.files,
            });
            Read::New(Box::new(result))
        });
        match work.await {
            Ok(Read::Nothing) => ReloadOutcome::Unchanged,
            Ok(Read::Same) => self.keep(asked),
            Ok(Read::New(read)) => match *read {
                Ok(loaded) if loaded.digest == self.in_service => self.keep(asked),
                Ok(loaded) => self.replace(loaded),
                Err(refused) => {
                    let event = RegistryReload::Refused {
                        unreadable_files: refused.unreadable_files,
                    };
                    let problems = refused.problems.lines().collect();
                    self.refuse(refused.digest, problems, event, asked)
                }
            },
            // A bug in the loader must not end a sidecar that serves well.
            Err(panic) => {
                tracing::error!(error = %panic, "reading the registry panicked");
                let problem = "the registry could not be read because of an internal error";
                let event = RegistryReload::Refused {
                    unreadable_files: 0,
                };
                self.refuse(Digest::default(), vec![problem.to_owned()], event, asked)
            }
        }
    }

    fn replace(&mut self, loaded: Loaded) -> ReloadOutcome {
        let now = self.clock.now();
        let tools = loaded.snapshot.tool_count();
        let policies = loaded.policies.len();
        // First, so that no new tool is called under an old policy.
        // spec: POLICY-7
        (self.govern)(loaded.policies);
        self.registry.replace(loaded.snapshot, now);
        self.in_service = loaded.digest;
        self.files = loaded.files.into();
        self.refused = None;
        (self.count)(RegistryReload::Replaced { tools }, now);
        let generation = self.registry.current().generation();
        tracing::info!(generation, tools, policies, "registry reloaded");
        for warning in loaded.warnings.lines() {
            tracing::warn!(warning, "registry has a warning");
        }
        ReloadOutcome::Replaced
    }

    /// What was read is what serves. Nobody needs to know, unless he asked or saw a refusal.
    fn keep(&mut self, asked: bool) -> ReloadOutcome {
        let mended = self.refused.take().is_some();
        if mended {
            self.registry.unchanged();
            tracing::info!("registry is again what it was before the refused reload");
        }
        if mended || asked {
            (self.count)(RegistryReload::Unchanged, self.clock.now());
        }
        ReloadOutcome::Unchanged
    }

    // spec: RELOAD-2
    fn refuse(
        &mut self,
        digest: Digest,
        problems: Vec<String>,
        event: RegistryReload,
        asked: bool,
    ) -> ReloadOutcome {
        let refusal = (digest, problems.clone());
        // The same bad content is reported once: a log file beside the registry makes a hint of
        // every line, and lines about that would never end.
        if asked || self.refused.as_ref() != Some(&refusal) {
            for problem in &problems {
                tracing::error!(problem, "registry has an error");
            }
            tracing::error!("registry refused, the last good one stays in service");
            (self.count)(event, self.clock.now());
            self.registry.refuse(problems.clone());
        }
        self.refused = Some(refusal);
        ReloadOutcome::Refused(problems)
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// SIGHUP, which would otherwise end the process.
struct Hangups(Option<Signal>);

impl Hangups {
    fn listen() -> Self {
        let hangups = signal(SignalKind::hangup());
        Self(
            hangups
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be handled"))
                .ok(),
        )
    }

    async fn next(&mut self) {
        let received = match &mut self.0 {
            Some(hangups) => hangups.recv().await,
            None => None,
        };
        if received.is_none() {
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
