//! The resources that processes use, from /proc.

use std::{fs, ops::Add};

use serde::Serialize;

/// Memory and CPU of some processes at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Resident memory in KiB: user memory; the kernel's socket buffers are not in it.
    pub rss_kib: u64,
    /// CPU time spent since their start, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// Open descriptors; 0 if they may not be counted.
    pub descriptors: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib + other.rss_kib,
            cpu_ms: self.cpu_ms + other.cpu_ms,
            descriptors: self.descriptors + other.descriptors,
        }
    }
}

/// The sum of these processes; those that have ended use nothing.
pub fn of(pids: &[u32]) -> Usage {
    pids.iter()
        .filter_map(|pid| read(*pid))
        .fold(Usage::default(), Add::add)
}

/// One process of the server, over the measured phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The program's name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Its CPU time in the phase, in milliseconds; with its children's, if it works by those
    /// (PostgreSQL does).
    pub cpu_ms: u64,
    /// Its own memory at the phase's end, in KiB.
    pub rss_kib: u64,
}

/// The CPU time of each process so far, with that of its children.
pub fn parts(pids: &[u32]) -> Vec<Part> {
    let part = |pid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"))
            .unwrap_or_default()
            .trim()
            .to_owned();
        let cpu_ms = of(&[children(*pid), vec![*pid]].concat()).cpu_ms;
        Part {
            name,
            pid: *pid,
            cpu_ms,
            rss_kib: of(&[*pid]).rss_kib,
        }
    };
    pids.iter().map(part).collect()
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());

    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn read(pid: u32) -> Option<Usage> {
    let rss_kib = rss(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
    let ticks = ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let descriptors =
        fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64);

    Some(Usage {
        rss_kib,
        cpu_ms: ticks * 1_000 / rustix::param::clock_ticks_per_second(),
        descriptors,
    })
}

fn rss(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`: the 14th and 15th field, counted after the name, which may itself hold
/// anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(
            rss("Name:\tstanchion\nVmHWM:\t   999 kB\nVmRSS:\t   5120 kB\n"),
            Some(5_120)
        );
        let stat = "42 (a) odd name) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 3 0 1000";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let own = of(&[std::process::id(), u32::MAX]);
        assert!(own.rss_kib > 500 && own.descriptors > 2, "{own:?}");
    }
}
