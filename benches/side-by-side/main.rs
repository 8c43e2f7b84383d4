//! Countersign beside what people would use instead: correctness first, then cost.
//!
//! One process leads: it starts the tool and every subject, pins subjects to one core and the rest to
//! another, tries whether each subject really signs, and then measures them in turns, so that whatever
//! else the machine does hits all of them alike. CPU time is what the scheduler accounts to the
//! subject's threads. `docs/performance.md` says how to read the figures.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is its result, and no library"
)]

mod field;
mod figures;
mod governed;
mod machine;
mod options;
mod raw;
mod reload;
mod report;
mod signatures;
mod subjects;

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use countersign::test_support::load::{
    Program, build_shipped, free_address, on_core, run_local, serve,
};

use field::{Contender, Field};
use figures::Figure;
use options::{Options, Role};
use report::Report;
use subjects::Subject;

/// The core of the tool and of the clients.
const OTHERS_CORE: usize = 1;

fn main() -> ExitCode {
    let options = Options::parse().settled();
    let done = match options.role {
        Role::Whole => whole(),
        Role::Lead => run_local(lead(&options)),
        Role::Upstream => run_local(async { serve(listener(&options)?).await.map(|()| true) }),
        Role::Raw => run_local(async {
            let upstream = options.upstream.ok_or(io::ErrorKind::InvalidInput)?;
            let relaying = raw::serve(listener(&options)?, upstream);
            relaying.await.map(|()| true)
        }),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("side_by_side: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds what is shipped and starts the same command line again, on a core of its own.
fn whole() -> io::Result<bool> {
    build_shipped(env!("CARGO_BIN_EXE_countersign"))?;
    let mut command = on_core(OTHERS_CORE, &std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    command.args(["--role", "lead"]);
    command.status().map(|status| status.success())
}

fn listener(options: &Options) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(options.at.ok_or(io::ErrorKind::InvalidInput)?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The whole run; whether every signature of ours was right.
async fn lead(options: &Options) -> io::Result<bool> {
    use field::Measurement::{Connections, Latency, Load, Memory};

    let scratch = Scratch::new()?;
    if options.only_governed {
        govern(&scratch, options).await?;
        return Ok(true);
    }
    let contenders = contenders(options);
    let mut report = Report::new(&contenders);
    println!("{report}");
    for (index, &size) in options.sizes.iter().enumerate() {
        println!("\n## Bodies of {size} bytes\n");
        let upstream = start_upstream(&scratch.0)?;
        let mut field = Field::start(&contenders, &upstream, size, &scratch.0, &mut report)?;
        println!("{}", field.try_signatures(&mut report).await);
        for _ in 0..options.rounds {
            field.measure(Load, options, &mut report).await?;
            field.measure(Latency, options, &mut report).await?;
            // What does not depend on the size of bodies is measured with the first.
            if index == 0 {
                field.measure(Connections, options, &mut report).await?;
            }
        }
        println!("{}", report.figures.table(size, &Figure::OF_SIZE));
        if index == 0 {
            field.measure(Memory, options, &mut report).await?;
            println!("{}", report.figures.table(size, &Figure::ONCE));
        }
    }
    govern(&scratch, options).await?;
    println!("\n## Reloads\n");
    let upstream = start_upstream(&scratch.0)?;
    let countersign = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let reloads = reload::measure(countersign, upstream.address, &scratch.0, options).await?;
    println!("{reloads}");
    if let Some(path) = &options.json {
        fs::write(path, report.to_json().to_string() + "\n")?;
    }
    Ok(report.is_ours_right())
}

async fn govern(scratch: &Scratch, options: &Options) -> io::Result<()> {
    let own = Path::new(env!("CARGO_BIN_EXE_countersign"));
    for build in [Some(own), options.against.as_deref()]
        .into_iter()
        .flatten()
    {
        println!("\n## Governed calls: {}\n", build.display());
        let upstream = start_upstream(&scratch.0)?;
        let governed = governed::measure(build, upstream.address, &scratch.0, options).await?;
        println!("{governed}");
    }
    Ok(())
}

/// Who takes part; those who cannot are in it with what they lack.
fn contenders(options: &Options) -> Vec<Contender> {
    let own = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let mut all = vec![Contender::new(Some(Subject::Countersign), own)];
    if let Some(other) = &options.against {
        let name = "countersign, other build".to_owned();
        let other = Contender::new(Some(Subject::Countersign), other);
        all.push(Contender { name, ..other });
    }
    all.push(Contender::new(None, own));
    all.extend(Subject::OTHERS.map(|subject| Contender::new(Some(subject), own)));
    let is_wanted = |name: &str| options.only.iter().any(|part| name.contains(&**part));
    all.retain(|contender| {
        options.only.is_empty()
            || contender.subject == Some(Subject::Countersign)
            || is_wanted(&contender.name)
    });
    all
}

fn start_upstream(folder: &Path) -> io::Result<Program> {
    let address = free_address()?;
    let mut command = on_core(OTHERS_CORE, &std::env::current_exe()?);
    command.args(["--role", "upstream", "--at", &address.to_string()]);
    Program::start(command, address, &folder.join("upstream.log"))
}

/// A folder for the run's files, deleted on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let name = format!("side-by-side-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the place for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
