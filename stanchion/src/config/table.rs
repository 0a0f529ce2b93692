//! The form of the table of settings: from one entry a setting follow the field, the flag, the
//! variable, the key of the file, help, default, range and the row of docs/configuration.md.

use std::{net::SocketAddr, num::NonZeroU32, ops::RangeInclusive, path::PathBuf};

use anyhow::Result;
use figment::value::Value;
use ipnet::IpNet;
use serde::Serialize;
use waitingroom_domain::secret::Secret;

use super::{log_format::Format, url::ServerUrl};

/// What is known of a setting besides its value.
#[derive(Debug)]
pub struct Setting {
    /// Key in the file.
    pub name: &'static str,
    /// Heading in help and documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the page"))]
    pub section: &'static str,
    /// One line on what it does.
    pub help: &'static str,
    /// What applies if no source gives a value; nothing if it is then off.
    pub default: Option<&'static str>,
    /// Allowed numbers, unless the type alone limits them.
    pub range: &'static [RangeInclusive<u64>],
    /// Name of the previous release, which still works.
    pub former_name: Option<&'static str>,
}

/// The flag of a setting.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("STANCHION_{}", name.to_uppercase())
}

/// How an address to serve on is written.
pub const ADDRESS_FORM: &str =
    "an IP address and a port, for example 127.0.0.1:8080, or 0.0.0.0:8080 for every interface";

/// Reads an address to serve on.
///
/// # Errors
/// The right form.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("must be {ADDRESS_FORM}"))
}

/// Says that a name is no setting, and which one may be meant. `spelled` writes a setting's name as
/// the source does.
pub fn not_a_setting(name: &str, spelled: fn(&str) -> String) -> String {
    /// Names that are less alike are no slip.
    const ALIKE: f64 = 0.8;
    let bare = name.to_lowercase();
    let bare = bare.strip_prefix("stanchion_").unwrap_or(&bare);
    let nearest = super::SETTING_TABLE
        .iter()
        .map(|setting| (strsim::jaro_winkler(bare, setting.name), setting.name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));

    match nearest {
        Some((_, setting)) => {
            format!(
                "{name} is not a setting; did you mean {}?",
                spelled(setting)
            )
        }
        None => format!("{name} is not a setting; `stanchion --help` lists them"),
    }
}

/// A type of settings: how a value is handed from source to source, and how it is displayed.
pub trait SettingValue {
    /// For the layer of a source, secrets included. Nothing if the source leaves it open.
    ///
    /// # Errors
    /// A value that is no text, as a path can be.
    fn layered(&self) -> Result<Option<Value>>;

    /// For people, secrets hidden. Nothing if it is not set.
    fn shown(&self) -> Option<String>;
}

macro_rules! shown_as_text {
    ($($type:ty),+) => {$(
        impl SettingValue for $type {
            fn layered(&self) -> Result<Option<Value>> {
                Ok(Some(Value::serialize(self)?))
            }

            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}

shown_as_text!(
    String, SocketAddr, IpNet, bool, u32, u64, usize, NonZeroU32, Format
);

impl SettingValue for PathBuf {
    fn layered(&self) -> Result<Option<Value>> {
        Ok(Some(Value::serialize(self)?))
    }

    fn shown(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl SettingValue for Secret {
    fn layered(&self) -> Result<Option<Value>> {
        Ok(Some(self.expose().into()))
    }

    fn shown(&self) -> Option<String> {
        Some("set, not shown".to_owned())
    }
}

impl SettingValue for ServerUrl {
    fn layered(&self) -> Result<Option<Value>> {
        Ok(Some((**self).into()))
    }

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    fn layered(&self) -> Result<Option<Value>> {
        self.as_ref().map_or(Ok(None), T::layered)
    }

    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(T::shown)
    }
}

impl<T: SettingValue + Serialize> SettingValue for Vec<T> {
    fn layered(&self) -> Result<Option<Value>> {
        Ok(Some(Value::serialize(self)?))
    }

    fn shown(&self) -> Option<String> {
        let items: Vec<_> = self.iter().filter_map(T::shown).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

/// Declares the settings. An entry has a line of help, name, type and the name of its value; then,
/// in this order, `default` (a text, read as the flag's value would be), `unset` (what applies
/// without a value), `range`, further attributes of the flag, and `formerly` (the former name).
macro_rules! settings {
    ($($section:literal {$(
        #[doc = $help:literal]
        $name:ident: $type:ty, $value:literal
        $(, default $default:literal)?
        $(, unset $unset:literal)?
        $(, range $range:expr)?
        $(, flag($($flag:tt)+))?
        $(, formerly $former:literal)?
        ;
    )+})+) => {
        /// Every setting, from all sources together.
        #[derive(Debug, Clone, clap::Args, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {$($(
            #[doc = $help]
            #[arg(
                long, global = true, value_name = $value, help_heading = $section
                $(, default_value = $default)?
                $(, $($flag)+)?
            )]
            pub $name: $type,
        )+)+}

        /// What is known of each.
        pub const SETTING_TABLE: &[$crate::config::table::Setting] = &[$($(
            $crate::config::table::Setting {
                name: stringify!($name),
                section: $section,
                help: $help.trim_ascii(),
                default: [$(Some($default),)? $(Some($unset),)? None][0],
                range: &[$($range)?],
                former_name: [$(Some($former),)? None][0],
            },
        )+)+];

        impl Settings {
            /// The value of each, in the order of the table.
            pub fn values(&self) -> Vec<&dyn $crate::config::table::SettingValue> {
                vec![$($(&self.$name,)+)+]
            }
        }
    };
}
pub(super) use settings;
