//! One change on one state of the file: read, decide, splice, confirm, replace.
//!
//! Nothing is written before the result was read again and means what was asked for. A secret goes
//! to disk first, so that the result can be read; it goes again if the result is not used.

use std::io;

use zeroize::Zeroizing;

use super::disk::{Locked, Replaced, failed};
use super::draft::Draft;
use super::model::{Found, FoundPolicy, Model};
use super::outline::List;
use super::plan::{self, Field};
use super::policy;
use super::scalar::Value;
use super::secrets::{Secrets, Stored};
use super::steps::Step;
use super::{Applied, Change, EditError, Editor, ToolWrite};
use crate::config::expand::Environment;
use crate::config::problem::Problems;
use crate::policy::{Policy, PolicySpec};
use crate::registry::{AuthSpec, Tool, ToolSpec};
use crate::secret::Secret;
use crate::sign::Signer;

/// One change under way.
pub(super) struct Edit<'e> {
    editor: &'e Editor,
    locked: &'e Locked<'e>,
    change: &'e Change,
    environment: &'e Environment<'e>,
    secrets: Secrets,
    /// The change's secret, once it is on disk and no registry names it.
    stored: Option<Stored>,
}

/// What a change means for the file that was read.
enum Intent<'m> {
    /// The file says it already.
    Nothing,
    /// The tool changes, in these fields; a whole write may bring a secret.
    Replace(
        &'m Found,
        Box<ToolSpec>,
        &'static [Field],
        Option<&'m ToolWrite>,
    ),
    /// The tool goes.
    Remove(&'m Found),
    /// The tool is new.
    Append(Box<ToolSpec>, &'m ToolWrite),
    /// An agent's policy is new or changes.
    Govern(Option<&'m FoundPolicy>, &'m PolicySpec),
}

impl Intent<'_> {
    fn creates(&self) -> bool {
        match self {
            Self::Append(..) | Self::Govern(None, _) => true,
            Self::Nothing | Self::Replace(..) | Self::Remove(_) | Self::Govern(Some(_), _) => false,
        }
    }
}

impl<'e> Edit<'e> {
    /// Nothing is done yet.
    pub(super) fn new(
        editor: &'e Editor,
        locked: &'e Locked<'e>,
        change: &'e Change,
        environment: &'e Environment<'e>,
    ) -> Result<Self, EditError> {
        Ok(Self {
            editor,
            locked,
            change,
            environment,
            secrets: Secrets::new(&editor.registry, &editor.secrets_dir)?,
            stored: None,
        })
    }

    /// Makes the change on the file as it is now. `None` when somebody else changed it meanwhile.
    pub(super) fn attempt(&mut self) -> Result<Option<Applied>, EditError> {
        let original = self.locked.read()?;
        self.reach(Step::Read)?;
        let before = self.read(&original.text).map_err(EditError::BrokenFile)?;
        let intent = self.intent(&before)?;
        let created = intent.creates();
        let edited = self.edited(&original.text, &before, &intent)?;
        if *edited == *original.text {
            self.discard();
            let changed = false;
            return Ok(Some(Applied { created, changed }));
        }
        let after = self.confirmed(&edited, &before, &intent)?;
        match self.locked.replace(&original, &edited)? {
            Replaced::Durably => {}
            Replaced::Overtaken => return Ok(None),
            Replaced::Unsynced(source) => {
                // The new registry is in place and names it.
                self.stored = None;
                let what = "the registry's folder";
                return Err(EditError::Io { what, source });
            }
        }
        self.stored = None;
        if let Err(error) = self.sweep(&after) {
            tracing::warn!(%error, "secret files that are not used any more could not be removed");
        }
        let changed = true;
        Ok(Some(Applied { created, changed }))
    }

    fn sweep(&self, after: &Model) -> io::Result<()> {
        self.editor.steps.reach(Step::Durable)?;
        self.secrets.sweep(&after.files)
    }

    fn read(&self, text: &str) -> Result<Model, Problems> {
        let target = self.change.target();
        Model::read(&self.editor.registry, text, self.environment, target)
    }

    fn reach(&self, step: Step) -> Result<(), EditError> {
        let reached = self.editor.steps.reach(step);
        reached.map_err(|error| failed("the registry", error))
    }

    /// Removes the secret again that no registry came to name.
    pub(super) fn discard(&mut self) {
        if let Some(stored) = self.stored.take() {
            stored.discard();
        }
    }

