//! What governing a call costs: governed calls beside transparent ones of the same size, of the same
//! binary and to the same tool.
//!
//! Every governed call has arguments of its own, so each is claimed, run, completed and written to the
//! audit log, and its claim expires a second later, as in a process that has been running for long. The
//! store is in a file of a folder that may be chosen, because a file in memory would make it look
//! cheaper than it is. All kinds are measured in turns, on one core.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use countersign::test_support::load::{
    self, Client, Program, Request, SECRET, free_address, on_core,
};
use tokio::time::Instant;

use crate::field::measure::{micros_since, none_failed};
use crate::figures::{markdown, median};
use crate::options::Options;
use crate::subjects::CORE;

/// Bytes of the arguments of a governed call.
const ARGUMENTS: usize = 256;

/// Bytes that a claim takes in a log, more or less, for what the disk takes by itself.
const APPENDED: usize = 4096;

/// How often that is tried.
const APPENDS: u64 = 200;

/// A kind of call.
struct Kind {
    name: &'static str,
    store: Store,
    request: Request,
    /// What an answer says of it.
    says: &'static str,
    rounds: Vec<Round>,
}

/// Which of the two sidecars it is made to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Store {
    File,
    Memory,
}

/// What one round found of one kind.
struct Round {
    cpu: f64,
    calls_per_second: f64,
    p50: f64,
    cpu_of_one: f64,
    p50_of_one: f64,
}

/// Measures in turns, and gives a table of it.
///
/// # Errors
/// When the binary does not start, or a call does not come to what it should.
pub async fn measure(
    countersign: &Path,
    upstream: SocketAddr,
    scratch: &Path,
    options: &Options,
) -> io::Result<String> {
    let folder = Folder::new(options)?;
    let start = |store| start(countersign, upstream, scratch, &folder, store);
    let (file, memory) = (start(Store::File)?, start(Store::Memory)?);
    let mut kinds = kinds();
    for _ in 0..options.rounds {
        for kind in &mut kinds {
            let program = match kind.store {
                Store::File => &file,
                Store::Memory => &memory,
            };
            let round = kind.measure(program, options).await;
            let named = |error| io::Error::other(format!("{}: {error}", kind.name));
            kind.rounds.push(round.map_err(named)?);
        }
    }
    let mut text = table(&kinds);
    let disk = append_and_sync(&folder.0)?;
    writeln!(
        text,
        "\nThe store's file is in {}, where appending {APPENDED} bytes with `fdatasync` takes {disk:.0} µs.",
        folder.0.display()
    )
    .map_err(io::Error::other)?;
    Ok(text)
}

/// The first is what the others are compared with.
fn kinds() -> [Kind; 5] {
    let governed = |tool| Request::governed(tool, ARGUMENTS);
    let kind = |name, store, request, says| Kind {
        name,
        store,
        request,
        says,
        rounds: Vec::new(),
    };
    let executed = "\"decision\":\"executed\"";
    let transparent = Request::new("/tools/claimed", governed("claimed").body_size());
    [
        kind("transparent", Store::File, transparent, "\"ok\":true"),
        kind(
            "governed, store in a file",
            Store::File,
            governed("claimed"),
            executed,
        ),
        kind(
            "governed, store in memory",
            Store::Memory,
            governed("claimed"),
            executed,
        ),
        kind(
            "governed, once: off",
            Store::File,
            governed("unclaimed"),
            executed,
        ),
        kind(
            "governed, the same call again",
            Store::File,
            governed("kept").repeated(),
            "\"decision\":\"dedup\"",
        ),
    ]
}

