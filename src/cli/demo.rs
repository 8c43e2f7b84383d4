//! `demo`: a sidecar, a tool that verifies, and four calls, in one process and without a file.
//!
//! Everything is real but the letters: the calls go through the listener, the engine and the pool
//! that `serve` uses, over TCP on this host. It ends with 0 only when each call came to what it
//! should.

mod backend;
mod expected;
mod print;
mod scene;
mod tools;

use std::net::SocketAddr;

use anyhow::anyhow;
use tokio::sync::oneshot;

use crate::app::{self, AccessLogTo, Bound, RegistrySource};
use crate::cli::client;
use crate::cli::curl::{self, CurlBody};
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::out::{Out, Style};
use crate::cli::settings_from::SettingFlags;
use crate::cli::signals::{EndSignals, until_signalled};
use crate::registry::Snapshot;
use crate::secret::Secret;
use crate::server::ListenAddress;

use backend::Backend;
use scene::{AGENT, GOOD_BODY, Stage};

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// End after the calls, also on a terminal
    #[arg(long, conflicts_with = "keep_serving")]
    once: bool,
    /// Go on serving after the calls, also away from a terminal
    #[arg(long)]
    keep_serving: bool,
}

/// Shows the calls.
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    let keep_serving = arguments.keep_serving || (out.is_terminal() && !arguments.once);
    let runtime = client::runtime()?;
    runtime.block_on(async {
        let signals = EndSignals::listen().map_err(anyhow::Error::new)?;
        until_signalled(signals, |signal| play(keep_serving, signal, out)).await
    })
}

async fn play(keep_serving: bool, signal: oneshot::Receiver<i32>, out: &mut Out) -> Ended {
    let secret = tools::random_secret()?;
    let (listener, backend_at) = Backend::bind().await.map_err(anyhow::Error::new)?;
    let bound = sidecar(tools::registry(backend_at, &secret)?)?;
    let port = |address: &ListenAddress| address.tcp().expect("the flags below ask for ports");
    let (agents, admin) = (port(bound.agents()), port(bound.admin()));
    let backend = Backend::new(secret.clone());
    let stage = Stage {
        agents,
        backend_at,
        backend: backend.clone(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let show = async move {
        introduce(out, agents, backend_at, &secret).map_err(Failure::from)?;
        let code = show(&stage, out).await?;
        if keep_serving {
            go_on(out, agents, admin)?;
            tokio::select! {
                _ = signal => {}
                written = follow(&stage.backend, out) => written?,
            }
        }
        drop(stop);
        Ok(code)
    };
    let sidecar = bound.run(async move {
        // Dropping the other end is the signal, also when the show ends with an error.
        let _ = stopped.await;
    });
    tokio::select! {
        () = backend.serve(listener) => Err(anyhow!("the backend ended").into()),
        (shown, served) = async { tokio::join!(show, sidecar) } => {
            served?;
            shown
        }
    }
}

fn sidecar(registry: Snapshot) -> Result<Bound, Failure> {
    // Free ports, so that it also runs beside a sidecar that is at work here.
    let flags = [
        ("listen", "127.0.0.1:0"),
        ("admin-listen", "127.0.0.1:0"),
        ("workers", "1"),
    ];
    let settings = SettingFlags::of(&flags).resolve_alone()?;
    Ok(app::build(
        settings,
        RegistrySource::Fixed(registry),
        AccessLogTo::Nowhere,
    )?)
}

fn introduce(
    out: &mut Out,
    agents: SocketAddr,
    backend: SocketAddr,
    secret: &Secret,
) -> std::io::Result<()> {
    out.line(out.styled(
        Style::Strong,
        "Countersign: what an agent sends, signed on its way",
    ))?;
    out.line("")?;
    print::field(out, "agent", "holds no secret and calls")?;
    print::field(
        out,
        "sidecar",
        &format!("at http://{agents}, which signs and calls"),
    )?;
    print::field(
        out,
        "backend",
        &format!("at http://{backend}, which verifies"),
    )?;
    print::field(
        out,
        "shared secret",
        &format!("{}, made up for this run", secret.mask()),
    )?;
    out.line("")
}

async fn show(stage: &Stage, out: &mut Out) -> Ended {
    let scenes = stage.play().await?;
    for (index, scene) in scenes.iter().enumerate() {
        print::scene(out, index + 1, scene)?;
    }
    let wrong: Vec<_> = scenes
        .iter()
        .filter(|scene| scene.wrong.is_some())
        .collect();
    if let Some(first) = wrong.first() {
        let reason = first.wrong.as_deref().unwrap_or_default();
        let title = first.title;
        return Err(anyhow!(
            "{} of {} calls went wrong; the first: {title}: {reason}",
            wrong.len(),
            scenes.len()
        )
        .into());
    }
    let all = format!("All {} calls ended as they should.", scenes.len());
    out.line(out.styled(Style::Good, all))?;
    Ok(exit::OK)
}

/// Shows what else reaches the backend, for ever.
async fn follow(backend: &Backend, out: &mut Out) -> std::io::Result<()> {
    loop {
        for seen in backend.take_seen() {
            out.line(print::passing(&seen))?;
        }
        backend.arrived().await;
    }
}

fn go_on(out: &mut Out, agents: SocketAddr, admin: SocketAddr) -> std::io::Result<()> {
    let headers = [
        ("content-type", "application/json"),
        ("x-onceonly-agent-id", AGENT),
    ];
    let headers = headers.iter().map(|(name, value)| {
        let value = http::HeaderValue::from_static(value);
        (http::HeaderName::from_static(name), value)
    });
    let url = format!("http://{agents}/tools/{}", tools::GOOD);
    let line = curl::line(&url, &headers.collect(), CurlBody::Inline(GOOD_BODY));
    out.line("")?;
    out.line("Call it yourself:")?;
    out.line("")?;
    out.line(line)?;
    out.line("")?;
    print::field(
        out,
        "tools",
        "send_email, look_up_order, delete_account (switched off)",
    )?;
    print::field(out, "agents call", &format!("http://{agents}/tools/NAME"))?;
    print::field(out, "metrics", &format!("http://{admin}/metrics"))?;
    out.line("")?;
    out.line("Serving until Ctrl-C. What reaches the backend is shown here.")?;
    out.finish()
}
