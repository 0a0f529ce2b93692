//! File descriptors: a connection takes one, and a process may have so many.

use anyhow::{Result, bail};

/// Descriptors that are kept for everything but users: standard streams, the runtime, REST
/// connections.
const RESERVE: u32 = 512;

/// Users of one process beyond which another process helps: one core's worth of clients.
const CROWDED: u32 = 5_000;

/// Descriptors this process may open, after raising the soft limit to the hard one.
pub fn limit() -> u32 {
    // If raising is refused, the old limit holds.
    let limit = rlimit::increase_nofile_limit(rlimit::INFINITY)
        .or_else(|_| rlimit::Resource::NOFILE.get_soft());
    limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

/// How many processes these users need; each also has `connections` for the line's requests and for
/// booking's.
///
/// # Errors
/// Where `wished` processes are too few for the users.
pub fn processes(
    users: u32,
    connections: u32,
    limit: u32,
    cores: u32,
    wished: Option<u32>,
) -> Result<u32> {
    let room = limit.saturating_sub(RESERVE + 2 * connections);
    if room == 0 {
        bail!("{limit} file descriptors are too few; raise `ulimit -n`");
    }

    let needed = users.div_ceil(room);
    match wished {
        Some(wished) if wished < needed => {
            bail!(
                "{users} users need {needed} processes where one may open {limit} files; raise `ulimit -n`"
            )
        }
        Some(wished) => Ok(wished.min(users.max(1))),
        None => Ok(users.div_ceil(CROWDED).min(cores).max(needed).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_spread_when_cores_or_descriptors_ask_for_it() {
        for (users, limit, cores, expected) in [
            (100, 20_000, 2, 1),
            (10_000, 20_000, 2, 2),
            (18_000, 20_000, 2, 2),
            (18_000, 20_000, 8, 4),
            (3_000, 1_024, 2, 12),
            (1_000_000, u32::MAX, 4, 4),
        ] {
            assert_eq!(
                processes(users, 128, limit, cores, None).unwrap(),
                expected,
                "{users} {limit} {cores}"
            );
        }
    }

    #[test]
    fn too_few_processes_are_refused() {
        assert!(processes(3_000, 128, 1_024, 2, Some(2)).is_err());
        assert!(processes(10, 128, 700, 2, None).is_err());
        assert_eq!(processes(3, 128, 1_024, 2, Some(8)).unwrap(), 3);
    }
}