    /// What is to be done, if it keeps the rules.
    fn intent<'m>(&self, before: &'m Model) -> Result<Intent<'m>, EditError>
    where
        'e: 'm,
    {
        let found = before.found.as_ref();
        let found_or_error = || found.ok_or(EditError::NotFound);
        match self.change {
            Change::Put(write) => {
                let spec = write.onto(found.map(|found| &found.spec));
                Tool::compile(spec.clone()).map_err(EditError::Invalid)?;
                let spec = Box::new(spec);
                Ok(match found {
                    Some(found) => Intent::Replace(found, spec, Field::ALL, Some(write)),
                    None => Intent::Append(spec, write),
                })
            }
            Change::SetEnabled { enabled, .. } => {
                let found = found_or_error()?;
                if found.spec.enabled.unwrap_or(true) == *enabled {
                    return Ok(Intent::Nothing);
                }
                let mut spec = found.spec.clone();
                spec.enabled = Some(*enabled);
                let fields = &[Field::Enabled];
                Ok(Intent::Replace(found, Box::new(spec), fields, None))
            }
            Change::Delete { .. } => Ok(Intent::Remove(found_or_error()?)),
            Change::Govern(spec) => {
                Policy::compile(spec.clone()).map_err(EditError::Invalid)?;
                Ok(Intent::Govern(before.policy.as_ref(), spec))
            }
        }
    }

    /// The text with the change; a secret is on disk by then.
    fn edited(
        &mut self,
        text: &str,
        before: &Model,
        intent: &Intent<'_>,
    ) -> Result<Zeroizing<String>, EditError> {
        match intent {
            Intent::Nothing => Ok(Zeroizing::new(text.to_owned())),
            Intent::Remove(found) => Ok(plan::remove(text, found.index)?),
            Intent::Govern(Some(found), spec) => Ok(policy::rewrite(text, found, spec)?),
            Intent::Govern(None, spec) => Ok(policy::append(text, before.policies(), spec)?),
            Intent::Replace(found, spec, fields, write) => {
                let new = write.and_then(|write| {
                    let secret = write.secret.as_ref().filter(|new| !found.holds(new))?;
                    Some(self.store(write, secret))
                });
                let file = new.transpose()?;
                Ok(plan::rewrite(text, found, spec, fields, file.as_deref())?)
            }
            Intent::Append(spec, write) => {
                let secret = spec.auth.secret.as_ref();
                let secret = secret.expect("a tool without a secret does not compile");
                let file = self.store(write, secret)?;
                let (tools, draft) = (before.tools(), draft(spec, &file));
                Ok(plan::append(text, List::Tools, tools, &draft)?)
            }
        }
    }

    /// Writes the secret, once however often the edit is made anew; returns the file's name.
    fn store(&mut self, write: &ToolWrite, secret: &Secret) -> Result<String, EditError> {
        let stored = match self.stored.take() {
            Some(stored) => stored,
            None => {
                let steps = &self.editor.steps;
                let tool = (&write.name, &write.scope);
                self.secrets.store(tool, secret, steps)?
            }
        };
        let name = stored.name.clone();
        self.stored = Some(stored);
        Ok(name)
    }

    /// Makes sure that a text means what is intended, and nothing else.
    fn confirmed(
        &self,
        edited: &str,
        before: &Model,
        intent: &Intent<'_>,
    ) -> Result<Model, EditError> {
        let tool = before.found.as_ref().map(|found| found.node.at.line);
        let policy = before.policy.as_ref().map(|found| found.node.at.line);
        let line = tool.or(policy);
        let refuse = |reason: &str| EditError::NotEditable {
            line,
            reason: reason.to_owned(),
        };
        let after = self.read(edited).map_err(|_| {
            refuse("the file would not be valid any more; is a part of it used elsewhere?")
        })?;
        let confirmed = match intent {
            Intent::Nothing => true,
            Intent::Replace(found, spec, ..) => after.is_replaced(before, found.index, spec),
            Intent::Remove(found) => after.is_removed(before, found.index),
            Intent::Append(spec, _) => after.is_appended(before, spec),
            Intent::Govern(found, spec) => {
                let index = found.map(|found| found.index);
                after.is_governed(before, index, spec)
            }
        };
        if confirmed {
            Ok(after)
        } else {
            Err(refuse(
                "other entries would change with it; is a part of it used elsewhere?",
            ))
        }
    }
}

impl ToolWrite {
    /// The specification that comes of writing this over what is there.
    fn onto(&self, there: Option<&ToolSpec>) -> ToolSpec {
        let there = there.cloned().unwrap_or_default();
        ToolSpec {
            name: self.name.as_str().to_owned(),
            scope_id: Some(self.scope.to_string()),
            url: self.url.clone(),
            auth: AuthSpec {
                scheme: Signer::HMAC_SHA256.to_owned(),
                secret: self.secret.clone().or(there.auth.secret),
                secret_id: there.auth.secret_id,
            },
            timeout_ms: Some(self.timeout_ms),
            max_retries: Some(self.max_retries),
            enabled: Some(self.enabled),
            description: self.description.clone(),
            // Its URL came through the API now, whoever wrote the rest.
            source: Some(ToolSpec::SOURCE_API.to_owned()),
            ..there
        }
    }
}

impl Found {
    /// Whether the tool's key is this one and has a file already, so that there is nothing to write.
    fn holds(&self, secret: &Secret) -> bool {
        let in_file = self
            .node
            .get("auth")
            .and_then(|auth| auth.get("secret_file"));
        let stored = self.spec.auth.secret.as_ref();
        in_file.is_some() && stored.is_some_and(|stored| stored.expose() == secret.expose())
    }
}

/// A new tool's fields, in the order in which they are written.
fn draft<'d>(spec: &'d ToolSpec, secret_file: &'d str) -> Draft<'d> {
    let mut head = vec![("name", Value::Text(&spec.name))];
    let scope = spec.scope_id.as_deref().filter(|scope| *scope != "global");
    head.extend(scope.map(|scope| ("scope_id", Value::Text(scope))));
    let fields = |fields: &[Field]| -> Vec<_> {
        let fields = fields.iter();
        fields
            .filter_map(|field| Some((field.name(), field.of(spec)?)))
            .collect()
    };
    head.extend(fields(&[Field::Url, Field::Description]));
    Draft {
        head,
        auth: vec![
            ("type", Value::Text(&spec.auth.scheme)),
            ("secret_file", Value::Text(secret_file)),
        ],
        tail: fields(&[
            Field::TimeoutMs,
            Field::MaxRetries,
            Field::Enabled,
            Field::Source,
        ]),
    }
}
