//! Where settings come from: flags over `STANCHION_*` variables over the TOML file over defaults.
//! Each value keeps its source, which messages name. No message shows a value of the file: it may
//! be a secret.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::Path};

use anyhow::{Context, anyhow};
use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use figment::{
    Error, Figment, Metadata, Profile, Provider,
    error::Kind,
    value::{Dict, Map, Value},
};
use toml::Spanned;

use super::{
    Program,
    check::{Refused, check, check_program},
    environment::check_variables,
    settings::{SETTING_TABLE, Settings},
    table::{ADDRESS_FORM, Setting, flag, not_a_setting, variable},
};

/// Settings of all sources together.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Messages on former names that are still used, and on flags without effect.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with the settings.
#[derive(Debug)]
pub struct InvalidSettings {
    faults: Vec<String>,
    /// The settings ask for logs as JSON, as far as they can be read.
    pub wants_json: bool,
}

impl InvalidSettings {
    /// `Ok` if nothing is wrong.
    ///
    /// # Errors
    /// The faults.
    pub fn unless_none(faults: impl IntoIterator<Item = String>) -> Result<(), Self> {
        let faults: Vec<_> = faults.into_iter().collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Self {
                faults,
                wants_json: false,
            }),
        }
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.as_slice() {
            [fault] => f.write_str(fault),
            faults => {
                write!(f, "{} faults in the settings stop the start:", faults.len())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for InvalidSettings {}

/// Reads every source for `program`.
///
/// # Errors
/// [`InvalidSettings`] names all faults by name and source: a file that cannot be read, a key or
/// `STANCHION_*` variable that is not known, a value that is not allowed, a setting that is missing.
pub fn load(
    flags: &ArgMatches,
    file: Option<&Path>,
    program: Program,
) -> Result<Loaded, InvalidSettings> {
    let variables: Vec<_> = std::env::vars_os().collect();
    let mut sources = Sources::default();

    if let Some(path) = file {
        match std::fs::read_to_string(path) {
            Ok(text) => sources.add_file(&text, &path.display().to_string()),
            Err(error) => sources
                .faults
                .push(format!("cannot read the file {}: {error}", path.display())),
        }
    }

    sources.faults.extend(check_variables(&variables));
    sources.add_variables(&variables);
    sources.add_flags(flags);
    sources.merge(program)
}

/// The values of all sources, in the order in which a later one counts more, and what is wrong with
/// them.
#[derive(Default)]
pub(super) struct Sources {
    given: Vec<Given>,
    faults: Vec<String>,
    /// Settings of which a source gives no readable value: nothing more is said of them.
    unread: Vec<&'static str>,
}

impl Sources {
    /// Lays the values over each other, and checks what remains.
    pub(super) fn merge(mut self, program: Program) -> Result<Loaded, InvalidSettings> {
        let former_names = self.given.iter().filter_map(|value| value.warning.clone());
        let without_effect = self
            .given
            .iter()
            .filter_map(|value| value.without_effect(program));
        let warnings = former_names.chain(without_effect).collect();

        // Each by itself, so that one fault does not hide the others.
        self.remove_unreadable();
        let wants_json = self.wants_json();
        let layers = self
            .given
            .into_iter()
            .fold(Figment::from(Defaults), Figment::merge);
        let extracted = layers.extract::<Settings>();

        match &extracted {
            Ok(settings) => {
                let refused = check(settings)
                    .into_iter()
                    .chain(check_program(settings, program));
                let unread = self.unread;
                self.faults.extend(
                    refused
                        .filter(|refused| !unread.contains(&refused.setting))
                        .map(|refused| with_source(&refused, &layers)),
                );
            }
            Err(error) => self.faults.push(explain(error)),
        }

        match extracted {
            Ok(settings) if self.faults.is_empty() => Ok(Loaded { settings, warnings }),
            _ => Err(InvalidSettings {
                faults: self.faults,
                wants_json,
            }),
        }
    }

    fn wants_json(&self) -> bool {
        let mut formats = self.given.iter().rev();
        let format = formats.find(|value| value.setting.name == "log_format");
        format.is_some_and(|format| format.value.as_str() == Some("json"))
    }

    /// Takes out what counts and is not of its setting's type.
    fn remove_unreadable(&mut self) {
        for setting in SETTING_TABLE {
            let of_setting = |value: &Given| value.setting.name == setting.name;
            let Some(counts) = self.given.iter().rfind(|value| of_setting(value)) else {
                continue;
            };

            let alone = Figment::from(Defaults).merge(counts);
            if let Err(error) = alone.extract::<Settings>() {
                self.refuse(setting, explain(&error));
                self.given.retain(|value| !of_setting(value));
            }
        }
    }

    fn refuse(&mut self, setting: &'static Setting, fault: String) {
        self.faults.push(fault);
        self.unread.push(setting.name);
    }
}

/// The lowest layer.
struct Defaults;

impl Provider for Defaults {
    fn metadata(&self) -> Metadata {
        Metadata::named("the defaults")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let defaults = Settings::default();
        let mut dict = Dict::new();
        for (setting, value) in SETTING_TABLE.iter().zip(defaults.values()) {
            let value = value.layered().map_err(|error| error.to_string())?;
            if let Some(value) = value {
                dict.insert(setting.name.to_owned(), value);
            }
        }
        Ok(Profile::Default.collect(dict))
    }
}

/// A value that a source gives.
pub(super) struct Given {
    setting: &'static Setting,
    value: Value,
    source: String,
    /// It is given under its former name.
    warning: Option<String>,
}

impl Provider for Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let dict = Dict::from([(self.setting.name.to_owned(), self.value.clone())]);
        Ok(Profile::Default.collect(dict))
    }
}

