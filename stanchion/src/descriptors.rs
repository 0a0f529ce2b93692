//! File descriptors: each connection takes one, other uses take some, and a process may open a
//! limited number.

use std::fs;

/// Descriptors for what is opened while the process runs and is no connection: to databases, to
/// booking, files, and connections beyond the limit.
const MAX_OTHERS: usize = 256;

/// Assumed open descriptors if the system does not list them.
const DEFAULT_OPEN: usize = 64;

/// The descriptors that this process may still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorBudget {
    /// Connections.
    pub connections: usize,
    /// Descriptors for everything else that is opened from now on.
    pub others: usize,
}

/// Splits the descriptors that are left after the descriptors that are open now, having raised the
/// limit as far as it may be. To be called when everything that the process works with is open.
pub fn available() -> DescriptorBudget {
    // If raising is refused, the old limit holds.
    let limit = rlimit::increase_nofile_limit(rlimit::INFINITY)
        .or_else(|_| rlimit::Resource::NOFILE.get_soft());
    let limit = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    split(limit, count_open())
}

/// 256 of what is left are for others, or half of it if that is less.
fn split(limit: usize, open: usize) -> DescriptorBudget {
    let left = limit.saturating_sub(open);
    let others = MAX_OTHERS.min(left / 2);
    DescriptorBudget {
        connections: (left - others).max(1),
        others,
    }
}

fn count_open() -> usize {
    fs::read_dir("/proc/self/fd").map_or(DEFAULT_OPEN, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_and_what_will_be_is_not_for_connections() {
        assert_eq!(
            split(20_000, 40),
            DescriptorBudget {
                connections: 19_704,
                others: 256
            }
        );
        assert_eq!(
            split(200, 30),
            DescriptorBudget {
                connections: 85,
                others: 85
            }
        );
        assert_eq!(
            split(20, 30),
            DescriptorBudget {
                connections: 1,
                others: 0
            }
        );
        assert!(count_open() >= 3);
    }
}
