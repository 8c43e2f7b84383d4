//! The places where an edit can be stopped, so that tests can stop it there.

use std::io;

/// What has been done, in the order in which it is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The registry was read.
    Read,
    /// A secret's temporary file exists.
    SecretBegun,
    /// The secret has its final name.
    SecretWritten,
    /// The registry's temporary file exists.
    RegistryBegun,
    /// The registry's temporary file is complete.
    RegistryWritten,
    /// The registry is replaced.
    RegistryReplaced,
    /// The registry is replaced for good, and files that it named before are still there.
    Durable,
}

/// What happens at each step: nothing, except in tests.
#[derive(Default)]
pub struct Steps {
    #[cfg(test)]
    pub hook: Option<Box<dyn Fn(Step) -> io::Result<()> + Send + Sync>>,
}

impl Steps {
    /// Says that a step is reached.
    pub fn reach(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        if let Some(hook) = &self.hook {
            return hook(step);
        }
        let _ = step;
        Ok(())
    }
}
