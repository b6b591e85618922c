//! The reading of single values, from flags and from the environment.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};

use super::secrets::SECRETS;
use super::{BadConfig, Flags};

/// Reads values, and collects what is wrong with them.
pub(super) struct Values<'a> {
    matches: &'a ArgMatches,
    bad: BadConfig,
}

impl<'a> Values<'a> {
    pub(super) fn new(matches: &'a ArgMatches) -> Self {
        Values { matches, bad: BadConfig::default() }
    }

    /// What was wrong.
    pub(super) fn into_bad(self) -> BadConfig {
        self.bad
    }

    /// A value of its type; `None` where it was noted that it is none.
    ///
    /// # Errors
    /// clap's, for a flag.
    pub(super) fn read<T: FromStr<Err: Display>>(
        &mut self,
        id: &str,
        text: &str,
    ) -> Result<Option<T>, clap::Error> {
        self.read_with(id, text, T::from_str)
    }

    /// Yes or no, in the words that Lightning's environment takes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn boolean(&mut self, id: &str, text: &str) -> Result<Option<bool>, clap::Error> {
        self.read_with(id, text, boolean)
    }

    /// A number of seconds.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn seconds(&mut self, id: &str, text: &str) -> Result<Option<Duration>, clap::Error> {
        Ok(self.read::<u32>(id, text)?.map(|seconds| Duration::from_secs(seconds.into())))
    }

    /// A flag that is not of its type is an error at once; a variable is noted.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_with<T, E: Display>(
        &mut self,
        id: &str,
        text: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, clap::Error> {
        let text = if text.is_empty() { &default_value(id) } else { text };
        match read(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.matches.value_source(id) == Some(ValueSource::CommandLine) => {
                let message = format!("invalid value '{text}' for '{}': {error}", flag(id));
                Err(Flags::command().error(clap::error::ErrorKind::ValueValidation, message))
            }
            Err(error) => {
                self.note(id, &format!("'{text}': {error}"));
                Ok(None)
            }
        }
    }

    /// Which of these were given, by a flag or a variable that is not empty, and the secrets that were: by their names.
    pub(super) fn given(&self, ids: &[&str]) -> Vec<String> {
        let given = ids.iter().filter(|id| self.is_given(id));
        let flags = given.map(|id| match self.matches.value_source(id) {
            Some(ValueSource::CommandLine) => flag(id),
            _ => variable(id),
        });
        let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        flags.chain(SECRETS.iter().filter(is_set).map(|name| (*name).to_owned())).collect()
    }

    /// Whether a value was given, by a flag or a variable that is not empty.
    pub(super) fn is_given(&self, id: &str) -> bool {
        match self.matches.value_source(id) {
            Some(ValueSource::CommandLine) => true,
            Some(ValueSource::EnvVariable) => {
                std::env::var_os(variable(id)).is_some_and(|value| !value.is_empty())
            }
            _ => false,
        }
    }

    /// Notes a value that is of its type, and yet of no use.
    pub(super) fn require(&mut self, id: &str, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.note(id, &why());
        }
    }

    /// Notes a line about what has no flag.
    pub(super) fn note_line(&mut self, line: String) {
        self.bad.0.push(line);
    }

    /// Notes what is wrong with a value, under the name it was given by.
    pub(super) fn note(&mut self, id: &str, what: &str) {
        let name = match self.matches.value_source(id) {
            Some(ValueSource::EnvVariable) => variable(id),
            _ => flag(id),
        };
        self.bad.0.push(format!("{name}: {what}"));
    }
}

/// Rules: `Lightning.Config.Utils.ensure_boolean/1`, which takes these words; in capitals they mean the same here.
fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err("expected 'true', 'yes', 'false' or 'no'"),
    }
}

/// An empty variable is as good as none: it is how a compose file says so.
fn default_value(id: &str) -> String {
    let command = Flags::command();
    let argument = command.get_arguments().find(|argument| argument.get_id() == id);
    let default = argument.and_then(|argument| argument.get_default_values().first().cloned());
    default.and_then(|default| default.to_str().map(str::to_owned)).unwrap_or_default()
}

fn flag(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

fn variable(id: &str) -> String {
    id.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_are_said_in_the_words_of_lightning() {
        for (word, meant) in [("true", true), ("yes", true), ("false", false), ("no", false)] {
            let (upper, mut mixed) = (word.to_ascii_uppercase(), word.to_owned());
            mixed[..1].make_ascii_uppercase();
            for text in [word, &upper, &mixed] {
                assert_eq!(boolean(text), Ok(meant), "{text}");
            }
        }
        for text in ["", "1", "0", "on", "off", "y", "n", " true", "ye\u{17f}"] {
            assert!(boolean(text).is_err(), "{text:?}");
        }
    }
}
