//! The pages: the web client's files, and pages for browsers without script.

pub(crate) mod assets;
pub(crate) mod noscript;
pub(crate) mod origin;
