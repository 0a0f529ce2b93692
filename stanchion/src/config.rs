//! Configuration: flags, then `STANCHION_*` variables, then a TOML file, then defaults.
//! docs/configuration.md is generated from its table.

mod check;
mod data_dir;
mod environment;
mod log_format;
mod settings;
mod sources;
mod table;
mod url;

pub use self::{
    check::check,
    data_dir::{DataDirectory, random_push_key},
    environment::injected_variables,
    settings::{SETTING_TABLE, Settings},
    sources::load,
    table::{Setting, SettingValue, flag},
};

#[cfg(test)]
mod tests;
