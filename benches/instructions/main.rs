//! How many instructions a call costs, counted by valgrind: a guard that a busy machine cannot fool.
//!
//! The shipped binary serves the same calls one after the other under callgrind, once few and once
//! many; the difference, divided, is one call without start and end. The worker's thread alone is
//! looked at: what the others do follows the clock, and start-up differs by more than calls do.
//! `recorded.json` beside this file holds what it was. More than the tolerance above it fails; more
//! below asks to be recorded, because a gain that is not could be lost again unseen.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is its result, and no library"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use countersign::test_support::load::{
    Client, Program, RUN, Request, SECRET, build_shipped, find, free_address, run_local, serve,
};

/// Calls of the two runs. Their difference is what is looked at.
const FEW: usize = 200;
const MANY: usize = 1_200;

/// What a call may cost more than was recorded, in percent. Measurements of one build differ
/// by a tenth of that: hash seeds, ids, and how reads and wake-ups fall together.
const TOLERANCE: f64 = 5.0;

/// What is called, and its name.
const WORKLOADS: [(&str, Work); 3] = [
    ("256 bytes", Work::Transparent(256)),
    ("16 KiB", Work::Transparent(16 * 1024)),
    ("governed", Work::Governed(256)),
];

/// A kind of call.
#[derive(Clone, Copy)]
enum Work {
    /// With a body of so many bytes.
    Transparent(usize),
    /// With arguments of so many bytes, and none like the other. The store is in memory: what a disk makes a
    /// thread do is not the same twice.
    Governed(usize),
}

impl Work {
    fn request(self) -> Request {
        match self {
            Self::Transparent(size) => Request::new("/tools/bench", size),
            Self::Governed(size) => Request::governed("bench", size),
        }
    }
}

/// Counts instructions per call and compares them with what was recorded.
///
/// It ends with 0 if no workload costs more or less than was recorded, within a tolerance.
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Options {
    /// Writes what is measured as the new record.
    #[arg(long)]
    record: bool,
    /// `cargo bench` passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match measure_all().and_then(|measured| settle(&measured, options.record)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Instructions of a call, by workload.
type Counts = BTreeMap<String, u64>;

fn measure_all() -> io::Result<Counts> {
    if find("valgrind").is_none() {
        return Err(io::Error::other(
            "valgrind is missing (Debian and Ubuntu: apt-get install valgrind)",
        ));
    }
    let binary = build_shipped(env!("CARGO_BIN_EXE_countersign"))?;
    let scratch = Scratch::new()?;
    let measure = |(name, work): (&str, Work)| {
        let folder = |calls| scratch.0.join(format!("{name}-{calls}"));
        let few = run_local(scratch.count(&binary, work, FEW, &folder(FEW)))?;
        let many = run_local(scratch.count(&binary, work, MANY, &folder(MANY)))?;
        // Threads start in the same order every time. The worker is the one that calls keep busy.
        let more = few
            .iter()
            .zip(many)
            .map(|(few, many)| many.saturating_sub(*few));
        let more = more.max().unwrap_or_default();
        Ok((name.to_owned(), more / (MANY - FEW) as u64))
    };
    WORKLOADS.into_iter().map(measure).collect()
}

/// A folder for the runs' files, deleted on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let name = format!("instructions-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Instructions of each thread in the life of a sidecar that serves `calls` calls.
    async fn count(
        &self,
        binary: &Path,
        work: Work,
        calls: usize,
        profiles: &Path,
    ) -> io::Result<Vec<u64>> {
        let tool = std::net::TcpListener::bind("127.0.0.1:0")?;
        tool.set_nonblocking(true)?;
        let registry = self.registry(tool.local_addr()?)?;
        tokio::task::spawn_local(serve(tool));

        let listen = free_address()?;
        fs::create_dir(profiles)?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--separate-threads=yes"]);
        let profile = profiles.join("thread").display().to_string();
        command.arg(format!("--callgrind-out-file={profile}"));
        command.arg(binary).args(["serve", "--workers", "1"]);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        command.args(["--listen", &listen.to_string(), "--registry"]);
        command.arg(registry).env("COUNTERSIGN_STORE", "memory");
        let mut program = Program::start(command, listen, &self.0.join("log"))?;

        let request = work.request();
        let mut client = Client::connect(listen).await?;
        for _ in 0..calls {
            let answer = client.call(&request).await?;
            if answer.status != 200 {
                return Err(io::Error::other(format!("a call failed: {answer:?}")));
            }
        }
        drop(client);
        program.end()?;
        totals(profiles)
    }

    fn registry(&self, tool: SocketAddr) -> io::Result<PathBuf> {
        let path = self.0.join("tools.yaml");
        let auth = format!("{{ type: hmac_sha256, secret: {SECRET} }}");
        let url = format!("http://{tool}{RUN}");
        let text = format!("tools:\n  - name: bench\n    url: {url}\n    auth: {auth}\n");
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the place for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The sum of each thread that callgrind has written a profile of, in the order of their start.
fn totals(profiles: &Path) -> io::Result<Vec<u64>> {
    let entries = fs::read_dir(profiles)?;
    let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    // They end in the thread's number, with a zero before it; what has no number is empty.
    paths.sort();
    let totals = paths.iter().filter_map(|path| {
        let profile = fs::read_to_string(path).ok()?;
        let total = profile
            .lines()
            .find_map(|line| line.strip_prefix("totals: "))?;
        total.trim().parse().ok()
    });
    let totals: Vec<_> = totals.collect();
    if totals.is_empty() {
        return Err(io::Error::other("callgrind wrote no profile with a sum"));
    }
    Ok(totals)
}

/// Writes the record, or prints how far the counts are from it and whether that is near enough.
fn settle(measured: &Counts, record: bool) -> io::Result<bool> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/recorded.json");
    if record {
        let text = serde_json::to_string_pretty(measured)?;
        fs::write(path, text + "\n")?;
        println!("recorded: {measured:?}");
        return Ok(true);
    }
    let recorded: Counts = serde_json::from_str(&fs::read_to_string(path)?)?;
    let mut is_good = true;
    println!("instructions per call: measured, recorded, change");
    for (workload, now) in measured {
        let Some(before) = recorded.get(workload) else {
            return Err(io::Error::other(format!(
                "{workload} has no record; write one with `-- --record`"
            )));
        };
        let change = (*now as f64 / *before as f64 - 1.0) * 100.0;
        let verdict = if change.abs() <= TOLERANCE {
            ""
        } else if change > 0.0 {
            "  too many; where they are: docs/performance.md, \"Instructions\""
        } else {
            "  fewer; record them: cargo bench --bench instructions -- --record"
        };
        is_good &= change <= TOLERANCE;
        println!("{workload:>10} {now:>9} {before:>9} {change:>+6.1} %{verdict}");
    }
    Ok(is_good)
}
