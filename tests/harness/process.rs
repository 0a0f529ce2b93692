//! A child process: its log in a file, signals by its pid, killed when dropped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
};

use crate::wait::eventually;

/// Lines of a failed test's logs that are shown with it.
const TAIL: usize = 40;

/// A signal to a process.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// Finish and exit.
    Terminate,
    /// Die at once.
    Kill,
    /// Die, and take the children along: PostgreSQL's immediate shutdown.
    Quit,
    /// Stand still.
    Stop,
    /// Go on.
    Continue,
}

impl Signal {
    /// The flag of `kill`.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Terminate => "-TERM",
            Self::Kill => "-KILL",
            Self::Quit => "-QUIT",
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Process {
    child: Mutex<Child>,
    pid: u32,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts the command; what it says is added to `name.log` in the folder.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the test's folder can be written");

        let errors = file.try_clone().expect("a file can be opened twice");
        command.stdin(Stdio::null()).stdout(file).stderr(errors);

        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            pid: child.id(),
            child: Mutex::new(child),
            name: name.to_owned(),
            log,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let sent = Command::new("kill")
            .args([signal.flag(), &self.pid.to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "{} could not be sent {signal:?}",
            self.name
        );
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<ExitStatus> {
        self.child
            .lock()
            .expect("nobody panics with it")
            .try_wait()
            .expect("a child can be waited for")
    }

    /// Waits for its end.
    pub async fn ended(&self) -> ExitStatus {
        let name = format!("the end of {}", self.name);
        eventually(&name, || async { self.exit() }).await
    }

    /// Everything it said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn show_tail(&self) {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        eprintln!("── {} ({} lines) ──", self.name, lines.len());
        lines
            .iter()
            .skip(lines.len().saturating_sub(TAIL))
            .for_each(|line| eprintln!("{line}"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
        if std::thread::panicking() {
            self.show_tail();
        }
    }
}
