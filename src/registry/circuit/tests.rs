//! A circuit from closed to open and back, in paused time.

use super::*;

const OPEN: Duration = Duration::from_secs(10);

fn circuit(failure_ratio: f64, min_calls: u32) -> Circuit {
    Circuit::new(Breaker {
        failure_ratio,
        min_calls,
        open: OPEN,
    })
}

/// Makes attempts that end as told: `x` fails, `.` does not. What the last one did.
fn attempts(circuit: &Circuit, ends: &str) -> Turn {
    let one = |end: char| circuit.enter().unwrap().ended(end == 'x');
    ends.chars().map(one).last().unwrap()
}

async fn pass(millis: u64) {
    tokio::time::advance(Duration::from_millis(millis)).await;
}

// spec: LIMIT-3
#[tokio::test(start_paused = true)]
async fn it_opens_at_the_ratio_and_not_before_enough_calls() {
    let check = |ratio: f64, min_calls: u32, ends: &str, turn: Turn| {
        assert_eq!(attempts(&circuit(ratio, min_calls), ends), turn, "{ends}");
    };
    check(0.5, 4, "xxx", Turn::Unchanged);
    check(0.5, 4, "xxxx", Turn::Opened);
    check(0.5, 4, "..xx", Turn::Opened);
    check(0.5, 4, "...xx", Turn::Unchanged);
    check(0.5, 4, "...xxx", Turn::Opened);
    check(1.0, 3, ".xxxxxxx", Turn::Unchanged);
    check(1.0, 3, "xxx", Turn::Opened);
    check(0.01, 1, "x", Turn::Opened);
    // Enough calls, but it is no failure that completes them.
    check(0.5, 4, "xxx.", Turn::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn old_failures_are_forgotten() {
    let circuit = circuit(0.5, 4);
    attempts(&circuit, "xxx");
    pass(10_000).await;
    assert_eq!(attempts(&circuit, "xxx"), Turn::Unchanged);
    assert_eq!(attempts(&circuit, "x"), Turn::Opened);
}

// spec: LIMIT-3
#[tokio::test(start_paused = true)]
async fn it_lets_one_probe_through_at_a_time() {
    let circuit = circuit(0.5, 1);
    attempts(&circuit, "x");
    assert_eq!(circuit.enter().unwrap_err(), IsOpen(OPEN));
    pass(9_999).await;
    assert_eq!(
        circuit.check(Duration::ZERO),
        Err(IsOpen(Duration::from_millis(1)))
    );
    assert_eq!(circuit.check(Duration::from_millis(1)), Ok(()));
    assert_eq!(circuit.status().state, CircuitState::Open);
    pass(1).await;
    assert_eq!(circuit.status().state, CircuitState::HalfOpen);
    let probe = circuit.enter().unwrap();
    assert!(probe.is_probe());
    assert_eq!(circuit.enter().unwrap_err(), IsOpen(Duration::ZERO));
    assert_eq!(circuit.check(Duration::ZERO), Err(IsOpen(Duration::ZERO)));
    assert_eq!(probe.ended(true), Turn::Opened);
    assert_eq!(circuit.enter().unwrap_err(), IsOpen(OPEN));
    pass(10_000).await;
    assert_eq!(circuit.enter().unwrap().ended(false), Turn::Closed);
    // What was counted before is forgotten.
    let status = circuit.status();
    assert_eq!((status.state, status.calls), (CircuitState::Closed, 0));
    assert!(!circuit.enter().unwrap().is_probe());
}

// spec: LIMIT-3 CANCEL-1
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_makes_room_for_the_next() {
    let circuit = circuit(0.5, 1);
    attempts(&circuit, "x");
    pass(10_000).await;
    drop(circuit.enter().unwrap());
    assert_eq!(circuit.status().state, CircuitState::HalfOpen);
    assert!(circuit.enter().unwrap().is_probe());
    drop(circuit.enter());
    assert_eq!(circuit.enter().unwrap().ended(false), Turn::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_says_nothing_about_a_later_phase() {
    let circuit = circuit(0.5, 1);
    let (late_failure, late_success) = (circuit.enter().unwrap(), circuit.enter().unwrap());
    attempts(&circuit, "x");
    assert_eq!(late_success.ended(false), Turn::Unchanged);
    assert_eq!(circuit.status().state, CircuitState::Open);
    pass(10_000).await;
    let probe = circuit.enter().unwrap();
    assert_eq!(late_failure.ended(true), Turn::Unchanged);
    // The probe is still the one that counts.
    assert_eq!(circuit.enter().unwrap_err(), IsOpen(Duration::ZERO));
    assert_eq!(probe.ended(false), Turn::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_attempt_counts_for_nothing() {
    let circuit = circuit(0.5, 2);
    drop(circuit.enter().unwrap());
    assert_eq!(circuit.status().calls, 0);
}
