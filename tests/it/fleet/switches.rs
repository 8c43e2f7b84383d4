//! A kill switch that is thrown at one sidecar.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use countersign::test_support::process::eventually;
use countersign::test_support::{FakeTool, Gate, Reply, Step, fake_tool};
use serde_json::{Value, json};

use super::{Fleet, TOKEN, call, decision, run};
use crate::support::{ask, block_on};

/// What the others have to hear of a switch. News of it takes milliseconds; the rule has the time in
/// which a sidecar looks by itself when the news was lost.
const A_SECOND: Duration = Duration::from_secs(1);

impl Fleet {
    fn switch(&self, number: usize, switch: &str, body: &Value) {
        let path = format!("/v1/agents/bot/{switch}");
        let admin = self.sidecars[number % 2].admin;
        assert_eq!(ask(admin, TOKEN, "POST", &path, body).status, 200);
    }

    fn is_off(&self, number: usize) -> bool {
        let reply = block_on(run(self.agents(number), "k"));
        reply.json()["policy_reason"] == "agent_disabled"
    }
}

// spec: FLEET-4
#[test]
#[ignore = "needs redis-server"]
fn an_agent_that_is_switched_off_at_one_is_off_at_both_within_a_second() {
    let fleet = Fleet::start("");
    for told in 0..4 {
        for (switch, is_off) in [("disable", true), ("enable", false)] {
            fleet.switch(told, switch, &Value::Null);
            assert_eq!(fleet.is_off(told), is_off, "{switch} at {told}");
            thread::sleep(A_SECOND);
            assert_eq!(fleet.is_off(told + 1), is_off, "{switch} at {told}");
        }
    }
}

/// Makes a call at each sidecar and each door, all of which the tool holds until `gate` opens.
fn in_flight(fleet: &Fleet) -> [JoinHandle<Reply>; 4] {
    let [one, other] = [fleet.agents(0), fleet.agents(1)];
    [
        thread::spawn(move || block_on(run(one, "at one"))),
        thread::spawn(move || block_on(run(other, "at the other"))),
        thread::spawn(move || block_on(call(one, None))),
        thread::spawn(move || block_on(call(other, Some("k")))),
    ]
}

// spec: FLEET-4 POLICY-6 ONCE-4
#[test]
#[ignore = "needs redis-server"]
fn calls_in_flight_are_cut_off_at_both_within_a_second() {
    let gate = Gate::closed();
    let held = Step::AnswerWhenOpen(gate.clone(), fake_tool::answer(200, &[]));
    let fleet = Fleet::calling(FakeTool::script([held]), "");
    let calls = in_flight(&fleet);
    eventually(|| (fleet.tool.received().len() == 4).then_some(())).expect("all are under way");
    // They go on unless they are to be cut off.
    fleet.switch(0, "disable", &Value::Null);
    thread::sleep(A_SECOND);
    assert!(calls.iter().all(|call| !call.is_finished()));
    fleet.switch(0, "disable", &json!({ "cancel_in_flight": true }));
    thread::sleep(A_SECOND);
    assert!(calls.iter().all(JoinHandle::is_finished));
    let [governed @ .., one, other] = calls.map(|call| call.join().unwrap());
    for reply in governed {
        assert_eq!(reply.json()["policy_reason"], "agent_disabled", "{reply:?}");
    }
    one.expect_refusal(403, "agent_disabled");
    other.expect_refusal(403, "agent_disabled");
    // What was cut off is in doubt, and the tool can tell that it is asked again.
    gate.open();
    fleet.switch(1, "enable", &Value::Null);
    assert_eq!(block_on(decision(fleet.agents(1), "at one")), "executed");
    let runs = fleet.runs();
    let [first, again] = &runs["at one"][..] else {
        panic!("{runs:?}");
    };
    assert_eq!(first, again);
}
