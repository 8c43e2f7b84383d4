//! Whether a subject's signatures are right, for bodies and heads of many sizes.
//!
//! A signer that sees only what its buffer holds signs that much, without a word, and the tool gets a
//! whole body with the signature of a part. Only trying shows it, so every subject is tried with
//! bodies up to the size that it was configured for and with heads that take room beside them.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::test_support::load::{Answer, Client, Request, UNSIGNED};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::subjects::Subject;

/// Bodies, in bytes: small ones, usual sizes of buffers, and the most that ours takes by default.
const BODIES: [usize; 9] = [
    0,
    1,
    255,
    256,
    4095,
    16 * 1024,
    64 * 1024,
    1024 * 1024,
    10 * 1024 * 1024,
];

/// Heads, in bytes; 0 stands for one of a hundred or two, without anything to make it longer.
const HEADS: [usize; 3] = [0, 8 * 1024, 30 * 1024];

/// What a column of the table is called, for each of the heads.
const TITLES: [&str; 3] = ["small head", "8 KiB head", "30 KiB head"];

/// How long one call may take. A peer that hangs has not signed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the calls with one size of head: the sizes of their bodies.
#[derive(Clone, Debug, Default)]
struct Column {
    right: Vec<usize>,
    /// Arrived with a wrong signature, or with none.
    wrong: Vec<usize>,
    /// Answered with an error or not at all. That is no wrong signature: the caller knows.
    refused: Vec<usize>,
}

/// What became of all of them.
#[derive(Clone, Debug)]
pub struct Signatures {
    name: String,
    /// The largest body that the subject was configured for.
    most: usize,
    /// One for each of [`HEADS`].
    columns: [Column; HEADS.len()],
}

impl Signatures {
    /// Tries a subject that was configured for bodies of `most` bytes. Ours is tried with every
    /// size: it needs no such configuration.
    pub async fn of(name: &str, subject: Subject, address: SocketAddr, most: usize) -> Self {
        let is_ours = subject == Subject::Countersign;
        let fits = |body: &usize| *body < most || is_ours && *body > most;
        let bodies: Vec<_> = BODIES.into_iter().filter(fits).chain([most]).collect();
        let mut columns: [Column; HEADS.len()] = Default::default();
        for (head, column) in HEADS.into_iter().zip(&mut columns) {
            for &body in &bodies {
                let request = Request::new(subject.check_path(), body).with_head_of(head);
                let fate = match call(address, &request).await.map(|answer| answer.status) {
                    Some(200) => &mut column.right,
                    Some(UNSIGNED) => &mut column.wrong,
                    Some(_) | None => &mut column.refused,
                };
                fate.push(body);
            }
        }
        Self {
            name: name.to_owned(),
            most,
            columns,
        }
    }

    /// Whether no call arrived unsigned and none was refused.
    pub fn are_all_right(&self) -> bool {
        let is_right = |column: &Column| column.wrong.is_empty() && column.refused.is_empty();
        self.columns.iter().all(is_right)
    }

    /// Whether what is going to be measured is signed: usual heads, and bodies of the size that the
    /// subject was configured for.
    pub fn are_fair(&self) -> bool {
        let usual = &self.columns[0];
        usual.wrong.is_empty() && usual.right.contains(&self.most)
    }

    /// The head of a table of these.
    pub fn title() -> Vec<String> {
        let mut cells = vec!["signatures".to_owned(), "wrong".to_owned()];
        cells.extend(TITLES.map(str::to_owned));
        cells
    }

    /// A row of it.
    pub fn row(&self) -> Vec<String> {
        let wrong: usize = self.columns.iter().map(|column| column.wrong.len()).sum();
        let mut cells = vec![self.name.clone(), wrong.to_string()];
        cells.extend(self.columns.iter().map(Column::shown));
        cells
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let columns = HEADS.iter().zip(&self.columns).map(|(head, column)| {
            json!({
                "head_bytes": head,
                "right_body_bytes": column.right,
                "wrong_body_bytes": column.wrong,
                "refused_body_bytes": column.refused,
            })
        });
        json!({ "subject": self.name, "heads": columns.collect::<Vec<_>>() })
    }
}

impl Column {
    fn shown(&self) -> String {
        let list = |sizes: &[usize]| {
            sizes
                .iter()
                .map(|size| format!(" {size}"))
                .collect::<String>()
        };
        let mut text = format!("{} right", self.right.len());
        if !self.wrong.is_empty() {
            text += &format!(", WRONG:{}", list(&self.wrong));
        }
        if self.right.is_empty() && self.wrong.is_empty() {
            "all refused".clone_into(&mut text);
        } else if !self.refused.is_empty() {
            text += &format!(", refused:{}", list(&self.refused));
        }
        text
    }
}

/// The answer to a call on a connection of its own; `None` when there was none.
async fn call(address: SocketAddr, request: &Request) -> Option<Answer> {
    let call = async { Client::connect(address).await?.call(request).await };
    timeout(PATIENCE, call).await.ok()?.ok()
}