impl Given {
    /// Says that a flag is of no use here. Variables and files are shared by several commands.
    fn without_effect(&self, program: Program) -> Option<String> {
        let is_useless = self.source.starts_with("--")
            && !program.reads(self.setting.name)
            && program != Program::Embedded; // which refuses them
        is_useless.then(|| format!("{} has no effect on {program}", self.source))
    }
}

/// Names and former names, in the order in which a later one counts more.
fn names() -> impl Iterator<Item = (&'static str, &'static Setting)> {
    let former = SETTING_TABLE
        .iter()
        .filter_map(|setting| Some((setting.former_name?, setting)));
    former.chain(SETTING_TABLE.iter().map(|setting| (setting.name, setting)))
}

/// Says that a former name is used. `spelled` writes a name as its source does.
fn warning(name: &str, setting: &Setting, spelled: fn(&str) -> String) -> Option<String> {
    let is_former = setting.former_name == Some(name);
    is_former.then(|| {
        format!(
            "{} is now {}; the next release refuses the former name",
            spelled(name),
            spelled(setting.name)
        )
    })
}

/// A message of serde about a type names the value, which may be a secret without quotes.
fn without_value(message: &str) -> &str {
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        "a value of this form is not accepted; texts stand in quotes"
    } else {
        message
    }
}

