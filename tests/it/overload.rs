//! What happens under too much load, through the real door and in paused time: room for bodies, and
//! the places, rates and circuits of tools, over all workers and across reloads.

mod bodies;
mod circuit;
mod flapping;
mod places;
mod rate;

use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::{Reply, World};
use tokio::task::JoinHandle;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Starts a call with this body and lets it get as far as it can.
async fn begin(world: &Rc<World>, body: &'static str) -> JoinHandle<Reply> {
    let theirs = Rc::clone(world);
    let call = tokio::task::spawn_local(async move { theirs.call("t", body).await });
    world.let_time_pass(millis(1)).await;
    call
}

/// The bodies that reached the tool, in order.
fn bodies(world: &World) -> Vec<String> {
    let received = world.backend.received();
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    received.iter().map(|one| text(&one.body)).collect()
}
