//! Kill switches that all sidecars hear of.

use super::*;

#[tokio::test(flavor = "local")]
#[ignore = "needs redis-server"]
async fn a_kill_switch_reaches_every_sidecar() {
    let mut server = Server::start();
    let (one, other) = (server.sidecar(), server.sidecar());
    let (here, there) = (followed(&one), followed(&other));
    one.known().await;
    other.known().await;
    one.switch("bot", Some(answer("{}"))).await.unwrap();
    assert_eq!(*here.lock().unwrap(), ["bot"]);
    eventually(|| *there.lock().unwrap() == ["bot"]).await;
    // Neither an outage nor a new sidecar changes it.
    server.redis.kill();
    assert_eq!(*there.lock().unwrap(), ["bot"]);
    server.redis.come_back();
    let third = server.sidecar();
    third.known().await;
    assert_eq!(*followed(&third).lock().unwrap(), ["bot"]);
    third.switch("bot", None).await.unwrap();
    eventually(|| here.lock().unwrap().is_empty() && there.lock().unwrap().is_empty()).await;
}
