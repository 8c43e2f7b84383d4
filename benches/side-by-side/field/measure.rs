//! One measurement of one subject.
//!
//! CPU time and memory are the subject's own, as the kernel accounts them; what the clients and the
//! tool take is on another core and in no figure.

use std::io;

use countersign::test_support::load::{self, Calls, Client, Program};
use tokio::time::Instant;

use super::{Entrant, Field};
use crate::figures::{Figure, Figures};
use crate::options::Options;

/// Clients that open a connection for every call.
const RECONNECTING: usize = 8;
/// Clients that share the paced load.
const PACED: usize = 16;

impl Field<'_> {
    pub(super) async fn measure_load(
        &self,
        entrant: &Entrant,
        options: &Options,
        figures: &mut Figures,
    ) -> io::Result<()> {
        let program = entrant.program(self.upstream);
        let request = entrant.request(self.size);
        let saturate = |time| load::saturate(program.address, &request, options.connections, time);
        // Connections, buffers and caches are as they will be after this.
        saturate(options.time() / 5).await?;
        let (before, started) = (program.cpu_ns(), Instant::now());
        let calls = none_failed(saturate(options.time()).await?)?;
        let took = started.elapsed().as_secs_f64();
        let cpu = micros_since(before, program);
        let count = calls.latencies.len() as f64;
        let mut note = |figure, value| figures.note(self.size, entrant.index, figure, value);
        note(Figure::CpuPerCall, cpu / count);
        note(Figure::CallsPerSecond, count / took);
        Ok(())
    }

    pub(super) async fn measure_latency(
        &self,
        entrant: &Entrant,
        options: &Options,
        figures: &mut Figures,
    ) -> io::Result<()> {
        let program = entrant.program(self.upstream);
        let (address, time) = (program.address, options.time());
        let request = entrant.request(self.size);
        let mut note = |figure, value| figures.note(self.size, entrant.index, figure, value);

        let calls = load::saturate(address, &request, 1, time / 2).await?;
        let mut calls = none_failed(calls)?;
        note(Figure::P50One, calls.quantile(0.5));
        note(Figure::P99One, calls.quantile(0.99));

        let before = program.cpu_ns();
        let rate = options.rate_of(self.size);
        let calls = load::pace(address, &request, PACED, rate, time).await?;
        let mut calls = none_failed(calls)?;
        let cpu = micros_since(before, program);
        note(Figure::P50Paced, calls.quantile(0.5));
        note(Figure::P99Paced, calls.quantile(0.99));
        note(Figure::CpuPacedPerCall, cpu / calls.latencies.len() as f64);
        Ok(())
    }

    pub(super) async fn measure_connections(
        &self,
        entrant: &Entrant,
        options: &Options,
        figures: &mut Figures,
    ) -> io::Result<()> {
        let program = entrant.program(self.upstream);
        let request = entrant.request(self.size).closing();
        let before = program.cpu_ns();
        // Short, so that ports in TIME_WAIT do not run out over the rounds.
        let time = options.time() / 4;
        let calls = load::reconnect(program.address, &request, RECONNECTING, time).await?;
        let calls = none_failed(calls)?;
        let each = micros_since(before, program) / calls.latencies.len() as f64;
        figures.note(self.size, entrant.index, Figure::CpuPerConnection, each);
        Ok(())
    }

    /// At its highest so far, and with connections that rest after a call.
    pub(super) async fn measure_memory(
        &self,
        entrant: &Entrant,
        options: &Options,
        figures: &mut Figures,
    ) -> io::Result<()> {
        let Some(program) = &entrant.program else {
            return Ok(());
        };
        let mut note = |figure, name| {
            figures.note(self.size, entrant.index, figure, program.memory_mib(name));
        };
        note(Figure::RssLoad, "VmHWM");
        let request = entrant.request(self.size);
        let mut idle = Vec::with_capacity(options.idle);
        for _ in 0..options.idle {
            let mut client = Client::connect(program.address).await?;
            client.call(&request).await?;
            idle.push(client);
        }
        note(Figure::RssIdle, "VmRSS");
        Ok(())
    }
}

/// Calls that can be counted, because all of them were answered.
///
/// # Errors
/// When they were not.
pub fn none_failed(calls: Calls) -> io::Result<Calls> {
    match (calls.failed, calls.latencies.len()) {
        (0, 1..) => Ok(calls),
        (failed, all) => {
            let reason = format!("{failed} of {all} calls failed");
            Err(io::Error::other(reason))
        }
    }
}

/// CPU time that a program has taken since it had taken `before` nanoseconds.
pub fn micros_since(before: u64, program: &Program) -> f64 {
    program.cpu_ns().saturating_sub(before) as f64 / 1e3
}
