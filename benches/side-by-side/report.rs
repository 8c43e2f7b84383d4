//! Everything that a run found out, for people while it goes on and for programs at its end.

use std::fmt;

use serde_json::{Value, json};

use crate::field::Contender;
use crate::figures::Figures;
use crate::machine::Machine;
use crate::signatures::Signatures;
use crate::subjects::Subject;

/// One run's findings.
pub struct Report {
    machine: Machine,
    /// Subjects with what they say about their version.
    present: Vec<(String, String)>,
    /// Subjects that do not take part, with the reason.
    missing: Vec<(String, String)>,
    /// By the body size that peers were configured for.
    signatures: Vec<(usize, Signatures)>,
    is_ours_right: bool,
    /// What was measured.
    pub figures: Figures,
}

impl Report {
    /// Of a run with these contenders, which has found nothing yet.
    pub fn new(contenders: &[Contender]) -> Self {
        let (mut present, mut missing) = (Vec::new(), Vec::new());
        for contender in contenders {
            let name = contender.name.clone();
            let Some(subject) = contender.subject else {
                continue;
            };
            match subject.missing() {
                Some(needs) => missing.push((name, format!("needs {needs}"))),
                None => present.push((name, subject.version(&contender.countersign))),
            }
        }
        let names = contenders.iter().map(|contender| contender.name.clone());
        Self {
            machine: Machine::this(),
            present,
            missing,
            signatures: Vec::new(),
            is_ours_right: true,
            figures: Figures::new(names.collect()),
        }
    }

    /// Says, and notes, that a subject takes no part from now on.
    pub fn leave_out(&mut self, name: &str, reason: String) {
        println!("LEFT OUT: {name}: {reason}");
        self.missing.push((name.to_owned(), reason));
    }

    /// Notes what became of a subject's signatures.
    pub fn signed(&mut self, subject: Subject, size: usize, signatures: Signatures) {
        if subject == Subject::Countersign {
            self.is_ours_right &= signatures.are_all_right();
        }
        self.signatures.push((size, signatures));
    }

    /// Whether every signature of ours was right so far, with every size of body and head.
    pub fn is_ours_right(&self) -> bool {
        self.is_ours_right
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let pairs = |of: &[(String, String)], value: &str| -> Value {
            of.iter()
                .map(|(name, text)| json!({ "subject": name, value: text }))
                .collect()
        };
        let signatures = self.signatures.iter().map(|(size, signatures)| {
            let mut found = signatures.to_json();
            found["configured_for_body_bytes"] = (*size).into();
            found
        });
        json!({
            "machine": self.machine.to_json(),
            "versions": pairs(&self.present, "version"),
            "left_out": pairs(&self.missing, "reason"),
            "signatures": signatures.collect::<Value>(),
            "figures": self.figures.to_json(),
        })
    }
}

/// What is known before anything is measured.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.machine)?;
        for (name, version) in &self.present {
            writeln!(f, "- {name}: {version}")?;
        }
        for (name, reason) in &self.missing {
            writeln!(f, "- LEFT OUT: {name}: {reason}")?;
        }
        Ok(())
    }
}
