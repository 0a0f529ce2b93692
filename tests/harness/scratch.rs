//! A folder of one test, with its processes' logs: removed in the end, kept for a failed test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// See the module's documentation.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new folder.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stanchion-e2e-{name}"));
        fs::create_dir_all(&path)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        Self(path)
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the logs of this test's processes are in {}",
                self.0.display()
            );
        } else {
            let _ = fs::remove_dir_all(&self.0); // remains are in the system's temporary folder
        }
    }
}
