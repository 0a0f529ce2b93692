//! File descriptors: each connection takes one, and a process may have so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections this process's descriptors leave room for, after raising their number as far as it may: nineteen of
/// twenty. The rest is for databases, booking's answers, files.
pub fn room_for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised); // where it is refused, the old limit holds
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current / 20 * 19).unwrap_or(usize::MAX))
}
