//! Calls while a large registry is read again: how late they get, beside calls while nothing happens.
//!
//! The file is swapped for another one as soon as the last reload is through, so a reload is under
//! way nearly all the time. Its own process has no core to itself here: reading a registry is work
//! that a second core does where there is one.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use countersign::test_support::load::{
    self, Calls, Client, Program, Request, SECRET, free_address,
};

use crate::figures::{markdown, median};
use crate::options::Options;

/// Clients that share the calls.
const CLIENTS: usize = 16;

/// Bytes of a call's body.
const BODY: usize = 256;

/// How often it is asked whether the last reload is through.
const LOOK: Duration = Duration::from_millis(20);

/// Measures in turns, and gives a table of it.
///
/// # Errors
/// When the binary does not start, or a call fails.
pub async fn measure(
    countersign: &Path,
    upstream: SocketAddr,
    folder: &Path,
    options: &Options,
) -> io::Result<String> {
    let files = Files::write(folder, upstream, options.reload_tools)?;
    let (listen, admin) = (free_address()?, free_address()?);
    let mut command = Command::new(countersign);
    command.args(["serve", "--workers", "1", "--listen", &listen.to_string()]);
    command.args(["--admin-listen", &admin.to_string(), "--registry"]);
    command.arg(&files.served);
    let program = Program::start(command, listen, &folder.join("reload.log"))?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let still = calls(&program, options).await?;
        let before = reloads(admin).await?;
        let swaps = tokio::task::spawn_local(keep_swapping(files.clone(), admin));
        let mut during = calls(&program, options).await?;
        // A round may be shorter than one reload.
        while reloads(admin).await? == before && !swaps.is_finished() {
            during.add(calls(&program, options).await?);
        }
        if swaps.is_finished() {
            swaps.await.map_err(io::Error::other)??;
        } else {
            swaps.abort();
        }
        rounds.push((still, during, reloads(admin).await? - before));
    }
    Ok(table(options.reload_tools, rounds))
}

async fn calls(program: &Program, options: &Options) -> io::Result<Calls> {
    let request = Request::new("/tools/bench", BODY);
    let time = options.time();
    let calls = load::pace(program.address, &request, CLIENTS, options.rate, time).await?;
    match calls.failed {
        0 => Ok(calls),
        failed => Err(io::Error::other(format!("{failed} calls failed"))),
    }
}

/// Two registries that differ, and the name under which one of them is served.
#[derive(Clone)]
struct Files {
    both: [PathBuf; 2],
    served: PathBuf,
}

impl Files {
    fn write(folder: &Path, upstream: SocketAddr, tools: usize) -> io::Result<Self> {
        let mut text = format!(
            "tools:\n  - name: bench\n    url: http://{upstream}/run\n    \
             auth: {{ type: hmac_sha256, secret: {SECRET} }}\n"
        );
        for number in 1..tools {
            write!(
                text,
                "  - name: tool_{number}\n    url: http://{upstream}/{number}\n    \
                 auth: {{ type: hmac_sha256, secret: secret-of-tool-{number} }}\n"
            )
            .map_err(io::Error::other)?;
        }
        let both = ["one.yaml", "two.yaml"].map(|name| folder.join(name));
        fs::write(&both[0], &text)?;
        fs::write(&both[1], text + "    max_retries: 3\n")?;
        let served = folder.join("tools.yaml");
        symlink(&both[0], &served)?;
        Ok(Self { both, served })
    }

    /// As Kubernetes does it: a new link is renamed over the old one.
    fn swap(&self, turn: usize) -> io::Result<()> {
        let new = self.served.with_extension("new");
        symlink(&self.both[turn % 2], &new)?;
        fs::rename(new, &self.served)
    }
}

async fn keep_swapping(files: Files, admin: SocketAddr) -> io::Result<()> {
    let mut through = reloads(admin).await?;
    for turn in 1.. {
        files.swap(turn)?;
        while reloads(admin).await? == through {
            tokio::time::sleep(LOOK).await;
        }
        through += 1;
    }
    Ok(())
}

/// How many registries have been put into service.
async fn reloads(admin: SocketAddr) -> io::Result<usize> {
    let mut client = Client::connect(admin).await?;
    let metrics = client.call(&Request::get("/metrics")).await?.body;
    let line = metrics.lines().find_map(|line| {
        line.strip_prefix("countersign_registry_reloads_total{result=\"replaced\"} ")
    });
    line.map_or(Ok(0), |count| count.parse().map_err(io::Error::other))
}

fn table(tools: usize, rounds: Vec<(Calls, Calls, usize)>) -> String {
    let mut rows = vec![
        ["calls while", "p50 µs", "p99 µs", "reloads"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let (mut still, mut during, mut count) = (Vec::new(), Vec::new(), 0);
    for (mut one, mut other, reloads) in rounds {
        still.push((one.quantile(0.5), one.quantile(0.99)));
        during.push((other.quantile(0.5), other.quantile(0.99)));
        count += reloads;
    }
    let mut ratio = Vec::new();
    for (what, quantiles, reloads) in [
        ("nothing else happens".to_owned(), still, 0),
        (format!("{tools} tools are read again"), during, count),
    ] {
        let (p50s, p99s): (Vec<_>, Vec<_>) = quantiles.into_iter().unzip();
        let (p50, p99) = (median(p50s), median(p99s));
        ratio.push(p99);
        rows.push(vec![
            what,
            format!("{p50:.1}"),
            format!("{p99:.1}"),
            reloads.to_string(),
        ]);
    }
    format!(
        "{}\np99 during reloads / without: {:.2}\n",
        markdown(&rows),
        ratio[1] / ratio[0]
    )
}
