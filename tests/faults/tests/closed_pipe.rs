//! A reader that goes away, as `head` does, ends no program with a panic.

use std::{
    io::{pipe, read_to_string},
    process::{Command, Stdio},
};

#[test]
fn listing_ends_in_order_when_nothing_reads_it() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let (mut errors, error_writer) = pipe().unwrap();

    let status = Command::new(env!("CARGO_BIN_EXE_stanchion-faults"))
        .arg("list")
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(error_writer)
        .status()
        .unwrap();
    assert_eq!(read_to_string(&mut errors).unwrap(), "");
    assert!(status.success(), "{status}");
}

#[test]
fn failure_is_no_panic_when_nothing_reads_it() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_stanchion-faults"))
        .args(["audit", "/nonexistent/world.json"])
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2), "{status}");
}
