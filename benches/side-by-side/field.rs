//! The subjects of one body size, all running, and what is done with them in turns. How each thing
//! is measured is left to `measure`.

pub mod measure;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use countersign::test_support::load::{self, Program, Request};

use crate::figures::{Figure, markdown};
use crate::options::Options;
use crate::report::Report;
use crate::signatures::Signatures;
use crate::subjects::{Setting, Subject};

/// What is measured in one go.
#[derive(Clone, Copy, Debug)]
pub enum Measurement {
    /// CPU time and calls per second under saturating load.
    Load,
    /// Of one client alone, and at a fixed rate.
    Latency,
    /// CPU time of calls on connections of their own.
    Connections,
    /// At its highest, and with idle connections.
    Memory,
}

/// Who takes part, under which name.
pub struct Contender {
    /// `None` for calls that go to the tool without a proxy.
    pub subject: Option<Subject>,
    /// In the tables.
    pub name: String,
    /// Which build of this project it is, if it is one.
    pub countersign: PathBuf,
}

impl Contender {
    /// Under the subject's own name.
    pub fn new(subject: Option<Subject>, countersign: &Path) -> Self {
        Self {
            subject,
            name: subject
                .map_or("direct to the tool", Subject::name)
                .to_owned(),
            countersign: countersign.to_owned(),
        }
    }
}

/// The subjects of one body size, all running.
pub struct Field<'f> {
    upstream: &'f Program,
    /// Body size in bytes.
    size: usize,
    entrants: Vec<Entrant>,
}

struct Entrant {
    /// Among the contenders.
    index: usize,
    name: String,
    subject: Option<Subject>,
    program: Option<Program>,
}

impl<'f> Field<'f> {
    /// Starts everyone who can be started. The others are noted as left out.
    ///
    /// # Errors
    /// When this project does not start.
    pub fn start(
        contenders: &[Contender],
        upstream: &'f Program,
        size: usize,
        scratch: &Path,
        report: &mut Report,
    ) -> io::Result<Self> {
        let mut entrants = Vec::new();
        for (index, contender) in contenders.iter().enumerate() {
            let Contender { subject, name, .. } = contender;
            let folder = scratch.join(index.to_string());
            fs::create_dir_all(&folder)?;
            let setting = Setting {
                upstream: upstream.address,
                body: size,
                folder: &folder,
                countersign: &contender.countersign,
            };
            let program = match subject {
                None => None,
                Some(subject) if subject.missing().is_some() => continue,
                Some(subject) => match subject.start(&setting) {
                    Ok(program) => Some(program),
                    Err(error) if *subject == Subject::Countersign => return Err(error),
                    Err(error) => {
                        report.leave_out(name, error.to_string());
                        continue;
                    }
                },
            };
            if let Some(program) = &program {
                let memory = program.memory_mib("VmRSS");
                report.figures.note(size, index, Figure::RssStart, memory);
            }
            entrants.push(Entrant {
                index,
                name: name.clone(),
                subject: *subject,
                program,
            });
        }
        Ok(Self {
            upstream,
            size,
            entrants,
        })
    }

    /// Tries everyone's signatures and gives a table of what became of them. A subject that does not
    /// sign calls with usual heads is not measured.
    pub async fn try_signatures(&mut self, report: &mut Report) -> String {
        let mut rows = vec![Signatures::title()];
        let mut fair = Vec::new();
        for entrant in self.entrants.drain(..) {
            let (Some(subject), Some(program)) = (entrant.subject, &entrant.program) else {
                fair.push(entrant);
                continue;
            };
            if !subject.signs() {
                fair.push(entrant);
                continue;
            }
            let tried = Signatures::of(&entrant.name, subject, program.address, self.size).await;
            rows.push(tried.row());
            if tried.are_fair() {
                fair.push(entrant);
            }
            report.signed(subject, self.size, tried);
        }
        self.entrants = fair;
        markdown(&rows)
    }

    /// One round of a measurement. A subject that fails is left out from then on.
    ///
    /// # Errors
    /// When a call of this project's fails, or one to the tool itself.
    pub async fn measure(
        &mut self,
        what: Measurement,
        options: &Options,
        report: &mut Report,
    ) -> io::Result<()> {
        let mut failed = Vec::new();
        for entrant in &self.entrants {
            let figures = &mut report.figures;
            let measured = match what {
                Measurement::Load => self.measure_load(entrant, options, figures).await,
                Measurement::Latency => self.measure_latency(entrant, options, figures).await,
                Measurement::Connections => {
                    self.measure_connections(entrant, options, figures).await
                }
                Measurement::Memory => self.measure_memory(entrant, options, figures).await,
            };
            let Err(error) = measured else { continue };
            let reason = format!("{what:?}: {error}");
            if matches!(entrant.subject, None | Some(Subject::Countersign)) {
                return Err(io::Error::other(format!("{}: {reason}", entrant.name)));
            }
            report.leave_out(&entrant.name, reason);
            failed.push(entrant.index);
        }
        self.entrants
            .retain(|entrant| !failed.contains(&entrant.index));
        Ok(())
    }
}

impl Entrant {
    /// Without a proxy it is the tool itself that costs.
    fn program<'p>(&'p self, upstream: &'p Program) -> &'p Program {
        self.program.as_ref().unwrap_or(upstream)
    }

    fn request(&self, size: usize) -> Request {
        Request::new(self.subject.map_or(load::RUN, Subject::run_path), size)
    }
}
