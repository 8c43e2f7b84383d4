//! Caps that hold for all sidecars together.

use super::*;
use crate::store::fleet::spending::{DAY, HOUR};

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn caps_hold_over_all_sidecars_at_once() {
    let server = Server::start();
    let fleets = [server.sidecar(), server.sidecar()];
    let capped = |change: fn(&mut Charge)| {
        let mut charge = charge();
        change(&mut charge);
        charge
    };
    let check = async |charge: Charge, counted: usize| {
        server.redis.ask::<String>(&["FLUSHALL"]);
        let asked = (0..30).map(|number| {
            let (fleet, charge) = (fleets[number % 2].clone(), charge.clone());
            tokio::task::spawn_local(async move { fleet.spend(charge).await.unwrap() })
        });
        let mut found = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            found.push(asked.await.unwrap());
        }
        let (yes, no): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| *f == Charged::Counted);
        assert_eq!(yes.len(), counted, "{charge:?}");
        no
    };
    for refused in check(capped(|c| c.per_hour = Some(7)), 7).await {
        assert!(matches!(refused, Charged::PerHour(wait) if wait <= HOUR + Duration::from_secs(1)));
    }
    for refused in check(capped(|c| c.per_tool = Some(8)), 8).await {
        assert!(matches!(refused, Charged::PerTool(wait) if wait <= DAY));
    }
    // 30 calls of 0.10 dollars and a day of 0.95.
    for refused in check(capped(|c| c.per_day = Some(950_000)), 9).await {
        assert!(matches!(refused, Charged::PerDay(wait) if wait <= DAY));
    }
    check(charge(), 30).await;
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn an_hour_slides_and_a_day_begins_anew() {
    let server = Server::start();
    let fleet = server.sidecar();
    let capped = Charge {
        per_hour: Some(2),
        per_tool: Some(5),
        ..charge()
    };
    let now = Clock::System.now().unix_millis();
    // As if three calls had been counted: two more than an hour ago, one less.
    let (gone, left) = (now / 1000 - 3_700, now / 1000 - 3_540);
    let (gone, left) = (gone.to_string(), left.to_string());
    server.redis.ask::<i64>(&[
        "HSET",
        "{test}:hour:bot",
        "from",
        &gone,
        "total",
        "3",
        &gone,
        "2",
        &left,
        "1",
    ]);
    let yesterday = (now / 86_400_000 - 1).to_string();
    server.redis.ask::<i64>(&[
        "HSET",
        "{test}:day:bot",
        "day",
        &yesterday,
        "tool:send_email",
        "5",
        "spent",
        "1",
    ]);
    assert_eq!(fleet.spend(capped.clone()).await.unwrap(), Charged::Counted);
    let Charged::PerHour(wait) = fleet.spend(capped.clone()).await.unwrap() else {
        panic!("two calls within the hour");
    };
    // Room again when the older of the two is an hour old.
    assert!(
        wait <= Duration::from_secs(61) && wait > Duration::ZERO,
        "{wait:?}"
    );
    let today = ["HMGET", "{test}:day:bot", "tool:send_email", "spent"];
    let today: Vec<Option<String>> = server.redis.ask(&today);
    // Money is counted where it has a cap.
    assert_eq!(today, [Some("1".to_owned()), None]);
}

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_lower_cap_waits_until_enough_is_forgotten() {
    let server = Server::start();
    let fleet = server.sidecar();
    let now = Clock::System.now().unix_millis() / 1000;
    let at = |ago: u64| (now - ago).to_string();
    server.redis.ask::<i64>(&[
        "HSET",
        "{test}:hour:bot",
        "from",
        &at(3_000),
        "total",
        "6",
        &at(3_000),
        "3",
        &at(2_000),
        "2",
        &at(1_000),
        "1",
    ]);
    let wait = async |cap| {
        let capped = Charge {
            per_hour: Some(cap),
            ..charge()
        };
        let Charged::PerHour(wait) = fleet.spend(capped).await.unwrap() else {
            panic!("it is used up");
        };
        wait.as_secs()
    };
    // The seconds that these calls still count; a little has passed since `now`.
    for (cap, still) in [(6, 601), (4, 601), (3, 1_601), (2, 1_601), (1, 2_601)] {
        let wait = wait(cap).await;
        assert!((still - 30..=still).contains(&wait), "{cap}: {wait}");
    }
}
