//! A call that was claimed and ends while it waits for a place: nothing was sent, so nothing is in doubt.

use std::rc::Rc;
use std::time::Duration;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Gate, Harness, Reply, Step, World};
use http::Request;
use http_body_util::Full;
use tokio::task::{JoinHandle, spawn_local};

use super::{blocked, lease_of, ruling};

/// A world whose tool has one place, which a call has until the gate is opened, and whose calls wait so
/// long for it. What is in doubt is refused.
async fn crowded(patience: Duration) -> (Rc<World>, Gate) {
    let gate = Gate::closed();
    let first = Step::AnswerWhenOpen(gate.clone(), answer(200, &[]));
    let world = Harness::with_tool("t", FakeTool::script([first, Step::ok()])).spec(|t| {
        t.max_concurrency(Some(1)).queue_timeout(patience);
        t.once(Duration::from_secs(60), "refuse");
    });
    let world = Rc::new(world.start());
    drop(begin(&world, Door::Governed, "other"));
    world
        .until(|world| world.backend.received().len() == 1)
        .await;
    (world, gate)
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Governed,
    Transparent,
}

const DOORS: [Door; 2] = [Door::Governed, Door::Transparent];

async fn call(world: &World, door: Door, agent: &str) -> Reply {
    match door {
        Door::Governed => world.run(agent, "t", "{}").await,
        Door::Transparent => {
            let request = Request::post("/tools/t")
                .header("x-onceonly-agent-id", agent)
                .header("idempotency-key", "k")
                .body(Full::from("{}"));
            world.send(request.unwrap()).await
        }
    }
}

fn begin(world: &Rc<World>, door: Door, agent: &'static str) -> JoinHandle<Reply> {
    let world = Rc::clone(world);
    spawn_local(async move { call(&world, door, agent).await })
}

/// A call that waits in line.
async fn waiting(world: &Rc<World>, door: Door) -> JoinHandle<Reply> {
    let call = begin(world, door, "a");
    let queued = |world: &World| world.metric("queued_calls{tool=\"t\"}") == 1.0;
    world.until(queued).await;
    call
}

/// The call can be made as if it had never been.
async fn expect_as_new(world: &World, door: Door, gate: &Gate) {
    gate.open();
    world
        .until(|world| world.metric("queued_calls{tool=\"t\"}") == 0.0)
        .await;
    let again = call(world, door, "a").await;
    again.expect_answer(200);
    if let Door::Governed = door {
        assert_eq!(ruling(&again)["decision"], "executed");
    }
    assert_eq!((again.attempts(), world.backend.received().len()), (1, 2));
}

// spec: ONCE-1 ONCE-4 POLICY-6
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_is_switched_off_meanwhile() {
    for door in DOORS {
        let (world, gate) = crowded(Duration::from_secs(60)).await;
        let cut = waiting(&world, door).await;
        world.switch_off("a", true).await;
        let cut = cut.await.unwrap();
        match door {
            Door::Governed => assert_eq!(ruling(&cut), blocked("agent_disabled", "high")),
            Door::Transparent => cut.expect_refusal(403, "agent_disabled"),
        }
        world.switch_on("a").await;
        expect_as_new(&world, door, &gate).await;
    }
}

// spec: ONCE-1 ONCE-4 CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_meanwhile() {
    let (world, gate) = crowded(Duration::from_secs(60)).await;
    waiting(&world, Door::Transparent).await.abort();
    let series = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"cancelled\"}";
    world.until(|world| world.metric(series) == 1.0).await;
    expect_as_new(&world, Door::Transparent, &gate).await;
    // A governed call stays in line instead, and is there to be joined.
    let (world, gate) = crowded(Duration::from_secs(60)).await;
    waiting(&world, Door::Governed).await.abort();
    gate.open();
    let told = ruling(&call(&world, Door::Governed, "a").await);
    assert_eq!(
        (told["decision"].as_str(), world.backend.received().len()),
        (Some("dedup"), 2)
    );
}

// spec: ONCE-1 LIMIT-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_place_that_comes_too_late() {
    for door in DOORS {
        let (world, gate) = crowded(Duration::from_secs(2)).await;
        call(&world, door, "a")
            .await
            .expect_refusal(503, "overloaded");
        expect_as_new(&world, door, &gate).await;
    }
}

/// Those who wait for a call that is never sent make it themselves, one of them.
// spec: ONCE-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn others_who_wait_for_it() {
    let (world, gate) = crowded(Duration::from_secs(2)).await;
    let calls: Vec<_> = (0..2).map(|_| begin(&world, Door::Governed, "a")).collect();
    world.let_time_pass(Duration::from_secs(3)).await;
    gate.open();
    let (mut refused, mut decided) = (0, Vec::new());
    for call in calls {
        let reply = call.await.unwrap();
        if reply.status == 503 {
            refused += 1;
        } else {
            decided.push(ruling(&reply)["decision"].clone());
        }
    }
    assert_eq!((refused, decided), (1, vec!["executed".into()]));
    let leases = world.backend.received();
    assert_ne!(lease_of(&leases[0].body), lease_of(&leases[1].body));
}
