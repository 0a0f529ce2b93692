//! Configuration: flags, then `STANCHION_*` variables, then a TOML file, then defaults.
//! docs/configuration.md is generated from its table.

mod check;
mod data_dir;
mod environment;
mod log_format;
mod program;
mod settings;
mod sources;
mod table;
mod url;

pub use self::{
    check::{is_host_name, is_http_base},
    data_dir::{DataDirectory, random_push_key},
    environment::injected_variables,
    log_format::Format,
    program::Program,
    settings::{SETTING_TABLE, Settings},
    sources::{InvalidSettings, load},
    table::{Setting, SettingValue, flag, variable},
};

#[cfg(test)]
mod tests;
