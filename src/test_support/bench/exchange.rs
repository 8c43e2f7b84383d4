//! A whole call in memory: one agent, one worker, one tool, and pipes between them.

use std::io;

use tokio::io::DuplexStream;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::test_support::load::{Client, Request};
use crate::test_support::{FakeTool, Harness, World};

/// An agent's connection to a [`World`], over which it calls again and again.
///
/// The agent and the scripted tool run on the same thread, so a call costs what all three do.
pub struct Exchange {
    // In this order, because what belongs to a runtime is dropped before it.
    agent: Client<DuplexStream>,
    world: World,
    request: Request,
    runtime: LocalRuntime,
}

impl Exchange {
    /// Calls with bodies of `size` bytes.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn of(size: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        let (world, agent) = runtime.block_on(async {
            let world = Harness::with_tool("bench", FakeTool::ok()).start();
            let agent = Client::over(world.connect());
            (world, agent)
        });
        Ok(Self {
            agent,
            world,
            request: Request::new("/tools/bench", size),
            runtime,
        })
    }

    /// Makes a call and waits for the whole answer.
    ///
    /// # Panics
    /// When it is not answered with 200.
    pub fn call(&mut self) {
        let answer = self.runtime.block_on(self.agent.call(&self.request));
        let status = answer.expect("an answer").status;
        assert_eq!(status, 200);
        // The tool remembers what it got, which would fill the memory over time.
        self.world.backend.forget();
    }
}
