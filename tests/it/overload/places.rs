//! `max_concurrency`.

use std::rc::Rc;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::{FakeTool, Gate, Harness, Step, World};
use tokio::io::AsyncWriteExt as _;

use super::{begin, bodies, millis, secs};

/// A world whose tool answers each call when its own gate is open.
fn gated(calls: usize, max: i64, queue_secs: u64) -> (Rc<World>, Vec<Gate>) {
    let gates: Vec<_> = (0..calls).map(|_| Gate::closed()).collect();
    let steps = gates.iter().cloned();
    let steps = steps.map(|gate| Step::AnswerWhenOpen(gate, answer(200, &[])));
    let world = Harness::with_tool("t", FakeTool::script(steps)).spec(|spec| {
        spec.max_concurrency(Some(max));
        spec.queue_timeout(secs(queue_secs));
    });
    (Rc::new(world.start()), gates)
}

fn queued(world: &World) -> f64 {
    world.metric("queued_calls{tool=\"t\"}")
}

// spec: LIMIT-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn calls_wait_in_line_for_a_place() {
    let (world, gates) = gated(4, 1, 60);
    let mut calls = Vec::new();
    for body in ["a", "b", "c", "d"] {
        calls.push(begin(&world, body).await);
    }
    assert_eq!(
        (bodies(&world), queued(&world)),
        (vec!["a".to_owned()], 3.0)
    );
    for gate in gates {
        world.let_time_pass(secs(1)).await;
        gate.open();
    }
    for call in calls {
        call.await.unwrap().expect_answer(200);
    }
    assert_eq!(bodies(&world), ["a", "b", "c", "d"]);
    assert_eq!(queued(&world), 0.0);
    assert_eq!(world.metric("queue_wait_seconds_count{tool=\"t\"}"), 4.0);
    // The first waited for nothing, the others for the ones before them.
    assert_eq!(
        world.metric("queue_wait_seconds_bucket{tool=\"t\",le=\"0.005\"}"),
        1.0
    );
    assert_eq!(
        world.metric("queue_wait_seconds_bucket{tool=\"t\",le=\"5\"}"),
        4.0
    );
    // Waiting in line is nobody's overhead.
    assert_eq!(world.metric("overhead_seconds_sum"), 0.0);
}

// spec: LIMIT-1 ERR-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_call_that_gets_no_place_in_time_is_refused() {
    for (queue, deadline, waits) in [(0, None, 0), (2000, None, 2000), (2000, Some(500), 500)] {
        let world = Harness::with_tool("t", FakeTool::silent()).spec(|spec| {
            spec.max_concurrency(Some(1)).queue_timeout(millis(queue));
        });
        let world = Rc::new(world.start());
        let first = begin(&world, "a").await;
        // Only now, because it would end the first call as well.
        world.reload(|spec| {
            if let Some(deadline) = deadline {
                spec.deadline(millis(deadline));
            }
        });
        let began = world.elapsed();
        let reply = world.call("t", "b").await;
        reply.expect_refusal(503, "overloaded");
        assert_eq!((reply.header("retry-after"), reply.attempts()), ("1", 0));
        assert!(reply.text().contains("max_concurrency"), "{}", reply.text());
        assert_eq!(
            world.elapsed() - began,
            millis(waits),
            "{queue} {deadline:?}"
        );
        assert_eq!(bodies(&world), ["a"]);
        first.abort();
        let refused = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"overloaded\"}";
        assert_eq!((world.metric(refused), queued(&world)), (1.0, 0.0));
    }
}

