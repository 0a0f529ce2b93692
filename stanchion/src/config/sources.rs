//! Where settings come from: flags over `STANCHION_*` variables over the TOML file over defaults.
//! Each value keeps its source, which messages name. No message shows a value of the file: it may
//! be a secret.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use figment::{
    Error, Figment, Metadata, Profile, Provider,
    error::Kind,
    value::{Dict, Map, Value},
};
use toml::Spanned;

use super::{
    check::{Refused, check},
    environment::check_variables,
    settings::{SETTING_TABLE, Settings},
    table::{Setting, flag, variable},
};

/// Settings of all sources together.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// A message for each former name that is still used.
    pub warnings: Vec<String>,
}

/// Reads every source.
///
/// # Errors
/// A file that cannot be read, a key or `STANCHION_*` variable that is not known, a value that is
/// not allowed: by name and source.
pub fn load(flags: &ArgMatches, file: Option<&Path>) -> Result<Loaded> {
    let variables: Vec<_> = std::env::vars_os().collect();
    let mut given = Vec::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the file {}", path.display()))?;
        given.extend(from_file(&text, &path.display().to_string())?);
    }

    check_variables(&variables)?;
    given.extend(from_variables(&variables)?);
    given.extend(from_flags(flags)?);
    merge(given)
}

/// Lays the values over each other, and checks what remains.
pub(super) fn merge(given: Vec<Given>) -> Result<Loaded> {
    let warnings = given
        .iter()
        .filter_map(|value| value.warning.clone())
        .collect();
    let sources = given
        .into_iter()
        .fold(Figment::from(Defaults), Figment::merge);

    let settings: Settings = sources.extract().map_err(|error| explain(&error))?;
    check(&settings).map_err(|refused| with_source(&refused, &sources))?;
    Ok(Loaded { settings, warnings })
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

/// The values of a TOML file, with the line of each.
pub(super) fn from_file(text: &str, path: &str) -> Result<Vec<Given>> {
    let line_of = |offset: usize| text[..offset].matches('\n').count() + 1;
    let mut keys: BTreeMap<Spanned<String>, toml::Value> =
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(span.start));
            anyhow!(
                "in the file {path}, line {line}: {}",
                without_value(error.message())
            )
        })?;

    let mut given = Vec::new();
    for (name, setting) in names() {
        let Some((key, value)) = keys.remove_entry(&Spanned::new(0..0, name.to_owned())) else {
            continue;
        };
        given.push(Given {
            setting,
            value: Value::serialize(value)?,
            source: format!("the file {path}, line {}", line_of(key.span().start)),
            warning: warning(name, setting, str::to_owned),
        });
    }

    if let Some(key) = keys.keys().next() {
        let line = line_of(key.span().start);
        bail!(
            "in the file {path}, line {line}: {} is not a setting; `stanchion --help` lists them",
            key.get_ref()
        );
    }
    Ok(given)
}

/// The values of `STANCHION_*` variables. Others are none of this function's business.
pub(super) fn from_variables(variables: &[(OsString, OsString)]) -> Result<Vec<Given>> {
    let mut given = Vec::new();
    for (name, setting) in names() {
        let variable_name = variable(name);
        let value = variables.iter().find(|(name, _)| *name == *variable_name);
        if let Some((_, text)) = value {
            given.push(Given {
                setting,
                value: parse(setting, text, &variable_name)?,
                source: variable_name,
                warning: warning(name, setting, variable),
            });
        }
    }

    Ok(given)
}

/// The values of flags. Clap has checked those of current names.
pub(super) fn from_flags(flags: &ArgMatches) -> Result<Vec<Given>> {
    let is_given = |name: &str| flags.value_source(name) == Some(ValueSource::CommandLine);
    let all = Settings::from_arg_matches(flags)?;
    let mut given = Vec::new();

    for (name, setting) in names().filter(|(name, _)| is_given(name)) {
        let value = if name == setting.name {
            value_of(&all, setting, &flag(name))?
        } else {
            let text = flags.get_one::<OsString>(name);
            parse(setting, text.context("a flag has a value")?, &flag(name))?
        };
        given.push(Given {
            setting,
            value,
            source: flag(name),
            warning: warning(name, setting, flag),
        });
    }

    Ok(given)
}

/// A value as text, read as that of its flag is.
fn parse(setting: &'static Setting, text: &OsString, source: &str) -> Result<Value> {
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
fn value_of(settings: &Settings, setting: &Setting, source: &str) -> Result<Value> {
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
fn explain(error: &Error) -> anyhow::Error {
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
            anyhow!("in {source}: {setting} must be {expected}")
        }
        kind => anyhow!("in {source}: {setting}: {kind}"),
    }
}

fn with_source(refused: &Refused, sources: &Figment) -> anyhow::Error {
    match sources.find_metadata(refused.setting) {
        Some(source) => anyhow!("{refused} (from {})", source.name),
        None => anyhow!("{refused}"),
    }
}
