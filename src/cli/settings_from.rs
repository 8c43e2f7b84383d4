//! Where settings come from on the command line: the flags of the option table, a settings file,
//! and the environment.
//!
//! The flags are made from the table, so a setting that gets one there has it here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::call::TOKEN_VARIABLE;
use crate::cli::secret_from::SECRET_VARIABLE;
use crate::config::{BadSettings, Setting, Settings, Sources, TABLE};

/// Variables of other commands. They share the prefix of the settings and are none.
const NOT_SETTINGS: [&str; 2] = [SECRET_VARIABLE, TOKEN_VARIABLE];

/// Settings that were given as flags.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(Vec<(&'static Setting, String)>);

impl SettingFlags {
    /// Settings by the names of their flags.
    ///
    /// # Panics
    /// When there is no such flag, which is a mistake in the caller.
    pub fn of(given: &[(&str, &str)]) -> Self {
        let setting = |flag: &str| {
            let found = with_flags().find(|(_, name, _)| *name == flag);
            found.expect("the caller names flags of the option table").0
        };
        let pair = |(flag, value): &(&str, &str)| (setting(flag), (*value).to_owned());
        Self(given.iter().map(pair).collect())
    }

    /// Reads these flags, the settings file if one is named, and the environment.
    ///
    /// # Errors
    /// Every problem of every source.
    pub fn resolve(self, config: Option<PathBuf>) -> Result<Settings, BadSettings> {
        let is_setting =
            |(name, _): &(OsString, _)| !NOT_SETTINGS.iter().any(|other| name == other);
        Settings::resolve(&Sources {
            config,
            variables: std::env::vars_os().filter(is_setting).collect(),
            flags: self.0,
        })
    }

    /// The same from these flags and the defaults alone.
    ///
    /// # Errors
    /// Every problem of the flags.
    pub fn resolve_alone(self) -> Result<Settings, BadSettings> {
        Settings::resolve(&Sources {
            flags: self.0,
            ..Sources::default()
        })
    }
}

/// Every setting with a flag, the flag's name and what stands for its value.
fn with_flags() -> impl Iterator<Item = (&'static Setting, &'static str, &'static str)> {
    TABLE.iter().filter_map(|setting| {
        let flag = setting.flag.as_ref()?;
        Some((setting, flag.name, flag.value))
    })
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(with_flags().map(|(setting, name, value)| {
            let why = setting.why.trim_end_matches('.');
            let help = format!("{why} [default: {}]", setting.default);
            Arg::new(name).long(name).value_name(value).help(help)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(setting, name, _)| Some((setting, matches.get_one::<String>(name)?.clone()));
        Ok(Self(with_flags().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
