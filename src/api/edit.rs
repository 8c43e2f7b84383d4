//! The seam to whoever changes the registry.
//!
//! A change that was answered with `Ok` is durable and in service. How a file is edited so that
//! everything else in it stays as it was is left to the other side.

use std::future::Future;
use std::pin::Pin;

use crate::config::{Change, EditError};

/// Makes a change. The future is done when the change is durable and in service, or with the reason
/// why it is not. After [`EditError::Busy`] and [`EditError::Io`] the file may hold the change all the
/// same; making it again does no harm.
pub type Edit = Box<dyn Fn(Change) -> Editing + Send + Sync>;

/// A change under way. Dropping it does not undo the change.
pub type Editing = Pin<Box<dyn Future<Output = Result<(), EditError>> + Send>>;
