//! The log in `tests/vectors/audit_log.jsonl` was written by a few lines of Python, with its `json`
//! and `hashlib`; here it is damaged in every way.

use super::*;

const LOG: &str = include_str!("../../../tests/vectors/audit_log.jsonl");

fn lines() -> Vec<String> {
    LOG.lines().map(str::to_owned).collect()
}

fn verdict(lines: &[String], anchor: Option<Anchor>) -> Verdict {
    verify(lines.iter().map(String::as_bytes), anchor)
}

/// The faults of the log after `damage`, in words.
#[track_caller]
fn check(damage: impl FnOnce(&mut Vec<String>), expected: &[&str]) {
    let mut damaged = lines();
    damage(&mut damaged);
    let faults: Vec<_> = verdict(&damaged, None)
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(faults, expected);
}

fn hash_of(line: &str) -> Hash {
    line[line.len() - 66..line.len() - 2].parse().unwrap()
}

/// What a forger does: changes a record and makes its hash fit again.
fn forge(line: &mut String, from: &str, to: &str) {
    let changed = line.replace(from, to);
    assert_ne!(*line, changed);
    let (open, _) = changed.split_once(HASH_MEMBER).unwrap();
    let (sealed, _) = seal(format!("{open}}}").into_bytes());
    *line = String::from_utf8(sealed).unwrap();
}

// spec: AUDIT-2 AUDIT-3
#[test]
fn a_whole_log_verifies_and_tells_its_end() {
    let whole = lines();
    let expected = Verdict {
        first: Some(1),
        records: 5,
        head: Some(Anchor {
            seq: 5,
            hash: hash_of(&whole[4]),
        }),
        faults: Vec::new(),
    };
    assert_eq!(verdict(&whole, None), expected);
    // The oldest records leave a log that is full.
    let rest = verdict(&whole[2..], None);
    assert_eq!((rest.first, rest.records), (Some(3), 3));
    assert_eq!(rest.faults, []);
    assert_eq!(verdict(&[], None).head, None);
}

// spec: AUDIT-3
#[test]
fn what_was_done_to_a_log_is_said_precisely() {
    let altered = "was altered: its content does not have the hash that it states";
    check(
        |log| log[1] = log[1].replace("dedup", "executed"),
        &[&format!("record 2 {altered}")],
    );
    check(
        |log| log[0] = log[0].replace(",\"tool\"", ", \"tool\""),
        &[&format!("record 1 {altered}")],
    );
    check(
        |log| forge(&mut log[1], "dedup", "executed"),
        &["record 3 does not continue record 2: one of the two was replaced"],
    );
    check(
        |log| forge(&mut log[0], "\"prev\":\"00", "\"prev\":\"01"),
        &[
            "record 1 does not begin a chain",
            "record 2 does not continue record 1: one of the two was replaced",
        ],
    );
    check(|log| drop(log.remove(2)), &["record 3 is missing"]);
    check(|log| drop(log.drain(1..4)), &["records 2 to 4 are missing"]);
    check(
        |log| log.swap(2, 3),
        &["record 3 is out of order: it stands behind record 4"],
    );
    check(
        |log| log.push(log[1].clone()),
        &["record 2 is there more than once"],
    );
    check(
        |log| log.insert(1, "{\"seq\":2}".to_owned()),
        &["line 2 is not a record"],
    );
    check(
        |log| log[4] = log[4].replace("\"seq\":5", "\"seq\":18446744073709551615"),
        &["line 5 is not a record"],
    );
    check(
        |log| {
            log.remove(3);
            log[1] = log[1].replace("billing", "someone");
        },
        &[&format!("record 2 {altered}"), "record 4 is missing"],
    );
}

// spec: AUDIT-3
#[test]
fn a_log_that_was_written_anew_or_cut_off_is_not_what_was_noted() {
    let whole = lines();
    let noted = |seq: usize| Anchor {
        seq: seq as u64,
        hash: hash_of(&whole[seq - 1]),
    };
    let check = |log: &[String], anchor, expected: &[Fault]| {
        assert_eq!(verdict(log, Some(anchor)).faults, expected);
    };
    for seq in 1..=5 {
        check(&whole, noted(seq), &[]);
    }
    check(&whole[..4], noted(5), &[Fault::NotedIsMissing { seq: 5 }]);
    check(&[], noted(1), &[Fault::NotedIsMissing { seq: 1 }]);
    // Record 2 has left, and record 3 still knows it; record 1 nobody knows any more.
    check(&whole[2..], noted(2), &[]);
    check(&whole[2..], noted(1), &[Fault::NotedIsMissing { seq: 1 }]);
    let mut anew = whole[..1].to_vec();
    forge(&mut anew[0], "0.25", "0.01");
    check(&anew, noted(1), &[Fault::NotAsNoted { seq: 1 }]);
}

#[test]
fn an_anchor_is_read_as_it_is_written() {
    let anchor = Anchor {
        seq: 5,
        hash: hash_of(&lines()[4]),
    };
    assert_eq!(anchor.to_string().parse(), Ok(anchor));
    let short = "5:ab";
    let upper = anchor.to_string().to_uppercase();
    for bad in ["", "5", short, "x:", &upper] {
        bad.parse::<Anchor>().unwrap_err();
    }
}
