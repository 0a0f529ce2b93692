//! What coordinator and workers say to each other: one JSON document a line, over the worker's
//! standard streams.

use serde::{Deserialize, Serialize};

use crate::{
    plan::Plan,
    tally::{Counts, Tallied},
};

/// From the coordinator. The end of the stream means that the coordinator is gone: the worker ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// What will be done; the first line.
    Plan(Box<Plan>),
    /// Begin.
    Start,
    /// Begin what was prepared.
    Proceed,
    /// Whoever waits may go.
    Stop,
}

/// From a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Word {
    /// The plan is read.
    Ready,
    /// How it goes.
    Progress(Counts),
    /// Everything is prepared; waiting for [`Order::Proceed`].
    Prepared,
    /// Everybody is done; the last line.
    Done(Box<Tallied>),
}
