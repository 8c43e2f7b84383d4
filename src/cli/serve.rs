//! `serve`: the sidecar itself.
//!
//! Standard output belongs to the access log and standard error to the diagnostics, except before
//! there is a sidecar: problems of the files are then printed as `check` prints them.

use std::path::PathBuf;

use tokio::sync::oneshot;
use tracing::error;

use crate::app::{self, AccessLogTo, RegistrySource, StartError};
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::settings_from::SettingFlags;
use crate::cli::signals::{EndSignals, until_signalled};
use crate::cli::{client, logging};
use crate::config::{BadSettings, Settings};
use crate::lifecycle::Supervisor;

/// What `serve` takes. Every setting can also be given in the settings file or as an environment
/// variable; a flag wins over both.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The settings file [default: the environment variable COUNTERSIGN_CONFIG, or none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: SettingFlags,
}

/// Serves until a signal, then drains.
// spec: LIFE-2 LIFE-3
pub fn run(arguments: Arguments) -> Ended {
    let settings = arguments.flags.resolve(arguments.config)?;
    logging::start(&settings.log);
    let runtime = client::runtime()?;
    let ended = runtime.block_on(async {
        let signals = EndSignals::listen().map_err(anyhow::Error::new)?;
        until_signalled(signals, |signal| sidecar(settings, signal)).await
    });
    // A registry that is still being read must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn sidecar(settings: Settings, signal: oneshot::Receiver<i32>) -> Ended {
    let bound = app::build(settings, RegistrySource::File, AccessLogTo::Stdout)?;
    let bound = bound.supervised_by(Supervisor::found(|name| std::env::var_os(name)));
    let stop = async {
        // The other end is dropped only together with this future.
        let _ = signal.await;
    };
    match bound.run(stop).await {
        Ok(()) => Ok(exit::OK),
        Err(error) => {
            // Whoever reads the diagnostics looks for the reason among them.
            error!(error = format!("{error:#}"), "sidecar ended early");
            Ok(exit::INTERNAL)
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(lines) => Self::Config(lines),
            StartError::Internal(error) => Self::Internal(error),
        }
    }
}

impl From<BadSettings> for Failure {
    fn from(bad: BadSettings) -> Self {
        Self::Config(bad.problems.iter().map(ToString::to_string).collect())
    }
}
