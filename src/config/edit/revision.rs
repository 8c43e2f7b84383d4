//! One entry of the file while its fields are changed, of whichever list it is.
//!
//! A field that says what it should stays as it is written.

use zeroize::Zeroizing;

use super::block::{self, Reason};
use super::draft;
use super::flow::Enclosed;
use super::outline::{List, Pair, Part};
use super::plan::{self, MERGED, Refusal, UNCLEAR};
use super::scalar::Value;
use super::splice::Splices;
use crate::config::yaml::Node;

/// What a field says, and what it should say.
pub struct Wish<'v> {
    /// Its key.
    pub name: &'static str,
    /// What it says.
    pub now: Option<Value<'v>>,
    /// What it should say; nothing where it should not be there.
    pub then: Option<Value<'v>>,
}

/// Puts a value in the place of a pair's; the flag tells whether that is within braces.
pub type Set = fn(&mut Splices, &str, &Pair, Value<'_>, bool) -> Result<(), Reason>;

/// An entry, and what has been changed of it so far.
pub struct Revision<'t> {
    text: &'t str,
    list: List,
    index: usize,
    entry: Part,
    braced: bool,
    splices: Splices,
    added: Vec<String>,
    removed: Vec<&'static str>,
}

impl<'t> Revision<'t> {
    /// The entry at `index` of a list.
    ///
    /// # Errors
    /// When it is not written where it stands.
    pub fn of(text: &'t str, list: List, index: usize) -> Result<Self, Refusal> {
        let (outline, entry) = plan::outlined(text, list, index)?;
        let revision = Self {
            text,
            list,
            index,
            braced: entry.extent.braced || outline.brackets.is_some(),
            entry,
            splices: Splices::default(),
            added: Vec::new(),
            removed: Vec::new(),
        };
        let shape = plan::check_shape(&revision.entry);
        shape.map_err(|reason| revision.refusal(reason))?;
        Ok(revision)
    }

    /// Makes a field say what it should. `node` is what the entry means.
    ///
    /// # Errors
    /// When the field is written in a way that cannot be edited safely.
    pub fn field(&mut self, node: &Node, wish: Wish<'_>, set: Set) -> Result<(), Refusal> {
        let Wish { name, now, then } = wish;
        let written = node.get(name).is_some();
        match (self.entry.pair(name), then) {
            (_, then) if written && then == now => {}
            (Some(pair), Some(value)) => {
                let done = set(&mut self.splices, self.text, pair, value, self.braced);
                done.map_err(|reason| self.refusal(reason))?;
            }
            (Some(_), None) => self.removed.push(name),
            (None, _) if written => return Err(self.refusal(MERGED)),
            (None, Some(value)) => {
                let quoted = self.entry.pairs().last().is_some_and(|pair| pair.quoted);
                let pair = draft::pair(name, value, quoted, self.braced);
                self.added.push(pair);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Changes something else of the entry.
    ///
    /// # Errors
    /// When `change` cannot.
    pub fn change(
        &mut self,
        change: impl FnOnce(&mut Splices, &Part, bool) -> Result<(), Reason>,
    ) -> Result<(), Refusal> {
        let done = change(&mut self.splices, &self.entry, self.braced);
        done.map_err(|reason| self.refusal(reason))
    }

    /// The text with all that.
    ///
    /// # Errors
    /// When fields cannot be added or taken out safely.
    pub fn finish(mut self) -> Result<Zeroizing<String>, Refusal> {
        if !self.added.is_empty() {
            let added = add(&mut self.splices, self.text, &self.entry, &self.added);
            added.map_err(|reason| self.refusal(reason))?;
        }
        let unclear = self.refusal(UNCLEAR);
        let mut edited = self.splices.apply(self.text).ok_or(unclear)?;
        // Each on the text that the change before left, because commas and lines are shared.
        for name in self.removed {
            edited = without_pair(&edited, self.list, self.index, name)?;
        }
        Ok(edited)
    }

    fn refusal(&self, reason: Reason) -> Refusal {
        Refusal {
            line: Some(self.entry.extent.line),
            reason,
        }
    }
}

/// Adds pairs to an entry.
fn add(splices: &mut Splices, text: &str, entry: &Part, new: &[String]) -> Result<(), Reason> {
    if entry.extent.braced {
        enclosed_pairs(entry).append(splices, text, new);
        Ok(())
    } else {
        block::add_pairs(splices, text, entry, new)
    }
}

/// A text without one pair of an entry.
fn without_pair(
    text: &str,
    list: List,
    index: usize,
    name: &str,
) -> Result<Zeroizing<String>, Refusal> {
    let (_, entry) = plan::outlined(text, list, index)?;
    let unclear = Refusal {
        line: Some(entry.extent.line),
        reason: UNCLEAR,
    };
    let place = entry.pairs().iter().position(|pair| pair.name == name);
    let place = place.ok_or(unclear)?;
    let mut splices = Splices::default();
    if entry.extent.braced {
        enclosed_pairs(&entry).remove(&mut splices, text, place);
    } else {
        block::remove_pair(&mut splices, text, &entry, place);
    }
    splices.apply(text).ok_or(unclear)
}

fn enclosed_pairs(mapping: &Part) -> Enclosed {
    Enclosed {
        inside: mapping.extent.start + 1..mapping.extent.end - 1,
        elements: mapping
            .pairs()
            .iter()
            .map(|pair| pair.key.start..pair.end())
            .collect(),
    }
}
