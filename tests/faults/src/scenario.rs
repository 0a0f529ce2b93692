//! A scenario: what goes wrong, when, on which installation.

use std::pin::Pin;

use anyhow::Result;

use crate::{context::Context, installation::Shape, scenarios};

/// What a scenario does.
pub type Doing<'c> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'c>>;

/// See the module's documentation.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens.
    pub text: &'static str,
    /// Does it.
    pub run: for<'c> fn(&'c mut Context) -> Doing<'c>,
    /// On which installation.
    pub shape: Shape,
    /// The line is as long as this lasts, in seconds: long enough for the faults to meet it.
    pub sale_seconds: f64,
}

/// All of them but those with a big crowd.
pub fn all() -> Vec<Scenario> {
    every()
        .into_iter()
        .filter(|scenario| scenario.shape.big_crowd.is_none())
        .collect()
}

/// Every one, in the order of the table.
pub fn every() -> Vec<Scenario> {
    [
        scenarios::processes::LIST,
        scenarios::redis::LIST,
        scenarios::postgres::LIST,
        scenarios::nats::LIST,
        scenarios::network::LIST,
        scenarios::operations::LIST,
        scenarios::embedded::LIST,
    ]
    .concat()
}

/// The one of this name.
pub fn named(name: &str) -> Option<Scenario> {
    every().into_iter().find(|scenario| scenario.name == name)
}
