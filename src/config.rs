//! Files and environment in, checked values out.
//!
//! Everything that a person wrote is read here, once, with its position, so that a mistake is
//! answered with file, line, column and field. The rules themselves live where the values are used:
//! a tool's in `registry`. Nothing here repeats what it read, because any scalar may be a secret.

mod edit;
mod expand;
mod fields;
mod options;
mod problem;
mod registry_file;
mod reload;
mod settings;
mod source;
mod watch;
mod yaml;

pub use edit::{Change, EditError, Editor, Target, ToolWrite};
pub use options::{Setting, TABLE, example};
#[cfg(feature = "test-support")]
pub use problem::Position;
pub use problem::{Problem, Problems};
#[cfg(feature = "test-support")]
pub use registry_file::read;
pub use registry_file::{Loaded, Refused, load};
pub use reload::{ReloadHandle, ReloadOutcome, Reloader, serving};
pub use settings::{
    AgentToken, BadSettings, LogSettings, RegistrySettings, Settings, Sources, StorePlace,
};
pub use source::read_whole;
#[cfg(feature = "test-support")]
pub use source::text_of;
