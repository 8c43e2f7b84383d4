//! A disk that takes nothing more, and then again.

use std::io::{Write as _, stdin};
use std::process::Command;

use super::child::{self, Role};
use super::*;

/// The process is told instead of killed when it writes further into a file than it may.
const TOLD: &str = "trap '' XFSZ";

fn write(store: &Store, number: u32) -> Written {
    let value = "x".repeat(64 * 1024);
    store.write(vec![put(Space::Claims, &number.to_string(), &value)])
}

#[tokio::test(flavor = "local")]
#[ignore = "a role that the test below starts"]
async fn filling() {
    let Some(path) = child::file() else { return };
    let (store, _) = open(&path);
    let mut last = 0;
    while last < 20 {
        write(&store, last).await.unwrap();
        last += 1;
    }
    child::say("ready");
    stdin().read_line(&mut String::new()).unwrap();
    let error = loop {
        match write(&store, last).await {
            Ok(()) => last += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, StoreError::Io { doing: "write", .. }),
        "{error:?}"
    );
    // A write that fails leaves no trace, takes those behind it along, and harms nothing before it.
    let behind = [write(&store, last), write(&store, last + 1)];
    for written in behind {
        assert!(written.await.is_err());
    }
    assert!(matches!(store.health(), Err(StoreError::Io { .. })));
    assert_eq!(value(&store, Space::Claims, &last.to_string()), None);
    child::say(last);
    stdin().read_line(&mut String::new()).unwrap();
    for number in 0..last {
        assert!(
            value(&store, Space::Claims, &number.to_string()).is_some(),
            "{number}"
        );
    }
    write(&store, last).await.unwrap();
    let figures = store.health().unwrap();
    assert_eq!(figures.entries, u64::from(last) + 1);
    assert!(figures.failures >= 2);
    child::say("well");
}

// spec: STORE-6
#[test]
fn a_store_goes_on_when_the_disk_has_room_again() {
    let (_folder, path) = folder();
    let mut filling = Role::start(TOLD, module_path!(), "filling", &path);
    assert_eq!(filling.next().as_deref(), Some("ready"));
    let pid = filling.child.id().to_string();
    let mut stdin = filling.child.stdin.take().unwrap();
    let mut limit = |bytes: &str| {
        let limit = format!("--fsize={bytes}:unlimited");
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status();
        assert!(set.unwrap().success());
        stdin.write_all(b"\n").unwrap();
    };
    limit("2000000");
    let written: u64 = filling.next().unwrap().parse().unwrap();
    assert!(written >= 20, "{written}");
    limit("unlimited");
    assert_eq!(filling.next().as_deref(), Some("well"));
    assert!(filling.child.wait().unwrap().success());
    assert_eq!(open(&path).1.len() as u64, written + 1);
}
