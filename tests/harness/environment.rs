//! Where the tests find the binary and the servers.

use std::path::PathBuf;

/// The server's URL in this variable.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run `make test`, or put `tests/services/run` before the command"
        )
    })
}

/// The binary under test: `STANCHION_BIN`, or the one that was built beside this test.
pub fn binary() -> PathBuf {
    let built = || {
        let test = std::env::current_exe().expect("a process knows its program");
        let profile = test
            .parent()
            .and_then(|deps| deps.parent())
            .expect("cargo puts tests below the profile's folder");
        profile.join("stanchion")
    };
    let binary = std::env::var_os("STANCHION_BIN").map_or_else(built, PathBuf::from);

    assert!(
        binary.is_file(),
        "{} is missing: run `make test`, or `make build` first",
        binary.display()
    );
    binary
}
