//! The auditor of a run: it reads what each client saw, the engine, the database and the stream of
//! messages, and says which promise was broken. It knows Stanchion's promises only, none of its
//! code.
//!
//! [`audit`] does no I/O. [`collect`] reads the stores of a running installation into a [`World`].

pub mod collect;
mod finding;
mod history;
mod recovery;
mod rules;
mod world;

pub use self::{
    finding::{Finding, Rule, Weight},
    recovery::{Back, Recovery, recoveries},
    world::{
        Answer, Booking, Database, Decision, Engine, Fault, LineSettings, Message, Outcome, Record,
        Seen, Status, Stock, Stream, Unwhole, Walk, Way, World, Zone,
    },
};

/// Everything that the rules find in a world. The order of the world's records does not matter.
pub fn audit(world: &World) -> Vec<Finding> {
    let history = history::History::of(world);
    let mut findings = Vec::new();

    for rule in [
        rules::order::check,
        rules::passes::check,
        rules::rate::check,
        rules::cap::check,
        rules::seats::check,
        rules::positions::check,
        rules::ranks::check,
        rules::durable::check,
        rules::stream::check,
        rules::place::check,
    ] {
        findings.extend(rule(world, &history));
    }

    findings
}

/// Those of the findings that break a promise.
pub fn violations(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings
        .iter()
        .filter(|finding| finding.weight == Weight::Violation)
}
