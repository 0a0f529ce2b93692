//! Reports to the engine how holds ended, and rebuilds an event whose reports were lost.

pub(crate) mod dispatcher;
pub(crate) mod rebuild_queue;
mod retry_queue;