// spec: LIMIT-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_place_is_held_until_the_answer_has_ended() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec();
    let backend = FakeTool::script([Step::AnswerThenSilence(half), Step::ok()]);
    let world = Harness::with_tool("t", backend)
        .timeout(secs(5))
        .spec(|spec| {
            spec.max_concurrency(Some(1)).queue_timeout(secs(60));
        });
    let world = Rc::new(world.start());
    let first = begin(&world, "a").await;
    let second = begin(&world, "b").await;
    world.let_time_pass(millis(4_900)).await;
    assert_eq!(bodies(&world), ["a"]);
    second.await.unwrap().expect_answer(200);
    // The first answer fell silent for as long as the tool may; that was its end.
    assert_eq!(world.elapsed(), secs(5));
    assert_eq!(first.await.unwrap().body, None);
}

// spec: LIMIT-1 CANCEL-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn an_agent_that_leaves_the_queue_makes_room() {
    let (world, gates) = gated(2, 1, 60);
    let first = begin(&world, "a").await;
    let mut agent = world.connect();
    let request = "POST /tools/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nb";
    agent.write_all(request.as_bytes()).await.unwrap();
    world.until(|world| queued(world) == 1.0).await;
    let third = begin(&world, "c").await;
    assert_eq!((queued(&world), world.buffered() > 0), (2.0, true));
    drop(agent);
    world.until(|world| queued(world) == 1.0).await;
    for gate in gates {
        gate.open();
    }
    first.await.unwrap().expect_answer(200);
    third.await.unwrap().expect_answer(200);
    assert_eq!(bodies(&world), ["a", "c"]);
    let cancelled = "calls_total{tool=\"t\",door=\"proxy\",outcome=\"cancelled\"}";
    assert_eq!((world.metric(cancelled), world.buffered()), (1.0, 0));
}

// spec: LIMIT-1 RELOAD-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn fewer_places_are_reached_as_calls_end() {
    let (world, gates) = gated(4, 2, 60);
    let mut calls = Vec::new();
    for body in ["a", "b", "c", "d"] {
        calls.push(begin(&world, body).await);
    }
    assert_eq!(bodies(&world), ["a", "b"]);
    world.reload(|spec| {
        spec.max_concurrency(Some(1));
    });
    gates[0].open();
    world.let_time_pass(secs(1)).await;
    assert_eq!(bodies(&world), ["a", "b"]);
    gates[1].open();
    world.let_time_pass(secs(1)).await;
    assert_eq!(bodies(&world), ["a", "b", "c"]);
    gates[2].open();
    gates[3].open();
    for call in calls {
        call.await.unwrap().expect_answer(200);
    }
}

// spec: LIMIT-1 RELOAD-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn more_places_let_waiting_calls_in_at_once() {
    let (world, gates) = gated(4, 1, 60);
    let mut calls = Vec::new();
    for body in ["a", "b", "c", "d"] {
        calls.push(begin(&world, body).await);
    }
    world.reload(|spec| {
        spec.max_concurrency(Some(3));
    });
    world.let_time_pass(millis(1)).await;
    assert_eq!(bodies(&world), ["a", "b", "c"]);
    for gate in gates {
        gate.open();
    }
    for call in calls {
        call.await.unwrap().expect_answer(200);
    }
}

// spec: LIMIT-1 RELOAD-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn without_the_limit_nobody_waits() {
    let (world, gates) = gated(2, 1, 60);
    let first = begin(&world, "a").await;
    world.reload(|spec| {
        spec.max_concurrency(None);
    });
    let second = begin(&world, "b").await;
    assert_eq!(bodies(&world), ["a", "b"]);
    for gate in gates {
        gate.open();
    }
    first.await.unwrap().expect_answer(200);
    second.await.unwrap().expect_answer(200);
}

// spec: LIMIT-1
#[tokio::test(flavor = "local", start_paused = true)]
async fn workers_share_the_places() {
    let (world, gates) = gated(2, 1, 60);
    let other = Rc::new(world.second_worker());
    let first = begin(&world, "a").await;
    let second = begin(&other, "b").await;
    assert_eq!(bodies(&world), ["a"]);
    gates[0].open();
    gates[1].open();
    first.await.unwrap().expect_answer(200);
    second.await.unwrap().expect_answer(200);
}