/// A sidecar on a core of its own.
fn start(
    countersign: &Path,
    upstream: SocketAddr,
    scratch: &Path,
    folder: &Folder,
    store: Store,
) -> io::Result<Program> {
    let name = format!("governed-{store:?}").to_lowercase();
    let registry = scratch.join(format!("{name}.yaml"));
    fs::write(&registry, tools(upstream))?;
    let listen = free_address()?;
    let mut command = on_core(CORE, countersign);
    command.args(["serve", "--workers", "1", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--listen", &listen.to_string(), "--registry"]);
    command.arg(registry);
    command.env(
        "COUNTERSIGN_STORE",
        match store {
            Store::File => format!("file:{}", folder.0.join("store").display()),
            Store::Memory => "memory".to_owned(),
        },
    );
    Program::start(command, listen, &scratch.join(format!("{name}.log")))
}

fn tools(upstream: SocketAddr) -> String {
    let tool = |name: &str, once: &str| {
        format!(
            "  - name: {name}\n    url: http://{upstream}/run\n    \
             auth: {{ type: hmac_sha256, secret: {SECRET} }}\n    once: {once}\n"
        )
    };
    let claimed = tool("claimed", "{ ttl_ms: 1000 }");
    // Longer than any run lasts.
    let kept = tool("kept", "{ ttl_ms: 86400000 }");
    format!("tools:\n{claimed}{kept}{}", tool("unclaimed", "off"))
}

impl Kind {
    async fn measure(&self, program: &Program, options: &Options) -> io::Result<Round> {
        let request = &self.request;
        let saturate = |connections, time| async move {
            let calls = load::saturate(program.address, request, connections, time).await?;
            none_failed(calls)
        };
        // Whoever is not asked by another first call makes the one that is repeated.
        saturate(options.connections, options.time() / 5).await?;
        self.try_one(program).await?;
        let (before, started) = (program.cpu_ns(), Instant::now());
        let mut calls = saturate(options.connections, options.time()).await?;
        let took = started.elapsed().as_secs_f64();
        let cpu = micros_since(before, program) / calls.latencies.len() as f64;
        let before = program.cpu_ns();
        let mut of_one = saturate(1, options.time() / 4).await?;
        Ok(Round {
            cpu,
            calls_per_second: calls.latencies.len() as f64 / took,
            p50: calls.quantile(0.5),
            cpu_of_one: micros_since(before, program) / of_one.latencies.len() as f64,
            p50_of_one: of_one.quantile(0.5),
        })
    }

    /// A call that was blocked is answered as well, and costs less.
    async fn try_one(&self, program: &Program) -> io::Result<()> {
        let mut client = Client::connect(program.address).await?;
        let answer = client.call(&self.request).await?;
        if answer.body.contains(self.says) {
            Ok(())
        } else {
            Err(io::Error::other(format!("an answer was {answer:?}")))
        }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }
}

/// Ratios are taken within a round, where the machine was the same.
fn table(kinds: &[Kind]) -> String {
    let head = [
        "calls",
        "CPU µs/call",
        "of a transparent one",
        "calls/s",
        "p50 µs",
        "CPU µs (1)",
        "p50 µs (1)",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for kind in kinds {
        let pairs = kind.rounds.iter().zip(&kinds[0].rounds);
        let ratio = median(pairs.map(|(round, base)| round.cpu / base.cpu).collect());
        rows.push(vec![
            kind.name.to_owned(),
            format!("{:.1}", kind.median(|round| round.cpu)),
            format!("{ratio:.2}"),
            format!("{:.0}", kind.median(|round| round.calls_per_second)),
            format!("{:.0}", kind.median(|round| round.p50)),
            format!("{:.1}", kind.median(|round| round.cpu_of_one)),
            format!("{:.0}", kind.median(|round| round.p50_of_one)),
        ]);
    }
    markdown(&rows)
}

/// The median of what the disk takes to make a few kilobytes durable, in microseconds.
fn append_and_sync(folder: &Path) -> io::Result<f64> {
    let path = folder.join("appended");
    let file = fs::File::create(&path)?;
    file.write_all_at(&vec![1; APPENDED * APPENDS as usize], 0)?;
    file.sync_all()?;
    let mut took = Vec::new();
    for number in 0..APPENDS {
        let started = Instant::now();
        file.write_all_at(&[2; APPENDED], number * APPENDED as u64)?;
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

/// Where the store's file is, deleted on drop.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(options: &Options) -> io::Result<Self> {
        let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let within = options.store_folder.as_deref().unwrap_or(own);
        let path = within.join(format!("side-by-side-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in a place for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
