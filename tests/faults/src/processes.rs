//! Processes and their children, by their ids.

use std::{fs, process::Command};

use stanchion_tests::process::Signal;

/// Those whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).collect()
}

fn stat(id: u32) -> Option<String> {
    // The name in parentheses may hold anything.
    Some(
        fs::read_to_string(format!("/proc/{id}/stat"))
            .ok()?
            .rsplit_once(')')?
            .1
            .to_owned(),
    )
}

fn parent_of(id: u32) -> Option<u32> {
    stat(id)?.split_whitespace().nth(1)?.parse().ok()
}

/// Does it run?
pub fn is_alive(id: u32) -> bool {
    stat(id).is_some_and(|stat| !stat.trim_start().starts_with('Z'))
}

/// Sends a signal to one process.
pub fn signal(id: u32, signal: Signal) {
    send(&[id], signal);
}

/// Sends a signal to a process and its children: to the parent first if it is to stand still, so
/// that it starts no others.
pub fn signal_tree(parent: u32, signal: Signal) {
    match signal {
        Signal::Stop => {
            send(&[parent], signal);
            send(&children(parent), signal);
        }
        _ => {
            let children = children(parent);
            send(&children, signal);
            send(&[parent], signal);
        }
    }
}

fn send(ids: &[u32], signal: Signal) {
    for id in ids {
        // It may have ended meanwhile.
        let _ = Command::new("kill")
            .args([signal.flag(), &id.to_string()])
            .stderr(std::process::Stdio::null())
            .status();
    }
}
