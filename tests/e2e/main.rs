//! The promises of Stanchion, kept by the built binary: every suite starts its own processes and its own part of the servers.