impl Sources {
    /// Adds the values of a TOML file, with the line of each.
    pub(super) fn add_file(&mut self, text: &str, path: &str) {
        let line_of = |offset: usize| text[..offset].matches('\n').count() + 1;
        let keys: Result<BTreeMap<Spanned<String>, toml::Value>, _> = toml::from_str(text);
        let mut keys = match keys {
            Ok(keys) => keys,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(span.start));
                let message = without_value(error.message());
                self.faults
                    .push(format!("in the file {path}, line {line}: {message}"));
                return;
            }
        };

        for (name, setting) in names() {
            let Some((key, value)) = keys.remove_entry(&Spanned::new(0..0, name.to_owned())) else {
                continue;
            };
            let source = format!("the file {path}, line {}", line_of(key.span().start));
            match Value::serialize(value) {
                Ok(value) => self.given.push(Given {
                    setting,
                    value,
                    source,
                    warning: warning(name, setting, str::to_owned),
                }),
                Err(error) => self.refuse(setting, format!("in {source}: {error}")),
            }
        }

        for key in keys.keys() {
            let line = line_of(key.span().start);
            let unknown = not_a_setting(key.get_ref(), |name| name.to_owned());
            self.faults
                .push(format!("in the file {path}, line {line}: {unknown}"));
        }
    }

    /// Adds the values of `STANCHION_*` variables. Others are none of this function's business.
    pub(super) fn add_variables(&mut self, variables: &[(OsString, OsString)]) {
        for (name, setting) in names() {
            let source = variable(name);
            let value = variables.iter().find(|(name, _)| *name == *source);
            let Some((_, text)) = value else {
                continue;
            };
            match parse(setting, text, &source) {
                Ok(value) => self.given.push(Given {
                    setting,
                    value,
                    source,
                    warning: warning(name, setting, variable),
                }),
                Err(error) => self.refuse(setting, format!("{error:#}")),
            }
        }
    }

    /// Adds the values of flags. Clap has checked those of current names.
    pub(super) fn add_flags(&mut self, flags: &ArgMatches) {
        let is_given = |name: &str| flags.value_source(name) == Some(ValueSource::CommandLine);
        let all = match Settings::from_arg_matches(flags) {
            Ok(all) => all,
            Err(error) => {
                self.faults.push(error.to_string());
                return;
            }
        };

        for (name, setting) in names().filter(|(name, _)| is_given(name)) {
            let source = flag(name);
            let value = if name == setting.name {
                value_of(&all, setting, &source)
            } else {
                let text = flags.get_one::<OsString>(name);
                text.context("a flag has a value")
                    .and_then(|text| parse(setting, text, &source))
            };
            match value {
                Ok(value) => self.given.push(Given {
                    setting,
                    value,
                    source,
                    warning: warning(name, setting, flag),
                }),
                Err(error) => self.refuse(setting, format!("{error:#}")),
            }
        }
    }
}

/// A value as text, read as that of its flag is.
fn parse(setting: &'static Setting, text: &OsString, source: &str) -> anyhow::Result<Value> {
    let mut argument = OsString::from(flag(setting.name));
    argument.push("=");
    argument.push(text);

    let command = Settings::augment_args(Command::new("stanchion").no_binary_name(true));
    let matches = command.try_get_matches_from([argument]).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or_default();
        anyhow!("{source}: {}", reason.trim_start_matches("error: "))
    })?;
    value_of(&Settings::from_arg_matches(&matches)?, setting, source)
}

/// The value of one setting.
fn value_of(settings: &Settings, setting: &Setting, source: &str) -> anyhow::Result<Value> {
    let mut values = SETTING_TABLE.iter().zip(settings.values());
    let (_, value) = values
        .find(|(other, _)| other.name == setting.name)
        .with_context(|| format!("{source} is not a setting"))?;
    value
        .layered()
        .with_context(|| source.to_owned())?
        .with_context(|| format!("{source} has no value"))
}

/// Names the setting and its source, and never the value.
fn explain(error: &Error) -> String {
    let setting = error.path.first().map_or("the settings", String::as_str);
    let source = error
        .metadata
        .as_ref()
        .map_or("", |metadata| &metadata.name);
    match &error.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            let expected = match expected.as_str() {
                "u32" | "u64" | "usize" => "a whole number",
                expected => expected,
            };
            format!("in {source}: {setting} must be {expected}")
        }
        // serde's own words on an address name no form that is right.
        Kind::Message(_) if matches!(setting, "listen" | "admin_listen") => {
            format!("in {source}: {setting} must be {ADDRESS_FORM}")
        }
        kind => format!("in {source}: {setting}: {kind}"),
    }
}

fn with_source(refused: &Refused, sources: &Figment) -> String {
    match sources.find_metadata(refused.setting) {
        Some(source) => format!("{refused} (from {})", source.name),
        None => refused.to_string(),
    }
}
