//! File descriptors: each connection takes one, other things take some, and a process may have so
//! many.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for what is opened while the process runs and is no connection: to databases, to
/// booking, files, and connections beyond the limit.
const OTHERS: usize = 256;

/// Open descriptors where the system does not tell.
const UNKNOWN: usize = 64;

/// What this process's descriptors leave room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Connections.
    pub connections: usize,
    /// Descriptors for everything else that is opened from now on.
    pub others: usize,
}

/// Shares out what is left after the descriptors that are open now, having raised the limit as far
/// as it may be. To be asked when everything that the process works with is open.
pub fn room() -> Room {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised); // where it is refused, the old limit holds
    let current = getrlimit(Resource::Nofile).current;
    share(
        current.map_or(usize::MAX, |current| {
            usize::try_from(current).unwrap_or(usize::MAX)
        }),
        open(),
    )
}

/// 256 of what is left are for others, or half of it if that is less.
fn share(limit: usize, open: usize) -> Room {
    let left = limit.saturating_sub(open);
    let others = OTHERS.min(left / 2);
    Room {
        connections: (left - others).max(1),
        others,
    }
}

fn open() -> usize {
    fs::read_dir("/proc/self/fd").map_or(UNKNOWN, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_and_what_will_be_is_not_for_connections() {
        assert_eq!(
            share(20_000, 40),
            Room {
                connections: 19_704,
                others: 256
            }
        );
        assert_eq!(
            share(200, 30),
            Room {
                connections: 85,
                others: 85
            }
        );
        assert_eq!(
            share(20, 30),
            Room {
                connections: 1,
                others: 0
            }
        );
        assert!(open() >= 3);
    }
}
