//! The promises of `test_support::fuzz`, tried on the seeds of `fuzz/corpus` and on mutations of them.
//!
//! A bounded run with the stable compiler, the same on every machine; `docs/testing.md` tells how to
//! look further. `COUNTERSIGN_FUZZ_ITERATIONS` is the number of mutations of each target,
//! `COUNTERSIGN_FUZZ_SEED` another beginning.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use countersign::test_support::fuzz::{self, Mutator, dictionary};

/// All targets together take seconds in a debug build on two slow cores.
const ITERATIONS: u64 = 5_000;
/// An edit writes files durably, and disks differ more than processors do.
const ITERATIONS_ON_DISK: u64 = 100;
const SEED: u64 = 1;

macro_rules! targets {
    ($($name:ident: $iterations:expr,)*) => {
        const TARGETS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            exercise(stringify!($name), $iterations, fuzz::$name);
        })*
    };
}

targets! {
    api_body: ITERATIONS,
    canonical_arguments: ITERATIONS,
    chunked_body: ITERATIONS,
    registry: ITERATIONS,
    registry_edit: ITERATIONS_ON_DISK,
    request_head: ITERATIONS,
    response_head: ITERATIONS,
    retry_after: ITERATIONS,
    route: ITERATIONS,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn number_from(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable);
    text.map_or(default, |text| text.parse().expect("a number"))
}

fn exercise(target: &str, iterations: u64, promise: fn(&[u8])) {
    let seeds: Vec<_> = names(&format!("corpus/{target}"))
        .into_iter()
        .map(|name| fs::read(folder().join("corpus").join(target).join(name)).unwrap())
        .collect();
    assert!(seeds.len() >= 10, "only {} seeds", seeds.len());
    for seed in &seeds {
        check(target, promise, seed);
    }
    let text = fs::read_to_string(folder().join(format!("dictionaries/{target}.dict"))).unwrap();
    let tokens = dictionary(&text);
    let number = number_from("COUNTERSIGN_FUZZ_SEED", SEED);
    let mut inputs = Mutator::new(number, &seeds, &tokens);
    for _ in 0..number_from("COUNTERSIGN_FUZZ_ITERATIONS", iterations) {
        check(target, promise, &inputs.mutated());
    }
}

/// Fails with the input in a form that `printf` turns into a file of the corpus.
fn check(target: &str, promise: fn(&[u8]), input: &[u8]) {
    if catch_unwind(|| promise(input)).is_err() {
        let input = input.escape_ascii();
        panic!("{target} breaks its promise, see above; the input is b\"{input}\"");
    }
}

fn names(of: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder().join(of)).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

fn without(suffix: &str, names: BTreeSet<String>) -> BTreeSet<String> {
    let stem = |name: String| name.strip_suffix(suffix).map(str::to_owned);
    names
        .into_iter()
        .map(|name| stem(name.clone()).unwrap_or(name))
        .collect()
}

#[test]
fn every_target_is_run_here_and_by_libfuzzer() {
    let expected: BTreeSet<_> = TARGETS.iter().map(|name| (*name).to_owned()).collect();
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let declared = manifest.lines().filter_map(|line| {
        line.strip_prefix("path = \"fuzz_targets/")?
            .strip_suffix(".rs\"")
    });
    assert_eq!(expected, declared.map(str::to_owned).collect());
    assert_eq!(expected, names("corpus"));
    assert_eq!(expected, without(".rs", names("fuzz_targets")));
    assert_eq!(expected, without(".dict", names("dictionaries")));
    for target in TARGETS {
        let source = folder().join(format!("fuzz_targets/{target}.rs"));
        let source = fs::read_to_string(source).unwrap();
        let call = format!("|data: &[u8]| countersign::test_support::fuzz::{target}(data)");
        assert!(source.contains(&call), "{target} runs something else");
    }
}

#[test]
fn a_broken_promise_fails_with_its_input() {
    let failure = catch_unwind(|| check("target", |data| assert!(data.is_ascii()), b"a\r\n\xff\""));
    let message = failure.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains(r#"target breaks its promise"#));
    assert!(message.ends_with(r#"b"a\r\n\xff\"""#), "{message}");
}
