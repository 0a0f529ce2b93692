//! The protocol between coordinator and workers: one JSON document a line, over the worker's
//! standard streams.

use serde::{Deserialize, Serialize};

use crate::{
    plan::Plan,
    tally::{Counts, Tallied},
};

/// From the coordinator. The end of the stream means that the coordinator is gone: the worker ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum WorkerOrder {
    /// The plan; the first line.
    Plan(Box<Plan>),
    /// Begin.
    Start,
    /// Begin the prepared work.
    Proceed,
    /// Waiting users leave.
    Stop,
}

/// From a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum WorkerMessage {
    /// The plan is read.
    Ready,
    /// The counters so far.
    Progress(Counts),
    /// Everything is prepared; waiting for [`WorkerOrder::Proceed`].
    Prepared,
    /// All users are done; the last line.
    Done(Box<Tallied>),
}
